"""The history database while the bot runs: opened once, and waited for when it can't be used.

What is kept in it is for other files to say: each of them hands `run` a function of a connection.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Final, TypeVar

import sqlalchemy as sa
import structlog

from bot.backoff import backoff
from bot.store import upgrade
from bot.store.databases import CONNECTIONS, REBUILT_AT_ONCE, is_postgresql, make_engine, scrub
from bot.store.schema import turns
from providers.redact import one_line, redact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Row = Mapping[str, object]

T = TypeVar("T")

log = structlog.get_logger(__name__)

_UNUSABLE: Final = (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.InternalError)
"""Locked, full, restarted, read-only, out of reach: it may be better later."""
_ANYTHING: Final = sa.select(turns.c.seq).limit(1)


class Database:
    """Its calls run on threads of their own, and take as long as the database needs.

    With SQLite that is one thread, as one process writes at a time; with PostgreSQL several, as
    each call waits for its answers.
    """

    def __init__(self, url: sa.URL) -> None:
        """Open it and bring it to today's shape; raises StorageError if it can't be used."""
        self._engine = make_engine(url)
        upgrade.migrate(self._engine)
        threads = CONNECTIONS if is_postgresql(url) else 1
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="history")

    async def run(self, work: Callable[[sa.Connection], T]) -> T:
        """What `work` returns, which is done in one transaction.

        A database that is locked, full or away is waited for, and `work` is done again: it must
        leave nothing behind when it raises.
        """
        return await self._patiently(partial(self._in_transaction, work))

    async def execute(
        self, statement: sa.Executable, values: Row | Sequence[Row] | None = None
    ) -> None:
        """As `run`, of one statement that returns nothing; of many `values`, each of them."""

        def execute(db: sa.Connection) -> None:
            db.execute(statement, values)

        await self.run(execute)

    async def answers(self) -> None:
        """Return once the database answers a query."""
        await self.execute(_ANYTHING)

    async def scrub(self) -> None:
        """Leave nothing of what was deleted in the files, or log why something may be left."""
        await self._patiently(self._scrub)

    async def close(self) -> None:
        """Finish the writes that were asked for."""
        await self._patiently(self._engine.dispose)
        self._threads.shutdown(wait=False)

    async def _patiently(self, call: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        for failures in count():
            try:
                return await loop.run_in_executor(self._threads, call)
            except _UNUSABLE as error:
                if error.connection_invalidated and not failures:
                    continue  # The server was restarted: a new connection may do.
                wait = backoff(failures + 1)
                reason = one_line(redact(str(error.orig)))
                log.error("the history can't be used", reason=reason, again_in=wait)  # noqa: TRY400 - one line
                await asyncio.sleep(wait)
        raise AssertionError

    # On the threads.

    def _in_transaction(self, work: Callable[[sa.Connection], T]) -> T:
        with self._engine.begin() as db:
            return work(db)

    def _scrub(self) -> None:
        try:
            scrub(self._engine, rebuild_up_to=REBUILT_AT_ONCE)
        except sa.exc.OperationalError as error:
            log.warning(
                "what was forgotten may be left in the files", reason=one_line(redact(str(error)))
            )
