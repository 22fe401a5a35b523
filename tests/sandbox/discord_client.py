"""Real discord.py clients and bare HTTP against the Discord sandbox."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self

import aiohttp
import discord
import yarl
from discord import app_commands

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from types import TracebackType

    from sandbox.discord.server import DiscordSandbox


@contextlib.contextmanager
def pointed_at(sandbox: DiscordSandbox) -> Iterator[None]:
    """Lead discord.py to the sandbox for a while."""
    gateway = discord.gateway.DiscordWebSocket
    before = discord.http.Route.BASE, gateway.DEFAULT_GATEWAY
    discord.http.Route.BASE = sandbox.api_url
    gateway.DEFAULT_GATEWAY = yarl.URL(sandbox.gateway_url)
    try:
        yield
    finally:
        discord.http.Route.BASE, gateway.DEFAULT_GATEWAY = before


class Client(discord.Client):
    """A client that keeps what it hears."""

    def __init__(self, *, intents: discord.Intents | None = None, **options: object) -> None:
        chosen = discord.Intents.default() if intents is None else intents
        if intents is None:
            chosen.message_content = True
        super().__init__(intents=chosen, guild_ready_timeout=0.05, **options)
        self.tree = app_commands.CommandTree(self)
        self.heard: list[discord.Message] = []
        self.events: list[str] = []
        self._heard = asyncio.Event()

    def dispatch(self, event: str, /, *args: object, **kwargs: object) -> None:
        super().dispatch(event, *args, **kwargs)
        self.events.append(event)
        if event == "message":
            self.heard.append(args[0])
        self._heard.set()

    async def hear(self, text: str) -> discord.Message:
        """Wait for a message with this text."""
        async with asyncio.timeout(5):
            while True:
                for message in self.heard:
                    if message.content == text:
                        return message
                self._heard.clear()
                await self._heard.wait()

    async def until_event(self, event: str) -> None:
        async with asyncio.timeout(5):
            while event not in self.events:
                self._heard.clear()
                await self._heard.wait()


@asynccontextmanager
async def connected(sandbox: DiscordSandbox, client: Client | None = None) -> AsyncIterator[Client]:
    """A client that is logged in and ready."""
    client = client or Client()
    with pointed_at(sandbox):
        async with client:
            await client.login(sandbox.token)
            running = asyncio.create_task(client.connect())
            ready = asyncio.create_task(client.wait_until_ready())
            done, _ = await asyncio.wait(
                (running, ready), timeout=5, return_when=asyncio.FIRST_COMPLETED
            )
            ready.cancel()
            if running in done:
                await running
            assert ready in done, "the client is not ready"
            try:
                yield client
            finally:
                await client.close()
                await running


class Http:
    """Bare calls of the REST API with the bot's token."""

    def __init__(self, sandbox: DiscordSandbox) -> None:
        self._sandbox = sandbox
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bot {self._sandbox.token}"}
        )
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def __call__(
        self, method: str, path: str, body: object = None, **options: object
    ) -> tuple[int, dict[str, object]]:
        """The status and the decoded answer; {} where there is none."""
        if body is not None:
            options["json"] = body
        url = f"{self._sandbox.api_url}{path}"
        async with self._session.request(method, url, **options) as response:
            raw = await response.read()
            if raw:
                assert response.headers["Content-Type"] == "application/json"
            return response.status, await response.json() if raw else {}

    def request(
        self, method: str, path: str, **options: object
    ) -> aiohttp.client._RequestContextManager:
        """A call whose answer is looked at as it is."""
        return self._session.request(method, f"{self._sandbox.api_url}{path}", **options)
