"""Tables, which Discord has none of: aligned columns, or the cells for a list of rows."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, TypeAlias

from bot.reply import table
from bot.reply.markdown import CONTINUED, Token

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

WIDEST = 42
"""Cells; on a phone, Discord wraps wider lines of code."""

Cell: TypeAlias = list[Token]
Row: TypeAlias = list[tuple[Cell, Cell]]
"""A cell of the header and the one below it, for each that shows something."""


class Table:
    """A table under construction; a cell is the tokens in it."""

    def __init__(self, source: str, alignments: str) -> None:
        self._source = source
        self._alignments = alignments
        self._rows: list[list[Cell]] = []
        self._cell_end = 0  # in the source

    def begin_row(self) -> None:
        self._rows.append([])

    def begin_cell(self, token: Token) -> None:
        self._rows[-1].append([])
        self._cell_end = token.end

    def add(self, token: Token) -> None:
        """Add a token to the cell that was begun last."""
        self._rows[-1][-1].append(token)

    def end_row(self, token: Token) -> None:
        """Cells beyond the header's, which the parser leaves out, are kept as one."""
        rest = self._source[self._cell_end : token.end].strip().strip("|").strip()
        if rest:
            text = rest.replace("\\|", "|")
            self._rows[-1].append([Token("Text", text, self._cell_end, token.end)])

    def columns(self) -> str | None:
        """Aligned text; None where it is too wide, or has links, which such text can't show."""
        tokens = (token for row in self._rows for cell in row for token in cell)
        if any(token.kind in ("Link", "Image") or "://" in token.value for token in tokens):
            return None
        rows = [[plain(cell) for cell in row] for row in self._rows]
        aligned = table.aligned(rows, self._alignments)
        if aligned is None:
            return None
        line = aligned.split("\n", 2)[1]  # under the header, all across
        return aligned if len(line) <= WIDEST else None

    def rows(self) -> Iterator[Row]:
        """The rows that show something; a table without rows is its header.

        A header too long to be repeated is a row like the others.
        """
        names, *rows = self._rows
        lengths = [[len(plain(cell)) for cell in row] for row in self._rows]
        if not rows or table.repeats_too_much(lengths[0], lengths[1:]):
            names, rows = [], self._rows
        for row in rows:
            named: Iterable[tuple[Cell, Cell]] = zip_longest(names[: len(row)], row, fillvalue=[])
            cells = [(name, cell) for name, cell in named if plain(cell)]
            if cells:
                yield cells


def plain(tokens: Iterable[Token]) -> str:
    """The text without its formatting."""
    text = "".join(token.value for token in tokens if token.kind in ("Text", "Code"))
    return text.replace(CONTINUED, "")
