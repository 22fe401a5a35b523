"""What was said in each chat: turns, from the question to what became of the answer.

A turn is one row: the question is written when it arrives, the answer when it ends. Every write
is idempotent, so that a delivery repeated by the platform or a run repeated after a crash
changes nothing.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import sqlalchemy as sa

from bot.chat.content import dump, in_words
from bot.chat.keys import BotKey, ChatKey, TurnKey
from bot.store import erasure, line
from bot.store.line import turn_at
from bot.store.schema import (
    ASKED,
    HEARD,
    NEW,
    After,
    Kind,
    Outcome,
    Said,
    Turn,
    posted,
    turns,
    written,
)
from bot.store.sql import INSERTS, belongs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bot.chat.content import Content
    from bot.store.database import Database

# What every turn asks for, built once: to build a statement takes longer than to carry it out.
_TURN = sa.select(turns).where(turns.c.key == sa.bindparam("key"))
_MESSAGES = (
    sa.select(posted.c.page, posted.c.message)
    .where(posted.c.turn == sa.bindparam("turn"))
    .order_by(posted.c.page)
)
_INSERT = {
    dialect: insert(turns).on_conflict_do_nothing(index_elements=["key"])
    for dialect, insert in INSERTS.items()
}
_UPDATE = sa.update(turns).where(turns.c.seq == sa.bindparam("turn"))
_SAVE_PARTIAL = _UPDATE.where(turns.c.outcome.is_(None)).values(partial=sa.bindparam("text"))


class History:
    """The turns; the messages of their answers are `bot.store.messages`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ask(
        self,
        key: TurnKey,
        said: Said,
        *,
        after: After | None = None,
        own: bool = False,
    ) -> Turn | None:
        """Write down what was asked, unless it was written down before.

        None: its chat was forgotten after it was said.

        It goes on from `after`; None: from the turn before it in its chat. A retry asks the last
        question of the chat again, or, with `own`, the sender's last one.
        """
        row = _row(key, said, after)
        return await self._database.run(partial(ask, key=key, row=row, own=own))

    async def hear(self, key: TurnKey, said: Said, *, after: After) -> After:
        """Write down a message that asked nothing of the bot, unless it is known."""
        heard = _row(key, said, after) | {"outcome": Outcome.WHOLE, "settled": True}
        return await self._database.run(lambda db: hear(db, heard))

    async def locate(self, chats: Sequence[ChatKey], message: str) -> After | None:
        """What goes on from `message`, posted or received in one of `chats`; None: not known."""
        return await self._database.run(lambda db: locate(db, chats, message))

    async def reword(self, chats: Sequence[ChatKey], message: str, content: Content) -> None:
        """A message received in one of `chats` reads so now; empty: it was taken back."""
        await self._database.run(lambda db: reword(db, chats, message, content))

    async def has_turns(self, chat: ChatKey) -> bool:
        return await self._database.run(lambda db: has_turns(db, chat))

    async def latest(self, bot: BotKey, since: float) -> list[TurnKey]:
        """The last turn of each chat of `bot`, the newest first, if it is not older than `since`.

        `since`: seconds since the epoch. Of a forgotten chat, its newest message then.
        """
        return await self._database.run(lambda db: latest(db, bot, since))

    async def turn(self, key: TurnKey) -> Turn | None:
        progress = await self.progress(key)
        return progress[0] if progress else None

    async def progress(self, key: TurnKey) -> tuple[Turn, list[tuple[int, str]]] | None:
        """A turn, and the number and id of each message posted for it, by number."""
        return await self._database.run(lambda db: progress(db, key))

    async def end(
        self, turn: Turn, answer: str, outcome: Outcome, *, notice: str, tokens: int | None
    ) -> None:
        """The model has said its last word on `turn`."""
        await self._update(
            turn, answer=answer, outcome=outcome, notice=notice, answer_tokens=tokens, partial=None
        )

    async def save_partials(self, texts: Mapping[int, str]) -> None:
        """The model has said so much of its answers, by the turns' `seq`."""
        rows = [{"turn": seq, "text": text} for seq, text in texts.items()]
        await self._database.execute(_SAVE_PARTIAL, rows)

    async def settle(self, turn: Turn, outcome: Outcome | None = None) -> None:
        """Nothing more will be shown for `turn`; `outcome` corrects the one written before."""
        await self._update(turn, settled=True, **({"outcome": outcome} if outcome else {}))

    async def window(self, turn: Turn, budget: int, cost: Callable[[Turn], int]) -> list[Turn]:
        """The turns the model should know for `turn`, oldest first, `turn` itself left out.

        As many of the newest as `budget` tokens hold, at the `cost` of each. Nothing from before
        the last /new; of a question that was asked again, the last answer only.
        """
        return await self._database.run(lambda db: line.window(db, turn, budget, cost))

    async def _update(self, turn: Turn, **values: object) -> None:
        await self._database.execute(_UPDATE, {"turn": turn.seq, **values})


