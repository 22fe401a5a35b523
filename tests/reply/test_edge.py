"""What a reader sees of an answer that is cut off anywhere."""

from __future__ import annotations

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
from bot.reply.edge import LONGEST_HEADER, LONGEST_LINK_TEXT, heal
from bot.reply.markdown import clean

MARKUP = TelegramMarkup()


def shown(markdown: str) -> str:
    """The text, with what is formatted in brackets: b(old), i(talic), s(trike), c(ode), …."""
    rendered = MARKUP.render(heal(markdown))
    names = {
        "bold": "b",
        "italic": "i",
        "strikethrough": "s",
        "spoiler": "h",
        "code": "c",
        "pre": "p",
    }
    inserts = []
    for depth, span in enumerate(rendered.entities):
        if span.type in names:
            inserts.append((span.offset, 1, depth, f"{names[span.type]}("))
            inserts.append((span.offset + span.length, 0, -depth, ")"))
    text = rendered.text
    for position, _, _, mark in sorted(inserts, reverse=True):
        text = text[:position] + mark + text[position:]
    return text


@pytest.mark.parametrize(
    ("cut", "seen"),
    [
        ("some **bol", "some b(bol)"),
        ("some **", "some"),
        ("some **bold*", "some b(bold)"),
        ("some **bold **", "some b(bold)"),
        ("***both", "b(i(both))"),
        ("**bold *it**", "b(bold i(it))"),
        ("~~gone~", "s(gone)"),
        ("||hid", "h(hid)"),
        ("||hid **bo|", "h(hid b(bo))"),
        ("||hid||", "h(hid)"),
        ("||a \\|", "h(a |)"),
        ("a || b", "a || b"),
        ("a _b", "a i(b)"),
        ("**(note", "b((note)"),
        ("`cod", "c(cod)"),
        ("`", ""),
        ("a ``x`y", "a c(x`y)"),
        ("*a `b* c", "i(a) c(b* c)"),
        ("> quote **b\n> c", "quote b(b\nc)"),
        ("1. **Bold** and *it", "1. b(Bold) and i(it)"),
        ("- [x] **don", "☑ b(don)"),
        ("_**snake_", "b(i(snake))"),
        ("`a*", "c(a*)"),
        ("[`a]`", ""),
    ],
)
def test_open_emphasis_and_code_are_closed(cut: str, seen: str) -> None:
    assert shown(cut) == seen


@pytest.mark.parametrize(
    "waiting",
    [
        *("[te", "[text]", "[text](", "[text](http://exa", '[text](http://e "ti', "![al", "!"),
        *("&", "&am", "&#3", "<", "<htt", "<https://exa", "\\", "**", "[![alt](i)](ur", "~"),
        *("<https://exa_mple*a", '[text](http://e "a \\" ti', "| a", "| a | b", "[`te]`"),
    ],
)
def test_an_inline_construct_waits_for_its_end(waiting: str) -> None:
    assert shown(f"see {waiting}") == "see"


@pytest.mark.parametrize(
    "waiting",
    [
        *("-", "- ", "- [", "- [ ]", "*", "1", "1.", "12. ", "#", "## ", ">", "--", "---", "==="),
        *("`", "``", "```", "```py", "~~~", "1. ```p", "| a | b |", "| a | b |\n|--", "- [te"),
        *("- > ```p", "> - > | a | b |"),
    ],
)
def test_a_line_that_may_become_anything_waits(waiting: str) -> None:
    assert shown(f"text\n{waiting}") == "text"
    assert shown(f"text\n\n{waiting}") == "text"


@pytest.mark.parametrize(
    "text",
    [
        "2 ** 3 is 8",
        "snake_case x",
        "5 * 3 * 2 x",
        "a[0] = b[1] x",
        "AT&T x",
        "a <= b",
        "\\*a\\* x",
    ],
)
def test_what_is_no_markup_is_shown(text: str) -> None:
    assert shown(text) == text.replace("\\", "")


def test_brackets_that_stay_open_are_text_in_the_end() -> None:
    text = "the interval [0, 1) is" + " long" * LONGEST_LINK_TEXT
    assert shown(text) == text


