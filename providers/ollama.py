"""Ollama's own API, with newline-delimited JSON.

https://docs.ollama.com/api/chat and …/api/streaming
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from providers.answer import answer_to
from providers.base import (
    Capabilities,
    Finish,
    FinishReason,
    ImagePart,
    Option,
    Provider,
    Usage,
)
from providers.ending import End, Ending
from providers.http import HttpClient, Request, endpoint, header_safe, named_model, server
from providers.images import base64
from providers.ndjson import NdjsonDecoder
from providers.payload import count, inner, read_line
from providers.speech import Speech
from providers.surrogates import dump_json
from providers.turns import joined_text, system_prompt, turns

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence

    from providers.base import Event, Message, ProviderSettings


class Ollama(Provider):
    """base_url is the root, without /api. Raises ValueError for settings that can't work.

    A key is sent as a bearer token: for ollama.com, or a proxy before a server of one's own.
    """

    kind: ClassVar[str] = "ollama"
    capabilities: ClassVar[Capabilities] = Capabilities(
        url="http://localhost:11434",
        models=(),
        supports_stream=True,
        needs_auth=False,
        working=True,
        options=(Option("temperature", "float"), Option("max_tokens", "int")),
        takes_images=True,
        needs_model=True,
        optional_key=True,
    )

    def __init__(self, settings: ProviderSettings) -> None:
        super().__init__(settings)
        self._url = endpoint(server(settings, self.capabilities), "api/chat")
        self._model = named_model(settings)
        self._headers = {"Content-Type": "application/json", "Accept": "application/x-ndjson"}
        if settings.api_key:
            self._headers["Authorization"] = f"Bearer {header_safe(settings.api_key)}"
        self._http = HttpClient(settings)

    def stream(self, messages: Sequence[Message]) -> AsyncGenerator[Event, None]:
        return answer_to(messages, self._http, self._request, ChatLineDecoder)

    async def close(self) -> None:
        await self._http.close()

    def _request(self, messages: Sequence[Message]) -> Request:
        system = system_prompt(messages)
        options = {
            "temperature": self.settings.temperature,
            "num_predict": self.settings.max_tokens,
        }
        said = [_message(turn) for turn in turns(messages)]
        body: dict[str, object] = {
            "model": self._model,
            "messages": [{"role": "system", "content": system}, *said] if system else said,
            "stream": True,
        }
        if given := {name: value for name, value in options.items() if value is not None}:
            body["options"] = given
        return Request("POST", self._url, self._headers, dump_json(body))


class ChatLineDecoder:
    """Decodes a line for each piece of the answer; a `providers.answer.Decoder`."""

    def __init__(self) -> None:
        self._lines = NdjsonDecoder()
        self._speech = Speech()
        self._ending = Ending()
        self._usage = Usage()

    @property
    def end(self) -> End:
        return self._ending.state

    def decode(self, chunk: bytes) -> Iterator[Event]:
        yield from self._read(self._lines.decode(chunk))

    def flush(self) -> Iterator[Event]:
        yield from self._read(self._lines.flush())
        if self._ending.reason:
            yield from self._end()

    def drain(self) -> Iterable[Event]:
        return self._speech.drain()

    def _read(self, lines: list[bytes]) -> Iterator[Event]:
        for line in lines:
            payload = read_line(line)
            if payload is None:
                continue
            message, taken = inner(payload, "message"), self._speech.taken
            yield from self._speech.think(message.get("thinking"))
            yield from self._speech.say(message.get("content"))
            spoke = self._speech.taken > taken
            if payload.get("done") is not True:
                self._ending.hear(None, spoke=spoke)
                continue
            asked, said = payload.get("prompt_eval_count"), payload.get("eval_count")
            self._usage = Usage(count(asked), count(said))
            length = payload.get("done_reason") == "length"
            self._ending.hear("length" if length else "stop", spoke=spoke)
            if not spoke and self.end is not End.OPEN:
                yield from self._end()

    def _end(self) -> Iterator[Event]:
        yield from self.drain()
        if self._usage != Usage():
            yield self._usage
        length = self._ending.reason == "length"
        yield Finish(FinishReason.LENGTH if length else FinishReason.STOP)


def _message(turn: Message) -> dict[str, object]:
    images = [base64(part) for part in turn.parts if isinstance(part, ImagePart)]
    message: dict[str, object] = {"role": str(turn.role), "content": joined_text(turn.parts)}
    return message | {"images": images} if images else message
