"""Answers grow before the reader's eyes, over as many messages as they need."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from words import numbered, numbers

from sandbox.llm.script import Script

if TYPE_CHECKING:
    from venue import Shown, Venue

    from sandbox.llm.server import LlmSandbox

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("bot")]

MARKS = ("**", "```", "`", "~~", "](", "## ")


def assert_no_marks(message: Shown) -> None:
    for view in message.views:
        for mark in MARKS:
            assert mark not in view.prose, (mark, view.prose)


async def test_twenty_chats_at_once_are_answered_whole_in_order_and_in_place(
    venue: Venue, llm: LlmSandbox
) -> None:
    llm.script(Script(text=lambda ms: f"**{ms[-1].text}** {numbered(160)}", rate=40), when="many")
    people = [venue.person(f"P{n}") for n in range(20)]
    questions = [await person.say(f"many {person.user.id}") for person in people]
    await venue.until(lambda: all(venue.has(p.chat, 160) for p in people), within=30)
    for person, question in zip(people, questions, strict=True):
        (reply,) = venue.replies(person.chat)
        assert reply.now.styled("bold") == f"many {person.user.id}"
        assert reply.reply_to == question
        grown = [len(view.text) for view in reply.views]
        assert len(grown) > 2
        assert grown == sorted(grown)
    assert venue.refusals == 0


SECTION = """\
## Part {part} {a}

Text with **bold {b} and *both* {c}** and ~~struck {d}~~ and `code_{part}` 😀, in which \
List<String> and a < b > c stay, and [a link {e}](https://example.org/{part}).

1. first {f}
   - inner **point {g}**
2. second {h}

```python
def f_{part}(x: int) -> int:
    return x ** 2  # `c{part}` and what else there is to say of it
```

> quoted {i}
"""
LETTERS = "abcdefghi"
PARTS = 38
LONG_CODE = "```c\n{}\n```\n\n"
LINES = 100


def long_answer() -> str:
    """Every `wN` is there once, in order; code of more than a page; every line of code is known."""
    long_code = "\n".join(f"line_{n} += `x` ** 2;" for n in range(LINES))
    sections = []
    for part in range(PARTS):
        first = part * len(LETTERS)
        words = {letter: f"w{first + n}" for n, letter in enumerate(LETTERS)}
        sections.append(SECTION.format(part=part, **words))
    sections.insert(PARTS // 2, LONG_CODE.format(long_code))
    return "\n".join(sections)


async def test_a_long_answer_streams_over_its_pages_with_all_code_in_code(
    venue: Venue, llm: LlmSandbox
) -> None:
    text = long_answer()
    assert len(text.split()) > 3000
    llm.script(Script(text=text, rate=220), when="everything")
    ada = venue.person("Ada")
    await ada.say("tell me everything")
    last = f"w{PARTS * len(LETTERS) - 1}"
    await venue.wait(ada.chat, last, within=50)
    pages = venue.replies(ada.chat)
    assert numbers("\n".join(page.now.prose for page in pages)) == list(range(PARTS * len(LETTERS)))
    code = "\n".join(page.now.code for page in pages)
    assert [f"def f_{n}(" in code for n in range(PARTS)] == [True] * PARTS
    assert [f"line_{n} += `x` ** 2;" in code for n in range(LINES)] == [True] * LINES
    for page in pages:
        assert_no_marks(page)
        for view in page.views:
            assert "line_" not in view.prose
            assert "return x" not in view.prose
    whole = "\n".join(page.text for page in pages)
    for kept in ("List<String>", "a < b > c", "😀"):
        assert whole.count(kept) == PARTS
    assert len(pages) > len(text) / venue.page_size - 2
    assert all(len(page.views) > 1 for page in pages[:-1]), "a page did not stream"
    for earlier, later in pairwise(pages):
        assert earlier.views[-1].at <= later.views[0].at, "a closed page was edited"
    assert venue.refusals == 0


async def test_formatting_is_shown_and_its_marks_never_are(venue: Venue, llm: LlmSandbox) -> None:
    text = (
        "Some **bold words here** and *slanted ones too* and ~~struck ones~~ with `a_code * span` "
        "and [a link](https://example.org/x).\n\n```py\nx = '**not bold**'\n```\n\n- one\n- two w1"
    )
    llm.script(Script(text=text, rate=25), when="format")
    ada = venue.person("Ada")
    await ada.say("format")
    message = await venue.wait(ada.chat, "w1")
    view = message.now
    assert view.styled("bold") == "bold words here"
    assert view.styled("italic") == "slanted ones too"
    assert view.styled("strike") == "struck ones"
    assert view.styled("code") == "a_code * span"
    assert "and a link." in view.prose.replace("\n", "")
    assert view.styled("pre") == "x = '**not bold**'"
    assert len(message.views) > 2
    assert_no_marks(message)


async def test_signs_that_are_no_markup_are_kept(venue: Venue, llm: LlmSandbox) -> None:
    text = r"snake_case_name, 2 * 3 * 4, <b>html</b>, C:\new, a|b, #1, 50% & more, (x) [y], w1"
    llm.script(Script(text=text), when="signs")
    ada = venue.person("Ada")
    await ada.say("signs")
    message = await venue.wait(ada.chat, "w1")
    assert message.text.strip() == text
