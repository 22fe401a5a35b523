"""What streaming promises, tested with documents whose meaning is known from how they were built.

For any Markdown (reference definitions and setext headings apart) and any cut, what is shown holds
no raw marker of a construct that later closes, outside code; each final page is the rendering of
that page's own source; every visible character survives.

What is seen is compared character by character, with its styles, on both platforms. So a marker
that is shown is a character too many, and what flips between raw and formatted, or from one style
to another, is a wrong one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reply.markdown_grammar import Built, Seen, documents, long_documents
from reply.screens import Discord, Telegram

from bot.reply.edge import heal
from bot.reply.pages import Page, Pages

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Screen = type[Discord | Telegram]

on_both = pytest.mark.parametrize("screen", [Telegram, Discord])
few = settings(deadline=None, max_examples=settings().max_examples // 5)
"""Each example is a hundred."""
MOST_CUTS = 150
"""Of one document: a longer one is cut at each second or third place, another time elsewhere."""
SIZES = st.sampled_from([200, 260, 450])
"""Of pages; each link of the grammar fits one."""


def first_difference(seen: Sequence[Seen], meant: Built, screen: Screen) -> str | None:
    """Where what is seen is not the beginning of what is meant; None where it is.

    A URL is no link before its `://`, and the first cell of a table without outer bars is text
    before its second line: there, and only there, the style may change.
    """
    expected = screen.meant(meant.seen)
    for position, each in enumerate(seen):
        if position == len(expected):
            return f"{each} is one too many"
        may_change = meant.seen[position].styles & {"url", "bare"}
        same = each.character == expected[position].character
        if not same or not (may_change or each == expected[position]):
            return f"{position}: {each} instead of {expected[position]}"
    return None


@on_both
@given(document=documents)
def test_a_document_is_shown_as_it_was_built(screen: Screen, document: Built) -> None:
    assert screen.seen(screen.markup.render(document.source)) == screen.meant(document.seen)


@on_both
@few
@given(document=documents, first=st.integers(0, 20))
def test_at_any_cut_the_beginning_of_what_is_meant_is_shown(
    screen: Screen, document: Built, first: int
) -> None:
    step = 1 + len(document.source) // MOST_CUTS
    for cut in range(first % step, len(document.source), step):
        text = document.source[:cut]
        shown = screen.seen(screen.markup.render(heal(text)))
        assert first_difference(shown, document, screen) is None, text


@on_both
@given(document=documents)
def test_nothing_is_held_back_once_another_block_has_begun(screen: Screen, document: Built) -> None:
    shown = screen.seen(screen.markup.render(heal(f"{document.source}\n\n\\a")))
    assert shown[:-2] == screen.meant(document.seen)


@on_both
@few
@given(document=documents)
def test_line_ends_of_windows_are_line_ends(screen: Screen, document: Built) -> None:
    for cut in range(0, len(document.source), 7):
        text = document.source[:cut]
        windows = text.replace("\n", "\r\n")
        assert screen.markup.render(heal(windows)) == screen.markup.render(heal(text))


def views(screen: Screen, answer: str, page_size: int, step: int) -> Iterator[Sequence[Page]]:
    """What is shown after each delta, the end of the answer last."""
    pages = Pages(screen.markup, page_size)
    for start in range(0, len(answer), step):
        pages.write(answer[start : start + step])
        yield pages.view()
    pages.close()
    yield pages.view()


def has_tables(document: Built) -> bool:
    return any("table" in each.styles for each in document.seen)


@on_both
@few
@given(
    document=long_documents.filter(lambda each: not has_tables(each)),
    page_size=SIZES,
    step=st.integers(3, 30),
)
def test_every_edit_of_pages_shows_the_beginning_of_what_is_meant(
    screen: Screen, document: Built, page_size: int, step: int
) -> None:
    """Lists keep their numbers over a border, quotes stay quotes, code stays code, styles go on."""
    shown: list[Seen] = []
    closed: list[Page] = []
    for view in views(screen, document.source, page_size, step):
        shown = [seen for page in view for seen in screen.seen(page.rendered)]
        assert first_difference(shown, document, screen) is None, view[-1].source
        assert view[: len(closed)] == closed
        closed = [page for page in view if page.closed]
        assert all(screen.markup.size(page.rendered) <= page_size for page in view)
        assert all(screen.markup.render(page.source) == page.rendered for page in closed)
    assert len(shown) == len(document.seen)


@on_both
@few
@given(document=long_documents.filter(has_tables), page_size=SIZES, step=st.integers(3, 30))
def test_tables_over_pages_lose_no_character_and_show_no_marker(
    screen: Screen, document: Built, page_size: int, step: int
) -> None:
    """A table repeats its header: what is meant is there in its order, with nothing unknown."""
    meant = [each.character for each in screen.meant(document.seen)]
    view: Sequence[Page] = ()
    for view in views(screen, document.source, page_size, step):
        shown = [seen.character for page in view for seen in screen.seen(page.rendered)]
        assert set(shown) <= set(meant), view[-1].source
    characters = iter(shown)
    assert all(each in characters for each in meant), [page.source for page in view]
    assert all(screen.markup.render(page.source) == page.rendered for page in view)
