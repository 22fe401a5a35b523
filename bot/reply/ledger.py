"""What is kept of a reply: the messages it posted, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Ledger(Protocol):
    """Remembers over a crash which messages were posted for a turn."""

    async def posted(self, number: int, message: str) -> None:
        """`message` is the answer's message of this `number`; the numbers grow from 0."""
        ...

    async def removed(self, message: str) -> None:
        """`message`, once posted, is deleted."""
        ...


@dataclass(slots=True)
class Counts:
    """What a reply cost; for the log and the metrics."""

    calls: int = 0
    refusals: int = 0
    ambiguous: int = 0
    """Creates of unknown fate that were sent again: each may have left an orphan message."""
    first_shown: float | None = None
    """When the first text was shown, the last word was said, all of it was shown; on the event
    loop's clock."""
    ended: float | None = None
    delivered: float | None = None
