"""The tables of the history database, and what a row of them means.

`bot/migrations` brings a database to this shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from bot.chat import content
from bot.chat.keys import TurnKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.chat.content import Content

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
    # A Kind. Null: a release before 0008 wrote the row, and `command` and `question` say it all.
    sa.Column("kind", Text),
    # The name of a COMMAND. Of other kinds, what releases before 0008 know them by.
    sa.Column("command", Text, nullable=False, server_default=""),
    # What was typed after a COMMAND; the word of an unknown one. Of a NOTICE, the text's id.
    sa.Column("arguments", Text, nullable=False, server_default=""),
    # The parts of the message, see bot.chat.content. Null: a RETRY, or a release before 0008.
    sa.Column("content", Text),
    # The content in words, for releases before 0008; of a RETRY, what it asks again. To be dropped
    # once no replica of such a release can run beside this one.
    sa.Column("question", Text, nullable=False, server_default=""),
    sa.Column("sender", Text, nullable=False, server_default=""),
    # The sender's name, if the chat has several people.
    sa.Column("speaker", Text, nullable=False, server_default=""),
    # Of the sender's app, an IETF tag; empty: not known.
    sa.Column("language", Text, nullable=False, server_default=""),
    sa.Column("asked_at", sa.Float, nullable=False),
    # The turn it goes on from; null: the one before it in its chat; 0: none.
    sa.Column("parent", Number),
    # It goes on from the parent's question: the parent's answer does not belong to it.
    sa.Column("parent_question_only", sa.Boolean, nullable=False, server_default=sa.false()),
    # The turn whose question a RETRY asks again.
    sa.Column("repeats", Number),
    # The turn that a PART belongs to.
    sa.Column("part_of", Number),
    # The turn whose messages show the answer; null: it has its own.
    sa.Column("screen", Number),
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

NEW = "new"
"""The command that the history itself understands: forget what was before."""


class Kind(StrEnum):
    """What a turn is."""

    QUESTION = "question"
    RETRY = "retry"
    """It asks again what the turn that it repeats has asked."""
    COMMAND = "command"
    """The bot itself carries it out."""
    NOTICE = "notice"
    """The bot only says one of its own texts to what was sent."""
    HEARD = "heard"
    """It asked nothing of the bot, and a question refers to it."""
    PART = "part"
    """It belongs to the question of another turn."""


_OLD_COMMANDS: Final[Mapping[Kind, str]] = MappingProxyType(
    {Kind.QUESTION: "", Kind.RETRY: "retry", Kind.HEARD: "heard", Kind.NOTICE: "say"}
)
"""What stood in `command` before there was a kind."""
_OLD_KINDS: Final = {command: kind for kind, command in _OLD_COMMANDS.items()}
ASKED: Final = (_OLD_COMMANDS[Kind.QUESTION], _OLD_COMMANDS[Kind.RETRY])
"""In the column `command`: what the model is asked."""
HEARD: Final = _OLD_COMMANDS[Kind.HEARD]
"""In the column `command`: of a message that asked nothing of the bot."""


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
class Said:
    """What becomes a turn; the fields are those of `Turn`."""

    kind: Kind
    content: Content
    sender: str
    speaker: str = ""
    command: str = ""
    arguments: str = ""
    language: str = ""
    part_of: int | None = None
    screen: int | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """What was said to the bot and, once `outcome` is set, what became of it."""

    seq: int
    key: TurnKey
    kind: Kind
    command: str
    """The name of a COMMAND; else empty."""
    arguments: str
    """What was typed after a COMMAND; the word of an unknown one. Of a NOTICE, the text's id."""
    content: Content
    """Of a RETRY, what it asks again. Empty: it was taken back, or there was nothing to repeat."""
    sender: str
    speaker: str
    """The sender's name, if the chat has several people; else empty."""
    language: str
    """Of the sender's app, an IETF tag; empty: not known."""
    asked_at: float
    """Seconds since the epoch."""
    after: After | None
    """None: the turn before it in its chat."""
    repeats: int | None
    part_of: int | None
    """The turn that a PART belongs to."""
    screen: int | None
    """The turn whose messages show the answer; None: it has its own."""
    answer: str | None
    outcome: Outcome | None
    notice: str | None
    answer_tokens: int | None
    settled: bool
    partial: str | None = None
    """What an earlier process had of the answer when it saved it last; None once it has ended."""

    @property
    def asks_model(self) -> bool:
        """It is a question that was not taken back, or a RETRY of one."""
        return bool(self.content) and self.kind in (Kind.QUESTION, Kind.RETRY)

    @property
    def shown_in(self) -> int:
        """The turn to whose messages those of this one are counted."""
        return self.seq if self.screen is None else self.screen


def turn_of(row: sa.Row[tuple[object, ...]]) -> Turn:
    """A whole row of `turns`.

    If it has no content, its words are all that is known, and who says them stands in them. Of a
    RETRY those are the words it was written with.
    """
    after = None if row.parent is None else After(row.parent, row.parent_question_only)
    kind = Kind(row.kind) if row.kind else _OLD_KINDS.get(row.command, Kind.COMMAND)
    return Turn(
        seq=row.seq,
        key=TurnKey.parse(row.key),
        kind=kind,
        command=row.command if kind is Kind.COMMAND else "",
        arguments=row.question if row.kind is None and kind is Kind.COMMAND else row.arguments,
        content=_content(row),
        sender=row.sender,
        speaker=row.speaker if row.content is not None else "",
        language=row.language,
        asked_at=row.asked_at,
        after=after,
        repeats=row.repeats,
        part_of=row.part_of,
        screen=row.screen,
        answer=row.answer,
        outcome=Outcome(row.outcome) if row.outcome else None,
        notice=row.notice,
        answer_tokens=row.answer_tokens,
        settled=row.settled,
        partial=row.partial,
    )


def _content(row: sa.Row[tuple[object, ...]]) -> Content:
    if not row.question:
        return ()  # A replica of a release before 0008 takes a message back in this column alone.
    return (content.Text(row.question),) if row.content is None else content.load(row.content)


def written(said: Said) -> dict[str, object]:
    """The columns that say what a turn is, for this release and for those before it."""
    return {
        "kind": said.kind,
        "command": _OLD_COMMANDS.get(said.kind, said.command or said.kind),
        "arguments": said.arguments,
        "content": content.dump(said.content),
        "question": content.in_words(said.content, said.speaker),
        "sender": said.sender,
        "speaker": said.speaker,
        "language": said.language,
        "part_of": said.part_of,
        "screen": said.screen,
    }
