"""Tables, for which Telegram has no entity: aligned columns, or a list of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.platforms.telegram.spans import Fragment
from bot.reply import table

if TYPE_CHECKING:
    from bot.reply.markdown import Token


class Table:
    """A table under construction."""

    def __init__(self, source: str, alignments: str) -> None:
        self._source = source
        self._alignments = alignments
        self._rows: list[list[Fragment]] = []
        self._cell_end = 0  # in the source

    def begin_row(self) -> None:
        self._rows.append([])

    def begin_cell(self, token: Token) -> Fragment:
        """What the cell's content is to be written to."""
        cell = Fragment()
        self._rows[-1].append(cell)
        self._cell_end = token.end
        return cell

    def end_row(self, token: Token) -> None:
        """Cells beyond the header's, which the parser leaves out, are kept as one."""
        rest = self._source[self._cell_end : token.end].strip().strip("|").strip()
        if rest:
            cell = Fragment()
            cell.write(rest.replace("\\|", "|"))
            self._rows[-1].append(cell)

    def columns(self) -> str | None:
        """Aligned text; None where it is too wide, or has links, which such text can't show."""
        if any(span.url for row in self._rows for cell in row for span in cell.spans):
            return None
        return table.aligned([[str(cell) for cell in row] for row in self._rows], self._alignments)

    def rows(self) -> list[Fragment]:
        """Each row as lines of "header: value"; rows without text are left out.

        A header too long to be repeated is a row like the others.
        """
        header, *rows = self._rows
        lengths = [[cell.length for cell in row] for row in self._rows]
        if not rows or table.repeats_too_much(lengths[0], lengths[1:]):
            return [_listed([], row) for row in self._rows if any(cell.length for cell in row)]
        return [_listed(header, row) for row in rows if any(cell.length for cell in row)]


def _listed(header: list[Fragment], row: list[Fragment]) -> Fragment:
    lines = Fragment()
    names = [*header, *[Fragment()] * (len(row) - len(header))]
    for name, cell in zip(names, row, strict=False):
        if not cell.length:
            continue
        lines.write("\n    " if lines.length else "• ")
        if name.length:
            start = lines.length
            lines.append(name)
            lines.write(":")
            if not name.spans:
                lines.mark("bold", start)
            lines.write(" ")
        lines.append(cell)
    return lines
