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
    ReasoningDelta,
    Usage,
)
from providers.errors import error_from_payload, is_error, plain_text
from providers.sse import SseDecoder
from providers.surrogates import SurrogateJoiner, parse_json
from providers.think import ThinkSplitter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from providers.base import Event
    from providers.sse import SseEvent

_BLANK = b"\xef\xbb\xbf \t\r\n"
_LENGTH_REASONS = {"length", "max_tokens", "model_length"}
_FAILURE_REASONS = {"error", "abort"}


class ChatDecoder:
    """Decodes chat completion chunks, or one whole completion; a `providers.answer.Decoder`.

    With `keep_filtered`, an answer that a content filter ended after some text counts as
    finished.
    """

    def __init__(self, *, keep_filtered: bool = False) -> None:
        self.complete = False
        self._keep_filtered = keep_filtered
        self._opening = b""
        """Blank bytes before the body shows whether it is SSE or a whole document."""
        self._document: list[bytes] | None = None
        self._sse: SseDecoder | None = None
        self._text = SurrogateJoiner()
        self._reasoning = SurrogateJoiner()
        self._think = ThinkSplitter()
        self._spoken = False
        self._usage: Usage | None = None
        self._reason = ""

    def decode(self, chunk: bytes) -> Iterator[Event]:
        if self._sse is None and self._document is None:
            chunk = self._opening = self._opening + chunk
            self._choose_format()
        if self._document is not None:
            self._document.append(chunk)
        elif self._sse is not None:
            yield from self._events(self._sse.decode(chunk))

    def flush(self) -> Iterator[Event]:
        if self._document is not None:
            yield from self._whole(b"".join(self._document))
        if self._sse is not None:
            yield from self._events(self._sse.flush())
        if self.complete:
            yield from self._end()

    def drain(self) -> Iterator[Event]:
        if thought := self._reasoning.flush():
            yield ReasoningDelta(thought)
        yield from self._think.feed(self._text.flush())
        yield from self._think.flush()

    def _choose_format(self) -> None:
        first = self._opening.lstrip(_BLANK)[:1]
        if first in {b"{", b"[", b"<"}:
            self._document = []
        elif first:
            self._sse = SseDecoder()

    def _events(self, events: list[SseEvent]) -> Iterator[Event]:
        for data, kind in events:
            if data.startswith(b"[DONE]"):
                if not self._reason and not self._spoken:
                    raise BadResponseError("the answer holds no text")
                yield from self._end()
                return
            payload = _parse(data)
            if kind == "error" or is_error(payload):
                raise error_from_payload(payload)
            yield from self._chunk(payload, "delta")

    def _whole(self, document: bytes) -> Iterator[Event]:
        """Read a body that is not SSE: an answer that was not streamed, an error, a web page."""
        document = document.strip(_BLANK)
        if document.startswith(b"<"):
            page = plain_text(document.decode("utf-8", "replace"))
            raise BadResponseError(f"the server answered with a web page (check base_url): {page}")
        payload = _parse(document)
        if is_error(payload):
            raise error_from_payload(payload)
        yield from self._chunk(payload, "message")
        self.complete = True

    def _chunk(self, payload: Mapping[object, object], key: str) -> Iterator[Event]:
        self._read_usage(payload)
        choices = payload.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict):
            return
        delta = choice.get(key)
        if isinstance(delta, dict):
            yield from self._delta(delta)
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason:
            self._reason = reason
            self.complete = True

    def _delta(self, delta: Mapping[object, object]) -> Iterator[Event]:
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        content = delta.get("content")
        if isinstance(content, list):
            thought, content = _join_parts(content)
        if isinstance(thought, str) and (thought := self._reasoning.feed(thought)):
            yield ReasoningDelta(thought)
        if isinstance(content, str) and (text := self._text.feed(content)):
            self._spoken = True
            yield from self._think.feed(text)

    def _read_usage(self, payload: Mapping[object, object]) -> None:
        groq = payload.get("x_groq")
        for usage in (payload.get("usage"), groq.get("usage") if isinstance(groq, dict) else None):
            if isinstance(usage, dict):
                self._usage = Usage(
                    _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
                )

    def _end(self) -> Iterator[Event]:
        yield from self.drain()
        if self._usage:
            yield self._usage
        if self._reason == "content_filter" and not (self._keep_filtered and self._spoken):
            raise ContentFilteredError("the server cut the answer for its content")
        if self._reason in _FAILURE_REASONS:
            raise OverloadedError(f"the server gave the answer up: {self._reason}")
        length = self._reason in _LENGTH_REASONS
        yield Finish(FinishReason.LENGTH if length else FinishReason.STOP)


def _parse(data: bytes) -> dict[object, object]:
    try:
        payload = parse_json(data)
    except ValueError:
        raise BadResponseError("the server sent malformed JSON") from None
    if isinstance(payload, list) and payload:
        payload = payload[0]
    if not isinstance(payload, dict):
        raise BadResponseError("the server sent JSON that is no chat completion")
    return payload


def _join_parts(parts: list[object]) -> tuple[str, str]:
    """Return the thought and the text of a content list (Mistral)."""
    thought, text = "", ""
    for part in parts:
        if not isinstance(part, dict):
            continue
        inner = part.get("thinking")
        if isinstance(inner, list):
            thought += _join_parts(inner)[1]
        if isinstance(part.get("text"), str):
            text += str(part["text"])
    return thought, text


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
