"""A turn as the history gives it to whoever answers it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bot.chat.content import Text
from bot.chat.keys import ChatKey, TurnKey
from bot.store.schema import Kind, Said, Turn

CHAT = ChatKey("telegram", "7", "1")
KEY = TurnKey(CHAT, "1")


def said(text: str, kind: Kind = Kind.QUESTION, **more: Any) -> Said:  # noqa: ANN401 - the fields of Said
    """What somebody says in a private chat, but for `more`."""
    return replace(Said(kind, (Text(text),) if text else (), sender="9"), **more)


def turn(question: str = "q", **more: object) -> Turn:
    """Of a question that was just asked, but for `more`."""
    made = Turn(
        seq=1,
        key=KEY,
        kind=Kind.QUESTION,
        command="",
        arguments="",
        content=(Text(question),),
        sender="9",
        speaker="",
        language="",
        asked_at=0.0,
        after=None,
        repeats=None,
        part_of=None,
        screen=None,
        answer=None,
        outcome=None,
        notice=None,
        answer_tokens=None,
        settled=False,
    )
    return replace(made, **more)  # type: ignore[arg-type]
