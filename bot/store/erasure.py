"""What is erased because somebody asked for it, and what that leaves behind.

What refers to a deleted turn ends there: a conversation that went on from it begins after it.
Numbers of deleted turns are never given again.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import sqlalchemy as sa

from bot.chat.keys import ChatKey, TurnKey
from bot.store.schema import forgotten, lessons, turns
from bot.store.sql import INSERTS, belongs

if TYPE_CHECKING:
    from bot.chat.keys import BotKey
    from bot.store.database import Database
    from bot.store.schema import Turn

_NEWEST = sa.select(forgotten.c.message).where(forgotten.c.chat == sa.bindparam("chat"))


class Erasure:
    """Erases what was said, from the database and from its files."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def forget(self, turn: Turn) -> None:
        """Erase what was said in the chat of `turn` before it."""
        chat, newest = str(turn.key.chat), turn.key.number
        await self._database.run(partial(forget, chat=chat, newest=newest, before=turn.seq))
        await self._database.scrub()

    async def drop(self, turn: Turn) -> None:
        """Erase `turn` itself."""
        await self._database.execute(sa.delete(turns).where(turns.c.seq == turn.seq))


def forget(db: sa.Connection, chat: str, newest: int, *, before: int | None = None) -> None:
    """Delete all of `chat`, or what was asked before turn number `before`.

    Its messages up to number `newest` are not taken again.
    """
    row = INSERTS[db.dialect.name](forgotten).values(
        chat=chat, message=newest, forgotten_at=time.time()
    )
    again = {"message": row.excluded.message, "forgotten_at": row.excluded.forgotten_at}
    known = forgotten.c.message < row.excluded.message
    db.execute(row.on_conflict_do_update(index_elements=["chat"], set_=again, where=known))
    erased = sa.delete(turns).where(turns.c.chat == chat)
    db.execute(erased if before is None else erased.where(turns.c.seq < before))
    db.execute(sa.delete(lessons).where(lessons.c.chat == chat))


def is_forgotten(db: sa.Connection, key: TurnKey) -> bool:
    """Whether its chat was erased after this message was written."""
    newest = db.execute(_NEWEST, {"chat": str(key.chat)}).scalar()
    return newest is not None and 0 < key.number <= newest


def newest_forgotten(db: sa.Connection, bot: BotKey, since: float) -> list[TurnKey]:
    """The newest message of each chat of `bot` that was erased since then."""
    query = sa.select(forgotten).where(
        belongs(forgotten.c.chat, bot), forgotten.c.forgotten_at >= since
    )
    return [TurnKey(ChatKey.parse(row.chat), str(row.message)) for row in db.execute(query)]
