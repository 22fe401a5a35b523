"""How a turn goes on when the process that answered it is gone."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from bot.replicas.base import Lease
    from bot.store.schema import Turn

SAVE_EVERY = 2.0
"""Seconds between two saves of an answer that is being written: what a kill takes of it."""


def too_old(turn: Turn, *, begun: bool, started_at: float, now: float, within: float) -> bool:
    """Whether nobody expects an answer any more that an earlier process owed.

    An answer that was `begun` is as old as its question. A question that only waited is as old as
    it was when this process started: how long it waits here for its turn is no reason to drop it.
    Times are seconds since the epoch, `within` is in seconds.
    """
    return (now if begun else started_at) - turn.asked_at > within


@dataclass(slots=True)
class _Writing:
    text: Callable[[], str]
    saved: int
    """Characters that are saved. A shorter text is no growth: more stands before the reader."""


class Partials:
    """The answers that are being written, saved together: one write, however many they are."""

    def __init__(self, save: Callable[[Mapping[int, str]], Awaitable[None]], lease: Lease) -> None:
        """`save` is `History.save_partials`."""
        self._save = save
        self._lease = lease
        self._writing: dict[int, _Writing] = {}
        self._saving: asyncio.Task[None] | None = None
        """Runs while anything is being written."""

    @contextmanager
    def writing(self, turn: Turn, text: Callable[[], str]) -> Iterator[None]:
        """Around the writing of an answer, which reads `text()` so far."""
        self._writing[turn.seq] = _Writing(text, len(turn.partial or ""))
        if self._saving is None or self._saving.done():
            self._saving = asyncio.create_task(self._keep_saving())
        try:
            yield
        finally:
            del self._writing[turn.seq]

    async def close(self) -> None:
        """Save what is still being written."""
        if self._saving is not None:
            self._saving.cancel()
        await self._save_what_grew()

    async def _keep_saving(self) -> None:
        while self._writing:
            await asyncio.sleep(SAVE_EVERY)
            await self._save_what_grew()

    async def _save_what_grew(self) -> None:
        texts = {seq: writing.text() for seq, writing in self._writing.items()}
        grown = {s: text for s, text in texts.items() if len(text) > self._writing[s].saved}
        if not grown or not self._lease.good():
            return  # Without the lease another replica may be writing them.
        for seq, text in grown.items():
            self._writing[seq].saved = len(text)
        await self._save(grown)
