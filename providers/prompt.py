"""A whole conversation as one text, for protocols that take a single prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from providers.base import Message


def format_prompt(messages: Sequence[Message]) -> str:
    """Return a single message bare, several as "Role: content" lines that await the answer."""
    if len(messages) == 1:
        return messages[0].text
    lines = [f"{message.role.capitalize()}: {message.text}" for message in messages]
    return "\n".join((*lines, "Assistant:"))
