"""A 3,000-word answer with all that Markdown has, over live pages."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from chat import numbers, refusals, replies

from sandbox.llm.script import Script

if TYPE_CHECKING:
    from bot_process import BotProcess

    from sandbox.llm.server import LlmSandbox
    from sandbox.telegram.server import TelegramSandbox
    from sandbox.telegram.state import Message, Version

SECTION = """\
## Part {part} {a}

Text with **bold {b} and *both* {c}** and ~~struck {d}~~ and `code_{part}` 😀, in which \
List<String> and a < b > c stay, and [a link {e}](https://example.org/{part}).

1. first {f}
   - inner **point {g}**
     - innermost {h}
2. second {i}

```python
def f_{part}(x: int) -> int:  # {j}
    return x ** 2  # `{k}`
```

| Name | Value |
|---|---:|
| row {l} | {m} |
| **row** {n} | 👩‍👩‍👧 |

> quoted {o}
"""
LETTERS = "abcdefghijklmno"
PARTS = 60


def answer() -> str:
    """Every `wN` is there once, in order."""
    sections = []
    for part in range(PARTS):
        first = part * len(LETTERS)
        words = {letter: f"w{first + n}" for n, letter in enumerate(LETTERS)}
        sections.append(SECTION.format(part=part, **words))
    return "\n".join(sections)


def outside_code(version: Version) -> str:
    """The text of a version that is not in a code or pre entity."""
    units = version.text.encode("utf-16-le")
    kept, at = b"", 0
    for entity in sorted(version.entities, key=lambda entity: entity.offset):
        if entity.type in ("code", "pre"):
            kept += units[2 * at : 2 * entity.offset]
            at = max(at, entity.offset + entity.length)
    return (kept + units[2 * at :]).decode("utf-16-le")


def assert_clean(message: Message) -> None:
    for version in message.versions:
        assert len(version.text.encode("utf-16-le")) // 2 <= 4096
        shown = outside_code(version)
        for marker in ("**", "```", "`", "~~", "](", "## ", "|"):
            assert marker not in shown, (marker, shown)


async def test_it_arrives_whole_clean_and_live(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    text = answer()
    assert len(text.split()) > 3000
    llm.script(Script(text=text, rate=400))
    ada = tg.user("Ada")
    await bot.start()
    await ada.say("tell me everything")
    last = f"w{PARTS * len(LETTERS) - 1}"
    await tg.wait(lambda m: last in m.text, chat=ada, within=40)
    await bot.stop()
    pages = replies(tg, ada)
    whole = "\n".join(page.text for page in pages)
    assert numbers(whole) == list(range(PARTS * len(LETTERS)))
    for kept, times in (
        ("List<String>", 1),
        ("a < b > c", 1),
        ("😀", 1),
        ("👩‍👩‍👧", 1),
        ("x ** 2", 1),
    ):
        assert whole.count(kept) == PARTS * times
    for page in pages:
        assert_clean(page)
    assert len(pages) > 3
    assert all(len(page.versions) > 1 for page in pages[:-1]), "a page did not stream"
    for earlier, later in pairwise(pages):
        assert earlier.versions[-1].at <= later.versions[0].at, "a closed page was edited"
    assert refusals(tg) == 0
