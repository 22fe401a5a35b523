"""How often answers are read where many are written at once.

Each piece that a server sends costs the same work, whether it holds a token or ten. Where one
answer is written, its reader shall have each token at once; where hundreds are, no reader is shown
every token anyway, so what has arrived is taken in together.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

GAP_PER_ANSWER: Final = 0.001
"""Seconds: a thirtieth of the time between two edits, where so many share 30 edits a second. With
20 answers at once, a server's 50 tokens a second each are read one by one."""
LEAST_GAP: Final = 0.02
"""Seconds; a shorter one saves nothing."""
MOST_GAP: Final = 0.15


class Rhythm:
    """The answers that are being read in this process."""

    def __init__(self) -> None:
        self._answers = 0

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Around the reading of an answer."""
        self._answers += 1
        try:
            yield
        finally:
            self._answers -= 1

    @property
    def gap(self) -> float:
        """Seconds to leave between two reads of an answer."""
        gap = GAP_PER_ANSWER * self._answers
        return 0.0 if gap < LEAST_GAP else min(gap, MOST_GAP)
