"""The turn queue: what was put here runs once and in order, whatever happens to the process.

The only file that knows DBOS. A turn is a workflow without steps: its inputs and results live in
the history database and running it again is harmless, so the queue keeps nothing but which turns
are still owed.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa
import structlog
from dbos import DBOS, DBOSClient, Queue, SetEnqueueOptions, SetWorkflowID

# Private: the queue has no wake-up of its own, and waiting for its poll would cost half a second
# a turn. tests/test_durable.py fails when these change.
from dbos._core import execute_dequeued_workflow
from dbos._dbos import _get_dbos_instance
from dbos._utils import GlobalParams, generate_uuid

from bot import storage
from bot.messages import TurnKey
from bot.replicas import WAKE
from providers.redact import one_line, redact

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from bot.replicas import Replicas, Signal

log = structlog.get_logger(__name__)
_DBOS_LOG = logging.getLogger("dbos")

APP = "parlance"
"""As DBOS knows this program in its tables."""
WORKFLOW = "turn"
QUEUE = "turns"
STEPS = "turn-1"
"""Names the course of a turn. A release that changes it must run the old course to its end."""
THREADS = 8
"""For DBOS's own database work; the turns themselves run on the event loop."""
POLL = 1.0
"""Seconds between two looks at the queue, for what no wake-up announced."""
DONE = ["SUCCESS", "ERROR", "CANCELLED"]
"""DBOS's words for what is not owed any more."""
PATIENCE = 10.0
"""Seconds for turns that were stopped to end."""


