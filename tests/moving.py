"""SQLite installations to move, `parlance migrate`, and what arrived; shares no code with it."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import forked
import psycopg

from bot.store import upgrade
from bot.store.databases import make_engine, sqlite_url

if TYPE_CHECKING:
    from pathlib import Path

    import sqlalchemy as sa

TURN = (
    "seq, key, chat, command, question, sender, asked_at, parent, parent_question_only, repeats,"
    " answer, outcome, notice, answer_tokens, settled"
)
WORDS = "Grüße 🏳️‍🌈 \u202e and a line\nbreak, a tab\t, a \\backslash\\N, NUL \0 and \U0010fffd. "
COLUMNS = {
    "turns": TURN,
    "posted": "turn, page, message",
    "lessons": "chat, kind, burst, trust, penalty_until, learned_at",
}
ORDER = {"turns": "seq", "posted": "turn, page", "lessons": 'chat COLLATE "{}", kind COLLATE "{}"'}


def tables(database: sa.URL) -> None:
    """Make the history's empty tables."""
    made = make_engine(database)
    upgrade.migrate(made)
    made.dispose()


def fill(file: Path, turns: int, *, chats: int = 50, text: str = WORDS) -> None:
    """An installation with so many turns, each with two posted messages."""
    tables(sqlite_url(file))
    with sqlite3.connect(file) as db:
        db.executemany(
            f"INSERT INTO turns ({TURN}) VALUES ({', '.join('?' * 15)})",  # noqa: S608 - names above
            (_turn(number, chats, text) for number in range(1, turns + 1)),
        )
        db.executemany(
            "INSERT INTO posted VALUES (?, ?, ?)",
            ((n, page, str(n * 2 + page)) for n in range(1, turns + 1) for page in (0, 1)),
        )
        db.executemany(
            "INSERT INTO lessons VALUES (?, ?, ?, ?, ?, ?)",
            ((f"t:b:{c}", kind, 20.0, 0.1 + c / 3, 1e9 + c / 7, 1e9) for c in range(chats)
             for kind in ("edit", "Create")),
        )  # fmt: skip
    db.close()
    file.chmod(0o600)  # As the bot makes it.


def _turn(number: int, chats: int, text: str) -> tuple[Any, ...]:
    chat, long = f"t:b:{number % chats}", 2000 if number % 5000 == 0 else 1
    return (
        number, f"{chat}:{number}:0", chat, "", f"{number} {text * long}", "ada",
        1.7e9 + number / 3, None if number % 3 else number - 1, number % 2, None,
        f"{text}{number}" if number % 7 else None, "whole", "", number % 90, number % 7 > 0,
    )  # fmt: skip


def held(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """As PostgreSQL can hold them."""
    return [tuple(v.replace("\0", "\ufffd") if isinstance(v, str) else v for v in r) for r in rows]


def in_sqlite(file: Path, table: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(file)) as db:
        return held(db.execute(_all(table, "BINARY")).fetchall())


def in_postgresql(url: str, table: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as db:
        return db.execute(_all(table, "C").encode()).fetchall()


def same(file: Path, url: str, table: str) -> int:
    """How many rows both sides have, all equal; a few of them in memory at a time."""
    count, step = 0, 5000
    with closing(sqlite3.connect(file)) as left, psycopg.connect(url) as right:
        ours = left.execute(_all(table, "BINARY"))
        theirs = right.cursor("all_rows")
        theirs.execute(_all(table, "C").encode())
        while rows := held(ours.fetchmany(step)):
            assert theirs.fetchmany(step) == rows
            count += len(rows)
        assert theirs.fetchmany(1) == []
    return count


def _all(table: str, collation: str) -> str:
    order = ORDER[table].replace("{}", collation)
    return f"SELECT {COLUMNS[table]} FROM {table} ORDER BY {order}"  # noqa: S608 - names above


async def started(config: Path, url: str) -> asyncio.subprocess.Process:
    """`parlance migrate`, under way."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PARLANCE__")}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "migrate", "--to", url, "--config", str(config),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=clean,
    )  # fmt: skip


async def migrate(config: Path, url: str) -> tuple[int, str, str]:
    """Its exit code, what it said, and its errors."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PARLANCE__")}
    arguments = ("parlance", "migrate", "--to", url, "--config", str(config))
    done = await asyncio.to_thread(forked.run, *arguments, environment=clean)
    return done.returncode, done.stdout, done.stderr
