"""Where a page of Markdown may end, and what it takes to end there and to go on elsewhere.

A border in a code block closes the fence and opens it again with its language; in emphasis it
closes and opens that. A table repeats its header, a quote stays a quote, a list goes on with the
author's numbers (see `CONTINUED`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import pairwise

from bot.reply.graphemes import is_boundary
from bot.reply.markdown import ATOMS, CONTINUED, SPANS, Token, escapes, parse, verbatim


class Rank(IntEnum):
    """How good a border is, the best first."""

    BLOCK = 0
    """Between two blocks that stand in no list and no quote."""
    ITEM = 1
    """Between list items, table rows, or blocks in a list or a quote."""
    LINE = 2
    SENTENCE = 3
    WORD = 4
    PHRASE = 5
    """Between words that belong together: of a link, of inline code, of a table's cell."""
    CHARACTER = 6


@dataclass(frozen=True, slots=True)
class _Container:
    """A quote or a list item."""

    opening: str
    continuation: str
    """What its further lines begin with."""
    column: int
    """Where its content begins in a line."""

    @property
    def is_item(self) -> bool:
        return not self.opening.startswith(">")


@dataclass(frozen=True, slots=True)
class _Leaf:
    """What a block of text or code needs beside its text."""

    lines: tuple[str, ...] = ()
    """Stand above where it goes on: the fence, the table's header."""
    prefix: str = ""
    """Stands before what goes on in the middle of a line."""
    closing: str = ""
    """The line that ends it: the fence."""
    is_code: bool = False


@dataclass(frozen=True, slots=True)
class _Span:
    opening: str
    closing: str
    holds_together: bool = False


@dataclass(frozen=True, slots=True)
class Border:
    """A page ends with `source[:end]`, the next one begins with `source[start:]`."""

    end: int
    start: int
    rank: Rank
    at_line: bool
    """`start` begins a line of the source, with what its quotes and lists put before it."""
    containers: tuple[_Container, ...]
    leaf: _Leaf
    spans: tuple[_Span, ...]

    def page(self, source: str) -> str:
        """What ends here, in Markdown that stands for itself."""
        page = source[: self.end]
        if not self.leaf.is_code:
            page = page.rstrip()
        page += "".join(span.closing for span in reversed(self.spans))
        return page + (f"\n{self._continuation()}{self.leaf.closing}" if self.leaf.closing else "")

    def opening(self, source: str) -> str:
        """What the next page needs before `source[start:]` to stand for itself."""
        continued = self._continued(source)
        markers = "".join(each.opening for each in self.containers)
        spans = "".join(span.opening for span in self.spans)
        above = self.at_line or self.leaf.lines or self.leaf.is_code
        if not above:
            return markers + self.leaf.prefix + spans + continued
        continuation = self._continuation()
        opening = f"{markers}{CONTINUED}\n{continuation.rstrip()}\n" if self._listed() else ""
        opening += "".join(f"{continuation}{line}\n" for line in self.leaf.lines)
        if self.at_line:
            return opening
        opening += continuation + self.leaf.prefix
        return opening if self.leaf.is_code else opening + spans + continued

    def _continued(self, source: str) -> str:
        """What keeps the text that goes on from being taken for the start of a block."""
        if source[self.start : self.start + 1].isalpha() and not self._listed():
            return ""
        # Whether `**` opens or closes depends on the character before it.
        return CONTINUED if source[self.start - 1].isalnum() else CONTINUED + " "

    def _listed(self) -> bool:
        return any(each.is_item for each in self.containers)

    def _continuation(self) -> str:
        return "".join(each.continuation for each in self.containers)


def borders(source: str, longest_header: int, *, characters: bool) -> list[Border]:
    """The places where `source` may be parted, in order; those of `Rank.CHARACTER` on request.

    A table's header is repeated up to `longest_header` characters; behind a longer one the rows
    go on as text.
    """
    walk = _Walk(source, longest_header, characters=characters)
    for token, following in pairwise([*parse(source), _END]):
        walk.take(token, following)
    return walk.found


