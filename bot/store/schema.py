"""The tables of the history database, and what a row of them means.

`bot/migrations` brings a database to this shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from bot.chat.keys import TurnKey

Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
"""SQLite counts rows in a column of type INTEGER alone."""


class Text(sa.types.TypeDecorator[str]):
    """Ordered by its bytes on any database: ids are searched by what they begin with.

    NUL characters, which PostgreSQL can't hold, are kept as U+FFFD.
    """

    impl = sa.String
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[str]:
        return sa.String(collation="C" if dialect.name == "postgresql" else None)

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:  # noqa: ARG002 - as the library calls it
        return value.replace("\0", "\ufffd") if value else value


metadata = sa.MetaData()

turns = sa.Table(
    "turns",
    metadata,
    # The order in which questions were asked; also the order in which a chat's are answered.
    sa.Column("seq", Number, primary_key=True, autoincrement=True),
    sa.Column("key", Text, nullable=False, unique=True),
    sa.Column("chat", Text, nullable=False),
    # Empty for a question; else the command's name, or HEARD.
    sa.Column("command", Text, nullable=False, server_default=""),
    # As the model is given it; for a /retry, the question it asks again.
    sa.Column("question", Text, nullable=False, server_default=""),
    sa.Column("sender", Text, nullable=False, server_default=""),
    sa.Column("asked_at", sa.Float, nullable=False),
    # The turn it goes on from; null: the one before it in its chat; 0: none.
    sa.Column("parent", Number),
    # It goes on from the parent's question: the parent's answer does not belong to it.
    sa.Column("parent_question_only", sa.Boolean, nullable=False, server_default=sa.false()),
    # The turn whose question a /retry asks again.
    sa.Column("repeats", Number),
    # These are null until the turn has ended on the model's side.
    sa.Column("answer", Text),
    sa.Column("outcome", Text),
    sa.Column("notice", Text),
    # As the model's server counted them.
    sa.Column("answer_tokens", Number),
    # The answer so far, while the turn is being answered: what a crash leaves of it.
    sa.Column("partial", Text),
    # The reader has all of it, or will never have more.
    sa.Column("settled", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index("turns_by_chat", "chat", "seq"),
    sa.Index("turns_by_repeats", "repeats"),
    sqlite_autoincrement=True,
)

posted = sa.Table(
    "posted",
    metadata,
    sa.Column("turn", Number, sa.ForeignKey("turns.seq", ondelete="CASCADE")),
    # Of the message among all that were ever created for the answer, from 0.
    sa.Column("page", Number),
    # The platform's id of the message.
    sa.Column("message", Text, nullable=False),
    sa.PrimaryKeyConstraint("turn", "page"),
    sa.Index("posted_by_message", "message"),
)

lessons = sa.Table(
    "lessons",
    metadata,
    # What a platform counts a limit over, and the kind of call.
    sa.Column("chat", Text, primary_key=True),
    sa.Column("kind", Text, primary_key=True),
    # See bot.chat.lesson.Lesson; times are in seconds since the epoch.
    sa.Column("burst", sa.Float, nullable=False),
    sa.Column("trust", sa.Float, nullable=False),
    sa.Column("penalty_until", sa.Float, nullable=False),
    sa.Column("learned_at", sa.Float, nullable=False),
)

forgotten = sa.Table(
    "forgotten",
    metadata,
    # A chat that was erased; the row goes when nothing can be delivered again.
    sa.Column("chat", Text, primary_key=True),
    # The number of its newest message then: this one and those before it are not taken again.
    sa.Column("message", Number, nullable=False),
    # Seconds since the epoch.
    sa.Column("forgotten_at", sa.Float, nullable=False),
)

replicas = sa.Table(
    "replicas",
    metadata,
    sa.Column("id", Text, primary_key=True),
    # When it last said that it lives.
    sa.Column("beat", sa.DateTime(timezone=True), nullable=False),
    # The keys of the bots as which it is logged in, with spaces between; null: it does not tell.
    sa.Column("bots", Text),
)

NEW, RETRY = "new", "retry"
"""The commands that the history itself understands: forget what was before; ask again."""
HEARD = "heard"
"""In place of a command: a message that asked nothing of the bot, and that a question refers to."""


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
    """The reader deleted the answer, or the question."""
    ABANDONED = "abandoned"
    """It was too old when the bot came back after a restart."""


@dataclass(frozen=True, slots=True)
class After:
    """What a turn goes on from: its conversation is that turn's, and that turn."""

    seq: int
    """0: nothing was said before."""
    question_only: bool = False
    """That turn's answer does not belong to the conversation."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and, once `outcome` is set, what became of it."""

    seq: int
    key: TurnKey
    command: str
    question: str
    sender: str
    asked_at: float
    """Seconds since the epoch."""
    after: After | None
    """None: the turn before it in its chat."""
    repeats: int | None
    answer: str | None
    outcome: Outcome | None
    notice: str | None
    answer_tokens: int | None
    settled: bool
    partial: str | None = None
    """What an earlier process had of the answer when it saved it last; None once it has ended."""


def turn_of(row: sa.Row[tuple[object, ...]]) -> Turn:
    """A whole row of `turns`."""
    after = None if row.parent is None else After(row.parent, row.parent_question_only)
    return Turn(
        seq=row.seq,
        key=TurnKey.parse(row.key),
        command=row.command,
        question=row.question,
        sender=row.sender,
        asked_at=row.asked_at,
        after=after,
        repeats=row.repeats,
        answer=row.answer,
        outcome=Outcome(row.outcome) if row.outcome else None,
        notice=row.notice,
        answer_tokens=row.answer_tokens,
        settled=row.settled,
        partial=row.partial,
    )
