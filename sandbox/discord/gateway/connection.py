"""One WebSocket of the gateway: frames, compression, heartbeats, the rate of payloads."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections import deque
from typing import TYPE_CHECKING

from aiohttp import WSMsgType, web

from sandbox.calls import break_connection
from sandbox.discord.gateway.handshake import read_payload
from sandbox.discord.gateway.protocol import CloseCode, GatewayCloseError, GatewaySettings, Opcode

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import WSMessage

    from sandbox.discord.gateway.session import Session

_CLOSE_TIMEOUT = 1.0
"""Seconds a client is given to answer the close frame."""
_RATE_WINDOW = 60.0


class Connection:
    """A client that is connected; `session` is None until it has identified or resumed."""

    def __init__(
        self, request: web.Request, settings: GatewaySettings, clock: Callable[[], float]
    ) -> None:
        self.session: Session | None = None
        self.resume_url = str(request.url.with_scheme(_scheme(request)).with_query(None))
        self.sent_code: int | None = None
        """The code this side closes the socket with; None: it does not."""
        self.finished = asyncio.Event()
        self._request = request
        self._settings = settings
        self._clock = clock
        self._socket = web.WebSocketResponse(timeout=_CLOSE_TIMEOUT, compress=False)
        self._outbox: asyncio.Queue[str | None] = asyncio.Queue()
        # Invariant: nothing follows None, which closes the socket with `sent_code`.
        # Discord's zlib-stream is one stream for the whole connection, flushed at each payload.
        # Other compressions are not offered: frames of plain text are valid with any.
        wanted = request.query.get("compress") == "zlib-stream"
        self._compressor = zlib.compressobj() if wanted else None
        self._received: deque[float] = deque()
        self._heartbeat_at = clock()
        self._waiting_since = clock()

    @property
    def close_code(self) -> int:
        """What the socket was closed with, by either side."""
        return self.sent_code or self._socket.close_code or CloseCode.ABNORMAL

    async def open(self) -> None:
        """Answer the request; raises web.HTTPBadRequest where it asks for no WebSocket."""
        await self._socket.prepare(self._request)

    async def run(self, receive: Callable[[Connection, Opcode, object], None]) -> None:
        """Speak with the client until the socket is closed; `receive` gets its payloads."""
        interval = round(self._settings.heartbeat_interval * 1000)
        self.send(Opcode.HELLO, {"heartbeat_interval": interval})
        writer = asyncio.create_task(self._write())
        watch = asyncio.create_task(self._watch())
        try:
            async for message in self._socket:
                self._take(message, receive)
            if self.sent_code is not None:
                await asyncio.wait([writer])
        finally:
            for task in (writer, watch):
                task.cancel()
            await asyncio.gather(writer, watch, return_exceptions=True)
            self.finished.set()

    @property
    def response(self) -> web.WebSocketResponse:
        return self._socket

    def send(self, opcode: Opcode, data: object = None) -> None:
        """Send a payload that is no dispatch."""
        self.send_text(json.dumps({"op": opcode, "d": data, "s": None, "t": None}))

    def send_text(self, text: str) -> None:
        """Send a frame as it is, after everything sent before; nothing once it is closed."""
        if self.sent_code is None:
            self._outbox.put_nowait(text)

    def close(self, code: int) -> None:
        """Close the socket once what was sent is out."""
        if self.sent_code is None:
            self.sent_code = code
            self._outbox.put_nowait(None)

    def abort(self) -> None:
        """Reset the connection: no close frame, and nothing more goes out."""
        break_connection(self._request, reset=True)

    def detach(self) -> None:
        """Go on without a session: the client may identify again."""
        self.session = None
        self._waiting_since = self._clock()

    def heard_heartbeat(self) -> None:
        self._heartbeat_at = self._clock()

    def _take(
        self, message: WSMessage, receive: Callable[[Connection, Opcode, object], None]
    ) -> None:
        if self.sent_code is not None:
            return
        try:
            self._count()
            receive(self, *self._read(message))
        except GatewayCloseError as error:
            self.close(error.code)

    def _count(self) -> None:
        now = self._clock()
        self._received.append(now)
        while self._received[0] <= now - _RATE_WINDOW:
            self._received.popleft()
        if len(self._received) > self._settings.payloads_per_minute:
            raise GatewayCloseError(CloseCode.RATE_LIMITED)

    def _read(self, message: WSMessage) -> tuple[Opcode, object]:
        if message.type is not WSMsgType.TEXT:
            raise GatewayCloseError(CloseCode.DECODE_ERROR)
        text: str = message.data
        if len(text.encode()) > self._settings.payload_limit:
            raise GatewayCloseError(CloseCode.DECODE_ERROR)
        return read_payload(text)

    async def _write(self) -> None:
        while (text := await self._outbox.get()) is not None:
            if self._compressor is None:
                await self._socket.send_str(text)
            else:
                data = self._compressor.compress(text.encode())
                await self._socket.send_bytes(data + self._compressor.flush(zlib.Z_SYNC_FLUSH))
        assert self.sent_code is not None
        await self._socket.close(code=self.sent_code)

    async def _watch(self) -> None:
        """Close the socket of a client that is silent."""
        patience = self._settings.heartbeat_interval + self._settings.heartbeat_grace
        while True:
            deadline = self._heartbeat_at + patience
            if self.session is None:
                deadline = min(deadline, self._waiting_since + self._settings.identify_timeout)
            remaining = deadline - self._clock()
            if remaining <= 0:
                self.close(CloseCode.SESSION_TIMED_OUT)
                return
            await asyncio.sleep(remaining)


def _scheme(request: web.Request) -> str:
    return "wss" if request.secure else "ws"
