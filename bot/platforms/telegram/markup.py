"""Markdown as Telegram shows it: plain text, and entities that say where it is formatted.

Telegram parses nothing, so it can refuse nothing for its formatting.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from bot.platforms.telegram.spans import Fragment, Span, utf16_length
from bot.platforms.telegram.tables import Table
from bot.reply.markdown import CONTINUED, SPANS, Token, clean, parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.reply.surface import Rendered

_STYLES = {
    "Emphasis": "italic",
    "Strong": "bold",
    "Strikethrough": "strikethrough",
    "Spoiler": "spoiler",
}
_INDENT = " " * 4
_BULLET = "• "
_TICKED, _UNTICKED = "☑ ", "☐ "
_RULE = "———"
_BLOCKS = frozenset(
    {"Paragraph", "Heading", "BlockQuote", "List", "Item", "CodeBlock", "Table", "Rule"}
)
_LANGUAGE = re.compile(r"[\w+#.-]+")
_BLANK_LINES = re.compile(r"\A(?:[ \t]*\n)+")


class TelegramMarkup:
    """`Markup` for Telegram; a page is counted in UTF-16 code units of its text.

    Headings are bold, nested quotes one quote, tables aligned in a monospaced block, or lists of
    "header: value" where they are too wide or hold links. Images are links.
    """

    def render(self, markdown: str) -> Rendered[Span]:
        source = clean(markdown)
        return _Renderer(source).render(parse(source))

    def size(self, rendered: Rendered[object]) -> int:
        return utf16_length(rendered.text)


class _Renderer:
    """Writes one document.

    The space between blocks is the author's: a new line, or one empty line where the source has
    any. But for tables, what is written never depends on what follows its block, so that an
    answer that grows in the source only grows on the screen.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._body = Fragment()
        self._out = self._body  # or the table's cell
        self._end = 0  # in the source, of what was written last
        self._fresh = True  # the next text begins a line
        self._block: int | None = None  # where in the source the block of that line begins
        self._markers: list[str] = []  # of list items that have no text yet
        self._depth = 0  # in list items, within the innermost quote
        self._outer_depths: list[int] = []  # one for each open quote
        self._quote: int | None = None  # where the open quote begins in the body
        self._code: list[str] | None = None  # the open code block
        self._language = ""
        self._level = ""  # of the open heading
        self._table = Table(source, "")
        self._before_table = 0  # in the source, the end of what was written before it

    def render(self, tokens: list[Token]) -> Rendered[Span]:
        for token in tokens:
            if token.kind in _BLOCKS:
                self._fresh = True
                if self._block is None:
                    self._block = token.start
            handler = self._HANDLERS.get(token.kind)
            if handler:
                handler(self, token)
        return self._body.finished()

    # Lines

    def _break_line(self, position: int) -> None:
        """Begin the line of the block at `position` in the source."""
        start = position if self._block is None else self._block
        if self._body.length:
            blank = self._source.count("\n", self._end, start) > 1
            self._body.space("\n\n" if blank else "\n")
        self._block = None
        self._fresh = False

    def _begin(self, position: int) -> None:
        """Have a line to write on, with its indentation and list markers."""
        if not self._fresh:
            return
        self._break_line(position)
        if self._outer_depths and self._quote is None:
            self._quote = self._body.length
        self._body.space(_INDENT * (self._depth - len(self._markers)) + "".join(self._markers))
        self._markers.clear()

    def _write_block(self, token: Token, text: str, language: str = "") -> None:
        """Write preformatted text on lines of its own, within no quote."""
        if self._markers:
            self._begin(token.start)
            self._fresh = True
        self._end_quote()
        self._break_line(token.start)
        start = self._body.length
        self._body.write(text)
        self._body.mark("pre", start, language=language)
        self._leave(token)

    def _leave(self, token: Token) -> None:
        """The block of this token is written; its range may go on over empty lines."""
        block = self._source[token.start : token.end]
        self._end = token.start + len(block.rstrip())
        self._fresh = True

    # Inline

    def _on_text(self, token: Token) -> None:
        text = self._without_continuation(token.value)
        if self._code is not None:
            self._code.append(text)
        elif text:
            self._begin(token.start)
            self._out.write(text)
            self._end = token.end

    def _on_code(self, token: Token) -> None:
        text = self._without_continuation(token.value)
        self._begin(token.start)
        self._out.code(text)
        self._end = token.end

    def _without_continuation(self, text: str) -> str:
        if CONTINUED not in text:
            return text
        self._markers.clear()
        return text.replace(CONTINUED, "")

    def _on_break(self, token: Token) -> None:
        self._out.write("\n" + _INDENT * self._depth)
        self._end = token.end

    def _on_style(self, token: Token) -> None:
        self._out.open(_STYLES[token.kind])

    def _on_link(self, token: Token) -> None:
        self._out.open("text_link", token.value)

    def _on_span_end(self, token: Token) -> None:
        self._begin(token.start)
        self._out.close()
        self._end = token.end

    # Blocks

    def _on_heading(self, token: Token) -> None:
        self._level = token.value
        self._out.open("bold")
        if self._level == "1":
            self._out.open("underline")

    def _on_heading_end(self, _: Token) -> None:
        if self._level == "1":
            self._out.close()
        self._out.close()

    def _on_rule(self, token: Token) -> None:
        self._begin(token.start)
        self._body.write(_RULE)
        self._leave(token)

    def _on_quote(self, _: Token) -> None:
        self._outer_depths.append(self._depth)
        self._depth = 0

    def _on_quote_end(self, _: Token) -> None:
        self._depth = self._outer_depths.pop()
        if not self._outer_depths:
            self._end_quote()

    def _end_quote(self) -> None:
        if self._quote is not None:
            self._body.mark("blockquote", self._quote)
            self._quote = None

    def _on_item(self, token: Token) -> None:
        marker = token.value.strip()
        self._markers.append(f"{marker} " if marker[0].isdigit() else _BULLET)
        self._depth += 1

    def _on_task(self, token: Token) -> None:
        box = _TICKED if token.value else _UNTICKED
        self._markers[-1] = self._markers[-1].replace(_BULLET, "") + box

    def _on_item_end(self, token: Token) -> None:
        if self._markers:  # an empty item
            self._begin(token.start)
            self._leave(token)
        self._depth -= 1

    def _on_code_block(self, token: Token) -> None:
        self._code = []
        language = _LANGUAGE.match(token.value.strip())
        self._language = language[0] if language else ""

    def _on_code_block_end(self, token: Token) -> None:
        code = _BLANK_LINES.sub("", "".join(self._code or ())).rstrip()
        self._code = None
        if code:
            self._write_block(token, code, self._language)

    # Tables

    def _on_table(self, token: Token) -> None:
        self._table = Table(self._source, token.value)
        self._before_table = self._end
        self._fresh = False

    def _on_row(self, _: Token) -> None:
        self._table.begin_row()

    def _on_cell(self, token: Token) -> None:
        self._out = self._table.begin_cell(token)

    def _on_row_end(self, token: Token) -> None:
        self._table.end_row(token)

    def _on_table_end(self, token: Token) -> None:
        self._out = self._body
        self._end = self._before_table
        self._fresh = True
        columns = self._table.columns()
        if columns is not None:
            self._write_block(token, columns)
            return
        for row in self._table.rows():
            self._begin(token.start)
            self._body.append(row)
            self._leave(token)

    _HANDLERS: ClassVar[dict[str, Callable[[_Renderer, Token], None]]] = {
        "Text": _on_text,
        "Code": _on_code,
        "SoftBreak": _on_break,
        "HardBreak": _on_break,
        **dict.fromkeys(_STYLES, _on_style),
        **dict.fromkeys(("Link", "Image"), _on_link),
        **dict.fromkeys((f"/{kind}" for kind in SPANS), _on_span_end),
        "Heading": _on_heading,
        "/Heading": _on_heading_end,
        "Rule": _on_rule,
        "BlockQuote": _on_quote,
        "/BlockQuote": _on_quote_end,
        "Item": _on_item,
        "TaskListMarker": _on_task,
        "/Item": _on_item_end,
        "CodeBlock": _on_code_block,
        "/CodeBlock": _on_code_block_end,
        "Table": _on_table,
        "TableHead": _on_row,
        "TableRow": _on_row,
        "/TableRow": _on_row_end,
        "TableCell": _on_cell,
        "/Table": _on_table_end,
    }