_END = Token("End", "", 0, 0)
_NO_LEAF = _Leaf()
_BLOCKS = frozenset({"Paragraph", "Heading", "List", "BlockQuote", "CodeBlock", "Table"})
_SPACE = re.compile(r"[ \t\n]+")
_SENTENCE_END = re.compile(r"""[.!?…:]["'”’»)\]*_~]{0,4}\Z""")  # noqa: RUF001  # quotation marks
_WIDE_SENTENCE_END = re.compile("[。！？]")  # noqa: RUF001  # as Chinese and Japanese have them
_BEFORE_BLOCK = re.compile(r"[ \t>]*")
_FENCE = re.compile(r"`+|~+")
_NEWLINE = re.compile(r"\n")
_SPACE_IN_LINE = re.compile(r"(?<=[^ \t\n])[ \t]+(?=[^ \t\n])")
_BRACKETS = {"[": 1, "![": 1, "]": -1}
_URL_ENDS = re.compile(r"[<>\n\\]")
_OPENERS = SPANS | {"TaskListMarker"}
_INLINE_ENDS = (ATOMS | {f"/{kind}" for kind in SPANS}) - _OPENERS


class _Walk:
    """Goes through a document and finds its borders."""

    def __init__(self, source: str, longest_header: int, *, characters: bool) -> None:
        self.found: list[Border] = []
        self._source = source
        self._escapes = escapes(source)
        self._longest_header = longest_header
        self._characters = characters
        self._containers: tuple[_Container, ...] = ()
        self._leaf = _NO_LEAF
        self._spans: tuple[_Span, ...] = ()
        self._header: tuple[str, ...] = ()  # of the open table, if it is to be repeated
        self._in_cell = False
        self._brackets = 0  # open in the text; parted from its bracket, one would end the link
        self._previous = _END

    def take(self, token: Token, following: Token) -> None:
        kind = token.kind
        if kind in _BLOCKS:
            self._before_block(token)
            self._open_block(token)
        elif kind in SPANS:
            self._between_characters(token)
            self._spans += (self._span(token),)
        elif kind == "Text":
            self._within_text(token, following)
        elif kind == "Code":
            self._within_code(token)
        elif kind in ("SoftBreak", "HardBreak"):
            self._add(Rank.LINE, token.start, self._beginning(following))
        elif kind.startswith("/"):
            self._close(kind.removeprefix("/"))
        else:
            self._open_part(token)
        self._previous = token

    # Structure

    def _open_block(self, token: Token) -> None:
        source, column = self._source, self._column(token.start)
        match token.kind:
            case "BlockQuote":
                self._containers += (_Container("> ", "> ", column + len("> ")),)
            case "Heading":
                self._leaf = _Leaf(prefix="#" * int(token.value) + " ")
            case "CodeBlock":
                fence = _FENCE.match(source, token.start)
                self._leaf = (
                    _Leaf((fence[0] + token.value,), closing=fence[0], is_code=True)
                    if fence
                    else _Leaf(prefix=" " * 4, is_code=True)
                )
            case "Table":
                header, delimiters = source[token.start : token.end].split("\n")[:2]
                lines = (header.strip(), delimiters.strip(" \t>"))
                self._header = lines if len(header) <= self._longest_header else ()

    def _open_part(self, token: Token) -> None:
        match token.kind:
            case "Item":
                self._before_block(token)
                self._containers += (self._item(token),)
            case "TableRow":
                if self._previous.kind != "/TableHead":
                    self._leaf = _Leaf(self._header)
                    self._before_block(token)
                self._leaf = _Leaf(self._header)
            case "TableCell":
                self._in_cell = True
                if self._leaf.lines:
                    self._leaf = replace(self._leaf, prefix=self._leaf.prefix + "| ")

    def _close(self, kind: str) -> None:
        if kind in SPANS:
            self._spans = self._spans[:-1]
        elif kind in ("BlockQuote", "Item"):
            self._containers = self._containers[:-1]
        elif kind == "TableCell":
            self._in_cell = False
        elif kind in ("Heading", "CodeBlock", "Table"):
            self._leaf = _NO_LEAF

    def _item(self, token: Token) -> _Container:
        marker = token.value if token.value.endswith(" ") else token.value + " "
        column = self._column(token.start)
        outer = self._containers[-1].column if self._containers else 0
        # Four spaces would make it code.
        opening = " " * min(max(column - outer, 0), 3) + marker
        return _Container(opening, " " * len(opening), column + len(marker))

    def _span(self, token: Token) -> _Span:
        match token.kind:
            case "Link" if self._source[token.start] == "<":
                return _Span("<", ">")
            case "Link" | "Image":
                opening = "[" if token.kind == "Link" else "!["
                url = _URL_ENDS.sub(lambda match: f"%{ord(match[0]):02X}", token.value)
                return _Span(opening, f"](<{url}>)", holds_together=True)
            case "Emphasis":
                delimiter = self._source[token.start]
            case _:
                delimiter = self._source[token.start : token.start + 2]
        return _Span(delimiter, delimiter)

    def _column(self, position: int) -> int:
        return position - self._source.rfind("\n", 0, position) - 1

    # Borders

    def _add(self, rank: Rank, end: int, start: int, *, at_line: bool = False) -> None:
        # A backslash at the end would take the meaning from what closes the page.
        if end and self._source[end - 1] != "\\" and not (self._brackets and self._spans):
            self.found.append(
                Border(end, start, rank, at_line, self._containers, self._leaf, self._spans)
            )

    def _before_block(self, token: Token) -> None:
        line = token.start - self._column(token.start)
        starts_its_line = _BEFORE_BLOCK.fullmatch(self._source, line, token.start)
        if starts_its_line and self._previous.kind != "/Heading":
            inner = self._containers or token.kind == "TableRow"
            self._add(Rank.ITEM if inner else Rank.BLOCK, line, line, at_line=True)

    def _within_text(self, token: Token, following: Token) -> None:
        if self._leaf.is_code:
            self._within_code_block(token, following)
            return
        self._between_characters(token)
        is_autolink = self._spans and self._spans[-1].opening == "<"
        if is_autolink or not verbatim(self._source, token):
            return
        if token.value in _BRACKETS and token.start not in self._escapes:
            self._brackets = max(0, self._brackets + _BRACKETS[token.value]) if self._spans else 0
        closes = following.kind.startswith("/")
        for space in _SPACE.finditer(token.value):
            first, last = not space.start(), space.end() == len(token.value)
            if not (first and self._previous.kind in _OPENERS) and not (last and closes):
                end, start = token.start + space.start(), token.start + space.end()
                self._add(self._rank(end), end, start)
        for stop in _WIDE_SENTENCE_END.finditer(token.value):
            if stop.end() < len(token.value):
                end = token.start + stop.end()
                self._add(self._rank(end, Rank.SENTENCE), end, end)
        self._within_characters(token.start, token.end)

    def _rank(self, end: int, rank: Rank | None = None) -> Rank:
        if self._in_cell or any(span.holds_together for span in self._spans):
            return Rank.PHRASE
        if rank is None:
            sentence = _SENTENCE_END.search(self._source, max(0, end - 8), end)
            rank = Rank.SENTENCE if sentence else Rank.WORD
        return rank

    def _within_code_block(self, token: Token, following: Token) -> None:
        if not verbatim(self._source, token):
            return
        last = following.kind == "/CodeBlock"
        for newline in _NEWLINE.finditer(self._source, token.start, token.end):
            if not (last and newline.end() == token.end):
                self._add(Rank.LINE, newline.start(), newline.end(), at_line=True)
        for space in _SPACE_IN_LINE.finditer(self._source, token.start, token.end):
            self._add(Rank.PHRASE, space.end(), space.end())
        self._within_characters(token.start, token.end)

    def _within_code(self, token: Token) -> None:
        self._between_characters(token)
        source = self._source
        fence = _FENCE.match(source, token.start)
        if fence is None:
            return
        start, end = token.start + len(fence[0]), token.end - len(fence[0])
        outer = self._spans
        self._spans += (_Span(fence[0], fence[0]),)
        for space in _SPACE.finditer(source, start + 1, end - 1):
            self._add(Rank.PHRASE, space.start(), space.end())
        self._within_characters(start, end)
        self._spans = outer

    def _between_characters(self, token: Token) -> None:
        """Before a span or a piece of text, but never at the start of a block or a span."""
        if self._characters and self._previous.kind in _INLINE_ENDS:
            position = self._beginning(token)
            self._add(Rank.CHARACTER, position, position)

    def _within_characters(self, start: int, end: int) -> None:
        if not self._characters:
            return
        for position in range(start + 1, end):
            before = self._source[position - 1]
            if before not in "`\n" and is_boundary(self._source, position):
                self._add(Rank.CHARACTER, position, position)

    def _beginning(self, token: Token) -> int:
        """Where a token begins, with its backslash."""
        is_escaped = token.kind == "Text" and token.start in self._escapes
        return token.start - 1 if is_escaped else token.start
