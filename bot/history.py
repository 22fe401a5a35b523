"""What was said in each chat: turns, and the messages their answers became.

A turn is one row: the question is written when it arrives, the answer when it ends. Every write
is idempotent, so that a delivery repeated by the platform or a run repeated after a crash
changes nothing.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects.sqlite import insert

from bot import storage
from bot.messages import TurnKey
from bot.schema import posted, turns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bot.messages import ChatKey

P = ParamSpec("P")
T = TypeVar("T")

log = structlog.get_logger(__name__)

LONGEST_BACKOFF = 30.0
"""Seconds between two tries to use a database that can't be used."""
NEW, RETRY = "new", "retry"
"""The commands that the history itself understands: forget what was before; ask again."""


class Outcome(StrEnum):
    """How the model's side of a turn ended."""

    WHOLE = "whole"
    PARTIAL = "partial"
    """The provider failed after some text."""
    FAILED = "failed"
    """The provider failed before any text."""
    STOPPED = "stopped"
    """The reader said stop."""
    REMOVED = "removed"
    """The reader deleted the answer."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and, once `outcome` is set, what became of it."""

    seq: int
    key: TurnKey
    command: str
    question: str
    asked_at: float
    """Seconds since the epoch."""
    answer: str | None
    outcome: Outcome | None
    notice: str | None
    answer_tokens: int | None
    settled: bool


class History:
    """The history database. Its calls run one after another on a thread of their own."""

    def __init__(self, path: Path) -> None:
        """Raises StorageError where the file can't be used."""
        self._engine = storage.engine(path)
        try:
            storage.migrate(self._engine)
        except sa.exc.DatabaseError as error:
            raise storage.StorageError(
                f"storage.url: {path} can't be used ({error.orig}); "
                "mend its permissions, move it away, or name another file"
            ) from None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="history")

    async def close(self) -> None:
        """Finish the writes that were asked for."""
        await self._run(self._engine.dispose)
        self._thread.shutdown(wait=False)

    async def ask(self, key: TurnKey, question: str, *, sender: str, command: str = "") -> Turn:
        """Write down what was asked, unless it was written down before.

        A retry takes over the question it repeats.
        """
        return await self._run(self._ask, key, question, sender, command)

    async def turn(self, key: TurnKey) -> Turn | None:
        return await self._run(self._turn, key)

    async def end(
        self, turn: Turn, answer: str, outcome: Outcome, *, notice: str, tokens: int | None
    ) -> None:
        """The model has said its last word on `turn`."""
        await self._update(
            turn, answer=answer, outcome=outcome, notice=notice, answer_tokens=tokens
        )

    async def settle(self, turn: Turn, outcome: Outcome | None = None) -> None:
        """Nothing more will be shown for `turn`; `outcome` corrects the one written before."""
        await self._update(turn, settled=True, **({"outcome": outcome} if outcome else {}))

    async def window(self, turn: Turn, budget: int, cost: Callable[[Turn], int]) -> list[Turn]:
        """The turns the model should know for `turn`, oldest first, `turn` itself left out.

        As many of the newest as `budget` tokens hold, at the `cost` of each. Nothing from before
        the last /new; of a question that was asked again, the last answer only.
        """
        return await self._run(self._window, turn, budget, cost)

    async def messages(self, turn: Turn) -> Sequence[str]:
        """The ids of the messages posted for `turn`, by page."""
        return await self._run(self._messages, turn)

    async def add_message(self, turn: Turn, page: int, message: str) -> None:
        await self._run(self._add_message, turn, page, message)

    async def remove_message(self, turn: Turn, message: str) -> None:
        await self._run(self._remove_message, turn, message)

    # On the thread.

    async def _run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Wait out a database that is locked or full: every call may be made again."""
        assert not kwargs
        loop = asyncio.get_running_loop()
        for failures in count():
            try:
                return await loop.run_in_executor(self._thread, call, *args)
            except sa.exc.OperationalError as error:
                wait = min(LONGEST_BACKOFF, 2.0**failures)
                log.error("the history can't be used", reason=str(error.orig), again_in=wait)  # noqa: TRY400 - one line
                await asyncio.sleep(wait)
        raise AssertionError

    async def _update(self, turn: Turn, **values: object) -> None:
        def write() -> None:
            with self._engine.begin() as db:
                db.execute(sa.update(turns).where(turns.c.seq == turn.seq).values(**values))

        await self._run(write)

    def _ask(self, key: TurnKey, question: str, sender: str, command: str) -> Turn:
        with self._engine.begin() as db:
            if command == RETRY:
                question = self._last_question(db, key.chat)
            values = {
                "key": str(key),
                "chat": str(key.chat),
                "command": command,
                "question": question,
                "sender": sender,
                "asked_at": time.time(),
            }
            db.execute(insert(turns).values(values).on_conflict_do_nothing())
            return _turn(db.execute(sa.select(turns).where(turns.c.key == str(key))).one())

    def _turn(self, key: TurnKey) -> Turn | None:
        with self._engine.connect() as db:
            row = db.execute(sa.select(turns).where(turns.c.key == str(key))).one_or_none()
        return _turn(row) if row is not None else None

    @staticmethod
    def _last_question(db: sa.Connection, chat: ChatKey) -> str:
        last = (
            sa.select(turns.c.question, turns.c.command)
            .where(turns.c.chat == str(chat), turns.c.command.in_(("", RETRY, NEW)))
            .order_by(turns.c.seq.desc())
            .limit(1)
        )
        row = db.execute(last).one_or_none()
        return "" if row is None or row.command == NEW else row.question

    def _window(self, turn: Turn, budget: int, cost: Callable[[Turn], int]) -> list[Turn]:
        rows = (
            sa.select(turns)
            .where(turns.c.chat == str(turn.key.chat), turns.c.seq < turn.seq)
            .where(turns.c.command.in_(("", RETRY, NEW)))
            .order_by(turns.c.seq.desc())
        )
        kept: list[Turn] = []
        superseded = 1 if turn.command == RETRY else 0
        with self._engine.connect() as db:
            for row in db.execute(rows):
                if row.command == NEW:
                    break
                past = _turn(row)
                skip, superseded = superseded > 0, max(0, superseded - 1)
                superseded += past.command == RETRY
                if skip or not past.question:
                    continue
                budget -= cost(past)
                if budget < 0:
                    break
                kept.append(past)
        kept.reverse()
        return kept

    def _messages(self, turn: Turn) -> Sequence[str]:
        query = sa.select(posted.c.message).where(posted.c.turn == turn.seq).order_by(posted.c.page)
        with self._engine.connect() as db:
            return db.execute(query).scalars().all()

    def _add_message(self, turn: Turn, page: int, message: str) -> None:
        row = insert(posted).values(turn=turn.seq, page=page, message=message)
        with self._engine.begin() as db:
            db.execute(row.on_conflict_do_update(["turn", "page"], set_={"message": message}))

    def _remove_message(self, turn: Turn, message: str) -> None:
        with self._engine.begin() as db:
            db.execute(
                sa.delete(posted).where(posted.c.turn == turn.seq, posted.c.message == message)
            )


def _turn(row: sa.Row[tuple[object, ...]]) -> Turn:
    return Turn(
        seq=row.seq,
        key=TurnKey.parse(row.key),
        command=row.command,
        question=row.question,
        asked_at=row.asked_at,
        answer=row.answer,
        outcome=Outcome(row.outcome) if row.outcome else None,
        notice=row.notice,
        answer_tokens=row.answer_tokens,
        settled=row.settled,
    )
