"""What was learned of the platforms' limits outlives the process."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.chat.keys import BotKey, ChatKey
    from bot.chat.lesson import Lesson
    from bot.reply.pace import Pace

SAVE_EVERY: Final = 5.0
"""Seconds; what is learned later than this before a crash is learned again."""


class Keeper(Protocol):
    """Keeps lessons over a restart; times since the epoch."""

    async def lessons(self, bot: BotKey) -> dict[tuple[ChatKey, str], Lesson]: ...
    async def keep_lessons(self, learned: Mapping[tuple[ChatKey, str], Lesson]) -> None: ...


class Lessons:
    """Keeps the lessons of each platform's pace in the history."""

    def __init__(self, history: Keeper, paces: Mapping[str, Pace]) -> None:
        self._history = history
        self._paces = paces
        # From the event loop's clock, which begins anew with each process, to the epoch's.
        self._epoch = time.time() - asyncio.get_running_loop().time()

    async def recall(self, bot: BotKey) -> None:
        """What was learned as `bot`."""
        learned = await self._history.lessons(bot)
        self._paces[bot.platform].recall(_shifted(learned, -self._epoch))

    async def save(self) -> None:
        for pace in self._paces.values():
            if learned := pace.lessons():
                await self._history.keep_lessons(_shifted(learned, self._epoch))

    async def keep_saving(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(SAVE_EVERY)
            await self.save()


def _shifted(
    lessons: Mapping[tuple[ChatKey, str], Lesson], seconds: float
) -> dict[tuple[ChatKey, str], Lesson]:
    return {
        of: lesson._replace(penalty_until=lesson.penalty_until + seconds)
        for of, lesson in lessons.items()
    }