class TurnQueue:
    """Durable, exactly one for a process (DBOS is a process-wide singleton).

    Replicas share it. A turn is put where its lane is at home, so that a chat stays with the
    replica that knows its limits; whoever comes first may run it all the same.
    """

    def __init__(
        self, database: sa.URL, run: Callable[[TurnKey], Awaitable[None]], replicas: Replicas
    ) -> None:
        """`run` answers a turn; it must be safe to run again after a crash."""
        self._run = run
        self._replicas = replicas
        self._engine = storage.engine(database)
        sa.event.listen(self._engine, "handle_error", _try_again, retval=True)
        self._running: set[asyncio.Task[object]] = set()
        self._wakes: set[asyncio.Task[None]] = set()
        self._waking = asyncio.Lock()
        # SQLite takes one writer, and whoever meets another sleeps for milliseconds at a time.
        shared = storage.is_postgresql(database)
        self._writing = nullcontext() if shared else asyncio.Lock()
        self._wake_owed = False
        """A claim is asked for that has not begun: it will see what is put until then."""
        self._unbegun = 0
        """Turns known to be put that did not begin here, at most: while there are any, the end of
        a turn may free the lane of one. What is not known of waits for the poll."""
        self._closed = False
        """No turn is begun any more."""
        _DBOS_LOG.addFilter(_first_line)
        DBOS(
            config={
                "name": APP,
                "system_database_url": _plain(database),
                "system_database_engine": self._engine,
                "application_version": STEPS,
                "executor_id": replicas.id,
                "max_executor_threads": THREADS,
                "log_level": "WARNING",
            }
        )

        @DBOS.workflow(name=WORKFLOW)
        async def turn(key: str) -> None:
            await self._turn(key)

        self._workflow = turn
        self._queue: Queue | None = None
        """Known once it is registered."""
        replicas.hear(WAKE, self._woken)

    async def start(self) -> None:
        """Begin to run turns, those that an earlier process left unfinished included."""
        # Launched on the event loop's own thread, so that turns run on this loop.
        DBOS.launch()
        self._queue = await DBOS.register_queue_async(
            QUEUE, partition_concurrency=1, polling_interval_sec=POLL, on_conflict="always_update"
        )
        left = await DBOS.list_workflows_async(
            queue_name=QUEUE, status="ENQUEUED", load_input=False, load_output=False
        )
        self._wake(unbegun=len(left))

    async def put(self, key: TurnKey, *, lane: str, order: int, here: bool = False) -> None:
        """Owe an answer to `key`; on return, no crash can lose it.

        Turns of one lane run one after another, by `order`. A key that was put before is not
        put again. With `here` this replica looks for it first, wherever its lane is at home.
        """
        with SetWorkflowID(str(key)), SetEnqueueOptions(queue_partition_key=lane, priority=order):
            async with self._writing:
                await DBOS.enqueue_workflow_async(QUEUE, self._workflow, str(key))
        home = self._replicas.id if here else self._replicas.home(lane)
        if home == self._replicas.id:
            self._wake(unbegun=1)
        else:
            await self._replicas.tell(home, {"kind": WAKE})

    @property
    def running(self) -> int:
        """Turns under way."""
        return len(self._running)

    async def drain(self) -> None:
        """Begin no turn any more, and return when those under way have ended."""
        self._begin_no_more()
        while self._running:
            await asyncio.wait(self._running)

    async def cut(self) -> None:
        """Cut the turns under way here: they are still owed."""
        # It warns of each turn that is cut, which is what is meant to happen here.
        level = _DBOS_LOG.level
        _DBOS_LOG.setLevel(logging.ERROR)
        for turn in self._running:
            # A cancelled task writes nothing down as done, unlike a cancelled workflow.
            turn.cancel()
        await asyncio.gather(*self._running, *self._wakes, return_exceptions=True)
        _DBOS_LOG.setLevel(level)

    async def adopt(self, replica: str) -> int:
        """Owe the turns that `replica` has begun anew; return how many they are.

        It must be dead, or its turns cut.
        """
        begun = await DBOS.list_workflows_async(
            status="PENDING", executor_id=replica, load_input=False, load_output=False
        )
        if begun:
            ids = [turn.workflow_id for turn in begun]
            await DBOS.resume_workflows_async(ids, queue_name=QUEUE)
            self._wake(unbegun=len(begun))
        return len(begun)

    async def owners(self) -> set[str]:
        """The replicas that have begun turns."""
        begun = await DBOS.list_workflows_async(
            status="PENDING", load_input=False, load_output=False
        )
        return {turn.executor_id for turn in begun if turn.executor_id}

    async def forget(self, until: TurnKey) -> None:
        """Forget what was put here for the chat of `until` before it.

        Turns that run are waited for: they must have been stopped.
        """
        begun_at = time.monotonic()
        while True:
            ids = await self._of_chat_before(until)
            await DBOS.delete_workflows_async(ids.pop(True, []))
            if not ids or time.monotonic() - begun_at > PATIENCE:
                break
            await asyncio.sleep(0.1)
        try:
            await asyncio.to_thread(storage.scrub, self._engine)
        except Exception as error:  # noqa: BLE001 - there are only ids
            log.warning("ids may be left in the queue's file", reason=one_line(redact(str(error))))

    async def _of_chat_before(self, until: TurnKey) -> dict[bool, list[str]]:
        """The turns of its chat, by whether they are done."""
        found: dict[bool, list[str]] = {}
        for turn in await DBOS.list_workflows_async(
            workflow_id_prefix=f"{until.chat}:", load_input=False, load_output=False
        ):
            if TurnKey.parse(turn.workflow_id).number < until.number:
                found.setdefault(turn.status in DONE, []).append(turn.workflow_id)
        return found

    async def prune(self, before: float, most: int) -> int:
        """Forget turns that are done and were put `before`, `most` at once; return how many.

        `before`: seconds since the epoch. A key of such a turn that is put again runs again.
        """
        done = await DBOS.list_workflows_async(
            status=DONE,
            end_time=datetime.fromtimestamp(before, UTC).isoformat(),
            limit=most,
            load_input=False,
            load_output=False,
        )
        await DBOS.delete_workflows_async([turn.workflow_id for turn in done])
        return len(done)

    async def close(self) -> None:
        """Cut the turns under way: they are still owed, and go on in another process."""
        self._begin_no_more()
        await self.cut()
        await asyncio.to_thread(DBOS.destroy, destroy_registry=True)
        self._engine.dispose()

    def _begin_no_more(self) -> None:
        self._closed = True
        # It warns of each turn that is cut, which is what is meant to happen here.
        _DBOS_LOG.setLevel(logging.ERROR)
        # Its own polls would go on to claim turns, and so keep them from other processes.
        for stop in _get_dbos_instance().background_thread_stop_events:
            stop.set()

    async def _turn(self, key: str) -> None:
        if self._closed:
            raise asyncio.CancelledError  # Still owed: it runs in the next process.
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        self._unbegun = max(0, self._unbegun - 1)
        # The task ends once DBOS has written down that the turn is done: its lane is free then.
        task.add_done_callback(self._ended)
        try:
            await self._run(TurnKey.parse(key))
        except Exception:
            # The turn is over: run again, it would fail again and hold up its lane.
            log.exception("turn failed", turn=key)

    def _ended(self, task: asyncio.Task[object]) -> None:
        self._running.discard(task)
        if self._unbegun:
            self._wake()

    async def _woken(self, _signal: Signal) -> None:
        self._wake(unbegun=1)

    def _wake(self, *, unbegun: int = 0) -> None:
        """Look into the queue, where so many more turns may wait than was known."""
        self._unbegun += unbegun
        if self._closed or self._wake_owed:
            return
        self._wake_owed = True
        task = asyncio.create_task(self._claim())
        self._wakes.add(task)
        task.add_done_callback(self._wakes.discard)

    async def _claim(self) -> None:
        # Those that are being put go first: one look finds them all.
        async with self._waking, self._writing:
            self._wake_owed = False
            try:
                if self._queue is None:
                    return
                claimed = await asyncio.to_thread(_claim_and_start, self._queue)
                if not claimed and not self._running:
                    self._unbegun = 0  # They were done before, or run elsewhere.
            except Exception as error:  # noqa: BLE001 - the queue's own poll tries again
                reason = one_line(redact(str(error)))
                log.warning("the queue can't be read; trying again", reason=reason)


