"""The line of turns that leads to a turn, and as much of it as the model may be given."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import sqlalchemy as sa

from bot.store.schema import ASKED, NEW, Kind, Turn, turn_of, turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


_BEFORE = (
    sa.select(turns)
    .where(turns.c.chat == sa.bindparam("chat"), turns.c.seq < sa.bindparam("turn"))
    .where(turns.c.command.in_((*ASKED, NEW)))
    .order_by(turns.c.seq.desc())
)


_NUMBERED = sa.select(turns).where(turns.c.seq == sa.bindparam("turn"))


def window(db: sa.Connection, turn: Turn, budget: int, cost: Callable[[Turn], int]) -> list[Turn]:
    """As `History.window`."""
    kept: list[Turn] = []
    superseded = {turn.repeats}
    for past in line(db, turn):
        if past.command == NEW:
            break
        superseded.add(past.repeats)
        # A question that has no outcome yet is being answered beside this one.
        if past.seq in superseded or not past.content or past.outcome is None:
            continue
        if past.kind not in (Kind.QUESTION, Kind.RETRY, Kind.HEARD):
            continue
        budget -= cost(past)
        if budget < 0:
            break
        kept.append(past)
    kept.reverse()
    return kept


def turn_at(db: sa.Connection, row: sa.Row[tuple[object, ...]]) -> Turn:
    """The turn of a whole row of `turns`, and, if it is a RETRY, what it asks again.

    A RETRY whose question is gone keeps what it was in words.
    """
    turn = asked = turn_of(row)
    while asked.kind is Kind.RETRY and asked.repeats is not None:
        repeated = db.execute(_NUMBERED, {"turn": asked.repeats}).one_or_none()
        if repeated is None:
            break
        asked = turn_of(repeated)
    return replace(turn, content=asked.content, speaker=asked.speaker)


def line(db: sa.Connection, turn: Turn) -> Iterator[Turn]:
    """The turns before `turn`, newest first, as it goes on from them; only as many are read."""
    here: Turn | None = turn
    while here is not None:
        if here.after is not None:
            here = _named(db, here)
            if here is not None:
                yield here
            continue
        for before in _before(db, here):
            yield before
            if before.after is not None:
                here = before
                break
        else:
            return


def _before(db: sa.Connection, turn: Turn) -> Iterator[Turn]:
    """The turns of the same chat, newest first; what was only heard is not among them."""
    rows = db.execute(_BEFORE, {"chat": str(turn.key.chat), "turn": turn.seq})
    return (turn_at(db, row) for row in rows)


def _named(db: sa.Connection, turn: Turn) -> Turn | None:
    assert turn.after is not None
    row = db.execute(_NUMBERED, {"turn": turn.after.seq}).one_or_none()
    if row is None:
        return None
    before = turn_at(db, row)
    if not turn.after.question_only:
        return before
    return replace(before, answer=None, answer_tokens=None)
