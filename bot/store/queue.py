"""The turn queue: what was put here runs once and in order, whatever happens to the process.

A turn is a workflow of DBOS without steps: its inputs and results live in the history database and
running it again is harmless, so the queue keeps nothing but which turns are still owed.

Four files know DBOS: this one, `dbos_inside` with what is private there, `owed` for commands, and
`queues` with the names in its tables.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import sqlalchemy as sa
import structlog
from dbos import DBOS, Queue, SetEnqueueOptions, SetWorkflowID

from bot.chat.keys import TurnKey
from bot.replicas.base import WAKE
from bot.store import dbos_inside, queues
from bot.store.databases import is_postgresql, make_engine, scrub
from bot.store.queues import APP, DONE, OPEN, STEPS, WORKFLOW, dbos_url, queue_of
from providers.redact import one_line, redact

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bot.chat.keys import BotKey
    from bot.replicas.base import Replicas, Signal

log = structlog.get_logger(__name__)

THREADS = 8
"""For DBOS's own database work; the turns themselves run on the event loop."""
POLL = 1.0
"""Seconds between two looks at the queue, for what no wake-up announced."""
PATIENCE = 10.0
"""Seconds for turns that were stopped to end."""


class TurnQueue:
    """Durable, exactly one for a process (DBOS is a process-wide singleton).

    Replicas share it. A turn is put where its lane is at home, so that a chat stays with the
    replica that knows its limits; whoever comes first may run it all the same, if it is logged in
    as the turn's bot.
    """

    def __init__(self, database: sa.URL, replicas: Replicas) -> None:
        self._run: Callable[[TurnKey], Awaitable[None]] | None = None
        """Known once it is started; no turn is begun before."""
        self._replicas = replicas
        self._engine = make_engine(database)
        dbos_inside.prepare(self._engine)
        self._running: set[asyncio.Task[object]] = set()
        self._wakes: set[asyncio.Task[None]] = set()
        self._waking = asyncio.Lock()
        # SQLite takes one writer, and whoever meets another sleeps for milliseconds at a time.
        shared = is_postgresql(database)
        self._writing = nullcontext() if shared else asyncio.Lock()
        self._wake_owed: set[str] = set()
        """The bots' queues of which a claim is asked for that has not begun: it will see what is
        put until then."""
        self._unbegun: Counter[str] = Counter()
        """By queue: turns known to be put that did not begin here, at most. While there are any,
        the end of a turn may free the lane of one. What is not known of waits for the poll."""
        self._closed = False
        """No turn is begun any more."""
        DBOS(
            config={
                "name": APP,
                "system_database_url": dbos_url(database),
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
        # Of all the queues there are: those of the bots as which we are logged in, once we are.
        DBOS.listen_queues([])
        self._queues: dict[str, Queue] = {}
        """Those, by their names."""
        replicas.hear(WAKE, self._woken)

    async def start(self, run: Callable[[TurnKey], Awaitable[None]]) -> None:
        """Take turns; those of a bot are run once it is opened.

        `run` answers a turn; it must be safe to run again after a crash.
        """
        self._run = run
        # Before it is launched: it then goes on with what an earlier process has begun.
        await asyncio.to_thread(queues.move_old, self._engine)
        # Launched on the event loop's own thread, so that turns run on this loop.
        DBOS.launch()

    async def open(self, bot: BotKey) -> None:
        """Run the turns of `bot` here, those that an earlier process left unfinished included.

        None of them is begun before this returns.
        """
        name = queue_of(bot)
        queue = await self._register(name)
        left = await DBOS.list_workflows_async(
            queue_name=name, status="ENQUEUED", load_input=False, load_output=False
        )
        self._queues[name] = queue
        dbos_inside.listening().append(name)
        self._wake(name, unbegun=len(left))

    async def _register(self, name: str) -> Queue:
        while True:
            try:
                return await DBOS.register_queue_async(
                    name,
                    partition_concurrency=1,
                    polling_interval_sec=POLL,
                    on_conflict="always_update",
                )
            except sa.exc.OperationalError as error:
                reason = one_line(redact(str(error.orig)))
                log.warning("the queue can't be used; trying again", reason=reason)
                await asyncio.sleep(POLL)

    async def owed(self) -> Counter[BotKey]:
        """How many turns each bot owes, those of other replicas included."""
        left = await DBOS.list_workflows_async(
            name=WORKFLOW, status=list(OPEN), load_input=False, load_output=False
        )
        return Counter(TurnKey.parse(turn.workflow_id).chat.account for turn in left)

    async def put(self, key: TurnKey, *, lane: str, order: int, here: bool = False) -> None:
        """Owe an answer to `key`; on return, no crash can lose it.

        Turns of one lane run one after another, by `order`. A key that was put before is not
        put again. With `here` this replica looks for it first, wherever its lane is at home.
        """
        bot = key.chat.account
        name = queue_of(bot)
        with SetWorkflowID(str(key)), SetEnqueueOptions(queue_partition_key=lane, priority=order):
            async with self._writing:
                await DBOS.enqueue_workflow_async(name, self._workflow, str(key))
        home = self._replicas.id if here else self._replicas.home(lane, bot)
        if home == self._replicas.id:
            self._wake(name, unbegun=1)
        else:
            await self._replicas.tell(home, {"kind": WAKE, "queue": name})

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
        with dbos_inside.hushed():
            for turn in self._running:
                # A cancelled task writes nothing down as done, unlike a cancelled workflow.
                turn.cancel()
            await asyncio.gather(*self._running, *self._wakes, return_exceptions=True)

    async def adopt(self, replica: str) -> int:
        """Owe the turns that `replica` has begun anew; return how many they are.

        It must be dead, or its turns cut.
        """
        begun = await DBOS.list_workflows_async(
            status="PENDING", executor_id=replica, load_input=False, load_output=False
        )
        for name, ids in queues.by_queue(turn.workflow_id for turn in begun).items():
            await DBOS.resume_workflows_async(ids, queue_name=name)
            self._wake(name, unbegun=len(ids))
        # It may have been of an earlier release, and nobody else runs what waited for it.
        await asyncio.to_thread(queues.move_old, self._engine)
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
            await asyncio.to_thread(scrub, self._engine)
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
            status=list(DONE),
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
        dbos_inside.stop_polling()

    async def _turn(self, key: str) -> None:
        if self._closed:
            raise asyncio.CancelledError  # Still owed: it runs in the next process.
        task = asyncio.current_task()
        assert task is not None
        turn = TurnKey.parse(key)
        name = queue_of(turn.chat.account)
        self._running.add(task)
        self._unbegun[name] = max(0, self._unbegun[name] - 1)
        # The task ends once DBOS has written down that the turn is done: its lane is free then.
        task.add_done_callback(partial(self._ended, name))
        assert self._run is not None
        try:
            await self._run(turn)
        except Exception:
            # The turn is over: run again, it would fail again and hold up its lane.
            log.exception("turn failed", turn=key)

    def _ended(self, name: str, task: asyncio.Task[object]) -> None:
        self._running.discard(task)
        if self._unbegun[name]:
            self._wake(name)

    async def _woken(self, signal: Signal) -> None:
        # Not all say which: then any may have turns.
        for name in self._queues:
            if signal.get("queue", name) == name:
                self._wake(name, unbegun=1)

    def _wake(self, name: str, *, unbegun: int = 0) -> None:
        """Look into that queue, where so many more turns may wait than was known."""
        if self._closed or name not in self._queues:
            return
        self._unbegun[name] += unbegun
        if name in self._wake_owed:
            return
        self._wake_owed.add(name)
        task = asyncio.create_task(self._claim(name))
        self._wakes.add(task)
        task.add_done_callback(self._wakes.discard)

    async def _claim(self, name: str) -> None:
        # Those that are being put go first: one look finds them all.
        async with self._waking, self._writing:
            self._wake_owed.discard(name)
            try:
                claimed = await asyncio.to_thread(dbos_inside.claim_and_start, self._queues[name])
                if not claimed and not self._running:
                    self._unbegun[name] = 0  # They were done before, or run elsewhere.
            except Exception as error:  # noqa: BLE001 - the queue's own poll tries again
                reason = one_line(redact(str(error)))
                log.warning("the queue can't be read; trying again", reason=reason)
