"""Tokens → bytes: what one answer looks like in a protocol. Pure: nothing is sent from here."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

import orjson

if TYPE_CHECKING:
    from sandbox.llm.script import Script


def dump(value: object) -> bytes:
    """JSON in UTF-8; only lone surrogates, which UTF-8 does not have, make it escape all."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


class Wire(ABC):
    """One answer's encoder, used once: start, then each token, then finish."""

    content_type: ClassVar[str]
    whole: ClassVar[bool] = False
    """The reply goes out when it is complete, not as it is written."""
    escapes: ClassVar[bool] = True
    """Text travels in JSON strings, where half a surrogate pair can be written."""

    @abstractmethod
    def start(self) -> bytes:
        """What comes before the first token."""

    @abstractmethod
    def delta(self, token: str) -> bytes: ...

    def thought(self, token: str) -> bytes:  # noqa: ARG002 - some formats have no place for it
        """A piece of what the model thinks; empty where that is not shown."""
        return b""

    @abstractmethod
    def finish(self, tokens: int) -> bytes:
        """The end marker of an answer of so many tokens."""

    @abstractmethod
    def error(self, message: str) -> bytes:
        """An error after the status was sent as 200; where `whole`, it is all that is sent."""

    @abstractmethod
    def malformed(self) -> bytes:
        """A piece that breaks the protocol."""

    def comment(self, text: str) -> bytes:  # noqa: ARG002 - most formats have no comments
        """A keep-alive; empty where the format has none."""
        return b""


class SseWire(Wire):
    """Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html."""

    content_type: ClassVar[str] = "text/event-stream"

    def __init__(self, script: Script) -> None:
        self.line_end = b"\r\n" if script.crlf else b"\n"
        self.event_end = 2 * self.line_end

    def event(self, data: bytes) -> bytes:
        return b"data: " + data + self.event_end

    def named(self, name: bytes, data: bytes) -> bytes:
        """An event with a type of its own."""
        return b"event: " + name + self.line_end + self.event(data)

    def comment(self, text: str) -> bytes:
        return text.encode() + self.event_end

    def malformed(self) -> bytes:
        return self.event(b'{"choices": [{"delta": {"content": "oops')


class ChatChunks(SseWire):
    """OpenAI's chat.completion.chunk events, up to `[DONE]`."""

    def __init__(
        self, script: Script, head: dict[str, object], prompt_tokens: int | None = None
    ) -> None:
        """`prompt_tokens`: None leaves the usage out, as without stream_options.include_usage."""
        super().__init__(script)
        self._finish_reason = script.finish_reason
        self._prompt_tokens = prompt_tokens
        self._before = dump(head)[:-1] + b',"choices":'
        # With include_usage every chunk has the field; it is null in all but the last.
        self._after = b"}" if prompt_tokens is None else b',"usage":null}'

    def start(self) -> bytes:
        return self._choice(b'{"role":"assistant","content":""}')

    def delta(self, token: str) -> bytes:
        return self._choice(b'{"content":' + dump(token) + b"}")

    def thought(self, token: str) -> bytes:
        """As DeepSeek, vLLM and others extend OpenAI's format, which hides what is thought."""
        return self._choice(b'{"reasoning_content":' + dump(token) + b"}")

    def finish(self, tokens: int) -> bytes:
        last = self._choice(b"{}", dump(self._finish_reason))
        if self._prompt_tokens is not None:
            counts = dump(usage(self._prompt_tokens, tokens))
            last += self.event(self._before + b'[],"usage":' + counts + b"}")
        return last + self.event(b"[DONE]")

    def error(self, message: str) -> bytes:
        return self.event(dump(server_error(message)))

    def _choice(self, delta: bytes, finish_reason: bytes = b"null") -> bytes:
        choice = b'[{"index":0,"delta":' + delta + b',"finish_reason":' + finish_reason + b"}]"
        return self.event(self._before + choice + self._after)


class WholeJson(Wire):
    """One JSON object with the text in a string of it; sent as a whole."""

    content_type: ClassVar[str] = "application/json"
    whole: ClassVar[bool] = True

    def delta(self, token: str) -> bytes:
        return dump(token)[1:-1]

    def malformed(self) -> bytes:
        return b'"]'


class WholeBlocks(WholeJson):
    """One JSON object whose text is in several strings, each opened by its first token."""

    def __init__(self) -> None:
        self._start = b""
        self._end = b""

    def block(self, start: bytes, end: bytes, token: str) -> bytes:
        """`token` inside the block between `start` and `end`; a block before it is closed."""
        opened = b""
        if self._start != start:
            opened = self._end + b"," + start if self._end else start
            self._start, self._end = start, end
        return opened + dump(token)[1:-1]

    def close(self) -> bytes:
        """What closes the open block; empty where there was none."""
        return self._end


def usage(prompt_tokens: int, completion_tokens: int) -> dict[str, object]:
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }


def server_error(message: str) -> dict[str, object]:
    """OpenAI's error object for a fault of the server's own."""
    return {"error": {"message": message, "type": "server_error", "param": None, "code": None}}
