"""Pure: turns -> the messages a provider is given.

A question is put into words here, when the model is asked, and not when it is written down: what
a model can be shown is for the provider of the day to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.chat.content import in_words
from bot.store.schema import Outcome
from providers.base import Message, Role

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bot.store.schema import Turn

CUT_OFF = "[This answer was cut off here.]"


def question(turn: Turn) -> str:
    """What is asked: in a group with who asks, below the message it refers to."""
    return in_words(turn.content, turn.speaker)


def answer(turn: Turn) -> str:
    """The answer as the model shall remember it; empty if there is none to remember."""
    if not turn.answer or turn.outcome is Outcome.REMOVED:
        return ""
    if turn.outcome in (Outcome.PARTIAL, Outcome.STOPPED, Outcome.ABANDONED):
        return f"{turn.answer}\n\n{CUT_OFF}"
    return turn.answer


def messages(system: str, past: Iterable[Turn], turn: Turn) -> list[Message]:
    """The conversation for a provider, oldest first; `past` holds the turns before `turn`.

    Roles alternate after the system prompt, which some servers insist on: questions that were
    never answered are asked together with the next one.
    """
    made = [Message.of(Role.SYSTEM, system)] if system else []
    asked: list[str] = []
    for earlier in past:
        asked.append(question(earlier))
        if said := answer(earlier):
            made += [Message.of(Role.USER, "\n\n".join(asked)), Message.of(Role.ASSISTANT, said)]
            asked = []
    return [*made, Message.of(Role.USER, "\n\n".join([*asked, question(turn)]))]
