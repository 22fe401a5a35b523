"""Tables as aligned monospaced text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.reply.graphemes import width

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDEST = 60
"""Cells; a wider table wraps on most screens and can't be read."""

MOST_REPEATED = 20
"""In a list of "header: value", characters of names that are shown for each of the cells' own."""


def repeats_too_much(names: Sequence[int], cells: Sequence[Sequence[int]]) -> bool:
    """Whether the names, stood before each cell, would make the table grow beyond all measure.

    Both are given as lengths in characters; a cell of no length is not shown, nor its name.
    """
    shown = sum(map(sum, cells))
    repeated = sum(name for row in cells for name, cell in zip(names, row, strict=False) if cell)
    return repeated > MOST_REPEATED * (shown + sum(names))


def aligned(rows: Sequence[Sequence[str]], alignments: str) -> str | None:
    """The table in columns, the first row set off as its header; None where it is too wide.

    `alignments` has a letter for each column: l, c, r, or n for none. A row may be short.
    """
    columns = max(map(len, rows))
    filled = [[*row, *[""] * (columns - len(row))] for row in rows]
    widths = [max(map(width, column)) for column in zip(*filled, strict=True)]
    if sum(widths) + 3 * (columns - 1) > WIDEST:
        return None
    sides = alignments.ljust(columns, "n")
    header, *body = (" │ ".join(map(_padded, row, widths, sides)).rstrip() for row in filled)
    line = "─┼─".join("─" * each for each in widths)
    return "\n".join([header, line, *body])


def _padded(text: str, size: int, side: str) -> str:
    space = size - width(text)
    left = {"r": space, "c": space // 2}.get(side, 0)
    return " " * left + text + " " * (space - left)
