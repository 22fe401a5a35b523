"""What keeps the bot from answering, for whoever watches it from outside."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from bot.store.database import Database

STORAGE_PATIENCE = 3.0
"""Seconds the database may take for the smallest query."""
THREADS_PATIENCE = 5.0
"""Seconds until one of the process's threads must be free."""


class Awaited(Protocol):
    async def ready(self) -> object:
        """Return once messages can be posted."""
        ...


class Readiness:
    def __init__(
        self,
        platforms: Mapping[str, Awaited],
        database: Database,
        *,
        patience: float = STORAGE_PATIENCE,
    ) -> None:
        self._patience = patience
        self.stopping = False
        """Set for good when the process begins to end."""
        self._platforms = platforms
        self._database = database
        self._lost: set[str] = set()

    def lost(self, platform: str) -> None:
        """The platform has turned us away for good."""
        self._lost.add(platform)

    async def missing(self) -> list[str]:
        """In words, what the bot waits for; nothing: it answers."""
        missing = ["the process is stopping"] if self.stopping else []
        for name, platform in self._platforms.items():
            if name in self._lost:
                missing.append(f"{name}: it has turned the bot away; the log says why")
            elif not await _within(0, platform.ready()):
                missing.append(f"{name}: not logged in yet")
        if not await _within(self._patience, self._database.answers()):
            missing.append("storage: the history does not answer")
        return missing

    async def stuck(self) -> list[str]:
        """What only a new process can mend."""
        if await _within(THREADS_PATIENCE, asyncio.to_thread(lambda: None)):
            return []
        return ["threads: none is free; the queue of turns can't be looked at"]


async def _within(seconds: float, happening: Awaitable[object]) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await happening
    except TimeoutError:
        return False
    return True
