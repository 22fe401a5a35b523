"""Discord's gateway served on loopback, and a client of it that knows no library."""

from __future__ import annotations

import asyncio
import json
import zlib
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import WSMsgType, web

from sandbox.discord.gateway.gateway import Gateway, Record
from sandbox.discord.gateway.intents import PRIVILEGED, Intent
from sandbox.discord.gateway.protocol import GatewaySettings, Opcode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

TOKEN = "the-token-of-the-sandbox"
STANDARD = Intent(sum(Intent)) & ~PRIVILEGED


@dataclass
class World:
    """What the gateway is told: a bot, and the guilds it is in."""

    guild_ids: list[int] = field(default_factory=list)
    members: list[dict[str, Any]] = field(default_factory=list)

    def ready(self) -> dict[str, object]:
        return {"user": {"id": "1", "username": "parlance"}, "application": {"id": "1", "flags": 0}}

    def guilds(self) -> list[dict[str, object]]:
        return [
            {"id": str(i), "name": f"guild {i}", "members": self.members} for i in self.guild_ids
        ]


class Wire:
    """One WebSocket; what is received is what was sent."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, *, compressed: bool) -> None:
        self.socket = socket
        self.session_id = ""
        self._inflate = zlib.decompressobj() if compressed else None

    async def send(self, op: int, data: object = None) -> None:
        await self.socket.send_str(json.dumps({"op": op, "d": data}))

    async def receive(self) -> dict[str, Any]:
        message = await self.socket.receive(timeout=20)
        if self._inflate is None:
            assert message.type is WSMsgType.TEXT, message
            return json.loads(message.data)
        assert message.type is WSMsgType.BINARY, message
        assert message.data.endswith(b"\x00\x00\xff\xff")
        return json.loads(self._inflate.decompress(message.data))

    async def events(self, count: int) -> list[str]:
        """The names of the next `count` payloads, each of them a dispatch."""
        payloads = [await self.receive() for _ in range(count)]
        assert all(payload["op"] == Opcode.DISPATCH for payload in payloads)
        return [payload["t"] for payload in payloads]

    async def close_code(self) -> int | None:
        """What the socket is closed with, next."""
        message = await self.socket.receive(timeout=20)
        assert message.type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.ERROR), message
        return self.socket.close_code

    async def identify(self, intents: int = STANDARD, **fields: object) -> dict[str, Any]:
        """Identify, past HELLO, and return the data of READY."""
        await self.send_identify(intents, **fields)
        ready = await self.receive()
        assert ready["t"] == "READY"
        self.session_id = ready["d"]["session_id"]
        return ready["d"]

    async def send_identify(self, intents: object = int(STANDARD), **fields: object) -> None:
        data = {"token": TOKEN, "intents": intents, "properties": {"os": "linux"}, **fields}
        await self.send(Opcode.IDENTIFY, data)

    async def resume(self, session_id: str, seq: object, token: str = TOKEN) -> None:
        await self.send(Opcode.RESUME, {"token": token, "session_id": session_id, "seq": seq})


class Server:
    """A gateway on a port of its own, and the way there."""

    def __init__(self, gateway: Gateway, port: int, client: aiohttp.ClientSession) -> None:
        self.gateway = gateway
        self.port = port
        self.url = f"ws://127.0.0.1:{port}/gateway"
        self._client = client
        self._rung = asyncio.Event()
        gateway.on_log = self._ring

    async def open(self, query: str = "?v=10&encoding=json") -> Wire:
        """Connect; HELLO is not read yet."""
        socket = await self._client.ws_connect(self.url + query)
        return Wire(socket, compressed="compress=zlib-stream" in query)

    async def connect(self, query: str = "?v=10&encoding=json") -> Wire:
        """Connect and read HELLO."""
        wire = await self.open(query)
        assert (await wire.receive())["op"] == Opcode.HELLO
        return wire

    async def join(self, intents: int = STANDARD, **fields: object) -> Wire:
        """Connect and identify."""
        wire = await self.connect()
        await wire.identify(intents, **fields)
        return wire

    async def until(self, predicate: Callable[[], object]) -> None:
        """Wait until something is true, looked at after each record of the log."""
        async with asyncio.timeout(20):
            while not predicate():
                await self._rung.wait()

    def _ring(self) -> None:
        self._rung.set()
        self._rung = asyncio.Event()

    def noted(self, kind: str) -> list[Record]:
        return [record for record in self.gateway.log if record.kind == kind]


@asynccontextmanager
async def serving(
    settings: GatewaySettings | None = None,
    world: World | None = None,
    **options: Any,  # noqa: ANN401 - the gateway's own
) -> AsyncIterator[Server]:
    gateway = Gateway(settings or GatewaySettings(), token=TOKEN, hello=world or World(), **options)
    app = web.Application()
    app.router.add_get("/gateway", gateway.handle)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with aiohttp.ClientSession() as client:
            yield Server(gateway, runner.addresses[0][1], client)
    finally:
        await gateway.shutdown()
        await runner.cleanup()
