"""What nobody needs any more is deleted, a little at a time and beside everything else."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import structlog

from providers.redact import one_line, redact

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.settings.sections import StorageSettings
    from bot.store.pruning import Pruning
    from bot.store.queue import TurnQueue

log = structlog.get_logger(__name__)

REDELIVERY: Final = 48 * 3600.0
"""Seconds in which a message may come again: Telegram keeps its updates for up to 24 hours
(https://core.telegram.org/bots/api#getting-updates), Discord's channels are searched as far back;
twice that, as clocks are wrong and machines stand still. So long it is known what was answered."""
INTERVAL: Final = 3600.0
"""Seconds between two rounds."""
BATCH: Final = 200
"""Rows that are deleted in one go, so that nobody waits for long to write."""
PAUSE: Final = 0.05
"""Seconds between two goes, in which others write."""
DAY: Final = 86400.0


class Housekeeping:
    """The queue's rows after the redelivery window; the history as the settings say."""

    def __init__(
        self,
        pruning: Pruning,
        queue: TurnQueue,
        storage: StorageSettings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock` gives seconds since the epoch."""
        self._pruning = pruning
        self._queue = queue
        self._keep_days = storage.keep_days
        self._keep_turns = storage.keep_turns
        self._clock = clock

    async def run(self, prefix: str = "") -> None:
        """Until cancelled. Of the history, chats whose keys begin with `prefix` are tidied up.

        How long a bot's chats are kept is for its own settings to say.
        """
        while True:
            try:
                await self.tidy(prefix)
            except Exception as error:  # noqa: BLE001 - the next round is tried all the same
                reason = one_line(redact(str(error)))
                log.warning("tidying up failed; trying again", reason=reason, again_in=INTERVAL)
            await asyncio.sleep(INTERVAL)

    async def tidy(self, prefix: str = "") -> None:
        """One round."""
        await self._pruning.forget_forgetting(self._clock() - REDELIVERY)
        queue = await self._prune_queue()
        turns = await self._prune_old(prefix) + await self._prune_many(prefix)
        if queue or turns:
            log.info("tidied up", turns=turns, queue=queue)

    async def _prune_queue(self) -> int:
        before, deleted = self._clock() - REDELIVERY, 0
        while batch := await self._queue.prune(before, BATCH):
            deleted += batch
            await asyncio.sleep(PAUSE)
        return deleted

    async def _prune_old(self, prefix: str) -> int:
        if not self._keep_days:
            return 0
        before = self._clock() - max(self._keep_days * DAY, REDELIVERY)
        deleted, reached = 0, 0
        while True:
            swept = await self._pruning.sweep(reached, before, BATCH, prefix)
            deleted += swept.deleted
            if swept.reached is None:
                return deleted
            reached = swept.reached
            await asyncio.sleep(PAUSE)

    async def _prune_many(self, prefix: str) -> int:
        if not self._keep_turns:
            return 0
        before, deleted, last = self._clock() - REDELIVERY, 0, prefix
        while chats := [c for c in await self._pruning.chats(last) if c.startswith(prefix)]:
            for last in chats:
                while batch := await self._pruning.thin(last, self._keep_turns, before, BATCH):
                    deleted += batch
                    await asyncio.sleep(PAUSE)
            await asyncio.sleep(PAUSE)
        return deleted
