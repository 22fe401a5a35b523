"""What was said in each chat: turns, and the messages their answers became.

A turn is one row: the question is written when it arrives, the answer when it ends. Every write
is idempotent, so that a delivery repeated by the platform or a run repeated after a crash
changes nothing.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects import postgresql, sqlite

from bot.backoff import backoff
from bot.chat.keys import BotKey, ChatKey, TurnKey
from bot.chat.lesson import Lesson
from bot.store import databases as storage
from bot.store import erasure, line, upgrade
from bot.store.schema import (
    HEARD,
    NEW,
    RETRY,
    After,
    Outcome,
    Turn,
    lessons,
    posted,
    turn_of,
    turns,
)
from providers.redact import one_line, redact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

P = ParamSpec("P")
T = TypeVar("T")

log = structlog.get_logger(__name__)

# What every turn asks for, built once: to build a statement takes longer than to carry it out.
_TURN = sa.select(turns).where(turns.c.key == sa.bindparam("key"))
_MESSAGES = (
    sa.select(posted.c.page, posted.c.message)
    .where(posted.c.turn == sa.bindparam("turn"))
    .order_by(posted.c.page)
)
_UPDATE = sa.update(turns).where(turns.c.seq == sa.bindparam("turn"))
_UNUSABLE = (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.InternalError)
"""Locked, full, restarted, read-only, out of reach: it may be better later."""
LESSONS_LAST = 7 * 86400.0
"""Seconds after which what was learned of a chat's limits is forgotten."""


