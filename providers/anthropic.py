"""Anthropic's Messages API, and the servers that speak it.

https://platform.claude.com/docs/en/api/messages and …/build-with-claude/streaming
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar

from providers.answer import answer_to
from providers.base import (
    Capabilities,
    ContentFilteredError,
    ContextTooLongError,
    Finish,
    FinishReason,
    Option,
    Provider,
    QuotaExceededError,
    RateLimitedError,
    TextPart,
    Usage,
)
from providers.errors import error_from_response
from providers.http import HttpClient, Request, endpoint, header_safe, server
from providers.images import base64
from providers.json_events import JsonEventDecoder
from providers.payload import count, inner, objects
from providers.redact import one_line
from providers.surrogates import dump_json
from providers.turns import system_prompt, turns

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
    from datetime import datetime

    from providers.base import Event, Message, Part, ProviderError, ProviderSettings
    from providers.payload import Payload

API_VERSION = "2023-06-01"
DEFAULT_MAX_TOKENS = 4096
"""The API demands a limit; every model takes this one."""

_FULL = "model_context_window_exceeded"
_LENGTH_REASONS = {"max_tokens", "pause_turn", _FULL}
_INPUT_COUNTS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


class Anthropic(Provider):
    """base_url is the root, without /v1. Raises ValueError for settings that can't work."""

    kind: ClassVar[str] = "anthropic"
    capabilities: ClassVar[Capabilities] = Capabilities(
        url="https://api.anthropic.com",
        models=(),
        supports_stream=True,
        needs_auth=True,
        working=True,
        options=(Option("temperature", "float"), Option("max_tokens", "int")),
        takes_images=True,
    )

    def __init__(self, settings: ProviderSettings) -> None:
        super().__init__(settings)
        self._url = endpoint(server(settings, self.capabilities), "v1/messages")
        self._headers = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream",
            "anthropic-version": API_VERSION,
        }
        if settings.api_key:
            self._headers["x-api-key"] = header_safe(settings.api_key)
        self._http = HttpClient(settings, error_of=refusal)

    def stream(self, messages: Sequence[Message]) -> AsyncGenerator[Event, None]:
        return answer_to(messages, self._http, self._request, MessageDecoder)

    async def close(self) -> None:
        await self._http.close()

    def _request(self, messages: Sequence[Message]) -> Request:
        body = {
            "model": self.settings.model,
            "max_tokens": self.settings.max_tokens or DEFAULT_MAX_TOKENS,
            "system": system_prompt(messages) or None,
            "messages": [
                {"role": str(turn.role), "content": [_block(part) for part in turn.parts]}
                for turn in turns(messages)
            ],
            "temperature": self.settings.temperature,
            "stream": True,
        }
        given = {name: value for name, value in body.items() if value is not None}
        return Request("POST", self._url, self._headers, dump_json(given))


def refusal(status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> ProviderError:
    """Return the error of a response; a 429 that names no time to wait is a spent budget.

    https://platform.claude.com/docs/en/api/rate-limits: every rate limit has a retry-after.
    """
    error = error_from_response(status, headers, body, now)
    waitless = isinstance(error, RateLimitedError) and error.retry_after is None
    if waitless and status == HTTPStatus.TOO_MANY_REQUESTS:
        return QuotaExceededError(str(error))
    return error


class MessageDecoder(JsonEventDecoder):
    """Decodes message events, or one whole message.

    An event is known by the `type` in its data: compatible servers may leave `event:` out.
    """

    def __init__(self) -> None:
        super().__init__(marker=True)
        self._explanation = ""
        self._input: int | None = None
        self._output: int | None = None

    def _read(self, payload: Payload) -> Sequence[Event] | Iterator[Event]:
        match payload.get("type"):
            case "content_block_delta":
                return self._content(inner(payload, "delta"))
            case "content_block_start":
                return self._content(inner(payload, "content_block"))
            case "message_start":
                self._read_usage(inner(payload, "message", "usage"))
            case "message_delta":
                self._read_usage(inner(payload, "usage"))
                self._read_reason(inner(payload, "delta"))
            case "message_stop":
                return self._end()
        return ()

    def _read_whole(self, payload: Payload) -> Iterator[Event]:
        for block in objects(payload.get("content")):
            yield from self._content(block)
        self._read_usage(inner(payload, "usage"))
        self._read_reason(payload)

    def _end(self) -> Iterator[Event]:
        yield from self.drain()
        if self._input is not None or self._output is not None:
            yield Usage(self._input, self._output)
        reason = self._ending.reason
        if reason == "refusal":
            why = self._explanation or "no reason given"
            raise ContentFilteredError(f"the model's server refused to go on: {why}")
        if reason == _FULL and not self._speech.spoken:
            raise ContextTooLongError("the messages fill the model's context window")
        length = reason in _LENGTH_REASONS
        yield Finish(FinishReason.LENGTH if length else FinishReason.STOP)

    def _content(self, content: Payload) -> Sequence[Event]:
        """Return the text of a block or a delta, whatever its type is called."""
        taken = self._speech.taken
        events = (
            *self._speech.think(content.get("thinking")),
            *self._speech.say(content.get("text")),
        )
        self._ending.hear(None, spoke=self._speech.taken > taken)
        return events

    def _read_reason(self, message: Payload) -> None:
        self._ending.hear(message.get("stop_reason"), spoke=False)
        explanation = inner(message, "stop_details").get("explanation")
        self._explanation = one_line(explanation) if isinstance(explanation, str) else ""

    def _read_usage(self, usage: Payload) -> None:
        """Take counts over; each event that has them has the totals so far."""
        known = [n for name in _INPUT_COUNTS if (n := count(usage.get(name))) is not None]
        if known:
            self._input = sum(known)
        output = count(usage.get("output_tokens"))
        self._output = self._output if output is None else output


def _block(part: Part) -> dict[str, object]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    source = {"type": "base64", "media_type": part.media_type, "data": base64(part)}
    return {"type": "image", "source": source}
