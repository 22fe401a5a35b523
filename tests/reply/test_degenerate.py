"""Whatever a model in a loop writes, a look at it takes steps in proportion to the open page.

Steps are counted, not timed: the lines of our own code that run in a look. They are held to what
so many characters may cost, which a step that is taken for each pair of them soon goes beyond.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reply.screens import Discord, Telegram

from benchmarks.looks import UNITS, ordinary, texts
from bot.reply.edge import heal
from bot.reply.markdown import DEEPEST, parse
from bot.reply.pages import _LEAST_SOURCE, Page, Pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

    Screen = type[Discord | Telegram]

on_both = pytest.mark.parametrize("screen", [Telegram, Discord])
PAGE_SIZE = 200
LONGEST = 50_000
STEPS_PER_CHARACTER = 60
"""Of a text that is parsed and shown once, where each character is a part of its own."""
LOOKS_IN_ONE = 40
"""So often a look may go through a page: it searches the page's end, and tries borders."""
ROOM = 1_000
"""Characters that are counted as well, for texts of a few."""

_BOT = str(Path(sys.modules[heal.__module__].__file__ or "").parents[1])


def steps_of(work: Callable[[], object]) -> int:
    """How many lines of the bot's code run in `work`."""
    steps = 0

    def trace(frame: FrameType, event: str, _: object) -> object:
        nonlocal steps
        if event == "call" and not frame.f_code.co_filename.startswith(_BOT):
            return None
        steps += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return steps


units = st.sampled_from(UNITS) | st.text("[]()<>*_~|`\\!&#-+.: \n\"'a1", min_size=1, max_size=6)


def repeated(most: int) -> st.SearchStrategy[str]:
    """Runs of a unit, one after another, as openers that are closed or not, and mixtures."""
    run = st.builds(
        lambda unit, share: (unit * most)[: max(1, most // share)], units, st.integers(1, 4)
    )
    mixture = st.builds(
        lambda parts, shared: ("".join(parts) * most)[: most // shared],
        st.lists(units, min_size=2, max_size=4),
        st.integers(1, 2),
    )
    return st.lists(run | mixture, min_size=1, max_size=3).map(lambda parts: "".join(parts)[:most])


@on_both
@settings(max_examples=settings().max_examples // 2)
@given(text=repeated(2_000))
def test_to_heal_and_to_render_any_text_takes_steps_in_proportion(
    screen: Screen, text: str
) -> None:
    steps = steps_of(lambda: screen.markup.render(heal(text)))
    assert steps <= 3 * STEPS_PER_CHARACTER * (len(text) + ROOM)


@on_both
@pytest.mark.parametrize("unit", UNITS)
def test_four_times_the_text_takes_about_four_times_the_steps(screen: Screen, unit: str) -> None:
    def steps(length: int) -> int:
        text = (unit * length)[:length]
        return steps_of(lambda: screen.markup.render(heal(text)))

    assert steps(4_000) <= 6 * steps(1_000) + 3 * ROOM


def looks(screen: Screen, text: str, delta: int) -> Iterator[tuple[int, int, Sequence[Page]]]:
    """The steps of each look, how many characters it may go through, and what it shows."""
    pages = Pages(screen.markup, PAGE_SIZE)
    view: Sequence[Page] = ()

    def look() -> None:
        nonlocal view
        view = pages.view(closed + 1)

    closed = 0
    for start in range(0, len(text), delta):
        pages.write(text[start : start + delta])
        if start + delta >= len(text):
            pages.close("That is all.")
        while True:
            before = sum(len(page.source) for page in view[closed:])
            steps = steps_of(look)
            closed = sum(page.closed for page in view)
            yield steps, max(before, len(pages._text)) + delta, view
            if pages.complete:
                break


def assert_bounded(screen: Screen, text: str, delta: int) -> None:
    view: Sequence[Page] = ()
    for steps, characters, shown in looks(screen, text, delta):
        view = shown
        # What comes at once is looked at by the page.
        within = min(characters, 8 * PAGE_SIZE) + ROOM
        assert steps <= LOOKS_IN_ONE * STEPS_PER_CHARACTER * within
    assert all(1 <= screen.markup.size(page.rendered) <= PAGE_SIZE for page in view)


@on_both
@settings(max_examples=settings().max_examples // 5)
@given(text=repeated(1_200), delta=st.integers(60, 300))
def test_each_look_at_a_stream_is_bounded(screen: Screen, text: str, delta: int) -> None:
    assert_bounded(screen, text, delta)


@on_both
@settings(max_examples=settings().max_examples // 10)
@given(text=repeated(LONGEST), pages=st.integers(1, 4))
@example(text="[ ] " * (LONGEST // 4), pages=1)
@example(text="<" * LONGEST, pages=1)
@example(text=" " * LONGEST, pages=1)
@example(text="\\" * LONGEST, pages=1)
@example(text="> " * (LONGEST // 2), pages=1)
@example(text="# \n" * (LONGEST // 3), pages=1)
@example(text="[](x)" * (LONGEST // 5), pages=1)
@example(text="[\u200b](http://a.b) " * (LONGEST // 16), pages=1)
@example(text="\u200b" * LONGEST, pages=1)
def test_a_look_at_what_was_stored_is_bounded(screen: Screen, text: str, pages: int) -> None:
    laid_out = Pages(screen.markup, PAGE_SIZE)
    laid_out.write(text)
    laid_out.close("That is all.")
    for most in range(1, pages + 1):
        steps = steps_of(lambda most=most: laid_out.view(most))
        assert steps <= LOOKS_IN_ONE * STEPS_PER_CHARACTER * _LEAST_SOURCE


@on_both
def test_every_degenerate_text_is_shown_to_its_end(screen: Screen) -> None:
    for name, text in texts().items():
        pages = Pages(screen.markup, screen.page_size)
        pages.write(text[:3_000])
        pages.close("That is all.")
        view = pages.view()
        assert view[-1].rendered.text.rstrip("`\n").endswith("That is all."), name
        assert all(screen.markup.size(page.rendered) <= screen.page_size for page in view), name


@on_both
def test_ordinary_text_is_within_the_bounds(screen: Screen) -> None:
    text = ordinary()
    assert {"Strong", "CodeBlock", "Table"} <= {token.kind for token in parse(text)}


@on_both
def test_what_is_nested_too_deep_is_shown_plain(screen: Screen) -> None:
    text = "> " * (DEEPEST + 1) + "**a**"
    shown = screen.markup.render(text).text.replace("\\", "")
    assert shown == text


def test_only_the_last_of_many_brackets_waits() -> None:
    assert heal("[ ] " * 300) == "[ ] " * 299
    assert heal("<" * 5_000) == "<" * 4_999
    assert heal("[0][1]" * 100) == "[0][1]" * 99 + "[0]"
