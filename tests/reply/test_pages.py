"""An answer laid out as pages while it is written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_documents import (
    documents,
    documents_with_tables,
    long_answer,
    scraps,
    visible,
    without_code,
)

from bot.platforms.telegram.markup import TelegramMarkup
from bot.reply.pages import Page, Pages

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bot.platforms.telegram.spans import Span
    from bot.reply.surface import Rendered

MARKUP = TelegramMarkup()
PAGE_SIZES = st.sampled_from([20, 35, 60, 150])
FAMILY = "👨‍👩‍👧"


def pieces(text: str, size: int) -> list[str]:
    return [text[n : n + size] for n in range(0, len(text), size)]


def finished(deltas: Iterable[str], page_size: int) -> Sequence[Page]:
    """The pages of an answer that is looked at after each delta."""
    pages = Pages(MARKUP, page_size)
    for delta in deltas:
        pages.write(delta)
        pages.view()
    pages.close()
    return pages.view()


def texts(markdown: str, page_size: int) -> list[str]:
    return [page.rendered.text for page in finished([markdown], page_size)]


def sources(markdown: str, page_size: int) -> list[str]:
    """What each page is made of; where a block is taken up in its middle, a … says so."""
    return [page.source.replace("\x04", "…") for page in finished([markdown], page_size)]


# What a page is


def test_nothing_written_is_no_page() -> None:
    pages = Pages(MARKUP, 20)
    assert list(pages.view()) == []
    pages.write("```py\n")
    assert list(pages.view()) == []
    pages.close()
    assert list(pages.view()) == []


def test_a_short_answer_is_one_page_that_closes_with_it() -> None:
    pages = Pages(MARKUP, 20)
    pages.write("half **bo")
    (page,) = pages.view()
    assert (page.rendered.text, page.closed) == ("half bo", False)
    pages.write("ld** 2 **")
    pages.close()
    (page,) = pages.view()
    assert (page.rendered.text, page.closed) == ("half bold 2 **", True)


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ("", "Stopped."),
        ("half **bo", "half bo\n\nStopped."),
        ("half [a](http://e", "half [a](http://e\n\nStopped."),
        ("- item", "• item\n\nStopped."),
        ("```py\nx = 1", "x = 1\n\nStopped."),
        ("- ```\n  x", "• \nx\n\nStopped."),
        ("> ```\n> x", "x\n\nStopped."),
        ("| a |\n|---|\n| 1", "a\n─\n1\n\nStopped."),
    ],
)
def test_a_notice_stands_below_an_answer_that_was_broken_off(answer: str, shown: str) -> None:
    pages = Pages(MARKUP, 100)
    pages.write(answer)
    pages.close("Stopped.")
    (page,) = pages.view()
    assert (page.rendered.text, page.closed) == (shown, True)
    assert all(
        span.type != "pre" or "Stopped" not in shown[span.offset :][: span.length]
        for span in page.rendered.entities
    )


def test_what_goes_beyond_a_page_that_is_not_laid_out_yet_is_cut_too() -> None:
    pages = Pages(MARKUP, 20)
    pages.write("one two three four five six seven eight nine ten")
    pages.cut(0, "Stopped.")
    assert [page.rendered.text for page in pages.view()] == ["one two three four", "Stopped."]


class Measuring(TelegramMarkup):
    """Counts the characters it has rendered."""

    characters = 0

    def render(self, markdown: str) -> Rendered[Span]:
        self.characters += len(markdown)
        return super().render(markdown)


def test_a_view_without_news_lays_nothing_out() -> None:
    markup = Measuring()
    pages = Pages(markup, 100)
    pages.write("text")
    first = pages.view()
    before = markup.characters
    assert pages.view() == first
    assert markup.characters == before


def test_closed_pages_cost_nothing_any_more() -> None:
    markup = Measuring()
    pages = Pages(markup, 100)
    pages.write("some words " * 1000)
    pages.view()
    before = markup.characters
    pages.write("more")
    pages.view()
    assert markup.characters - before <= 200


def test_one_huge_delta_costs_in_proportion() -> None:
    def cost(sections: int) -> int:
        markup = Measuring()
        pages = Pages(markup, 1000)
        pages.write(long_answer(sections))
        pages.view()
        return markup.characters

    assert cost(80) < 5 * cost(20)


# Where a page ends


def test_a_page_ends_between_blocks_if_it_is_well_filled() -> None:
    assert texts("A first one.\n\nAnd a second.", 20) == ["A first one.", "And a second."]


def test_a_page_ends_after_a_sentence_rather_than_within_it() -> None:
    assert texts("Just one. And another one that is long.", 40) == [
        "Just one. And another one that is long."
    ]
    assert texts("This is a sentence. More of them", 25) == ["This is a sentence.", "More of them"]


def test_a_page_ends_between_words_at_worst() -> None:
    assert texts("words and words without end", 20) == ["words and words", "without end"]


@pytest.mark.parametrize("character", [FAMILY, "🇩🇪", "👍🏽", "e\u0301", "❤️", "한"])
def test_a_character_is_never_cut(character: str) -> None:
    parts = texts(character * 40, 24)
    assert len(parts) > 1
    assert all(part == character * (len(part) // len(character)) for part in parts)


def test_a_heading_stays_with_what_it_heads() -> None:
    assert texts("Some text goes here.\n\n# Head\n\nBody text.", 30) == [
        "Some text goes here.",
        "Head\n\nBody text.",
    ]


def test_a_link_is_not_cut_where_a_word_border_is_near() -> None:
    assert sources("some words before a [link of words](http://e.org)", 25) == [
        "some words before a",
        "… [link of words](http://e.org)",
    ]


# What goes on


@pytest.mark.parametrize(
    ("markdown", "parts"),
    [
        (
            "**bold words that go on and on**",
            ["**bold words that go on**", "**and on**"],
        ),
        (
            "```py\nfirst = 1\nsecond = 2\nthird = 3\n```",
            ["```py\nfirst = 1\nsecond = 2\n```", "```py\nthird = 3\n```"],
        ),
        (
            "3. first thing\n4. second thing\n5. third thing",
            ["3. first thing", "4. second thing", "5. third thing"],
        ),
        (
            "7. item\n   - with one\n   - and another",
            ["7. item\n   - with one", "7. …\n\n   - and another"],
        ),
        (
            "1. an item whose text is long\n2. next",
            ["1. an item whose text", "1. … is long\n2. next"],
        ),
        (
            "> a quote that goes on and on\n> and on",
            ["> a quote that goes on", "> and on\n> and on"],
        ),
        (
            "> ```sh\n> command one\n> command two\n> ```",
            ["> ```sh\n> command one\n> ```", "> ```sh\n> command two\n> ```"],
        ),
        (
            "- [link text of many words](http://e.org)",
            ["- [link text of many](<http://e.org>)", "- [… words](http://e.org)"],
        ),
    ],
)
def test_what_is_open_at_the_border_is_closed_and_opened_again(
    markdown: str, parts: list[str]
) -> None:
    assert sources(markdown, 22) == parts


def test_a_taken_up_item_has_no_second_marker() -> None:
    assert texts("1. an item whose text is long\n2. next", 22) == [
        "1. an item whose text",
        "is long\n2. next",
    ]


def test_a_table_repeats_its_header() -> None:
    rows = "".join(f"| {n} | row |\n" for n in range(100, 112))
    first, second = texts(f"| n | what |\n|--:|---|\n{rows}", 130)
    header = "  n │ what\n────┼─────\n"
    assert first.startswith(f"{header}100 │ row\n")
    assert second.startswith(header)
    assert first.count("row") + second.count("row") == 12


# What always holds


@settings(deadline=None, max_examples=60)
@given(documents, PAGE_SIZES)
def test_the_pages_are_the_whole_answer(document: str, page_size: int) -> None:
    pages = finished([document], page_size)
    assert all(page.closed for page in pages)
    together = "".join(page.rendered.text for page in pages)
    assert visible(together) == visible(MARKUP.render(document).text)


@settings(deadline=None, max_examples=60)
@given(documents_with_tables | scraps, PAGE_SIZES, st.integers(1, 9))
def test_pages_fit_and_closed_ones_never_change(document: str, page_size: int, step: int) -> None:
    pages = Pages(MARKUP, page_size)
    closed: list[Page] = []
    for delta in [*pieces(document, step), None]:
        if delta is None:
            pages.close()
        else:
            pages.write(delta)
        view = list(pages.view())
        assert all(1 <= MARKUP.size(page.rendered) <= page_size for page in view)
        assert all(page.closed for page in view[:-1])
        assert view[: len(closed)] == closed
        assert all(MARKUP.render(page.source) == page.rendered for page in view)
        closed = [page for page in view if page.closed]
    assert len(closed) == len(view)


@settings(deadline=None, max_examples=60)
@given(documents, PAGE_SIZES, st.integers(1, 9))
def test_pages_depend_on_the_text_not_on_its_deltas(
    document: str, page_size: int, step: int
) -> None:
    assert finished([document], page_size) == finished(pieces(document, step), page_size)


@settings(deadline=None, max_examples=40)
@given(documents_with_tables, PAGE_SIZES, st.integers(1, 9))
def test_no_marker_is_shown_raw_on_any_page(document: str, page_size: int, step: int) -> None:
    pages = Pages(MARKUP, page_size)
    for delta in pieces(document, step):
        pages.write(delta)
        for page in pages.view():
            text = without_code(MARKUP.render(page.source))
            assert not [marker for marker in ("**", "~~", "||", "](", "`") if marker in text]


@pytest.mark.parametrize("page_size", [4096, 1000, 300])
def test_a_long_answer_is_complete_and_never_shows_a_raw_marker(page_size: int) -> None:
    answer = long_answer(30)
    assert len(answer.split()) > 3000
    pages = Pages(MARKUP, page_size)
    for delta in pieces(answer, 97):
        pages.write(delta)
        text = without_code(MARKUP.render(pages.view()[-1].source)).replace("2 ** 3", "")
        assert not re.search(r"\*\*|`|~~|\]\(", text)
    pages.close()
    view = pages.view()
    assert all(MARKUP.size(page.rendered) <= page_size for page in view)
    assert not any(re.search(r"\n```\n\Z", page.source) for page in view)
    together = visible("".join(page.rendered.text for page in view))
    for header in ("namevaluenote", "name:", "value:", "note:"):
        together = together.replace(header, "")
    whole = visible(MARKUP.render(answer).text).replace("namevaluenote", "")
    assert together == whole


def test_pages_can_be_laid_out_one_by_one() -> None:
    """A long text that comes at once is laid out between two calls, not before the first."""
    text = "word " * 5000
    at_once, by_and_by = Pages(MARKUP, 500), Pages(MARKUP, 500)
    for pages in (at_once, by_and_by):
        pages.write(text)
        pages.close()
    whole = at_once.view()
    most = 0
    while not by_and_by.complete:
        most += 1
        assert len(by_and_by.view(most)) <= most + 1
    assert most > 40
    assert list(by_and_by.view()) == list(whole)
