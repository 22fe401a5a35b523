"""What was learned of the limits of chats, kept over a restart."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from bot.chat.keys import ChatKey
from bot.chat.lesson import Lesson
from bot.store.schema import lessons
from bot.store.sql import INSERTS, belongs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.chat.keys import BotKey
    from bot.store.database import Database

LESSONS_LAST: Final = 7 * 86400.0
"""Seconds after which what was learned of a chat's limits is forgotten."""


class LessonStore:
    """Lessons by what a platform counts a limit over, and the kind of call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def lessons(self, bot: BotKey) -> dict[tuple[ChatKey, str], Lesson]:
        """What was learned of the limits of a bot's chats; times since the epoch."""
        fresh = time.time() - LESSONS_LAST
        return await self._database.run(lambda db: lessons_of(db, bot, fresh))

    async def keep_lessons(self, learned: Mapping[tuple[ChatKey, str], Lesson]) -> None:
        now = time.time()
        await self._database.run(lambda db: keep(db, learned, now))


def lessons_of(db: sa.Connection, bot: BotKey, fresh: float) -> dict[tuple[ChatKey, str], Lesson]:
    """The lessons of `bot`; those of any bot that were learned before `fresh` are deleted."""
    db.execute(sa.delete(lessons).where(lessons.c.learned_at < fresh))
    rows = db.execute(sa.select(lessons).where(belongs(lessons.c.chat, bot)))
    return {
        (ChatKey.parse(row.chat), row.kind): Lesson(row.burst, row.trust, row.penalty_until)
        for row in rows
    }


def keep(db: sa.Connection, learned: Mapping[tuple[ChatKey, str], Lesson], now: float) -> None:
    for (chat, kind), lesson in learned.items():
        values = {**lesson._asdict(), "learned_at": now}
        row = INSERTS[db.dialect.name](lessons).values(chat=str(chat), kind=kind, **values)
        db.execute(row.on_conflict_do_update(index_elements=["chat", "kind"], set_=values))
