"""Markdown as Discord shows it: Markdown of its own dialect, read back as Discord reads it."""

from __future__ import annotations

import re
import string

import pytest
from discord_reader import MENTION, meant, runs, seen, shown_text
from hypothesis import given
from hypothesis import strategies as st
from reply.markdown_documents import documents, documents_with_tables, scraps

from bot.platforms.discord.markup import DiscordMarkup
from bot.reply.markdown import clean, parse
from bot.reply.surface import Rendered

MARKUP = DiscordMarkup()
ZERO_WIDTH = "\u200b"


def text(markdown: str) -> str:
    return MARKUP.render(markdown).text


def shown(markdown: str) -> str:
    """What Discord shows, but for the new line after the last block."""
    return shown_text(text(markdown)).rstrip()


# Spans


@pytest.mark.parametrize(
    ("markdown", "discord"),
    [
        ("**b** and __b__", "**b** and **b**"),
        ("*i* and _i_", "*i* and *i*"),
        ("~~s~~", "~~s~~"),
        ("`c`", "`c`"),
        ("***x***", "***x***"),
        ("**a *b***", "**a *b***"),
        ("***a* b**", "***a* b**"),
        ("*a **b** c*", "*a **b** c*"),
        ("**a `c` b**", "**a `c` b**"),
        ("**[t](http://e.org)**", "**[t](http://e.org)**"),
        ("[**t** u](http://e.org)", "[**t** u](http://e.org)"),
        ("[`t`](http://e.org)", "[`t`](http://e.org)"),
        ("a*b*c and **bold**text", "a*b*c and **bold**text"),
        ("a  \nb\\\nc\nd", "a\nb\nc\nd"),
        ("", ""),
    ],
)
def test_a_span_is_written_as_discord_has_it(markdown: str, discord: str) -> None:
    assert text(markdown) == discord


@pytest.mark.parametrize(
    ("markdown", "discord"),
    [
        ("***a** b*", "***a*** *b*"),
        ("*a***b**", f"*a*{ZERO_WIDTH}**b**"),
        ("**a**_b_", f"**a**{ZERO_WIDTH}*b*"),
        ("**a** **b**", "**a b**"),
        ("**a\nb**", "**a**\n**b**"),
        ("**a `x*y` b**", "**a** `x*y` **b**"),
        ("||a `x*y` b||", "||a `x*y` b||"),
        ("||**a `x*y` b**||", "||**a** `x*y` **b**||"),
        ("~~a\\~~~", f"~~a\\~{ZERO_WIDTH}~~"),
        ("||a\\|||", f"||a|{ZERO_WIDTH}||"),
        ("*a\\\\*", "*a\\\\*"),
    ],
)
def test_a_span_that_discord_would_misread_is_written_otherwise(
    markdown: str, discord: str
) -> None:
    assert text(markdown) == discord
    assert_shown_as_meant(markdown)


@pytest.mark.parametrize(
    ("markdown", "discord", "code"),
    [
        ("`` a`b ``", "``a`b``", "a`b"),
        ("`a``b`", "`a``b`", "a``b"),
        ("`` `a` ``", "`` `a` ``", "`a`"),
        ("``` a`b``c ```", f"``a`b`{ZERO_WIDTH}`c``", f"a`b`{ZERO_WIDTH}`c"),
        ("`\\*`", "`\\*`", "\\*"),
        ("`<@1> https://e.org`", "`<@1> https://e.org`", "<@1> https://e.org"),
    ],
)
def test_inline_code_is_shown_as_it_is(markdown: str, discord: str, code: str) -> None:
    assert text(markdown) == discord
    assert runs(discord, "code") == [code]


# Text


@pytest.mark.parametrize(
    ("plain", "discord"),
    [
        ("snake_case_words", r"snake\_case\_words"),
        ("2 * 3 * 4", r"2 \* 3 \* 4"),
        ("a || b ~~ c", r"a |\| b ~\~ c"),
        ("\\[a](http://e.org)", r"\[a](http://e.org)"),
        ("\\`x\\`", r"\`x\`"),
        ("<@123> <#1> <:a:1> <t:1:R> </a:1>", r"\<@123> \<#1> \<\:a:1> \<t:1:R> \</a:1>"),
        ("@everyone and @here", r"\@everyone and \@here"),
        ("f:x:y", r"f\:x:y"),
        ("C:\\dir\\é \\\\\\*", r"C:\dir\\é \\\*"),
        ("1\\. a", r"1\. a"),
        ("\\- a", r"\- a"),
        ("\\# a", r"\# a"),
        ("\\> a", r"\> a"),
        ("-# a", r"\-# a"),
        ("**1\\. a**", r"**1\. a**"),
    ],
)
def test_text_that_discord_would_take_for_markup_is_escaped(plain: str, discord: str) -> None:
    assert text(plain) == discord
    assert_shown_as_meant(plain)


