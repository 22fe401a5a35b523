"""`parlance forget`: a chat is erased from outside, and what is left of it is counted."""

from __future__ import annotations

import math
import time
from difflib import get_close_matches
from pathlib import Path
from typing import Final, NamedTuple

import sqlalchemy as sa

from bot.chat.keys import ChatKey, TurnKey
from bot.control.stop import stop_signal
from bot.replicas import cluster
from bot.replicas.base import EVERYBODY
from bot.store import erasure, pruning, upgrade
from bot.store.databases import (
    Databases,
    InUseError,
    StorageError,
    make_engine,
    scrub,
)
from bot.store.owed import ChatRows
from bot.store.schema import lessons, posted, turns
from providers.redact import one_line, redact

PATIENCE: Final = 10.0
"""Seconds for answers that replicas are writing to end."""
NEAR: Final = 5
"""Chats that are named where the one that was given is not known."""


class ForgetError(Exception):
    """Nothing was erased; the message is one line that names the mend."""


class Erased(NamedTuple):
    table: str
    rows: int
    left: int


def forget(url: str, text: str) -> list[Erased]:
    """Erase the chat that `text` names from the databases at `url`.

    Raises ForgetError where there is no such chat, StorageError where they can't be used.
    """
    databases = Databases.at(url)
    chat = _chat(text)
    try:
        with databases.claim():
            return _forget(databases, chat)
    except InUseError as error:
        raise ForgetError(f"{error.what}; write /forget in the chat, or stop the bot") from None


def _chat(text: str) -> ChatKey:
    """A chat's key, or a turn's key as it stands in the log."""
    try:
        match text.count(":"):
            case 4:
                return TurnKey.parse(text).chat
            case 3:
                return ChatKey.parse("/".join(text.rsplit(":", 1)))
            case _:
                return ChatKey.parse(text)
    except ValueError:
        raise ForgetError(
            f'--chat: "{text}" is no chat; give it as the log does, '
            "as in telegram:BOT:CHAT or telegram:BOT:CHAT/THREAD"
        ) from None


def _forget(databases: Databases, chat: ChatKey) -> list[Erased]:
    for database in {databases.history, databases.turns}:
        if not databases.shared and not Path(database.database or "").exists():
            raise ForgetError(f"storage.url: there is no database at {database.database}")
    history, queue = make_engine(databases.history), make_engine(databases.turns)
    try:
        upgrade.migrate(history)
        rows = _Rows(history, queue, chat)
        before = rows.counts()
        if not any(before.values()):
            raise ForgetError(_unknown(history, chat))
        rows.erase_history()
        if databases.shared:
            rows.stop_answers()
        rows.queue.erase()
        left = rows.counts()
        for engine in (history, queue):
            scrub(engine, rebuild_up_to=math.inf)
        return [Erased(table, count, left[table]) for table, count in before.items()]
    except sa.exc.OperationalError as error:
        reason = one_line(redact(str(error.orig)))
        raise StorageError(f"storage.url: {reason}") from None
    finally:
        history.dispose()
        queue.dispose()


class _Rows:
    """What the databases hold of a chat."""

    def __init__(self, history: sa.Engine, queue: sa.Engine, chat: ChatKey) -> None:
        self._history = history
        self._chat = chat
        seqs = sa.select(turns.c.seq).where(turns.c.chat == str(chat))
        self._tables: dict[sa.Table, sa.ColumnElement[bool]] = {
            turns: turns.c.chat == str(chat),
            posted: posted.c.turn.in_(seqs),
            lessons: lessons.c.chat == str(chat),
        }
        self.queue = ChatRows(queue, chat)

    def counts(self) -> dict[str, int]:
        """Rows by table."""
        found: dict[str, int] = {}
        with self._history.connect() as db:
            for table, mine in self._tables.items():
                count = sa.select(sa.func.count()).select_from(table).where(mine)
                found[table.name] = db.execute(count).scalar_one()
        return found | self.queue.counts()

    def erase_history(self) -> None:
        with self._history.begin() as db:
            asked = sa.select(turns.c.key).where(turns.c.chat == str(self._chat))
            newest = max(
                (TurnKey.parse(key).number for key in db.execute(asked).scalars()), default=0
            )
            erasure.forget(db, str(self._chat), newest)

    def stop_answers(self) -> None:
        """Have replicas stop what they write in the chat, and wait until they have."""
        text = cluster.notice("forget", EVERYBODY, stop_signal(self._chat))
        with self._history.begin() as db:
            db.execute(sa.select(sa.func.pg_notify(cluster.CHANNEL, text)))
        until = time.monotonic() + PATIENCE
        while self.queue.are_owed() and time.monotonic() < until:
            time.sleep(0.1)


def _unknown(history: sa.Engine, chat: ChatKey) -> str:
    known: list[str] = []
    with history.connect() as db:
        while some := pruning.chats(db, known[-1] if known else ""):
            known += some
    near = get_close_matches(str(chat), known, n=NEAR)
    hint = f"; near are {', '.join(near)}" if near else ""
    return f'--chat: nothing is kept of "{chat}"{hint}'
