"""Whose turn it is to begin a session: Discord takes few at a time from all of a bot's shards."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bot.replicas.base import Replicas

INTERVAL: Final = 5.5
"""Seconds between two sessions. Documented: one IDENTIFY in 5 s for each rest of a shard's number
by max_concurrency; a little longer, as one may be longer on its way than the next
(https://discord.com/developers/docs/events/gateway#rate-limiting)."""


class Identify:
    """Gives turns, over all replicas; a session that is resumed needs none."""

    def __init__(self, replicas: Replicas, application: int, max_concurrency: int) -> None:
        self._replicas = replicas
        self._role = f"discord {application} identify"
        self._max_concurrency = max_concurrency
        self._locks: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._turns: set[asyncio.Task[None]] = set()

    async def turn(self, shard: int) -> asyncio.Task[None]:
        """Return once `shard` may begin a session.

        The task keeps the others waiting meanwhile; cancelled, it gives the turn back unused.
        """
        granted = asyncio.Event()
        holding = asyncio.create_task(self._hold(shard % self._max_concurrency, granted))
        self._turns.add(holding)
        holding.add_done_callback(self._turns.discard)
        try:
            await granted.wait()
        except asyncio.CancelledError:
            holding.cancel()
            raise
        return holding

    def close(self) -> None:
        for turn in self._turns:
            turn.cancel()

    async def _hold(self, bucket: int, granted: asyncio.Event) -> None:
        async def hold() -> None:
            granted.set()
            await asyncio.sleep(INTERVAL)

        async with self._locks[bucket]:
            await self._replicas.lead(f"{self._role} {bucket}", hold)
