"""What arrives on parallel connections goes on one at a time in each lane."""

from __future__ import annotations

import asyncio
import heapq
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Hashable

_Waiting = list[tuple[int, int, "asyncio.Future[None]"]]


class InOrder:
    """Of those that wait in a lane the lowest number goes first. One event loop."""

    def __init__(self) -> None:
        # Invariant: a lane is here as long as somebody is in it; its heap holds those who wait.
        self._lanes: dict[Hashable, _Waiting] = {}
        self._arrivals = count()

    def __len__(self) -> int:
        """The lanes that somebody is in."""
        return len(self._lanes)

    @asynccontextmanager
    async def turn(self, lane: Hashable, number: int) -> AsyncIterator[None]:
        await self._enter(lane, number)
        try:
            yield
        finally:
            self._leave(lane)

    async def _enter(self, lane: Hashable, number: int) -> None:
        if lane not in self._lanes:
            self._lanes[lane] = []
            return
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._lanes[lane], (number, next(self._arrivals), mine))
        try:
            await mine
        except asyncio.CancelledError:
            if not mine.cancelled():
                self._leave(lane)  # It had been let in just then.
            raise

    def _leave(self, lane: Hashable) -> None:
        waiting = self._lanes[lane]
        while waiting:
            *_, following = heapq.heappop(waiting)
            if not following.cancelled():
                following.set_result(None)
                return
        del self._lanes[lane]
