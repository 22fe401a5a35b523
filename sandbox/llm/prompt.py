"""Reads formatted prompts: a whole conversation in one string."""

from __future__ import annotations

import re

from sandbox.llm.script import ChatMessage

_ROLE = re.compile(r"^(system|user|assistant): ", re.IGNORECASE | re.MULTILINE)
_END = re.compile(r"\nassistant:\Z", re.IGNORECASE)


def messages_of(prompt: str) -> tuple[ChatMessage, ...]:
    """The messages of "Role: content" lines that end in "Assistant:"; else one user message.

    The form is ambiguous: a line of a message that begins like a role is read as a new message.
    """
    history = _END.sub("", prompt)
    before, *rest = _ROLE.split(history)
    if history == prompt or before or not rest:
        return (ChatMessage("user", prompt),)
    pairs = zip(rest[::2], rest[1::2], strict=True)
    return tuple(ChatMessage(role.lower(), text.removesuffix("\n")) for role, text in pairs)
