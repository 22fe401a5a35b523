"""From a request to the events of its answer, the same for every wire format."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Protocol

from providers.base import (
    BadResponseError,
    ConnectionFailedError,
    Finish,
    FinishReason,
    ProviderError,
    ProviderTimeoutError,
    TextDelta,
    TruncatedError,
)
from providers.ending import End
from providers.images import has_images, refuses_images, without_images

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence

    from providers.base import Event, Message
    from providers.http import Body, HttpClient, Request

_SETTLE_SECONDS = 5.0
"""How long a server may take to close a stream whose end is certain."""


class Decoder(Protocol):
    """Bytes of an answer in, events out; raises ProviderError where they report or break something.

    Pure: no clock, no I/O. Used for one answer.
    """

    @property
    def end(self) -> End:
        """How near the end of the answer is, by all that was decoded."""
        ...

    def decode(self, chunk: bytes) -> Iterable[Event]:
        """Yield what `chunk` completes, with Finish last where it ends the answer."""
        ...

    def flush(self) -> Iterable[Event]:
        """Yield what the end of the body completes; without Finish the answer is truncated."""
        ...

    def drain(self) -> Iterable[Event]:
        """Yield text that was held back; called before an error is raised, so none is lost."""
        ...


def answer_to(
    messages: Sequence[Message],
    http: HttpClient,
    request_for: Callable[[Sequence[Message]], Request],
    decoder: Callable[[], Decoder],
) -> AsyncGenerator[Event, None]:
    """Yield the answer to `messages`, as `answer` does.

    Where the server refuses their images, it is asked once more, with notes in their place.
    """
    if has_images(messages):
        return _answer_to_images(messages, http, request_for, decoder)
    return answer(http, request_for(messages), decoder())


async def _answer_to_images(
    messages: Sequence[Message],
    http: HttpClient,
    request_for: Callable[[Sequence[Message]], Request],
    decoder: Callable[[], Decoder],
) -> AsyncGenerator[Event, None]:
    started = False
    try:
        async with aclosing(answer(http, request_for(messages), decoder())) as events:
            async for event in events:
                started = True
                yield event
    except ProviderError as error:
        if started or not refuses_images(error):
            raise
    else:
        return
    request = request_for(without_images(messages))
    async with aclosing(answer(http, request, decoder())) as events:
        async for event in events:
            yield event


async def answer(
    http: HttpClient, request: Request, decoder: Decoder
) -> AsyncGenerator[Event, None]:
    """Send `request` and yield its answer; keeps the promises of `Provider.stream`."""
    spoken = False
    async with http.open(request) as body, aclosing(_decoded(body, decoder)) as events:
        try:
            async for event in events:
                if isinstance(event, Finish) and not spoken:
                    raise _no_text(event)
                yield event
                if isinstance(event, Finish):
                    return
                spoken = spoken or (isinstance(event, TextDelta) and not event.text.isspace())
        except ProviderError as error:
            for event in decoder.drain():
                yield event
            raise http.redact(request, error) from None


async def _decoded(body: Body, decoder: Decoder) -> AsyncGenerator[Event, None]:
    """Yield what `decoder` makes of `body`; raises where the body ends and nothing finished it."""
    received = False
    reading = _Reading(body, decoder)
    while chunk := await reading.next_chunk():
        received = received or bool(chunk.strip())
        for event in _joined(decoder.decode(chunk)):
            reading.heard()
            yield event
    for event in decoder.flush():
        yield event
    if received:
        raise TruncatedError("the stream ended before its end marker")
    raise BadResponseError("the answer is empty; the messages may be too long for the model")


def _joined(events: Iterable[Event]) -> Iterator[Event]:
    """Text that came together is one piece: each costs the same, however long it is."""
    text: list[str] = []
    try:
        for event in events:
            if isinstance(event, TextDelta):
                text.append(event.text)
                continue
            if text:
                yield TextDelta("".join(text))
                text = []
            yield event
    except ProviderError:
        if text:
            yield TextDelta("".join(text))
        raise
    if text:
        yield TextDelta("".join(text))


class _Reading:
    """Reads a body; once the answer seems to be over, it waits for more in bounds."""

    def __init__(self, body: Body, decoder: Decoder) -> None:
        self._body = body
        self._decoder = decoder
        self._ends_at: float | None = None

    def heard(self) -> None:
        """More of the answer has come: the time for what may follow it begins again."""
        self._ends_at = None

    async def next_chunk(self) -> bytes:
        """The next bytes; b"" if the answer ends here, as far as its server can be understood."""
        end = self._decoder.end
        if end is End.OPEN:
            return await self._body.read_chunk()
        now = asyncio.get_running_loop().time()
        if self._ends_at is None:
            self._ends_at = now + (_SETTLE_SECONDS if end is End.CERTAIN else self._body.idle)
        if now >= self._ends_at:
            return b""
        try:
            return await self._body.read_chunk(self._ends_at - now)
        except (ConnectionFailedError, ProviderTimeoutError):
            return b""


def _no_text(finish: Finish) -> BadResponseError:
    if finish.reason is FinishReason.LENGTH:
        return BadResponseError("the token limit was spent before any text; raise max_tokens")
    return BadResponseError("the answer holds no text", complete=True)
