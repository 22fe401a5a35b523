"""The answer of an OpenAI-compatible server → events.

The format is https://platform.openai.com/docs/api-reference/chat-streaming; what real servers
make of it is handled where it is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from providers.base import (
    BadResponseError,
    ContentFilteredError,
    Finish,
    FinishReason,
    OverloadedError,
    Usage,
)
from providers.json_events import JsonEventDecoder
from providers.payload import count, inner

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from providers.base import Event
    from providers.payload import Payload

# What servers that are compatible, more or less, call them; in lower case.
_LENGTH_REASONS = {
    *("length", "max_tokens", "max_output_tokens", "model_length"),
    "model_context_window_exceeded",
}
_FILTERED_REASONS = {
    *("content_filter", "safety", "recitation", "sensitive", "blocklist", "prohibited_content"),
}
_FAILURE_REASONS = {"error", "abort", "network_error", "insufficient_system_resource"}


class ChatDecoder(JsonEventDecoder):
    """Decodes chat completion chunks, or one whole completion.

    With `keep_filtered`, an answer that a content filter ended after some text counts as
    finished.
    """

    def __init__(self, *, keep_filtered: bool = False) -> None:
        super().__init__()
        self._keep_filtered = keep_filtered
        self._usage: Usage | None = None

    def _read(self, payload: Payload) -> Sequence[Event]:
        return self._choice(payload, "delta")

    def _read_whole(self, payload: Payload) -> Sequence[Event]:
        return self._choice(payload, "message")

    def _done(self) -> Iterator[Event]:
        if not self._ending.reason and not self._speech.spoken:
            raise BadResponseError("the answer holds no text", complete=True)
        return self._end()

    def _end(self) -> Iterator[Event]:
        yield from self.drain()
        if self._usage:
            yield self._usage
        # Some add details: "content_filter: hate".
        reason = self._ending.reason.partition(":")[0].strip().lower()
        if reason in _FILTERED_REASONS and not (self._keep_filtered and self._speech.spoken):
            raise ContentFilteredError("the server cut the answer for its content")
        if reason in _FAILURE_REASONS:
            raise OverloadedError(f"the server gave the answer up: {reason}")
        length = reason in _LENGTH_REASONS
        yield Finish(FinishReason.LENGTH if length else FinishReason.STOP)

    def _choice(self, payload: Payload, key: str) -> Sequence[Event]:
        if "usage" in payload or "x_groq" in payload:
            self._read_usage(payload)
        choices = payload.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict):
            return ()
        delta, taken = choice.get(key), self._speech.taken
        events = self._delta(delta) if isinstance(delta, dict) else ()
        self._ending.hear(choice.get("finish_reason"), spoke=self._speech.taken > taken)
        return events

    def _delta(self, delta: Payload) -> Sequence[Event]:
        content = delta.get("content")
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        if isinstance(content, list):
            thought, content = _join_parts(content)
        return (
            *self._speech.think(thought),
            *self._speech.say(content),
            *self._speech.say(delta.get("refusal")),
        )

    def _read_usage(self, payload: Payload) -> None:
        for usage in (inner(payload, "usage"), inner(payload, "x_groq", "usage")):
            if usage:
                self._usage = Usage(
                    count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
                )


def _join_parts(parts: list[object]) -> tuple[str, str]:
    """Return the thought and the text of a content list (Mistral)."""
    thought, text = "", ""
    for part in parts:
        if not isinstance(part, dict):
            continue
        within = part.get("thinking")
        if isinstance(within, list):
            thought += _join_parts(within)[1]
        if isinstance(part.get("text"), str):
            text += str(part["text"])
    return thought, text
