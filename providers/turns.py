"""A conversation as the stricter servers want it: system prompt apart, roles in turn."""

from __future__ import annotations

from itertools import dropwhile, groupby
from typing import TYPE_CHECKING

from providers.base import Message, Role, TextPart
from providers.images import without_images

if TYPE_CHECKING:
    from collections.abc import Sequence

    from providers.base import Part


def system_prompt(messages: Sequence[Message]) -> str:
    """Return the text of all system messages; empty where there is none."""
    texts = (message.text for message in messages if message.role is Role.SYSTEM)
    return "\n\n".join(text for text in texts if text.strip())


def turns(messages: Sequence[Message]) -> list[Message]:
    """Return what was said without the system messages, as servers with strict rules take it.

    The user speaks first: an answer whose question is no longer there is left out. Neighbours of
    one role are one message, nothing is blank, and only the user shows images.
    """
    said = [_clean(message) for message in messages if message.role is not Role.SYSTEM]
    spoken = dropwhile(lambda m: m.role is not Role.USER, (m for m in said if m.parts))
    return [
        Message(role, tuple(part for message in group for part in message.parts))
        for role, group in groupby(spoken, key=lambda message: message.role)
    ]


def joined_text(parts: Sequence[Part]) -> str:
    """Return the text of `parts`, a blank line between them; images are left out."""
    return "\n\n".join(part.text for part in parts if isinstance(part, TextPart))


def _clean(message: Message) -> Message:
    if message.role is not Role.USER:
        (message,) = without_images([message])
    parts = (p for p in message.parts if not isinstance(p, TextPart) or p.text.strip())
    return Message(message.role, tuple(parts))
