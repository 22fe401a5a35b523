"""aichat: a whole JSON reply to a prompt; nothing is streamed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from yarl import URL

from providers.answer import answer
from providers.base import (
    BadResponseError,
    Capabilities,
    Finish,
    FinishReason,
    Option,
    Provider,
    TextDelta,
)
from providers.ending import End
from providers.errors import error_from_payload, read_error
from providers.http import BROWSER_USER_AGENT, HttpClient, Request, endpoint, own_server
from providers.images import without_images
from providers.surrogates import dump_json, parse_json, repair

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Sequence

    from providers.base import Event, Message, ProviderSettings


class AiChat(Provider):
    """Raises ValueError where base_url is missing."""

    kind: ClassVar[str] = "aichat"
    capabilities: ClassVar[Capabilities] = Capabilities(
        url="https://chat-gpt.org",
        models=("gpt-3.5-turbo",),
        supports_stream=False,
        needs_auth=False,
        working=False,
        options=(
            Option("temperature", "float"),
            Option("presence_penalty", "float"),
            Option("top_p", "float"),
            Option("frequency_penalty", "float"),
        ),
    )

    def __init__(self, settings: ProviderSettings) -> None:
        super().__init__(settings)
        base = own_server(settings)
        self._url = endpoint(base, "api/text")
        self._headers = {
            "Accept": "*/*",
            "Accept-Language": "en-US,en;q=0.9",
            "Content-Type": "application/json",
            "Origin": str(URL(base).origin()),
            "Referer": f"{base}/",
        }
        self._http = HttpClient(settings, user_agent=BROWSER_USER_AGENT)

    def stream(self, messages: Sequence[Message]) -> AsyncGenerator[Event, None]:
        lines = [f"{message.role}: {message.text}" for message in without_images(messages)]
        temperature = self.settings.temperature
        body = {
            "message": "\n".join((*lines, "assistant:")),
            "temperature": 1 if temperature is None else temperature,
            "presence_penalty": 0,
            "top_p": 1,
            "frequency_penalty": 0,
        }
        request = Request("POST", self._url, self._headers, dump_json(body))
        return answer(self._http, request, ReplyDecoder())

    async def close(self) -> None:
        await self._http.close()


class ReplyDecoder:
    """Decodes the one JSON reply; a `providers.answer.Decoder`."""

    end = End.OPEN

    def __init__(self) -> None:
        self._reply: list[bytes] = []

    def decode(self, chunk: bytes) -> Iterator[Event]:
        self._reply.append(chunk)
        yield from ()

    def flush(self) -> Iterator[Event]:
        document = b"".join(self._reply)
        if not document.strip():
            return
        if text := _text(document):
            yield TextDelta(text)
        yield Finish(FinishReason.STOP)

    def drain(self) -> Iterator[Event]:
        """Yield nothing: a reply cut short is no JSON."""
        yield from ()


def _text(document: bytes) -> str:
    try:
        reply = parse_json(document)
    except ValueError:
        said = read_error(document).message
        raise BadResponseError(f"the server answered with no JSON: {said}") from None
    if not isinstance(reply, dict):
        raise BadResponseError("the server answered with JSON that is no reply")
    if not reply.get("response", True):
        raise BadResponseError("the server says it has no response")
    if reply.get("error"):
        raise error_from_payload(reply)
    text = reply.get("message")
    return repair(text) if isinstance(text, str) else ""