@pytest.mark.parametrize(
    "plain",
    [
        "Plain text, 50%: a+b (c) {d} 'e' \"f\" x=1 & y; 12:30:45 ~ $5 | 1.5 - #tag",
        ":smile: and :white_check_mark:",
        "a | b, List<String>, x < y",
        "see https://e.org/a_b_c?x=y&z=~w.",
        "(see https://e.org/a_(b))",
    ],
)
def test_other_text_is_left_as_it_is(plain: str) -> None:
    assert text(plain) == plain


@pytest.mark.parametrize(
    ("markdown", "discord", "links"),
    [
        ("https://e.org/a_b**c**", "<https://e.org/a_b>**c**", ["https://e.org/a_b"]),
        ("(https://e.org/a)`c`", "(<https://e.org/a>)`c`", ["https://e.org/a"]),
        ("https://e.org/a&lt;@1>", "<https://e.org/a>\\<@1>", ["https://e.org/a"]),
        ("https://e.org/a>**b**", "https://e.org/a> **b**", ["https://e.org/a>"]),
        ("<https://e.org/a>b", "<https://e.org/a>b", ["https://e.org/a"]),
        ("**https://e.org/a**", "**https://e.org/a**", ["https://e.org/a"]),
        ("<https://e.org/a_b>", "https://e.org/a_b", ["https://e.org/a_b"]),
        ("**x https://e.org/\\*a**", "**x** https://e.org/*a", ["https://e.org/*a"]),
    ],
)
def test_a_bare_url_ends_where_it_ends(markdown: str, discord: str, links: list[str]) -> None:
    assert text(markdown) == discord
    assert runs(discord, "link") == links


# Links


@pytest.mark.parametrize(
    ("markdown", "discord"),
    [
        ("[t](http://e.org/~u_v)", "[t](http://e.org/~u_v)"),
        ("![alt](http://e.org/i)", "[alt](http://e.org/i)"),
        ("[![alt](http://e.org/i)](http://e.org)", "[alt](http://e.org)"),
        ("[t](http://e.org/a_(b)*c)", "[t](http://e.org/a_%28b%29%2Ac)"),
        ("[](http://e.org)", "http://e.org"),
        ("[a [b] c](http://e.org)", "[a [b] c](http://e.org)"),
        ("[a\nb](http://e.org)", "[a b](http://e.org)"),
    ],
)
def test_a_link_is_masked(markdown: str, discord: str) -> None:
    assert text(markdown) == discord


@pytest.mark.parametrize(
    ("markdown", "discord"),
    [
        ("[t](docs/x)", "t (docs/x)"),
        ("[t](mailto:a@e.org)", "t (mailto:a@e.org)"),
        ("<a@e.org>", "a@e.org"),
        ("[a\\*b](http://e.org)", r"a\*b (http://e.org)"),
        ("[🚀 go](http://e.org)", "🚀 go (http://e.org)"),
        ("[x http://a.b](http://e.org)", "x http://a.b (http://e.org)"),
        ("[a \\[ b](http://e.org)", r"a \[ b (http://e.org)"),
        ("[`a*b`](http://e.org)", "`a*b` (http://e.org)"),
        ("[t](<u v>)", "t (u v)"),
        ("[t]()", "t ()"),
    ],
)
def test_a_link_that_discord_would_show_as_markup_is_text_with_its_url(
    markdown: str, discord: str
) -> None:
    assert text(markdown) == discord


# Blocks