@pytest.mark.parametrize(
    ("cut", "seen"),
    [
        ("```py\n", ""),
        ("```py\nx = 1", "p(x = 1)"),
        ("```py\nx = 1\n``", "p(x = 1)"),
        ("```py\nx = 1\n```", "p(x = 1)"),
        ("```\n- a\n-", "p(- a\n-)"),
        ("```\n**a", "p(**a)"),
        ("> ```\n> x\n> `", "p(x)"),
        ("- a\n  ```\n  x\n  ``", "• a\np(x)"),
        ("    x\n|", "p(x)"),
        ("    x\n    |", "p(x\n|)"),
        ("> ```\n> x\n**", "p(x)"),
    ],
)
def test_an_open_fence_is_a_code_block(cut: str, seen: str) -> None:
    assert shown(cut) == seen


def test_a_table_is_shown_once_its_second_line_is_complete() -> None:
    table = "| a | b |\n|---|---|\n"
    assert [shown(table[:n]) for n in range(len(table))] == [""] * len(table)
    assert shown(table) == "p(a │ b\n──┼──)"
    assert shown(f"{table}| 1 | **tw") == "p(a │ b\n──┼───\n1 │ tw)"


def test_a_table_without_outer_bars_shows_no_bar_before_its_second_line_is_complete() -> None:
    table = "a | b\n--|--\n"
    assert {shown(table[:n]) for n in range(1, len(table))} == {"a"}
    assert shown(table) == "p(a │ b\n──┼──)"
    assert shown("a | b\nc") == "a | b\nc"
    assert shown("`ps | wc` is x") == "c(ps | wc) is x"
    text = "P(A | B) is" + " long" * LONGEST_HEADER
    assert shown(text) == text


def test_a_link_in_a_quote_waits_for_its_title_in_the_next_line() -> None:
    assert shown("> see [a](http://e\n> 'ti") == "see"


def test_a_hard_break_waits_for_its_next_line() -> None:
    assert shown("a\\\n-") == shown("a\\\n&") == "a"


def test_a_backslash_in_a_cells_code_waits_for_the_bar_behind_it() -> None:
    assert shown("| a |\n|---|\n| `x\\") == "p(a\n─\nx)"
    assert shown("| a |\n|---|\n| `x\\|y`") == "p(a\n───\nx|y)"


def test_a_table_below_it_does_not_reveal_a_spoiler() -> None:
    table = "| a |\n|---|\n| b |"
    assert shown(f"||x\ny||\n\n{table}") == f"h(x\ny)\n\n{shown(table)}"
    assert shown(f"||x|| | y\nz\n\n{table}") == f"h(x) | y\nz\n\n{shown(table)}"
    assert shown(f"{table}\n\n||x||\\\ny") == f"{shown(table)}\n\nh(x)\ny"


def test_emphasis_that_never_closes_is_text_once_its_block_ends() -> None:
    assert shown("*args") == "i(args)"
    assert shown("*args\n\nnext") == "*args\n\nnext"


RAW = ("**", "~~", "||", "](", "`", "__", "![")


@settings(deadline=None, max_examples=60)
@given(documents_with_tables, st.data())
def test_no_marker_is_ever_shown_raw(document: str, data: st.DataObject) -> None:
    cuts = st.lists(st.integers(0, len(document)), min_size=20, max_size=20)
    for cut in data.draw(cuts):
        text = without_code(MARKUP.render(heal(document[:cut])))
        assert not [marker for marker in RAW if marker in text], document[:cut]


@settings(deadline=None, max_examples=60)
@given(documents, st.data())
def test_what_is_shown_only_grows(document: str, data: st.DataObject) -> None:
    whole = visible(MARKUP.render(document).text)
    cuts = st.lists(st.integers(0, len(document)), min_size=20, max_size=20)
    for cut in data.draw(cuts):
        assert whole.startswith(visible(MARKUP.render(heal(document[:cut])).text)), document[:cut]


def test_no_cut_of_a_long_answer_shows_a_raw_marker() -> None:
    answer = long_answer(1)
    for cut in range(len(answer)):
        text = without_code(MARKUP.render(heal(answer[:cut]))).replace("2 ** 3", "")
        assert not [marker for marker in RAW if marker in text], answer[:cut]


@settings(deadline=None)
@given(scraps)
def test_healing_any_text_cuts_it_and_adds_only_closing_markers(text: str) -> None:
    source, healed = clean(text), heal(text)
    kept = next((n for n, (a, b) in enumerate(zip(source, healed, strict=False)) if a != b), None)
    added = healed[min(len(source), len(healed)) if kept is None else kept :]
    assert set(added) <= set("*_~|`")
