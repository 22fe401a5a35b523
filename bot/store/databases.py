"""The databases: where they are, how they are opened, who may open them."""

from __future__ import annotations

import fcntl
import sqlite3
import time
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
import structlog

from bot.store.private_files import close_to_others, lock_of
from providers.redact import one_line, redact

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

log = structlog.get_logger(__name__)

BUSY_TIMEOUT: Final = 10.0
"""Seconds a write waits for another one to finish."""
CONNECT_TIMEOUT: Final = 5
"""Seconds to reach a PostgreSQL server."""
CONNECTIONS: Final = 8
"""To PostgreSQL at most, for the history; the queue has as many."""
STALLED: Final = 8.0
"""Seconds after which PostgreSQL ends the session of a process that stands still in a transaction:
what it has locked would hold up whoever takes its turns over."""
CHECKED: Final = 2.0
"""Seconds at a start in which an SQLite file is looked through for damage: about 1 GB."""
REBUILT_AT_ONCE: Final = 64 * 2**20
"""Bytes of a database that is rebuilt while the bot runs: 0.6 s, measured on 2 shared cores."""
_PRAGMAS: Final = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "secure_delete = ON",  # What is deleted is overwritten.
)
STARTING: Final = 60.0
"""Seconds that a PostgreSQL server may take to start."""


class StorageError(Exception):
    """The database can't be used; the message is one line that names the mend."""


class InUseError(StorageError):
    """Another process holds the files."""

    def __init__(self, path: Path) -> None:
        self.what = f"storage.url: {path} is in use by another parlance"
        super().__init__(f"{self.what}; stop that one, or give this one a file of its own")


@dataclass(frozen=True, slots=True)
class Databases:
    """What a `storage.url` stands for."""

    history: sa.URL
    turns: sa.URL
    """The queue's. With PostgreSQL the same database; its tables are in a schema of their own."""

    @classmethod
    def at(cls, url: str) -> Databases:
        """`url`: sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/NAME."""
        made = sa.make_url(url)
        if made.get_backend_name() == "sqlite":
            history = Path(made.database or "parlance.db")
            turns = history.with_suffix(f".turns{history.suffix}")
            return cls(sqlite_url(history), sqlite_url(turns))
        made = made.set(drivername="postgresql+psycopg")
        if password := made.query.get("password"):  # Where it stands there, it would be shown.
            made = made.difference_update_query(["password"]).set(password=str(password))
        return cls(made, made)

    @property
    def shared(self) -> bool:
        """Whether any number of processes may use them at once."""
        return is_postgresql(self.history)

    def check(self) -> None:
        """Look for damage, for as long as CHECKED for each file; raises StorageError."""
        if not self.shared:
            for database in (self.history, self.turns):
                _check(Path(database.database or ""))

    def claim(self) -> AbstractContextManager[None]:
        """Hold the files for this process alone, closed to other users of the machine.

        Raises StorageError where another process holds them.
        """
        if self.shared:
            return nullcontext()
        return _claim(Path(self.history.database or ""), Path(self.turns.database or ""))


def sqlite_url(path: Path) -> sa.URL:
    return sa.URL.create("sqlite", database=str(path))


def is_postgresql(url: sa.URL) -> bool:
    return url.get_backend_name() == "postgresql"


def exists(url: sa.URL) -> bool:
    """Whether the file of an SQLite database is there."""
    return Path(url.database or "").is_file()


def make_engine(url: sa.URL) -> sa.Engine:
    """Open a database so that readers never wait and a commit survives a power cut."""
    options: dict[str, Any] = {"timeout": BUSY_TIMEOUT}
    pool: dict[str, Any] = {}
    if is_postgresql(url):
        options = {"connect_timeout": CONNECT_TIMEOUT, "application_name": "parlance"}
        pool = {"pool_size": CONNECTIONS, "max_overflow": 0}
    # Parameters are what people wrote: they must not stand in an error.
    made = sa.create_engine(url, connect_args=options, hide_parameters=True, **pool)
    prepare = _prepare_postgresql if is_postgresql(url) else _prepare_sqlite
    sa.event.listen(made, "connect", prepare)
    return made


def _prepare_postgresql(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute(f"SET idle_in_transaction_session_timeout = {STALLED * 1000:.0f}")
    cursor.close()
    connection.commit()


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _check(path: Path) -> None:
    if not path.exists():
        return
    ends_at = time.monotonic() + CHECKED
    found = "ok"
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT)) as db:
            db.set_progress_handler(lambda: time.monotonic() > ends_at, 10_000)
            # It is interrupted where the file is too large to be read in time.
            with suppress(sqlite3.OperationalError):
                (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found != "ok":
        raise StorageError(
            f"storage.url: {path} is damaged ({one_line(found)}); put a backup in its place "
            "(docs/operations.md, Backup and restore)"
        )


def scrub(target: sa.Engine, *, rebuild_up_to: float = 0) -> None:
    """Leave nothing of what was deleted in the files of an SQLite database.

    SQLite overwrites what is deleted, but not the copies of it that moving rows about left in
    unused parts of pages: those are gone only once a file is rebuilt, which is done up to that
    size in bytes and holds up every writer. PostgreSQL overwrites in its own time.
    Raises sqlalchemy.exc.OperationalError where the disk is full or the database is in use.
    """
    if is_postgresql(target.url):
        return
    with target.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
        if Path(target.url.database or "").stat().st_size <= rebuild_up_to:
            db.exec_driver_sql("VACUUM")
        db.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def await_server(database: sa.URL, patience: float = STARTING) -> None:
    """Return once the database's server takes connections; at once for a file.

    A machine that starts the bot and the server together starts one of them first. Where the
    server refuses us for good, or does not come within `patience` seconds, whoever uses the
    database says so.
    """
    if not is_postgresql(database):
        return
    target = make_engine(database)
    until = time.monotonic() + patience
    told = False
    while time.monotonic() < until:
        try:
            target.connect().close()
            break
        except sa.exc.OperationalError as error:
            reason = one_line(redact(str(error.orig)))
            # It refuses whoever is not known, and everybody while it is starting.
            if "FATAL" in reason and "database system" not in reason:
                break
            if not told:
                log.warning("storage.url: the server is out of reach; waiting", reason=reason)
            told = True
        time.sleep(1.0)
    target.dispose()


@contextmanager
def _claim(path: Path, turns: Path) -> Iterator[None]:
    """Make the folder of `path` and hold it for this process alone.

    Raises StorageError where another process holds it or nothing can be written there.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = lock_of(path)
        lock.touch(0o600)
        handle = lock.open("a")
    except OSError as error:
        raise StorageError(
            f"storage.url: {path.parent} can't be written to ({error.strerror}); "
            "give a folder this user may write in"
        ) from None
    with handle:
        try:
            # Held until the file is closed, by the end of the process at the latest.
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InUseError(path) from None
        close_to_others(path, turns)
        yield