def ask(db: sa.Connection, key: TurnKey, row: Mapping[str, object], *, own: bool) -> Turn | None:
    """As `History.ask`, of a `row` that is complete but for what a retry takes over."""
    if erasure.is_forgotten(db, key):
        return None
    if row["kind"] == Kind.RETRY:
        repeated = _last_asked(db, key.chat, row["sender"] if own else None)
        row = {**row, **_taken_over(repeated)}
    db.execute(_INSERT[db.dialect.name], row)
    return turn_at(db, db.execute(_TURN, {"key": str(key)}).one())


def hear(db: sa.Connection, row: Mapping[str, object]) -> After:
    db.execute(_INSERT[db.dialect.name], row)
    seq = db.execute(sa.select(turns.c.seq).where(turns.c.key == row["key"])).scalar_one()
    return After(seq, question_only=True)


def progress(db: sa.Connection, key: TurnKey) -> tuple[Turn, list[tuple[int, str]]] | None:
    row = db.execute(_TURN, {"key": str(key)}).one_or_none()
    if row is None:
        return None
    turn = turn_at(db, row)
    messages = db.execute(_MESSAGES, {"turn": turn.shown_in})
    return turn, [(message.page, message.message) for message in messages]


def locate(db: sa.Connection, chats: Sequence[ChatKey], message: str) -> After | None:
    answered = db.execute(
        sa.select(turns.c.seq)
        .join(posted, posted.c.turn == turns.c.seq)
        .where(posted.c.message == message, turns.c.chat.in_(map(str, chats)))
    ).first()
    if answered is not None:
        return After(answered.seq)
    asked = db.execute(sa.select(turns.c.seq).where(turns.c.key.in_(_keys(chats, message)))).first()
    return After(asked.seq, question_only=True) if asked is not None else None


def reword(db: sa.Connection, chats: Sequence[ChatKey], message: str, content: Content) -> None:
    asked = (turns.c.key.in_(_keys(chats, message)), turns.c.command.in_(("", HEARD)))
    for row in db.execute(sa.select(turns.c.seq, turns.c.speaker).where(*asked)).all():
        values = {"content": dump(content), "question": in_words(content, row.speaker)}
        db.execute(_UPDATE, {"turn": row.seq, **values})


def has_turns(db: sa.Connection, chat: ChatKey) -> bool:
    asked = (turns.c.chat == str(chat), turns.c.command != HEARD)
    return db.execute(sa.select(turns.c.seq).where(*asked).limit(1)).first() is not None


def latest(db: sa.Connection, bot: BotKey, since: float) -> list[TurnKey]:
    # By the index alone.
    last = sa.select(sa.func.max(turns.c.seq)).where(belongs(turns.c.chat, bot))
    newest = sa.select(turns.c.key).where(
        turns.c.seq.in_(last.group_by(turns.c.chat)), turns.c.asked_at >= since
    )
    keys = db.execute(newest.order_by(turns.c.seq.desc())).scalars()
    return [*map(TurnKey.parse, keys), *erasure.newest_forgotten(db, bot, since)]


def _last_asked(db: sa.Connection, chat: ChatKey, sender: object) -> Turn | None:
    """The question that a /retry repeats; of any `sender`, if that is None."""
    last = (
        sa.select(turns)
        .where(turns.c.chat == str(chat), turns.c.command.in_((*ASKED, NEW)))
        .order_by(turns.c.seq.desc())
        .limit(1)
    )
    if sender is not None:
        last = last.where((turns.c.sender == sender) | (turns.c.command == NEW))
    row = db.execute(last).one_or_none()
    return None if row is None or row.command == NEW else turn_at(db, row)


def _taken_over(repeated: Turn | None) -> dict[str, object]:
    """What a /retry of that question has in common with it."""
    if repeated is None:
        return {"content": None, "question": "", **_parent(None), "repeats": None}
    return {
        "content": None,
        "question": in_words(repeated.content, repeated.speaker),
        "speaker": repeated.speaker,
        **_parent(repeated.after),
        "repeats": repeated.seq,
    }


def _row(key: TurnKey, said: Said, after: After | None) -> dict[str, object]:
    return {
        "key": str(key),
        "chat": str(key.chat),
        **written(said),
        "asked_at": time.time(),
        **_parent(after),
        "repeats": None,
    }


def _parent(after: After | None) -> dict[str, object]:
    return {
        "parent": after.seq if after else None,
        "parent_question_only": after.question_only if after else False,
    }


def _keys(chats: Sequence[ChatKey], message: str) -> list[str]:
    return [str(TurnKey(chat, message)) for chat in chats]
