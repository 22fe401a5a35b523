"""How the database is opened and waited for, on a real SQLite file and on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from kept import CHAT, ask, opened, window

from bot.chat.keys import TurnKey
from bot.store import upgrade
from bot.store.database import Database
from bot.store.databases import STALLED, Databases, StorageError, make_engine, sqlite_url
from bot.store.history import History
from bot.store.schema import Text, metadata, turns

if TYPE_CHECKING:
    from pathlib import Path

OLD_COLUMNS = ("seq", "key", "chat", "command", "question", "asked_at", "answer", "outcome")
"""Of the first release, those that must be given."""


async def test_a_database_that_is_busy_is_waited_for(database: Database, history: History) -> None:
    calls = []

    def locked_at_first(db: sa.Connection) -> str:
        calls.append(1)
        db.execute(sa.insert(turns).values(key=f"{CHAT}:1:0", chat=str(CHAT), asked_at=0.0))
        if len(calls) == 1:
            raise sa.exc.OperationalError("write", {}, sqlite3.OperationalError("locked"))
        return "written"

    assert await database.run(locked_at_first) == "written"
    assert len(calls) == 2, "the first try left nothing behind, or the second had failed"
    assert await history.turn(TurnKey(CHAT, "1")) is not None


async def test_a_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    (tmp_path / "history.db").write_text("not a database " * 100)
    with pytest.raises(StorageError, match=r"storage.url: .*history.db can't be used"):
        Database(sqlite_url(tmp_path / "history.db"))


def test_a_server_that_is_not_there_is_said_without_the_password() -> None:
    url = Databases.at("postgresql://me:hidden@127.0.0.1:1/parlance").history
    with pytest.raises(StorageError, match=r"storage.url: .*127.0.0.1:1.* can't be used") as raised:
        Database(url)
    assert "hidden" not in str(raised.value)


def test_a_database_of_a_newer_release_is_refused(database_url: sa.URL) -> None:
    engine = make_engine(database_url)
    upgrade.migrate(engine)
    newer = "UPDATE alembic_version SET version_num = '9999'"
    with engine.begin() as db:
        db.execute(sa.text(newer))
    upgrade.migrate(engine)  # It has been extended; this release may go on.
    with engine.begin() as db:
        db.execute(sa.text("UPDATE oldest_reader SET revision = '9998'"))
    with pytest.raises(StorageError, match=r"newer parlance .*9999.*upgrade"):
        upgrade.migrate(engine)
    engine.dispose()


async def test_replicas_that_start_together_make_the_tables_once(postgres_url: str) -> None:
    url = Databases.at(postgres_url).history
    opened = await asyncio.gather(*(asyncio.to_thread(Database, url) for _ in range(4)))
    for database in opened:
        await database.close()


def test_the_migrations_lead_to_the_tables_that_the_code_knows(database_url: sa.URL) -> None:
    engine = make_engine(database_url)
    upgrade.migrate(engine)
    columns = sa.text(
        "SELECT table_name, column_name, collation_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND data_type = 'character varying'"
    )
    with engine.connect() as db:
        context = MigrationContext.configure(db, opts={"include_object": _is_ours})
        assert compare_metadata(context, metadata) == []
        if database_url.get_backend_name() == "postgresql":
            ordered = {(c.table_name, c.column_name): c.collation_name for c in db.execute(columns)}
            for table in metadata.sorted_tables:
                for column in table.columns:
                    if isinstance(column.type, Text):
                        assert ordered[table.name, column.name] == "C", column
    engine.dispose()


def _is_ours(_object: object, name: str | None, type_: str, *_: object) -> bool:
    """Which release may read the database is written down in tables of its own."""
    return type_ != "table" or name in metadata.tables


async def test_a_database_of_the_first_release_is_brought_up_to_date(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "history.db")
    engine = make_engine(url)
    upgrade.migrate(engine, "0001")
    with engine.begin() as db:
        old = sa.table("turns", *map(sa.column, OLD_COLUMNS))
        for seq, command in ((1, ""), (2, "retry"), (3, "retry")):
            row = (seq, f"{CHAT}:{seq}:0", str(CHAT), command, "q1", 0.0, f"a{seq}", "whole")
            db.execute(sa.insert(old).values(dict(zip(OLD_COLUMNS, row, strict=True))))
    engine.dispose()
    async with opened(url) as database:
        history = History(database)
        assert await window(history, await ask(history, 4)) == [("q1", "a3")]


async def test_what_a_process_that_stands_still_has_locked_is_free_again(
    postgres_url: str,
) -> None:
    """Else those who would take its turns over waited for it, and gave no sign of life."""
    url = Databases.at(postgres_url).history
    database = Database(url)
    history = History(database)
    turn = await ask(history, 1)
    engine = make_engine(url)
    with engine.connect() as standing_still:
        standing_still.execute(sa.update(turns).where(turns.c.seq == turn.seq).values(question="?"))
        async with asyncio.timeout(STALLED + 10):
            await history.settle(turn)
        with pytest.raises(sa.exc.DBAPIError):
            standing_still.execute(sa.text("SELECT 1"))
    engine.dispose()
    await database.close()