@pytest.mark.parametrize(
    ("markdown", "discord"),
    [
        ("# A\n\n## B *c*\n\ntext\n\n### D", "# A\n## B *c*\ntext\n### D"),
        ("#### four **b**\n\ntext", "**four b**\n\ntext"),
        ("a\nb\n===", "# a b"),
        ("- # in a list\n  text", "- **in a list**\n  text"),
        ("> # in a quote", "> # in a quote"),
        ("# \\# a", r"# \# a"),
        ("# In C#", f"# In C#{ZERO_WIDTH}"),
        ("a\n\n***\n\nb", "a\n\n———\n\nb"),
        ("a\n\n\n\nb", "a\n\nb"),
    ],
)
def test_blocks(markdown: str, discord: str) -> None:
    assert text(markdown) == discord


@pytest.mark.parametrize(
    ("markdown", "discord"),
    [
        ("- a\n* b", "- a\n- b"),
        ("* a\n    * b\n        1. c", "- a\n  - b\n    1. c"),
        ("9. a\n10. b\n    - c", "9. a\n10. b\n   - c"),
        ("10. a\n    - b\n      - c", "10. a\n    - b\n      - c"),
        ("- [ ] a\n- [x] **b**", "- ☐ a\n- ☑ **b**"),
        ("- a\n\n  more\n\n- b", "- a\n  more\n\n- b"),
        ("1. a\n\n2. b", "1. a\n\n2. b"),
        ("- - a", "- - a"),
        ("-\n- a", "•\n- a"),
        ("42.", "42."),
    ],
)
def test_lists_are_nested_by_the_width_of_their_first_marker(markdown: str, discord: str) -> None:
    assert text(markdown) == discord


@pytest.mark.parametrize(
    ("markdown", "screen"),
    [
        ("3. a\n4. b", "3. a\n4. b"),
        ("1. a\n3. b\n7. c", "1. a\n\n3. b\n\n7. c"),
        ("- x\n  1. a\n  3. b\n  4. c", "• x\n1. a\n3. b\n4. c"),
        ("1. a\n1. b", "1. a\n\n1. b"),
        ("0. a\n1. b", "0. a\n1. b"),
        ("01. a", "01. a"),
        ("1) a\n2) b", "1) a\n2) b"),
        ("- a\n\n1. b", "• a\n\n1. b"),
        ("0. - a\n   - b", "0. • a\n• b"),
        ("1. a\n   ```\n   x\n   ```\n2. b", "1. a\nx\n\n2. b"),
        ("7. \x04\n\n   - a\n8. b", "• a\n\n8. b"),
    ],
)
def test_the_reader_sees_the_authors_numbers(markdown: str, screen: str) -> None:
    seen_lines = re.sub(r"\n\n+", "\n\n", shown(markdown))
    assert seen_lines == screen


@pytest.mark.parametrize(
    ("markdown", "discord"),
    [
        ("> a\n> b\n\nc", "> a\n> b\n\nc"),
        ("> a\n>\n> b", "> a\n> \n> b"),
        ("> a\n> > b", "> a\n> b"),
        ("> **a\n> b**", "> **a**\n> **b**"),
        ("> - a\n>   - b", "> - a\n>   - b"),
        ("- > a\n  > b", "- > a\n  > b"),
        ("> a\n> ```py\n> x\n>\n> y\n> ```\n> c", "> a\n```py\nx\n\ny\n```\n> c"),
        ("> a\n>\n> ```\n> x\n> ```\n>\n> c", "> a\n\n```\nx\n```\n\n> c"),
    ],
)
def test_quotes(markdown: str, discord: str) -> None:
    assert text(markdown) == discord
    assert "".join(runs(discord, "quote")).count(">") == 0


@pytest.mark.parametrize(
    ("markdown", "discord"),
    [
        ("```py title\n\n  if x:\n    y = '*'\n\n```", "```py\n  if x:\n    y = '*'\n```"),
        ("```c#\nx\n```", "```c#\nx\n```"),
        ("    indented", "```\nindented\n```"),
        ("~~~\na ``` b\n~~~", f"```\na ``{ZERO_WIDTH}` b\n```"),
        ("- a\n  ```\n  x\n\n  y\n  ```\n  b\n- c", "- a\n```\nx\n\ny\n```\nb\n- c"),
        ("- ```\n  x\n  ```", "•\n```\nx\n```"),
        ("a\n```\n```\nb", "a\nb"),
    ],
)
def test_code_blocks_stand_at_the_left_edge(markdown: str, discord: str) -> None:
    assert text(markdown) == discord
    assert len(runs(discord, "pre")) == discord.count("```") // 2


