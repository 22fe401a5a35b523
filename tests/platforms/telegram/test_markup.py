"""Markdown as Telegram shows it: text, and entities counted in UTF-16 code units."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from telegram import MessageEntity

from bot.platforms.telegram.markup import TelegramMarkup
from bot.platforms.telegram.spans import MOST_SPANS, Span, to_telegram

MARKUP = TelegramMarkup()


def text(markdown: str) -> str:
    return MARKUP.render(markdown).text


def entities(markdown: str) -> list[tuple[str, ...]]:
    """Type, text and, if any, URL or language of each entity."""
    rendered = MARKUP.render(markdown)
    units = rendered.text.encode("utf-16-le")
    found = []
    for span in rendered.entities:
        shown = units[2 * span.offset : 2 * (span.offset + span.length)].decode("utf-16-le")
        found.append((span.type, shown, *filter(None, (span.url, span.language))))
    return found


@pytest.mark.parametrize(
    ("markdown", "shown", "formatted"),
    [
        ("**b**", "b", [("bold", "b")]),
        ("*i* and _i_", "i and i", [("italic", "i"), ("italic", "i")]),
        ("~~s~~", "s", [("strikethrough", "s")]),
        ("a ||b *c*||", "a b c", [("spoiler", "b c"), ("italic", "c")]),
        ("||hidden `code`||", "hidden code", [("spoiler", "hidden code")]),
        ("`c`", "c", [("code", "c")]),
        ("***x***", "x", [("italic", "x"), ("bold", "x")]),
        ("**a *b***", "a b", [("bold", "a b"), ("italic", "b")]),
        ("**a `c` b**", "a c b", [("bold", "a"), ("code", "c"), ("bold", "b")]),
        ("[t](http://e.org)", "t", [("text_link", "t", "http://e.org")]),
        ("[`t`](http://e.org)", "t", [("text_link", "t", "http://e.org")]),
        ("![alt](http://e.org/i)", "alt", [("text_link", "alt", "http://e.org/i")]),
        ("[](http://e.org)", "http://e.org", []),
        ("<http://e.org>", "http://e.org", []),
        ("<a@e.org>", "a@e.org", []),
        ("[http://e.org](http://e.org)", "http://e.org", []),
        ("[t](http://e.org/~u_v)", "t", [("text_link", "t", "http://e.org/~u_v")]),
        ("[t](<u v>)", "t", [("text_link", "t", "u v")]),
        ("🙂 **🙂b**", "🙂 🙂b", [("bold", "🙂b")]),
        ("a  \nb\\\nc\nd", "a\nb\nc\nd", []),
    ],
)
def test_inline(markdown: str, shown: str, formatted: list[tuple[str, ...]]) -> None:
    assert text(markdown) == shown
    assert sorted(entities(markdown)) == sorted(formatted)


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("- a\n- b\n  - c\n    1. d", "• a\n• b\n    • c\n        1. d"),
        ("3. a\n7. b", "3. a\n7. b"),
        ("1) a", "1) a"),
        ("42.", "42."),
        ("- [ ] to do\n- [x] **done**", "☐ to do\n☑ done"),
        ("- a\n\n  more\n- b", "• a\n\n    more\n• b"),
        ("a\n\n***\n\nb", "a\n\n———\n\nb"),
        ("a\n- b\n\n\n\nc", "a\n• b\n\nc"),
        ("# Head\ntext", "Head\ntext"),
    ],
)
def test_blocks(markdown: str, shown: str) -> None:
    assert text(markdown) == shown


def test_headings_are_bold_and_the_first_is_underlined_too() -> None:
    assert sorted(entities("# A\n## B *c*")) == [
        ("bold", "A"),
        ("bold", "B c"),
        ("italic", "c"),
        ("underline", "A"),
    ]


def test_a_list_marker_is_not_part_of_the_formatting() -> None:
    assert entities("- **a**\n- [x] *b*") == [("bold", "a"), ("italic", "b")]


def test_code_blocks_keep_their_lines_and_their_language() -> None:
    markdown = "```py title\n\n  if x:\n    <b>**y**</b> ~z\n\n```"
    assert entities(markdown) == [("pre", "  if x:\n    <b>**y**</b> ~z", "py")]
    assert text("a\n```\n```\nb") == "a\nb"
    assert entities("    indented") == [("pre", "indented")]


def test_a_quote_is_one_entity_but_for_code_blocks() -> None:
    assert entities("> a\n> > b\n> - `c`\n\nd") == [("blockquote", "a\nb\n• c"), ("code", "c")]
    assert entities("> a\n> ```\n> b\n> ```\n> c") == [
        ("blockquote", "a"),
        ("pre", "b"),
        ("blockquote", "c"),
    ]


def test_a_table_is_aligned_in_cells_of_the_screen() -> None:
    table = "| n | **name** |\n|--:|:-:|\n| 1 | 日本 |\n| 10 | 👩‍💻 ok |\n| 3 |"
    assert entities(f"a\n\n{table}") == [
        (
            "pre",
            " n │ name\n───┼──────\n 1 │ 日本\n10 │ 👩‍💻 ok\n 3 │",
        )
    ]


def test_a_row_longer_than_its_header_loses_nothing() -> None:
    assert text("| a |\n|---|\n| 1 | two | 3 |").splitlines()[-1] == "1 │ two | 3"


def test_a_table_that_is_too_wide_becomes_a_list() -> None:
    wide = "word " * 15
    assert text(f"| name | what |\n|---|---|\n| a | {wide}|\n| b | |") == (
        f"• name: a\n    what: {wide.strip()}\n• name: b"
    )


def test_a_table_with_links_becomes_a_list_so_that_they_work() -> None:
    markdown = "| a | b |\n|---|---|\n| 1 | [t](http://e.org) |"
    assert text(markdown) == "• a: 1\n    b: t"
    assert entities(markdown)[-1] == ("text_link", "t", "http://e.org")


@pytest.mark.parametrize(
    "markdown",
    [
        "List<String> and Press <Enter> now",
        "a < b > c",
        "<div>\ntext\n</div>",
        "<!-- note -->",
        "<script>x</script>",
        "[1]: http://e.org",
        "[^1]: note",
        "about ~5 to ~6",
        "2 ** 3, snake_case, *args",
        "`lone",
        "**open",
        "AT&T",
        "[0, 1) [a][b]",
        "a || b || c",
    ],
)
def test_what_is_no_markup_is_text(markdown: str) -> None:
    assert text(markdown) == markdown


def test_markdown_within_html_is_markdown() -> None:
    assert text("<details>\n**a** &lt; \\<b>\n</details>") == "<details>\na < <b>\n</details>"


def test_equal_renderings_are_equal() -> None:
    assert MARKUP.render("**a** [b](http://e.org)") == MARKUP.render("__a__ [b](<http://e.org>)")
    assert MARKUP.render("**a**") != MARKUP.render("*a*")


def test_size_is_counted_in_utf16_units() -> None:
    assert MARKUP.size(MARKUP.render("a **🙂**")) == 4


@pytest.mark.parametrize("markdown", ["", " \n\n ", "\u200b", "```\n```", "&nbsp;", "\x00"])
def test_what_shows_nothing_is_empty(markdown: str) -> None:
    assert MARKUP.size(MARKUP.render(markdown)) == 0


def test_of_too_many_entities_links_and_code_blocks_are_kept() -> None:
    rendered = MARKUP.render("**b** *i* " * 100 + "\n\n[t](http://e.org)\n\n```\nx\n```")
    assert len(rendered.entities) == MOST_SPANS
    assert [span.type for span in rendered.entities[-2:]] == ["text_link", "pre"]


def test_a_span_is_an_entity_of_telegram() -> None:
    for span in (Span("text_link", 1, 2, url="http://e.org"), Span("pre", 0, 2, language="py")):
        told = MessageEntity(span.type, span.offset, span.length, span.url, language=span.language)
        assert to_telegram(span) == told.to_dict()


_scraps = st.sampled_from(
    [
        *"*_~`[]()<>!&;#|-+=\\\n 1.:x\t",
        *("```", "~~", "**", "    ", "> ", "- ", "1. ", "- [ ] ", "](http://a)", "&amp;", "\r"),
        *("| a | b |\n|---|---|\n", "👩‍💻", "🙂", "\u200b", "\x00", "\ud83d", "\x04", "[^1]: x"),
    ]
)
scraps = st.lists(_scraps, max_size=60).map("".join)


@settings(deadline=None, max_examples=500)
@given(scraps | st.text(st.characters(), max_size=60))
def test_any_text_renders_with_valid_entities(markdown: str) -> None:
    rendered = MARKUP.render(markdown)
    units = rendered.text.encode("utf-16-le")
    assert rendered.text == rendered.text.rstrip()
    around: list[Span] = []
    for span in rendered.entities:
        end = span.offset + span.length
        shown = units[2 * span.offset : 2 * end].decode("utf-16-le")
        assert 0 <= span.offset < end <= len(units) // 2
        assert shown == (shown.rstrip() if span.type == "pre" else shown.strip()) != ""
        around = [outer for outer in around if outer.offset + outer.length > span.offset]
        assert all(outer.offset + outer.length >= end for outer in around)
        assert not {outer.type for outer in around} & {"pre", "code", span.type}
        assert span.type != "pre" or not around
        assert span.type != "code" or {outer.type for outer in around} <= {"blockquote"}
        around.append(span)
    assert list(rendered.entities) == sorted(
        rendered.entities, key=lambda span: (span.offset, -span.length)
    )


@settings(deadline=None)
@given(st.text(string.ascii_letters + string.digits + " .,?'\"@%^/{}()<>$é日🙂\n", max_size=80))
def test_every_character_that_is_no_markup_survives(markdown: str) -> None:
    kept = "".join(markdown.split())
    shown = "".join(text(f"x{markdown}").split())[1:]
    assert shown.replace(">", "") == kept.replace(">", "")
