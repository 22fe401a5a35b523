"""What an OpenAI-compatible server refuses of a request, learnt from its refusals."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

from providers.base import Message, Role, TextPart
from providers.images import data_url

if TYPE_CHECKING:
    from collections.abc import Sequence

    from providers.base import Part


@dataclass(frozen=True, slots=True)
class Dialect:
    """How this server wants to be asked."""

    stream_options: bool = True
    max_tokens_field: str = "max_tokens"
    system_role: bool = True

    def after(self, refusal: str) -> Dialect | None:
        """Return the dialect to try after the server said `refusal`; None: there is no other."""
        if self.stream_options and "stream_options" in refusal:
            return replace(self, stream_options=False)
        if self.max_tokens_field == "max_tokens" and "max_completion_tokens" in refusal:
            return replace(self, max_tokens_field="max_completion_tokens")
        if self.system_role and re.search("(?i)system role not supported", refusal):
            return replace(self, system_role=False)
        return None

    def messages(self, messages: Sequence[Message]) -> list[dict[str, object]]:
        """Return `messages` as the request holds them.

        Neighbours of one role become one message: many templates insist that roles alternate.
        """
        if not self.system_role:
            messages = [
                Message(Role.USER, m.parts) if m.role is Role.SYSTEM else m for m in messages
            ]
        return [
            {"role": str(role), "content": _content([p for m in group for p in m.parts])}
            for role, group in groupby(messages, key=lambda message: message.role)
        ]


def _content(parts: list[Part]) -> str | list[dict[str, object]]:
    """Return a string where there is only text: every server takes that."""
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    if len(texts) == len(parts):
        return "\n\n".join(texts)
    return [_part(part) for part in parts]


def _part(part: Part) -> dict[str, object]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    return {"type": "image_url", "image_url": {"url": data_url(part)}}
