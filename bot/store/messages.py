"""The messages that answers became: which ones, should the process die, still stand in the chat."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import sqlalchemy as sa

from bot.store.schema import posted
from bot.store.sql import INSERTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.store.database import Database
    from bot.store.schema import Turn


def _insert_message(dialect: str) -> sa.Insert:
    row = INSERTS[dialect](posted)
    return row.on_conflict_do_update(
        index_elements=["turn", "page"], set_={"message": row.excluded.message}
    )


_INSERT = {dialect: _insert_message(dialect) for dialect in INSERTS}
_DELETE = sa.delete(posted).where(
    posted.c.turn == sa.bindparam("of"), posted.c.message == sa.bindparam("id")
)


class Messages:
    """Written down as they are posted and deleted; `History.progress` reads them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, turn: Turn, number: int, message: str) -> None:
        """`message` is the answer's message of this `number`."""
        row = {"turn": turn.shown_in, "page": number, "message": message}
        # If the chat was forgotten meanwhile, there is nothing that the message belongs to.
        with suppress(sa.exc.IntegrityError):
            await self._database.run(lambda db: write(db, row))

    async def remove(self, turn: Turn, message: str) -> None:
        """`message`, once posted, is deleted."""
        await self._database.execute(_DELETE, {"of": turn.shown_in, "id": message})


def write(db: sa.Connection, row: Mapping[str, object]) -> None:
    """Once for each turn and number; the last message of those is kept."""
    db.execute(_INSERT[db.dialect.name], row)
