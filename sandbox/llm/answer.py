"""Sends one answer as its script says: paced, in pieces, with its fault."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING

from aiohttp import web

from sandbox.llm.script import (
    CleanEnd,
    Cut,
    HttpReply,
    Malformed,
    MidStreamFault,
    Silence,
    Stall,
    StreamError,
    split_surrogates,
)

if TYPE_CHECKING:
    from sandbox.llm.journal import Journal, Record
    from sandbox.llm.script import Script
    from sandbox.llm.wire import Wire

TOKENS_PER_TURN = 32
"""Tokens written before the event loop gets a turn, where nothing else makes the sender wait."""
GZIP_WINDOW = 31
"""zlib's wbits for a gzip header around the largest window."""


class Body:
    """A response body that counts its bytes and can be written in pieces of a given size."""

    def __init__(self, request: web.Request, record: Record, script: Script, wire: Wire) -> None:
        self._request = request
        self._record = record
        headers = {
            "Content-Type": script.content_type or wire.content_type,
            "Cache-Control": "no-cache",
        }
        if script.gzip:
            headers["Content-Encoding"] = "gzip"
        self._gzip = zlib.compressobj(wbits=GZIP_WINDOW) if script.gzip else None
        self._response = web.StreamResponse(headers=headers)
        self._whole = wire.whole
        self._piece = script.write_size
        self._held = bytearray()

    async def open(self) -> None:
        """Send status and headers, if that was not done yet."""
        if not self._response.prepared:
            self._record.status = self._response.status
            await self._response.prepare(self._request)

    async def write(self, data: bytes) -> None:
        if not self._whole and self._piece is None:
            await self._send(data)
            return
        self._held += data
        if not self._whole:
            await self._send_pieces()

    async def flush(self) -> None:
        """Send what is held back, the last piece however short."""
        await self.open()
        await self._send_pieces()
        if self._held:
            await self._send(bytes(self._held))
            self._held.clear()

    async def write_error(self, data: bytes) -> None:
        """Write an error: after what was sent so far or, in a reply sent whole, instead of it."""
        if self._whole:
            self._held.clear()
        await self.write(data)

    async def end(self) -> web.StreamResponse:
        """End the body as HTTP wants it."""
        await self.flush()
        last = b"" if self._gzip is None else self._gzip.flush()
        await self._response.write_eof(last)
        self._record.bytes_sent += len(last)
        return self._response

    async def cut(self) -> web.StreamResponse:
        """Close the connection inside the body, after what was written so far."""
        await self.flush()
        if self._request.transport is not None:
            self._request.transport.close()
        return self._response

    async def _send_pieces(self) -> None:
        while self._piece is not None and len(self._held) >= self._piece:
            await self._send(bytes(self._held[: self._piece]))
            del self._held[: self._piece]
            await asyncio.sleep(0)  # a reader on the same loop gets this piece alone

    async def _send(self, data: bytes) -> None:
        if self._gzip is not None:
            data = self._gzip.compress(data) + self._gzip.flush(zlib.Z_SYNC_FLUSH)
        await self._response.write(data)
        self._record.bytes_sent += len(data)


class Answer:
    """One scripted answer on its way; cancelled when the client goes."""

    def __init__(
        self, request: web.Request, record: Record, script: Script, wire: Wire, journal: Journal
    ) -> None:
        assert not isinstance(script.fault, HttpReply)
        self._record = record
        self._script = script
        self._wire = wire
        self._journal = journal
        self._body = Body(request, record, script, wire)
        self._padding = b" " * script.padding if wire.escapes else b""
        self._chunks = 0

    async def send(self) -> web.StreamResponse:
        """Raises ConnectionError when the client has gone."""
        if isinstance(self._script.fault, Silence):
            await self._stall()
        if not self._wire.whole:
            await self._body.open()
        await asyncio.sleep(self._script.first_token)
        await self._write_chunk(self._wire.start())
        for thought in self._script.tokens(self._script.thinking):
            await self._write_chunk(self._wire.thought(thought))
        fault = self._script.fault if isinstance(self._script.fault, MidStreamFault) else None
        tokens = self._tokens()
        fault_at = min(fault.after, len(tokens)) if fault else len(tokens)
        await self._write_tokens(tokens[:fault_at])
        if fault is not None:
            ended = await self._strike(fault)
            if ended is not None:
                return ended
        await self._write_tokens(tokens[fault_at:])
        await self._write_chunk(self._wire.finish(len(tokens)))
        response = await self._body.end()
        self._record.finished = True
        self._journal.changed()
        return response

    def _tokens(self) -> list[str]:
        tokens = self._script.tokens(self._script.answer(self._record.messages))
        if self._script.lone_surrogates and self._wire.escapes:
            return list(split_surrogates(tokens))
        return tokens

    async def _write_tokens(self, tokens: list[str]) -> None:
        """Write at the script's rate, counted from now; a late token does not delay the next."""
        loop = asyncio.get_running_loop()
        interval = 1 / self._script.rate if self._script.rate else 0.0
        started = loop.time()
        for index, token in enumerate(tokens):
            wait = started + index * interval - loop.time()
            if wait > 0 or index % TOKENS_PER_TURN == 0:
                await asyncio.sleep(max(wait, 0))
            await self._write_chunk(self._wire.delta(token))
            self._record.tokens_sent += 1
            self._journal.changed()

    async def _write_chunk(self, data: bytes) -> None:
        if self._padding and b"{" in data:
            data = data.replace(b"{", self._padding + b"{", 1)
            self._padding = b""
        every = self._script.comment_every
        if every and self._chunks % every == 0:
            data = self._wire.comment(self._script.comment) + data
        self._chunks += 1
        await self._body.write(data)

    async def _strike(self, fault: MidStreamFault) -> web.StreamResponse | None:
        """Do what goes wrong; None: the answer goes on."""
        match fault:
            case Stall():
                await self._body.flush()
                await self._stall()
            case Malformed():
                await self._body.write(self._wire.malformed())
            case StreamError(message=message):
                await self._body.write_error(self._wire.error(message))
                return await self._body.end()
            case CleanEnd(torn=torn):
                await self._tear(torn=torn)
                return await self._body.end()
            case Cut(torn=torn):
                await self._tear(torn=torn)
                return await self._body.cut()
        return None

    async def _tear(self, *, torn: bool) -> None:
        if torn:
            data = self._wire.delta(" torn")
            await self._body.write(data[: len(data) // 2])

    async def _stall(self) -> None:
        self._record.stalled = True
        self._journal.changed()
        try:
            await self._record.released.wait()
        finally:
            self._record.stalled = False
