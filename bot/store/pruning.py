"""What is deleted because it is old or because there is too much of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import sqlalchemy as sa

from bot.store.schema import forgotten, turns

if TYPE_CHECKING:
    from bot.store.database import Database

CHATS_AT_ONCE: Final = 100


class Swept(NamedTuple):
    """A stretch of turns, in the order in which they were asked."""

    deleted: int
    reached: int | None
    """The last one that was looked at; None: all others are newer than what is deleted."""


class Pruning:
    """A little at a time, each a transaction of its own; when, housekeeping says."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sweep(self, after: int, before: float, most: int, prefix: str) -> Swept:
        """Delete settled turns asked `before`, among the next `most` after turn number `after`.

        Only those whose keys begin with `prefix`.
        """
        return await self._database.run(
            partial(sweep, after=after, before=before, most=most, prefix=prefix)
        )

    async def chats(self, after: str) -> list[str]:
        """Some chats in the order of their keys, from the one after `after`; none: no more."""
        return await self._database.run(lambda db: chats(db, after))

    async def thin(self, chat: str, keep: int, before: float, most: int) -> int:
        """Delete up to `most` settled turns of `chat` asked `before`, never its newest `keep`."""
        return await self._database.run(
            partial(thin, chat=chat, keep=keep, before=before, most=most)
        )

    async def forget_forgetting(self, before: float) -> None:
        """What was forgotten `before`, in seconds since the epoch, can't be delivered again."""
        await self._database.execute(sa.delete(forgotten).where(forgotten.c.forgotten_at < before))


def sweep(db: sa.Connection, after: int, before: float, most: int, prefix: str) -> Swept:
    """Delete the settled turns asked `before`, of at most `most` turns `after` that one.

    Only those whose keys begin with `prefix`. `before`: seconds since the epoch. The `posted` rows
    go with them.
    """
    columns = (turns.c.seq, turns.c.asked_at, turns.c.settled, turns.c.chat)
    following = sa.select(*columns).where(turns.c.seq > after).order_by(turns.c.seq).limit(most)
    rows = db.execute(following).all()
    old = [row for row in rows if row.asked_at < before]
    settled = [row.seq for row in old if row.settled and row.chat.startswith(prefix)]
    db.execute(sa.delete(turns).where(turns.c.seq.in_(settled)))
    more = len(old) == len(rows) == most
    return Swept(len(settled), rows[-1].seq if more else None)


def chats(db: sa.Connection, after: str) -> list[str]:
    """The chats whose key comes after `after`, in their order, CHATS_AT_ONCE at most."""
    found: list[str] = []
    while len(found) < CHATS_AT_ONCE:
        # The next one by the index alone: a chat may have a million turns.
        following = sa.select(sa.func.min(turns.c.chat)).where(turns.c.chat > after)
        chat = db.execute(following).scalar()
        if chat is None:
            break
        after = chat
        found.append(chat)
    return found


def thin(db: sa.Connection, chat: str, keep: int, before: float, most: int) -> int:
    """Delete at most `most` settled turns of `chat` asked `before`, all but the newest `keep`.

    Return how many.
    """
    newest = sa.select(turns.c.seq).where(turns.c.chat == chat).order_by(turns.c.seq.desc())
    oldest_kept = db.execute(newest.offset(keep - 1).limit(1)).scalar()
    if oldest_kept is None:
        return 0
    spare = (
        sa.select(turns.c.seq)
        .where(turns.c.chat == chat, turns.c.seq < oldest_kept)
        .where(turns.c.settled, turns.c.asked_at < before)
        .order_by(turns.c.seq)
        .limit(most)
    )
    deleted = list(db.execute(spare).scalars())
    db.execute(sa.delete(turns).where(turns.c.seq.in_(deleted)))
    return len(deleted)
