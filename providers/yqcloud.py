"""yqcloud (aichatos): raw UTF-8 text in answer to a prompt."""

from __future__ import annotations

import codecs
import time
from typing import TYPE_CHECKING, ClassVar

from yarl import URL

from providers.answer import answer
from providers.base import (
    Capabilities,
    Finish,
    FinishReason,
    Provider,
    RateLimitedError,
    Role,
    TextDelta,
)
from providers.ending import End
from providers.http import BROWSER_USER_AGENT, HttpClient, Request, endpoint, own_server
from providers.images import without_images
from providers.prompt import format_prompt
from providers.surrogates import dump_json
from providers.think import overlap

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator, Sequence

    from providers.base import Event, Message, ProviderSettings

BLOCK_NOTICE = "sorry, 您的ip已由于触发防滥用检测而被封禁"
INSTRUCTION = "always respond in english"


class Yqcloud(Provider):
    """Sends the whole history as one prompt, a leading system message apart.

    With `last_message_only` it speaks the first version of the protocol, which sent only the
    last message, after an instruction to answer in English. Raises ValueError where base_url is
    missing. `now` gives Unix time in seconds.
    """

    kind: ClassVar[str] = "yqcloud"
    capabilities: ClassVar[Capabilities] = Capabilities(
        url="https://chat9.yqcloud.top",
        models=("gpt-3.5-turbo",),
        supports_stream=True,
        needs_auth=False,
        working=False,
    )

    def __init__(
        self,
        settings: ProviderSettings,
        *,
        last_message_only: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(settings)
        base = own_server(settings)
        self._url = endpoint(base, "api/generateStream")
        self._headers = {
            "Content-Type": "application/json",
            "authority": URL(base).authority.rpartition("@")[2],
            "Origin": str(URL(base).origin()),
            "Referer": f"{base}/",
        }
        self._last_message_only = last_message_only
        self._now = now
        self._http = HttpClient(settings, user_agent=BROWSER_USER_AGENT)

    def stream(self, messages: Sequence[Message]) -> AsyncGenerator[Event, None]:
        messages = without_images(messages)
        echo = ""
        if self._last_message_only:
            echo = prompt = f"{INSTRUCTION} | {messages[-1].text}"
            question: dict[str, object] = {"prompt": prompt, "system": ""}
        else:
            question = _with_history(messages)
        body = question | {
            "userId": f"#/chat/{int(self._now() * 1000)}",
            "network": True,
            "apikey": "",
            "withoutContext": False,
        }
        request = Request("POST", self._url, self._headers, dump_json(body))
        return answer(self._http, request, RawTextDecoder(echo))

    async def close(self) -> None:
        await self._http.close()


class RawTextDecoder:
    """Decodes raw text; a `providers.answer.Decoder`.

    The text has no end marker: a clean end of the body is its end. `echo` is the prompt that a
    server may repeat, in part or whole, and that is no part of the answer.
    """

    end = End.OPEN

    def __init__(self, echo: str = "") -> None:
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._echo = echo
        self._held = ""
        """The end of the text so far, while it may be the beginning of the notice or the echo."""

    def decode(self, chunk: bytes) -> Iterator[Event]:
        yield from self._read(self._utf8.decode(chunk))

    def flush(self) -> Iterator[Event]:
        yield from self._read(self._utf8.decode(b"", final=True))
        yield from self.drain()
        yield Finish(FinishReason.STOP)

    def drain(self) -> Iterator[Event]:
        text, self._held = self._without_echo(self._held), ""
        if text:
            yield TextDelta(text)

    def _read(self, text: str) -> Iterator[Event]:
        text, blocked, _ = (self._held + text).partition(BLOCK_NOTICE)
        cut = len(text) - max(overlap(text, BLOCK_NOTICE), overlap(text, self._echo))
        self._held = "" if blocked else text[cut:]
        if text := self._without_echo(text[:cut]):
            yield TextDelta(text)
        if blocked:
            raise RateLimitedError("the server has blocked this address for abuse")

    def _without_echo(self, text: str) -> str:
        if not self._echo:
            return text
        return text.replace(self._echo, "").replace(INSTRUCTION, "")


def _with_history(messages: Sequence[Message]) -> dict[str, object]:
    system = ""
    if messages[0].role is Role.SYSTEM:
        system, messages = messages[0].text, messages[1:]
    return {"prompt": format_prompt(messages), "system": system, "stream": True}
