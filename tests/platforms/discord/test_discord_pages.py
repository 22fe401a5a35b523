"""An answer laid out as Discord messages while it is written."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from discord_reader import read, shown_text
from hypothesis import given
from hypothesis import strategies as st
from reply.markdown_documents import documents, documents_with_tables, long_answer, scraps

from bot.platforms.discord.markup import DiscordMarkup
from bot.reply.edge import heal
from bot.reply.pages import Page, Pages

if TYPE_CHECKING:
    from collections.abc import Sequence

MARKUP = DiscordMarkup()
PAGE_SIZE = 2000
SMALL_SIZES = st.sampled_from([60, 120, 300])
SIZES = st.sampled_from([300, 600, PAGE_SIZE])
"""A heading and the link below it, which are not parted, fit a page."""
RAW = ("**", "~~", "](", "`", "__", "||")


def text(markdown: str) -> str:
    return MARKUP.render(markdown).text


def visible(discord: str) -> str:
    """What is shown, but for white space, bullets and what tables are drawn with."""
    return re.sub(r"[\s\u200b\u200d•│─┼]+", "", shown_text(discord))


def without_code(discord: str) -> str:
    """What is shown as no code and as no URL."""
    hidden = {"code", "pre", "link", "target"}
    return "".join("\0" if each.styles & hidden else each.character for each in read(discord))


def pieces(answer: str, cuts: list[int]) -> list[str]:
    borders = sorted({0, len(answer), *(cut % (len(answer) + 1) for cut in cuts)})
    return [answer[start:end] for start, end in pairwise(borders)]


def finished(answer: str, page_size: int) -> Sequence[Page]:
    pages = Pages(MARKUP, page_size)
    pages.write(answer)
    pages.close()
    return pages.view()


CUTS = st.lists(st.integers(0, 5000), max_size=12)


@given(documents_with_tables | scraps, SMALL_SIZES | SIZES, CUTS)
def test_pages_fit_and_closed_ones_never_change(
    answer: str, page_size: int, cuts: list[int]
) -> None:
    pages = Pages(MARKUP, page_size)
    closed: list[Page] = []
    for delta in [*pieces(answer, cuts), None]:
        if delta is None:
            pages.close()
        else:
            pages.write(delta)
        view = list(pages.view())
        assert all(1 <= MARKUP.size(page.rendered) <= page_size for page in view)
        assert view[: len(closed)] == closed
        closed = [page for page in view if page.closed]


@given(documents, SIZES)
def test_the_pages_are_the_whole_answer(document: str, page_size: int) -> None:
    together = "".join(visible(page.rendered.text) for page in finished(document, page_size))
    assert without_targets(together) == without_targets(visible(text(document)))


def without_targets(shown: str) -> str:
    """Links that a border parts show their URL on both sides of it."""
    return re.sub(r"\((?:https?://[^\s()]*|uv)\)", "", shown)


@given(documents_with_tables, SIZES, CUTS)
def test_no_marker_is_shown_raw_on_any_page(document: str, page_size: int, cuts: list[int]) -> None:
    pages = Pages(MARKUP, page_size)
    for delta in pieces(document, cuts):
        pages.write(delta)
        for page in pages.view():
            shown = without_code(page.rendered.text)
            assert not [marker for marker in RAW if marker in shown]


@given(documents, st.data())
def test_what_is_shown_only_grows(document: str, data: st.DataObject) -> None:
    whole = visible(text(document))
    cuts = st.lists(st.integers(0, len(document)), min_size=10, max_size=10)
    for cut in data.draw(cuts):
        assert whole.startswith(visible(text(heal(document[:cut])))), document[:cut]


@pytest.mark.parametrize("page_size", [PAGE_SIZE, 600])
def test_a_long_answer_is_complete_with_its_code_whole_in_every_page(page_size: int) -> None:
    answer = long_answer(12)
    pages = Pages(MARKUP, page_size)
    for start in range(0, len(answer), 97):
        pages.write(answer[start : start + 97])
        shown = without_code(pages.view()[-1].rendered.text)
        assert not [marker for marker in RAW if marker in shown.replace("2 ** 3", "")]
    pages.close()
    view = [page.rendered for page in pages.view()]
    assert all(MARKUP.size(page) <= page_size for page in view)
    for page in view:
        assert page.text.count("```") % 2 == 0
        assert re.findall(r"^```", page.text, re.MULTILINE) == ["```"] * page.text.count("```")
    together = "".join(visible(page.text) for page in view)
    header = "namevaluenote"
    assert together.replace(header, "") == visible(text(answer)).replace(header, "")


def test_a_list_goes_on_with_its_numbers_on_the_next_page() -> None:
    items = "".join(f"{n}. Item number {n}\n   - nested\n" for n in range(1, 30))
    pages = finished(items, 120)
    together = "".join(shown_text(page.rendered.text) for page in pages)
    assert re.findall(r"(\d+)\. Item", together) == [str(n) for n in range(1, 30)]
    assert all("\\" not in page.rendered.text for page in pages)


def test_a_code_block_goes_on_on_the_next_page_with_its_language() -> None:
    code = "".join(f"line_{n} = {n}\n" for n in range(20))
    first, *rest = finished(f"- item\n  ```py\n{code}```".replace("\nline", "\n  line"), 120)
    assert first.rendered.text.startswith("- item\n```py\nline_0 = 0\n")
    assert rest
    assert all(page.rendered.text.startswith("```py\nline_") for page in rest)
    assert all(page.rendered.text.endswith("\n```") for page in (first, *rest))
