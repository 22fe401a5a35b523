"""What is deleted from the history, and what that leaves behind; a module of `history`.

What refers to a deleted turn ends there: a conversation that went on from it begins after it.
Numbers of deleted turns are never given again.
"""

from __future__ import annotations

import time
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from bot.chat.keys import BotKey, ChatKey, TurnKey
from bot.store.schema import forgotten, lessons, turns

CHATS_AT_ONCE: Final = 100
_NEWEST = sa.select(forgotten.c.message).where(forgotten.c.chat == sa.bindparam("chat"))


class Swept(NamedTuple):
    """A stretch of turns, in the order in which they were asked."""

    deleted: int
    reached: int | None
    """The last one that was looked at; None: all others are newer than what is deleted."""


def belongs(chat: sa.ColumnElement[str], bot: BotKey) -> sa.ColumnElement[bool]:
    """Whether a chat is one of `bot`, as an index finds it."""
    return sa.and_(chat > bot.prefix, chat < f"{bot};")


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


def forget(db: sa.Connection, chat: str, newest: int, *, before: int | None = None) -> None:
    """Delete all of `chat`, or what was asked before turn number `before`.

    Its messages up to number `newest` are not taken again.
    """
    insert = postgresql.insert if db.dialect.name == "postgresql" else sqlite.insert
    row = insert(forgotten).values(chat=chat, message=newest, forgotten_at=time.time())
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


def forget_forgetting(db: sa.Connection, before: float) -> None:
    """Chats that were erased `before`, in seconds since the epoch, need no memory of that."""
    db.execute(sa.delete(forgotten).where(forgotten.c.forgotten_at < before))