class History:
    """The history database. Its calls run on threads of their own.

    With SQLite that is one thread, as one process writes at a time; with PostgreSQL several, as
    each call waits for its answers.
    """

    def __init__(self, database: sa.URL) -> None:
        """Raises StorageError where the database can't be used."""
        self._engine = storage.engine(database)
        upgrade.migrate(self._engine)
        shared = storage.is_postgresql(database)
        self._insert = postgresql.insert if shared else sqlite.insert
        self._insert_turn = self._insert(turns).on_conflict_do_nothing(index_elements=["key"])
        message = self._insert(posted)
        self._insert_message = message.on_conflict_do_update(
            index_elements=["turn", "page"], set_={"message": message.excluded.message}
        )
        threads = storage.CONNECTIONS if shared else 1
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="history")

    async def close(self) -> None:
        """Finish the writes that were asked for."""
        await self._run(self._engine.dispose)
        self._threads.shutdown(wait=False)

    async def answers(self) -> None:
        """Return once the database answers a query."""
        await self._run(self._answers)

    async def ask(
        self,
        key: TurnKey,
        question: str,
        *,
        sender: str,
        command: str = "",
        after: After | None = None,
        own: bool = False,
    ) -> Turn | None:
        """Write down what was asked, unless it was written down before.

        None: its chat was forgotten after it was said.

        It goes on from `after`; None: from the turn before it in its chat. A retry takes over the
        last question of the chat, or, with `own`, the sender's last one.
        """
        return await self._run(self._ask, key, question, sender, command, after, own)

    async def hear(self, key: TurnKey, text: str, *, sender: str, after: After) -> After:
        """Write down a message that asked nothing of the bot, unless it is known."""
        return await self._run(self._hear, key, text, sender, after)

    async def locate(self, chats: Sequence[ChatKey], message: str) -> After | None:
        """What goes on from `message`, posted or received in one of `chats`; None: not known."""
        return await self._run(self._locate, chats, message)

    async def reword(self, chats: Sequence[ChatKey], message: str, text: str) -> None:
        """A message received in one of `chats` reads `text` now; empty: it was taken back."""
        await self._run(self._reword, chats, message, text)

    async def has_turns(self, chat: ChatKey) -> bool:
        return await self._run(self._has_turns, chat)

    async def latest(self, bot: BotKey, since: float) -> list[TurnKey]:
        """The last turn of each chat of `bot`, the newest first, if it is not older than `since`.

        `since`: seconds since the epoch. Of a forgotten chat, its newest message then.
        """
        return await self._run(self._latest, bot, since)

    async def turn(self, key: TurnKey) -> Turn | None:
        progress = await self.progress(key)
        return progress[0] if progress else None

    async def progress(self, key: TurnKey) -> tuple[Turn, list[tuple[int, str]]] | None:
        """A turn, and the number and id of each message posted for it, by number."""
        return await self._run(self._progress, key)

    async def end(
        self, turn: Turn, answer: str, outcome: Outcome, *, notice: str, tokens: int | None
    ) -> None:
        """The model has said its last word on `turn`."""
        await self._update(
            turn, answer=answer, outcome=outcome, notice=notice, answer_tokens=tokens, partial=None
        )

    async def save_partials(self, texts: Mapping[int, str]) -> None:
        """The model has said so much of its answers, by the turns' `seq`."""
        await self._run(self._save_partials, texts)

    async def settle(self, turn: Turn, outcome: Outcome | None = None) -> None:
        """Nothing more will be shown for `turn`; `outcome` corrects the one written before."""
        await self._update(turn, settled=True, **({"outcome": outcome} if outcome else {}))

    async def window(self, turn: Turn, budget: int, cost: Callable[[Turn], int]) -> list[Turn]:
        """The turns the model should know for `turn`, oldest first, `turn` itself left out.

        As many of the newest as `budget` tokens hold, at the `cost` of each. Nothing from before
        the last /new; of a question that was asked again, the last answer only.
        """
        return await self._run(self._window, turn, budget, cost)

    async def add_message(self, turn: Turn, number: int, message: str) -> None:
        await self._run(self._add_message, turn, number, message)

    async def remove_message(self, turn: Turn, message: str) -> None:
        await self._run(self._remove_message, turn, message)

    async def lessons(self, bot: BotKey) -> dict[tuple[ChatKey, str], Lesson]:
        """What was learned of the limits of a bot's chats; times since the epoch."""
        return await self._run(self._lessons, bot)

    async def keep_lessons(self, learned: Mapping[tuple[ChatKey, str], Lesson]) -> None:
        await self._run(self._keep_lessons, learned)

    async def forget(self, turn: Turn) -> None:
        """Erase what was said in the chat of `turn` before it."""
        await self._run(self._forget, turn)

    async def drop(self, turn: Turn) -> None:
        """Erase `turn` itself."""
        await self._run(self._drop, turn)

    async def forget_forgetting(self, before: float) -> None:
        """What was forgotten `before`, in seconds since the epoch, can't be delivered again."""
        await self._run(self._forget_forgetting, before)

    async def sweep(self, after: int, before: float, most: int, prefix: str) -> erasure.Swept:
        """Delete settled turns asked `before`, among the next `most` after turn number `after`.

        Only those whose keys begin with `prefix`.
        """
        return await self._run(self._sweep, after, before, most, prefix)

    async def chats(self, after: str) -> list[str]:
        """Some chats in the order of their keys, from the one after `after`; none: no more."""
        return await self._run(self._chats, after)

    async def thin(self, chat: str, keep: int, before: float, most: int) -> int:
        """Delete up to `most` settled turns of `chat` asked `before`, never its newest `keep`."""
        return await self._run(self._thin, chat, keep, before, most)

    # On the threads.

    async def _run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Wait out a database that is locked or full: every call may be made again."""
        assert not kwargs
        loop = asyncio.get_running_loop()
        for failures in count():
            try:
                return await loop.run_in_executor(self._threads, call, *args)
            except _UNUSABLE as error:
                if error.connection_invalidated and not failures:
                    continue  # The server was restarted: a new connection may do.
                wait = backoff(failures + 1)
                reason = one_line(redact(str(error.orig)))
                log.error("the history can't be used", reason=reason, again_in=wait)  # noqa: TRY400 - one line
                await asyncio.sleep(wait)
        raise AssertionError

    async def _update(self, turn: Turn, **values: object) -> None:
        def write() -> None:
            with self._engine.begin() as db:
                db.execute(_UPDATE, {"turn": turn.seq, **values})

        await self._run(write)

    def _answers(self) -> None:
        with self._engine.connect() as db:
            db.execute(sa.select(turns.c.seq).limit(1))

    def _save_partials(self, texts: Mapping[int, str]) -> None:
        writing = (turns.c.seq == sa.bindparam("turn"), turns.c.outcome.is_(None))
        update = sa.update(turns).where(*writing).values(partial=sa.bindparam("text"))
        with self._engine.begin() as db:
            db.execute(update, [{"turn": seq, "text": text} for seq, text in texts.items()])

    def _ask(
        self,
        key: TurnKey,
        question: str,
        sender: str,
        command: str,
        after: After | None,
        own: bool,  # noqa: FBT001 - as `_run` passes arguments
    ) -> Turn | None:
        with self._engine.begin() as db:
            if erasure.is_forgotten(db, key):
                return None
            repeated = None
            if command == RETRY:
                repeated = self._last_asked(db, key.chat, sender if own else None)
                question, after = (repeated.question, repeated.after) if repeated else ("", None)
            values = {
                "key": str(key),
                "chat": str(key.chat),
                "command": command,
                "question": question,
                "sender": sender,
                "asked_at": time.time(),
                "parent": after.seq if after else None,
                "parent_question_only": after.question_only if after else False,
                "repeats": repeated.seq if repeated else None,
            }
            db.execute(self._insert_turn, values)
            return turn_of(db.execute(_TURN, {"key": str(key)}).one())

    def _hear(self, key: TurnKey, text: str, sender: str, after: After) -> After:
        heard = {
            "key": str(key),
            "chat": str(key.chat),
            "command": HEARD,
            "question": text,
            "sender": sender,
            "asked_at": time.time(),
            "parent": after.seq,
            "parent_question_only": after.question_only,
            "outcome": Outcome.WHOLE,
            "settled": True,
        }
        with self._engine.begin() as db:
            db.execute(self._insert_turn, heard)
            seq = db.execute(sa.select(turns.c.seq).where(turns.c.key == str(key))).scalar_one()
        return After(seq, question_only=True)

    def _progress(self, key: TurnKey) -> tuple[Turn, list[tuple[int, str]]] | None:
        with self._engine.connect() as db:
            row = db.execute(_TURN, {"key": str(key)}).one_or_none()
            if row is None:
                return None
            messages = db.execute(_MESSAGES, {"turn": row.seq})
            return turn_of(row), [(message.page, message.message) for message in messages]

    @staticmethod
    def _last_asked(db: sa.Connection, chat: ChatKey, sender: str | None) -> Turn | None:
        """The question that a /retry repeats."""
        last = (
            sa.select(turns)
            .where(turns.c.chat == str(chat), turns.c.command.in_(("", RETRY, NEW)))
            .order_by(turns.c.seq.desc())
            .limit(1)
        )
        if sender is not None:
            last = last.where((turns.c.sender == sender) | (turns.c.command == NEW))
        row = db.execute(last).one_or_none()
        return None if row is None or row.command == NEW else turn_of(row)

    def _window(self, turn: Turn, budget: int, cost: Callable[[Turn], int]) -> list[Turn]:
        with self._engine.connect() as db:
            return line.window(db, turn, budget, cost)

    def _locate(self, chats: Sequence[ChatKey], message: str) -> After | None:
        with self._engine.connect() as db:
            answered = db.execute(
                sa.select(turns.c.seq)
                .join(posted, posted.c.turn == turns.c.seq)
                .where(posted.c.message == message, turns.c.chat.in_(map(str, chats)))
            ).first()
            if answered is not None:
                return After(answered.seq)
            asked = db.execute(
                sa.select(turns.c.seq).where(turns.c.key.in_(_keys(chats, message)))
            ).first()
        return After(asked.seq, question_only=True) if asked is not None else None

    def _reword(self, chats: Sequence[ChatKey], message: str, text: str) -> None:
        asked = (turns.c.key.in_(_keys(chats, message)), turns.c.command.in_(("", HEARD)))
        with self._engine.begin() as db:
            same = set(db.execute(sa.select(turns.c.seq).where(*asked)).scalars())
            while same:
                db.execute(sa.update(turns).where(turns.c.seq.in_(same)).values(question=text))
                # A retry has a copy of the question, and so has a retry of that.
                again = sa.select(turns.c.seq).where(turns.c.repeats.in_(same))
                same = set(db.execute(again).scalars())

    def _has_turns(self, chat: ChatKey) -> bool:
        asked = (turns.c.chat == str(chat), turns.c.command != HEARD)
        with self._engine.connect() as db:
            return db.execute(sa.select(turns.c.seq).where(*asked).limit(1)).first() is not None

    def _latest(self, bot: BotKey, since: float) -> list[TurnKey]:
        # By the index alone.
        own = erasure.belongs(turns.c.chat, bot)
        last = sa.select(sa.func.max(turns.c.seq)).where(own).group_by(turns.c.chat)
        newest = sa.select(turns.c.key).where(turns.c.seq.in_(last), turns.c.asked_at >= since)
        with self._engine.connect() as db:
            keys = db.execute(newest.order_by(turns.c.seq.desc())).scalars()
            return [*map(TurnKey.parse, keys), *erasure.newest_forgotten(db, bot, since)]

    def _add_message(self, turn: Turn, number: int, message: str) -> None:
        row = {"turn": turn.seq, "page": number, "message": message}
        # Where the chat was forgotten meanwhile, there is nothing that the message belongs to.
        with suppress(sa.exc.IntegrityError), self._engine.begin() as db:
            db.execute(self._insert_message, row)

    def _remove_message(self, turn: Turn, message: str) -> None:
        with self._engine.begin() as db:
            db.execute(
                sa.delete(posted).where(posted.c.turn == turn.seq, posted.c.message == message)
            )

    def _forget(self, turn: Turn) -> None:
        with self._engine.begin() as db:
            erasure.forget(db, str(turn.key.chat), turn.key.number, before=turn.seq)
        try:
            storage.scrub(self._engine, rebuild_up_to=storage.REBUILT_AT_ONCE)
        except sa.exc.OperationalError as error:
            log.warning(
                "what was forgotten may be left in the files", reason=one_line(redact(str(error)))
            )

    def _drop(self, turn: Turn) -> None:
        with self._engine.begin() as db:
            db.execute(sa.delete(turns).where(turns.c.seq == turn.seq))

    def _forget_forgetting(self, before: float) -> None:
        with self._engine.begin() as db:
            erasure.forget_forgetting(db, before)

    def _sweep(self, after: int, before: float, most: int, prefix: str) -> erasure.Swept:
        with self._engine.begin() as db:
            return erasure.sweep(db, after, before, most, prefix)

    def _chats(self, after: str) -> list[str]:
        with self._engine.connect() as db:
            return erasure.chats(db, after)

    def _thin(self, chat: str, keep: int, before: float, most: int) -> int:
        with self._engine.begin() as db:
            return erasure.thin(db, chat, keep, before, most)

    def _lessons(self, bot: BotKey) -> dict[tuple[ChatKey, str], Lesson]:
        stale = lessons.c.learned_at < time.time() - LESSONS_LAST
        with self._engine.begin() as db:
            db.execute(sa.delete(lessons).where(stale))
            rows = db.execute(sa.select(lessons).where(erasure.belongs(lessons.c.chat, bot)))
            return {
                (ChatKey.parse(row.chat), row.kind): Lesson(row.burst, row.trust, row.penalty_until)
                for row in rows
            }

    def _keep_lessons(self, learned: Mapping[tuple[ChatKey, str], Lesson]) -> None:
        with self._engine.begin() as db:
            for (chat, kind), lesson in learned.items():
                values = {**lesson._asdict(), "learned_at": time.time()}
                row = self._insert(lessons).values(chat=str(chat), kind=kind, **values)
                db.execute(row.on_conflict_do_update(index_elements=["chat", "kind"], set_=values))


def _keys(chats: Sequence[ChatKey], message: str) -> list[str]:
    return [str(TurnKey(chat, message)) for chat in chats]
