"""Markdown as Discord shows it: Markdown again, in Discord's own dialect."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from bot.platforms.discord.containers import Containers
from bot.platforms.discord.dialect import ZERO_WIDTH, code_block, is_maskable, link_target
from bot.platforms.discord.inline import BOLD, HIDDEN, ITALIC, STRUCK, Writer
from bot.platforms.discord.tables import Row, Table, plain
from bot.reply.markdown import CONTINUED, INLINE, Token, clean, parse
from bot.reply.surface import Rendered

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_STYLES = {"Strong": BOLD, "Strikethrough": STRUCK, "Emphasis": ITALIC, "Spoiler": HIDDEN}
_TICKED, _UNTICKED = "☑ ", "☐ "
_RULE = "———"
_DEEPEST_HEADING = 3
_BLOCKS = frozenset(
    {"Paragraph", "Heading", "BlockQuote", "List", "Item", "CodeBlock", "Table", "Rule"}
)
_BORDERS = _BLOCKS | {f"/{kind}" for kind in _BLOCKS}
_BLANK_LINES = re.compile(r"\A(?:[ \t]*\n)+")
# A message without one of these shows nothing.
_VISIBLE = re.compile(r"[^\s\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]")


class DiscordMarkup:
    """`Markup` for Discord; a page is counted in UTF-16 code units of its Markdown.

    Its limit is documented in characters, whatever those are; none takes more units than this.

    Headings below the third level, and those in lists, are bold, nested quotes one quote, tables
    aligned in a code block, or lists of "header: value" where they are too wide or hold links.
    Images are links. Code blocks and aligned tables interrupt quotes and lists.
    """

    def render(self, markdown: str) -> Rendered[str]:
        source = clean(markdown)
        return Rendered(_Renderer(source, parse(source)).render())

    def size(self, rendered: Rendered[object]) -> int:
        text = rendered.text
        return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


class _Renderer:
    """Writes one document.

    The space between blocks is the author's: a new line, or one empty line where the source has
    any; but Discord sets headings off by itself, and an empty line would end a list. But for
    tables, what is shown never depends on what follows its block, so that an answer that grows in
    the source only grows on the screen.
    """

    def __init__(self, source: str, tokens: list[Token]) -> None:
        self._source = source
        self._tokens = tokens
        self._labels = _labels(tokens)
        self._out = Writer()
        self._containers = Containers()
        self._end = 0  # in the source, of what was written last
        self._fresh = True  # the next text begins a line
        self._block: int | None = None  # where in the source the block of that line begins
        self._heading = ""  # what the open heading's line begins with, for Discord
        self._after_heading = False
        self._links: list[Token] = []  # the open ones, from outside in
        self._masked: Token | None = None  # the one of them that is a link for Discord, too
        self._code: list[str] | None = None  # the open code block
        self._info = ""
        self._table: Table | None = None  # the open one

    def render(self) -> str:
        for token in self._tokens:
            if token.kind in _BORDERS:
                self._out.end_line()
                self._fresh = True
                if self._block is None and token.kind in _BLOCKS:
                    self._block = token.start
            if self._table and token.kind in INLINE:
                self._table.add(token)
            elif token.kind in self._HANDLERS:
                self._HANDLERS[token.kind](self, token)
        self._out.end_line()
        text = str(self._out).rstrip()
        return text if _VISIBLE.search(text) else ""

    # Lines

    def _begin(self, position: int, *, empty: bool = False) -> None:
        """Have a line to write on, with what its quotes and lists put before it."""
        if not self._fresh:
            return
        blank = self._blank_before(position)
        separator, prefix = self._containers.begin_line(blank=blank, empty=empty)
        self._break_line(separator, prefix + self._heading)

    def _break_line(self, separator: str, prefix: str) -> None:
        """Begin a line after what `separator` says."""
        self._out.end_line()
        self._out.begin_line(prefix if self._out.empty else f"\n{separator}{prefix}")
        self._fresh = False

    def _blank_before(self, position: int) -> bool:
        """Whether an empty line is due before the block at `position` in the source."""
        start = position if self._block is None else self._block
        beside_heading = self._heading or self._after_heading
        self._block, self._after_heading = None, False
        return not beside_heading and self._source.count("\n", self._end, start) > 1

    def _write_block(self, token: Token, block: str) -> None:
        """Write lines that stand in no quote and no list."""
        if self._containers.pending:
            self._begin(token.start, empty=True)
        self._containers.interrupt()
        self._break_line("\n" if self._blank_before(token.start) else "", block)
        self._leave(token)

    def _leave(self, token: Token) -> None:
        """The block of this token is written; its range may go on over empty lines."""
        block = self._source[token.start : token.end]
        self._end = token.start + len(block.rstrip())
        self._fresh = True

    # Inline

    def _on_text(self, token: Token) -> None:
        text = self._take_up(token.value)
        if self._code is not None:
            self._code.append(text)
        elif text.strip() or (text and not self._fresh):
            self._begin(token.start)
            self._out.text(text)
            self._end = token.end

    def _on_code(self, token: Token) -> None:
        text = self._take_up(token.value)
        if text:
            self._begin(token.start)
            self._out.code(text)
            self._end = token.end

    def _take_up(self, text: str) -> str:
        """Text without the mark that it goes on from elsewhere, which drops the list markers."""
        if CONTINUED not in text:
            return text
        self._containers.drop_markers()
        return text.replace(CONTINUED, "")

    def _on_break(self, token: Token) -> None:
        self._end = token.end
        if self._heading or self._masked:
            self._out.text(" ")
        elif not self._fresh:
            self._break_line(*self._containers.begin_line(blank=False))

    def _on_style(self, token: Token) -> None:
        self._out.open(_STYLES[token.kind])

    def _on_style_end(self, token: Token) -> None:
        self._out.close()
        self._end = token.end

    def _on_link(self, token: Token) -> None:
        self._links.append(token)
        if self._masked:
            return
        self._out.end_text()
        if not is_maskable(self._labels[token], token.value):
            return
        self._take_up(self._source[token.start : token.end])
        self._begin(token.start)
        self._out.open_label()
        self._masked = token

    def _on_link_end(self, token: Token) -> None:
        link = self._links.pop()
        label, url = self._labels[link].strip(), link.value
        if link is self._masked:
            self._out.close_label(link_target(url))
            self._masked = None
        elif not self._masked and label not in (url, url.removeprefix("mailto:")):
            self._begin(token.start)
            self._out.text(f" ({url})" if label else url)
        self._out.end_text()
        self._end = token.end

    # Blocks

    def _on_heading(self, token: Token) -> None:
        if int(token.value) <= _DEEPEST_HEADING and not self._containers.in_item:
            self._heading = "#" * int(token.value) + " "
        else:
            self._out.open(BOLD)

    def _on_heading_end(self, _: Token) -> None:
        if not self._heading:
            self._out.close()
            return
        if self._out.ends_with("#"):
            self._out.markup(ZERO_WIDTH)
        self._heading = ""
        self._after_heading = True

    def _on_rule(self, token: Token) -> None:
        self._begin(token.start)
        self._out.markup(_RULE)
        self._leave(token)

    def _on_quote(self, _: Token) -> None:
        self._containers.open_quote()

    def _on_quote_end(self, _: Token) -> None:
        self._containers.close()

    def _on_item(self, token: Token) -> None:
        self._containers.open_item(token.value.strip())

    def _on_task(self, token: Token) -> None:
        self._containers.set_box(_TICKED if token.value else _UNTICKED)

    def _on_item_end(self, token: Token) -> None:
        if self._containers.pending:  # an empty item
            self._begin(token.start, empty=True)
            self._leave(token)
        self._containers.close()

    def _on_code_block(self, token: Token) -> None:
        self._code = []
        self._info = token.value

    def _on_code_block_end(self, token: Token) -> None:
        code = _BLANK_LINES.sub("", "".join(self._code or ())).rstrip()
        self._code = None
        if code:
            self._write_block(token, code_block(code, self._info))

    # Tables

    def _on_table(self, token: Token) -> None:
        self._table = Table(self._source, token.value)

    def _on_row(self, _: Token) -> None:
        assert self._table
        self._table.begin_row()

    def _on_cell(self, token: Token) -> None:
        assert self._table
        self._table.begin_cell(token)

    def _on_row_end(self, token: Token) -> None:
        assert self._table
        self._table.end_row(token)

    def _on_table_end(self, token: Token) -> None:
        assert self._table
        table, self._table = self._table, None
        columns = table.columns()
        if columns is not None:
            self._write_block(token, code_block(columns))
            return
        for row in table.rows():
            self._containers.open_item("-")
            self._write_row(token, row)
            self._containers.close()
            self._leave(token)

    def _write_row(self, table: Token, row: Row) -> None:
        """Write a line of "header: value" for each cell."""
        self._begin(table.start)
        for number, (name, cell) in enumerate(row):
            if number:
                self._break_line(*self._containers.begin_line(blank=False))
            if name:
                self._out.open(BOLD)
                for token in name:
                    self._HANDLERS[token.kind](self, token)
                self._out.text(":")
                self._out.close()
                self._out.text(" ")
            for token in cell:
                self._HANDLERS[token.kind](self, token)
        self._out.end_line()

    _HANDLERS: ClassVar[dict[str, Callable[[_Renderer, Token], None]]] = {
        "Text": _on_text,
        "Code": _on_code,
        "SoftBreak": _on_break,
        "HardBreak": _on_break,
        **dict.fromkeys(_STYLES, _on_style),
        **dict.fromkeys((f"/{kind}" for kind in _STYLES), _on_style_end),
        **dict.fromkeys(("Link", "Image"), _on_link),
        **dict.fromkeys(("/Link", "/Image"), _on_link_end),
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
        "/TableHead": _on_row_end,
        "/TableRow": _on_row_end,
        "TableCell": _on_cell,
        "/Table": _on_table_end,
    }


def _labels(tokens: Sequence[Token]) -> dict[Token, str]:
    """The text of each link."""
    labels: dict[Token, list[str]] = {}
    links: list[Token] = []
    for token in tokens:
        if token.kind in ("Link", "Image"):
            links.append(token)
            labels[token] = []
        elif token.kind in ("/Link", "/Image"):
            links.pop()
        elif links:
            text = " " if token.kind in ("SoftBreak", "HardBreak") else plain([token])
            for link in links:
                labels[link].append(text)
    return {link: "".join(texts) for link, texts in labels.items()}
