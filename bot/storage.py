"""The database files: where they are, how they are opened, who may open them."""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

BUSY_TIMEOUT = 10.0
"""Seconds a write waits for another one to finish."""


class StorageError(Exception):
    """The database can't be used; the message is one line that names the mend."""


def files(url: str) -> tuple[Path, Path]:
    """The history's file and the turn queue's, for a `storage.url` of the form sqlite:///PATH."""
    history = Path(sa.make_url(url).database or "parlance.db")
    return history, history.with_suffix(f".turns{history.suffix}")


def engine(path: Path) -> sa.Engine:
    """Open an SQLite file so that readers never wait and a commit survives a power cut."""
    made = sa.create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": BUSY_TIMEOUT},
        # Parameters are what people wrote: they must not stand in an error.
        hide_parameters=True,
    )

    @sa.event.listens_for(made, "connect")
    def prepare(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return made


def migrate(target: sa.Engine, revision: str = "head") -> None:
    """Bring the history database to the shape this code needs, or to an earlier `revision`."""
    from alembic import command  # noqa: PLC0415 - a heavy import that only a start needs
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", "bot:migrations")
    with target.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


@contextmanager
def claim(path: Path) -> Iterator[None]:
    """Make the folder of `path` and hold it for this process alone.

    Raises StorageError where another process holds it or nothing can be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.with_name(f"{path.name}.lock").open("a")
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
            raise StorageError(
                f"storage.url: {path} is in use by another parlance; stop that one, "
                "or give this one a file of its own"
            ) from None
        yield
