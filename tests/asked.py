"""A turn as the history gives it to whoever answers it."""

from __future__ import annotations

from dataclasses import replace

from bot.chat.keys import ChatKey, TurnKey
from bot.store.schema import Turn

CHAT = ChatKey("telegram", "7", "1")
KEY = TurnKey(CHAT, "1")


def turn(question: str = "q", **more: object) -> Turn:
    """Of a question that was just asked, but for `more`."""
    made = Turn(
        seq=1,
        key=KEY,
        command="",
        question=question,
        sender="9",
        asked_at=0.0,
        after=None,
        repeats=None,
        answer=None,
        outcome=None,
        notice=None,
        answer_tokens=None,
        settled=False,
    )
    return replace(made, **more)  # type: ignore[arg-type]
