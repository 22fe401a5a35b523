"""What the queue needs of DBOS that DBOS does not offer: its private parts, and its habits.

The queue has no wake-up of its own, and waiting for its poll would cost half a second a turn.
tests/store/test_queue.py fails when the private parts change.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

import sqlalchemy as sa
import structlog
from dbos._core import execute_dequeued_workflow
from dbos._dbos import _get_dbos_instance
from dbos._utils import GlobalParams, generate_uuid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbos import Queue

log = structlog.get_logger(__name__)
_DBOS_LOG = logging.getLogger("dbos")


def prepare(engine: sa.Engine) -> None:
    """Before DBOS is made: what it logs is a line each, and a full disk is waited for."""
    sa.event.listen(engine, "handle_error", _try_again, retval=True)
    _DBOS_LOG.addFilter(_first_line)


def listening() -> list[str]:
    """The names of the queues that DBOS polls; it looks at the list before each search for them."""
    names = _get_dbos_instance()._listening_queues  # noqa: SLF001 - see above
    assert names is not None
    return names


def stop_polling() -> None:
    """For good: its polls would go on to claim turns, and so keep them from other processes."""
    hush()
    for stop in _get_dbos_instance().background_thread_stop_events:
        stop.set()


def hush() -> None:
    """It warns of each turn that is cut, which is meant to happen from here on."""
    _DBOS_LOG.setLevel(logging.ERROR)


@contextmanager
def hushed() -> Iterator[None]:
    """As `hush`, for a while."""
    level = _DBOS_LOG.level
    hush()
    try:
        yield
    finally:
        _DBOS_LOG.setLevel(level)


def claim_and_start(queue: Queue) -> int:
    """What DBOS's queue thread does at each poll, done now and in fewer queries.

    Returns how many turns it claimed. The queue's settings are known, and that a turn which names
    no release may be run by this one.
    """
    dbos = _get_dbos_instance()
    owner = generate_uuid()
    system = dbos._sys_db  # noqa: SLF001 - see above
    claimed = system.start_queued_partitioned_workflows(
        queue,
        GlobalParams.executor_id,
        GlobalParams.app_version,
        owner_xid=owner,
        is_latest_version=True,
    )
    for status in system.get_workflow_statuses(claimed) if claimed else ():
        try:
            execute_dequeued_workflow(dbos, status, owner)
        except Exception:
            # The others are claimed too, and nobody else would start them.
            turn = status["workflow_uuid"]
            log.exception("turn not started; it goes on at the next start", turn=turn)
    return len(claimed)


def _try_again(context: sa.engine.ExceptionContext) -> Exception | None:
    """A full disk is waited for, as a locked database is: DBOS repeats that for ever.

    A turn whose end it could not write down otherwise would hold up its lane until the next start.
    """
    error = context.original_exception
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY")):
        locked = sqlite3.OperationalError(f"database is locked: {error}")
        return sa.exc.OperationalError(None, None, locked)
    return None


def _first_line(record: logging.LogRecord) -> bool:
    """DBOS says that the database is away in whole tracebacks."""
    line = record.getMessage().partition("\n")[0]
    record.msg, record.args = line.removesuffix("Traceback (most recent call last):"), ()
    return True
