"""OpenAI's Responses API, and the servers that speak it.

https://platform.openai.com/docs/api-reference/responses and …/responses-streaming
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

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
from providers.errors import error_from_payload
from providers.http import HttpClient, Request, endpoint, header_safe, server
from providers.images import data_url
from providers.json_events import JsonEventDecoder
from providers.payload import count, inner, objects
from providers.surrogates import dump_json
from providers.turns import joined_text, system_prompt, turns

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Sequence

    from providers.base import Event, Message, Part, ProviderSettings
    from providers.payload import Payload

_GAP = "\n\n"
"""Between two items of an answer, or two parts of a reasoning summary."""


class Responses(Provider):
    """base_url goes up to and with /v1. Raises ValueError for settings that can't work."""

    kind: ClassVar[str] = "responses"
    capabilities: ClassVar[Capabilities] = Capabilities(
        url="https://api.openai.com/v1",
        models=(),
        supports_stream=True,
        needs_auth=True,
        working=True,
        options=(Option("temperature", "float"), Option("max_tokens", "int")),
        takes_images=True,
    )

    def __init__(self, settings: ProviderSettings) -> None:
        super().__init__(settings)
        self._url = endpoint(server(settings, self.capabilities), "responses")
        self._headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        if settings.api_key:
            self._headers["Authorization"] = f"Bearer {header_safe(settings.api_key)}"
        self._http = HttpClient(settings)

    def stream(self, messages: Sequence[Message]) -> AsyncGenerator[Event, None]:
        return answer_to(messages, self._http, self._request, ResponseDecoder)

    async def close(self) -> None:
        await self._http.close()

    def _request(self, messages: Sequence[Message]) -> Request:
        body = {
            "model": self.settings.model,
            "instructions": system_prompt(messages) or None,
            "input": [
                {"role": str(turn.role), "content": _content(turn)} for turn in turns(messages)
            ],
            "max_output_tokens": self.settings.max_tokens,
            "temperature": self.settings.temperature,
            "stream": True,
            # The history is ours: the server needs to keep nothing that people say.
            "store": False,
        }
        given = {name: value for name, value in body.items() if value is not None}
        return Request("POST", self._url, self._headers, dump_json(given))


class ResponseDecoder(JsonEventDecoder):
    """Decodes response events, or one whole response.

    A refusal is what the model says: it is text of the answer.
    """

    def __init__(self) -> None:
        super().__init__()
        self._status: object = None
        """How the response ended."""
        self._response: Payload = {}
        """The response as its last event has it."""
        self._item: object = None
        """Which output item is being said."""

    def _read(self, payload: Payload) -> Sequence[Event] | Iterator[Event]:
        match payload.get("type"):
            case "response.output_text.delta" | "response.refusal.delta":
                return self._say(payload.get("output_index"), payload.get("delta"))
            case "response.reasoning_text.delta" | "response.reasoning_summary_text.delta":
                return self._speech.think(payload.get("delta"))
            case "response.reasoning_summary_part.added" if payload.get("summary_index"):
                return self._speech.think(_GAP)
            case "error" | "response.failed":
                raise error_from_payload(payload.get("response") or payload)
            case "response.completed":
                return self._read_last("completed", inner(payload, "response"))
            case "response.incomplete":
                return self._read_last("incomplete", inner(payload, "response"))
        return ()

    def _read_last(self, status: str, response: Payload) -> Iterator[Event]:
        self._status, self._response = status, response
        # Some servers send no deltas, only the end.
        if not self._speech.spoken:
            for item in objects(response.get("output")):
                if item.get("type") == "message":
                    yield from self._read_item(item)
        yield from self._end()

    def _read_whole(self, payload: Payload) -> Iterator[Event]:
        self._status, self._response = payload.get("status"), payload
        for item in objects(payload.get("output")):
            yield from self._read_item(item)

    def _read_item(self, item: Payload) -> Iterator[Event]:
        for part in [*objects(item.get("summary")), *objects(item.get("content"))]:
            text = part.get("text") or part.get("refusal")
            if item.get("type") == "reasoning":
                yield from self._speech.think(text)
            else:
                yield from self._say(item.get("id"), text)

    def _end(self) -> Iterator[Event]:
        yield from self.drain()
        usage = inner(self._response, "usage")
        if usage:
            yield Usage(count(usage.get("input_tokens")), count(usage.get("output_tokens")))
        why = inner(self._response, "incomplete_details").get("reason")
        match self._status:
            case "incomplete" if why == "content_filter":
                raise ContentFilteredError("the server cut the answer for its content")
            case "incomplete":
                yield Finish(FinishReason.LENGTH)
            case "failed" | "cancelled" as status:
                raise OverloadedError(f"the server gave the answer up: {status}")
            case _:
                yield Finish(FinishReason.STOP)

    def _say(self, item: object, text: object) -> Sequence[Event]:
        if isinstance(text, str) and text and item != self._item:
            text = text if self._item is None else _GAP + text
            self._item = item
        return self._speech.say(text)


def _content(turn: Message) -> str | list[dict[str, object]]:
    """Return a string where there is only text; what the assistant said is nothing else."""
    if turn.role is Role.ASSISTANT or all(isinstance(part, TextPart) for part in turn.parts):
        return joined_text(turn.parts)
    return [_part(part) for part in turn.parts]


def _part(part: Part) -> dict[str, object]:
    if isinstance(part, TextPart):
        return {"type": "input_text", "text": part.text}
    return {"type": "input_image", "image_url": data_url(part), "detail": "auto"}
