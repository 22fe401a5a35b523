"""A loopback server that answers with exactly the bytes a test gives it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import orjson

from providers.base import Event, Finish, Message, Provider, ProviderError, Role, TextDelta

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Sequence


@dataclass(frozen=True)
class Received:
    method: str
    target: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query)

    @property
    def json(self) -> dict:
        return orjson.loads(self.body)


Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter
Handler = Callable[[Received, Reader, Writer], Awaitable[None]]
Reply = bytes | Handler


@dataclass
class Wire:
    url: str = ""
    received: list[Received] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a client closed a connection that `hold` kept open."""

    async def hold(self, reader: Reader) -> None:
        """Wait until the client closes its side."""
        await reader.read()
        self.left.set()


@asynccontextmanager
async def serve(*replies: Reply, tls: ssl.SSLContext | None = None) -> AsyncIterator[Wire]:
    """Answer the n-th request with the n-th reply, all later ones with the last."""
    wire = Wire()
    tasks: set[asyncio.Task] = set()

    async def connected(reader: Reader, writer: Writer) -> None:
        tasks.add(asyncio.current_task())
        try:
            request = await _read_request(reader)
            wire.received.append(request)
            reply = replies[min(len(wire.received), len(replies)) - 1]
            if isinstance(reply, bytes):
                writer.write(reply)
                await writer.drain()
            else:
                await reply(request, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            wire.left.set()
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    scheme = "https" if tls else "http"
    wire.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield wire
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _read_request(reader: Reader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Received(method, target, headers, body)


def head(status: int = 200, *headers: str, content_type: str = "text/event-stream") -> bytes:
    """The head of a response whose body ends with the connection."""
    lines = (f"HTTP/1.1 {status} X", f"Content-Type: {content_type}", "Connection: close", *headers)
    return "\r\n".join((*lines, "", "")).encode()


def response(body: bytes, status: int = 200, *headers: str, content_type: str = "") -> bytes:
    """A response with a Content-Length."""
    length = f"Content-Length: {len(body)}"
    content_type = content_type or "application/json"
    return head(status, length, *headers, content_type=content_type) + body


def as_json(value: object, status: int = 200, *headers: str) -> bytes:
    return response(orjson.dumps(value), status, *headers)


def sse(*data: str | dict, ending: bytes = b"") -> bytes:
    """A streamed response of these events; no `[DONE]` unless it is given."""
    return head() + events(*data) + ending


def events(*data: str | dict) -> bytes:
    texts = (one if isinstance(one, str) else orjson.dumps(one).decode() for one in data)
    return "".join(f"data: {text}\n\n" for text in texts).encode()


def delta(text: object = None, finish: str | None = None, **fields: object) -> dict:
    """A chat completion chunk."""
    content = {} if text is None else {"content": text}
    return {"choices": [{"index": 0, "delta": content | fields, "finish_reason": finish}]}


def in_chunks(*pieces: bytes, end: bool = True) -> bytes:
    """A body in chunked transfer encoding; without `end` it is cut off."""
    coded = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return coded + (b"0\r\n\r\n" if end else b"")


def user(text: str) -> Message:
    return Message.of(Role.USER, text)


@dataclass
class Outcome:
    events: list[Event] = field(default_factory=list)
    error: ProviderError | None = None

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, TextDelta))


async def ask(provider: Provider, messages: Sequence[Message] = (user("hello"),)) -> Outcome:
    """The whole answer, and the error that ended it; closes the provider."""
    outcome = Outcome()
    try:
        async for event in provider.stream(messages):
            outcome.events.append(event)
    except ProviderError as error:
        outcome.error = error
    finally:
        await provider.close()
    return outcome


async def answer_to(make: Callable[..., Provider], reply: bytes) -> list[Event]:
    """What the provider that `make(url)` gives tells of a server's whole answer."""
    async with serve(reply) as wire:
        outcome = await ask(make(wire.url))
    assert outcome.error is None
    return outcome.events


async def error_of(make: Callable[..., Provider], reply: bytes) -> tuple[str, ProviderError]:
    """The text before an answer's error, and the error, which shows no key."""
    async with serve(reply) as wire:
        outcome = await ask(make(wire.url, api_key="sk-secret"))
    assert outcome.error is not None
    assert "secret" not in str(outcome.error)
    assert not any(isinstance(event, Finish) for event in outcome.events)
    return outcome.text, outcome.error
