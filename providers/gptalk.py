"""gptalk: log in, post the prompt, read the answer as text that grows from event to event."""

from __future__ import annotations

import time
from contextlib import aclosing
from secrets import token_hex
from typing import TYPE_CHECKING, ClassVar

from yarl import URL

from providers.answer import answer
from providers.base import (
    AuthenticationError,
    BadResponseError,
    Capabilities,
    Finish,
    FinishReason,
    Provider,
    TextDelta,
)
from providers.ending import End
from providers.errors import error_from_payload
from providers.gptalk_account import Account, Login
from providers.http import BROWSER_USER_AGENT, HttpClient, Request, endpoint, own_server
from providers.images import without_images
from providers.payload import is_done, read_event
from providers.prompt import format_prompt
from providers.sse import SseDecoder, SseEvent
from providers.surrogates import dump_json, parse_json, repair

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator, Sequence

    from providers.base import Event, Message, ProviderSettings
    from providers.payload import Payload

DEFAULT_MODEL = "gpt-3.5-turbo"

_REPLY_LIMIT = 65_536
"""Bytes read of a reply that holds a token."""
_UNFINISHED = "\ufffd" + "".join(map(chr, range(0xD800, 0xDC00)))
"""What a text cut inside a character ends in: the next event has the character whole."""


class GpTalk(Provider):
    """Raises ValueError where base_url is missing. `now` gives Unix time in seconds."""

    kind: ClassVar[str] = "gptalk"
    capabilities: ClassVar[Capabilities] = Capabilities(
        url="https://gptalk.net",
        models=(DEFAULT_MODEL,),
        supports_stream=True,
        needs_auth=False,
        working=False,
    )

    def __init__(self, settings: ProviderSettings, *, now: Callable[[], float] = time.time) -> None:
        super().__init__(settings)
        self._base = own_server(settings)
        self._now = now
        self._http = HttpClient(settings, user_agent=BROWSER_USER_AGENT)
        self._account = Account(self._log_in, now)

    async def stream(self, messages: Sequence[Message]) -> AsyncGenerator[Event, None]:
        ticket = await self._ask(without_images(messages))
        url = str(URL(endpoint(self._base, "api/chatgpt/chatapi/stream")).with_query(token=ticket))
        request = Request("GET", url, self._headers(), secrets=(ticket,))
        async with aclosing(answer(self._http, request, GrowingTextDecoder())) as events:
            async for event in events:
                yield event

    async def close(self) -> None:
        await self._http.close()

    async def _ask(self, messages: Sequence[Message]) -> str:
        """Post the prompt; return the ticket of its answer. A refused token is renewed once."""
        token = await self._account.reserve()
        try:
            return await self._post_text(messages, token)
        except AuthenticationError:
            self._account.discard(token)
        token = await self._account.reserve()
        try:
            return await self._post_text(messages, token)
        except AuthenticationError:
            self._account.discard(token)
            raise

    async def _log_in(self) -> Login:
        body: dict[str, object] = {"fingerprint": token_hex(16), "platform": "fingerprint"}
        request = self._post("api/chatgpt/user/login", body)
        data = await self._fetch(request)
        expires_at = data.get("expires_at")
        if not isinstance(expires_at, int | float):
            raise BadResponseError("the login reply holds no expires_at")
        return Login(_token(data), expires_at)

    async def _post_text(self, messages: Sequence[Message], token: str) -> str:
        body = {
            "content": format_prompt(messages),
            "accept": "stream",
            "from": 1,
            "model": self.settings.model or DEFAULT_MODEL,
            "is_mobile": 0,
            "user_agent": self._http.user_agent,
            "is_open_ctx": 0,
            "prompt": "",
            "roid": 111,
            "temperature": 0,
            "ctx_msg_count": 3,
            "created_at": int(self._now()),
        }
        return _token(await self._fetch(self._post("api/chatgpt/chatapi/text", body, token)))

    async def _fetch(self, request: Request) -> dict[object, object]:
        """Return the `data` object of a reply."""
        try:
            reply = parse_json(await self._http.fetch(request, _REPLY_LIMIT))
        except ValueError:
            raise BadResponseError("the server sent malformed JSON") from None
        data = reply.get("data") if isinstance(reply, dict) else None
        if isinstance(data, dict):
            return data
        raise self._http.redact(request, error_from_payload(reply))

    def _post(self, path: str, body: dict[str, object], token: str = "") -> Request:
        headers = self._headers() | {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        url = endpoint(self._base, path)
        return Request("POST", url, headers, dump_json(body), secrets=(token,))

    def _headers(self) -> dict[str, str]:
        return {
            "Accept": "*/*",
            "Origin": str(URL(self._base).origin()),
            "Referer": f"{self._base}/",
            "x-auth-appid": "2229",
            "x-auth-openid": "",
            "x-auth-platform": "",
            "x-auth-timestamp": str(int(self._now())),
        }


class GrowingTextDecoder:
    """Decodes events that each hold the whole text so far; a `providers.answer.Decoder`.

    A text shorter than the last is an event out of order and is skipped. One that contradicts
    what was handed out already is an error: it can't be taken back.
    """

    end = End.OPEN

    def __init__(self) -> None:
        self._sse = SseDecoder()
        self._sent = ""
        self._rest = ""
        """The end of the last text, handed out only if no event makes it whole."""

    def decode(self, chunk: bytes) -> Iterator[Event]:
        yield from self._events(self._sse.decode(chunk))

    def flush(self) -> Iterator[Event]:
        yield from self._events(self._sse.flush())

    def drain(self) -> Iterator[Event]:
        text, self._rest = repair(self._rest), ""
        if text:
            yield TextDelta(text)

    def _events(self, events: list[SseEvent]) -> Iterator[Event]:
        for event in events:
            if is_done(event.data):
                yield from self.drain()
                yield Finish(FinishReason.STOP)
                return
            payload = read_event(event)
            if payload is not None:
                yield from self._grow(_content(payload))

    def _grow(self, content: str) -> Iterator[TextDelta]:
        text = repair(content.rstrip(_UNFINISHED))
        if self._sent.startswith(text) and len(text) < len(self._sent):
            return
        if not text.startswith(self._sent):
            raise BadResponseError("the server rewrote the text it had sent")
        added, self._sent = text[len(self._sent) :], text
        self._rest = content[len(content.rstrip(_UNFINISHED)) :]
        if added:
            yield TextDelta(added)


def _content(payload: Payload) -> str:
    content = payload.get("content")
    return content if isinstance(content, str) else ""


def _token(data: dict[object, object]) -> str:
    token = data.get("token")
    if isinstance(token, str) and token:
        return token
    raise BadResponseError("the reply holds no token")