class Owed(NamedTuple):
    """A turn that is not done, as the queue was given it."""

    key: str
    lane: str
    order: int


def owed(database: sa.URL) -> list[Owed]:
    """All turns that the queue in `database` still owes, while no process runs them."""
    if not storage.exists(database):
        return []
    engine = storage.engine(database)
    client = DBOSClient(system_database_engine=engine, application_name=APP)
    try:
        found = client.list_workflows(
            queue_name=QUEUE, status=["ENQUEUED", "PENDING"], load_input=False, load_output=False
        )
    finally:
        client.destroy()
        engine.dispose()
    return [
        Owed(turn.workflow_id, turn.queue_partition_key or "", turn.priority or 0) for turn in found
    ]


def owe(database: sa.URL, turns: Sequence[Owed]) -> None:
    """Put `turns` into the queue in `database`, where it does not know them; it runs none."""
    if not turns:
        return
    DBOS.migrate(_plain(database))
    engine = storage.engine(database)
    client = DBOSClient(system_database_engine=engine, application_name=APP)
    try:
        for turn in turns:
            client.enqueue(
                {
                    "queue_name": QUEUE,
                    "workflow_name": WORKFLOW,
                    "workflow_id": turn.key,
                    "app_version": STEPS,
                    "queue_partition_key": turn.lane,
                    "priority": turn.order,
                },
                turn.key,
            )
    finally:
        client.destroy()
        engine.dispose()


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


def _plain(database: sa.URL) -> str:
    """The URL as DBOS wants it, which names no driver."""
    return database.set(drivername=database.get_backend_name()).render_as_string(
        hide_password=False
    )


def _claim_and_start(queue: Queue) -> int:
    """What DBOS's queue thread does at each poll, done now and in fewer queries.

    Returns how many turns it claimed. The queue's settings are known, and that a turn which names
    no release may be run by this one.
    """
    dbos = _get_dbos_instance()
    owner = generate_uuid()
    system = dbos._sys_db  # noqa: SLF001 - see the imports
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
