"""Pure: turns -> the messages a provider is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.store.schema import Outcome
from providers.base import Message, Role
from providers.redact import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bot.chat.incoming import Incoming
    from bot.store.schema import Turn

CUT_OFF = "[This answer was cut off here.]"


def question(incoming: Incoming) -> str:
    """What the model is asked: in a group with who asks, below the message it refers to."""
    text = incoming.text.strip()
    if incoming.attachment:
        came = incoming.attachment.replace("_", " ")
        article = "An" if came[0] in "aeiou" else "A"
        text = f"{text}\n\n[{article} {came} came with this, which you can't see.]"
    if incoming.forwarded_from is not None and text:
        text = forwarded(incoming.forwarded_from, text)
    if incoming.group and text:
        text = f"{one_line(incoming.sender.name)}: {text}"
    if incoming.quoted:
        quoted = "\n".join(f"> {line}" for line in incoming.quoted.splitlines())
        text = f"{quoted}\n\n{text}"
    return text


def forwarded(origin: str, text: str) -> str:
    """`text` below a line that says it is forwarded, and from whom where `origin` is known."""
    source = f" from {one_line(origin)}" if one_line(origin) else ""
    return f"[Forwarded{source}]\n{text}"


def answer(turn: Turn) -> str:
    """The answer as the model shall remember it; empty where there is none to remember."""
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
        asked.append(earlier.question)
        if said := answer(earlier):
            made += [Message.of(Role.USER, "\n\n".join(asked)), Message.of(Role.ASSISTANT, said)]
            asked = []
    return [*made, Message.of(Role.USER, "\n\n".join([*asked, turn.question]))]