# Tables


def test_a_table_is_aligned_in_a_code_block() -> None:
    table = "| n | **name** |\n|--:|:-:|\n| 1 | 日本 |\n| 10 | `ok` |\n| 3 |"
    assert text(f"a\n\n{table}") == "a\n\n```\n n │ name\n───┼─────\n 1 │ 日本\n10 │  ok\n 3 │\n```"


def test_a_table_that_is_too_wide_for_a_phone_becomes_a_list() -> None:
    wide = "word " * 9
    assert text(f"| name | what |\n|---|---|\n| a | {wide}|\n| b | |\n\nc") == (
        f"- **name:** a\n  **what:** {wide.strip()}\n- **name:** b\n\nc"
    )


def test_a_table_with_links_becomes_a_list_so_that_they_work() -> None:
    markdown = "| a | b |\n|---|---|\n| 1 | [t](http://e.org) |"
    assert text(markdown) == "- **a:** 1\n  **b:** [t](http://e.org)"


def test_a_row_longer_than_its_header_loses_nothing() -> None:
    assert text("| a |\n|---|\n| 1 | two | 3 |").split("\n")[-2] == "1 │ two | 3"


# What is no markup


@pytest.mark.parametrize(
    "markdown",
    [
        "List<String> and Press <Enter> now",
        "<div>\ntext\n</div>",
        "<!-- note -->",
        "[1]: http://e.org",
        "[^1]: note",
        "about ~5 to ~6",
        "2 ** 3, snake_case, *args",
        "`lone",
        "**open",
        "AT&T",
        "[0, 1) [a][b]",
        "a || b || c",
        "a__b__c and _x_y",
        "<@1> @everyone <t:1>",
        "-# small",
    ],
)
def test_what_is_no_markup_is_text(markdown: str) -> None:
    assert shown(markdown) == markdown


@pytest.mark.parametrize("markdown", ["", " \n\n ", "\u200b", "```\n```", "&nbsp;", "\x00", "\x04"])
def test_what_shows_nothing_is_empty(markdown: str) -> None:
    assert MARKUP.render(markdown) == Rendered("")


def test_size_is_counted_in_utf16_units() -> None:
    assert MARKUP.size(MARKUP.render("a **🙂**")) == 8


# What always holds


def assert_shown_as_meant(markdown: str) -> None:
    expected, found = meant(markdown), seen(text(markdown))
    assert "".join(each.character for each in found) == "".join(each.character for each in expected)
    for left, right in zip(expected, found, strict=True):
        assert left.styles == right.styles or None in (left.styles, right.styles), (left, right)


@given(documents)
def test_a_document_is_shown_as_it_is_meant(document: str) -> None:
    assert_shown_as_meant(document)


_UNLINKED = (scraps | st.text(st.characters(), max_size=60)).map(
    lambda markdown: re.sub(r"\x04|\]\(|\|\n\|", "", markdown)
)


@given(_UNLINKED)
def test_any_text_without_links_and_tables_is_shown_as_it_is_meant(markdown: str) -> None:
    assert_shown_as_meant(markdown)


@given(scraps | documents_with_tables)
def test_any_text_renders_to_clean_markdown(markdown: str) -> None:
    rendered = MARKUP.render(markdown)
    assert rendered.text == rendered.text.rstrip()
    assert rendered == MARKUP.render(markdown)
    assert "\x04" not in rendered.text
    assert "\n\n\n" not in re.sub("```.*?```", "```", rendered.text, flags=re.DOTALL)
    assert MENTION not in shown_text(rendered.text)


@given(documents_with_tables)
def test_no_character_of_a_table_is_lost(document: str) -> None:
    on_screen = shown(document).replace(ZERO_WIDTH, "")
    for token in parse(clean(document)):
        if token.kind in ("Text", "Code"):
            assert token.value.strip() in on_screen


@given(st.text(string.ascii_letters + string.digits + " .,?'\"%^/{}()$é日🙂\n", max_size=80))
def test_every_character_that_is_no_markup_survives(markdown: str) -> None:
    kept = "".join(markdown.split())
    assert "".join(shown(f"x{markdown}").split()) == f"x{kept}"
