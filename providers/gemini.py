"""Google's Gemini API.

https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote

from yarl import URL

from providers.answer import answer_to
from providers.base import (
    Capabilities,
    ContentFilteredError,
    Finish,
    FinishReason,
    Option,
    OverloadedError,
    Provider,
    Role,
    TextPart,
    Usage,
)
from providers.http import HttpClient, Request, endpoint, header_safe, named_model, server
from providers.images import base64
from providers.json_events import JsonEventDecoder
from providers.payload import count, inner, objects
from providers.redact import one_line
from providers.surrogates import dump_json
from providers.turns import system_prompt, turns

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Sequence

    from providers.base import Event, Message, Part, ProviderSettings
    from providers.payload import Payload

_LENGTH_REASON = "MAX_TOKENS"
_FILTER_REASONS = {
    "BLOCKLIST",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "IMAGE_SAFETY",
    "LANGUAGE",
    "PROHIBITED_CONTENT",
    "RECITATION",
    "SAFETY",
    "SPII",
}
_GOOD_REASONS = {"", "STOP", "FINISH_REASON_UNSPECIFIED"}


class Gemini(Provider):
    """base_url is the root, without /v1beta. Raises ValueError for settings that can't work."""

    kind: ClassVar[str] = "gemini"
    capabilities: ClassVar[Capabilities] = Capabilities(
        url="https://generativelanguage.googleapis.com",
        models=(),
        supports_stream=True,
        needs_auth=True,
        working=True,
        options=(Option("temperature", "float"), Option("max_tokens", "int")),
        takes_images=True,
        needs_model=True,
    )

    def __init__(self, settings: ProviderSettings) -> None:
        super().__init__(settings)
        self._url = _url(server(settings, self.capabilities), named_model(settings))
        self._headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        if settings.api_key:
            self._headers["x-goog-api-key"] = header_safe(settings.api_key)
        self._http = HttpClient(settings)

    def stream(self, messages: Sequence[Message]) -> AsyncGenerator[Event, None]:
        return answer_to(messages, self._http, self._request, CandidateDecoder)

    async def close(self) -> None:
        await self._http.close()

    def _request(self, messages: Sequence[Message]) -> Request:
        system = system_prompt(messages)
        config = {
            "temperature": self.settings.temperature,
            "maxOutputTokens": self.settings.max_tokens,
        }
        body = {
            "systemInstruction": {"parts": [{"text": system}]} if system else None,
            "contents": [
                {
                    "role": "user" if turn.role is Role.USER else "model",
                    "parts": [_part(part) for part in turn.parts],
                }
                for turn in turns(messages)
            ],
            "generationConfig": {k: v for k, v in config.items() if v is not None} or None,
        }
        given = {name: value for name, value in body.items() if value is not None}
        return Request("POST", self._url, self._headers, dump_json(given))


class CandidateDecoder(JsonEventDecoder):
    """Decodes chunks of candidates, or an array of them if `alt=sse` was lost on the way.

    The end is a finish reason and then the end of the body. Older models send a reason with every
    chunk, so there only the body's end tells.
    """

    def __init__(self) -> None:
        super().__init__()
        self._usage: Usage | None = None

    def _read(self, payload: Payload) -> Iterator[Event]:
        if block := inner(payload, "promptFeedback").get("blockReason"):
            raise ContentFilteredError(f"the server refused the question: {one_line(str(block))}")
        self._read_usage(inner(payload, "usageMetadata"))
        for candidate in objects(payload.get("candidates"))[:1]:
            taken = self._speech.taken
            for part in objects(inner(candidate, "content").get("parts")):
                hear = self._speech.think if part.get("thought") else self._speech.say
                yield from hear(part.get("text"))
            spoke = self._speech.taken > taken
            self._ending.hear(candidate.get("finishReason"), spoke=spoke)

    def _read_whole(self, payload: Payload) -> Iterator[Event]:
        return self._read(payload)

    def _end(self) -> Iterator[Event]:
        yield from self.drain()
        if self._usage:
            yield self._usage
        reason = self._ending.reason
        if reason in _FILTER_REASONS:
            raise ContentFilteredError(f"the server cut the answer for its content: {reason}")
        if reason == _LENGTH_REASON:
            yield Finish(FinishReason.LENGTH)
        elif reason in _GOOD_REASONS:
            yield Finish(FinishReason.STOP)
        else:
            raise OverloadedError(f"the server gave the answer up: {one_line(reason)}")

    def _read_usage(self, usage: Payload) -> None:
        if not usage:
            return
        said = count(usage.get("candidatesTokenCount"))
        thought = count(usage.get("thoughtsTokenCount"))
        output = None if said is None and thought is None else (said or 0) + (thought or 0)
        self._usage = Usage(count(usage.get("promptTokenCount")), output)


def _url(base: str, model: str) -> str:
    """`model` may be given as models/NAME or tunedModels/NAME."""
    name = model if "/" in model else f"models/{model}"
    path = f"v1beta/{quote(name)}:streamGenerateContent"
    return str(URL(endpoint(base, path), encoded=True).update_query(alt="sse"))


def _part(part: Part) -> dict[str, object]:
    if isinstance(part, TextPart):
        return {"text": part.text}
    return {"inlineData": {"mimeType": part.media_type, "data": base64(part)}}
