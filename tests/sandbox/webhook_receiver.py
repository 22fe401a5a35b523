"""A webhook as somebody else might have written it: takes what is posted and answers as told."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sandbox.bell import Bell

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass
class Receiver:
    url: str = ""
    updates: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    answers: list[web.Response] = field(default_factory=list)
    """Given one after another; then it is 200."""
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    """No answer is given before it is set."""
    running: int = 0
    most_running: int = 0
    bell: Bell = field(default_factory=lambda: Bell(list))

    def __post_init__(self) -> None:
        self.gate.set()

    async def take(self, request: web.Request) -> web.Response:
        self.updates.append(await request.json())
        self.headers.append(dict(request.headers))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        self.bell.ring()
        await self.gate.wait()
        self.running -= 1
        return self.answers.pop(0) if self.answers else web.Response()

    async def until_running(self, count: int) -> None:
        await self.bell.until(lambda: self.running == count, within=10)

    @property
    def texts(self) -> list[str]:
        return [update["message"]["text"] for update in self.updates]


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    app = web.Application()
    app.router.add_post("/hook", made.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        yield made
    finally:
        made.gate.set()
        await runner.cleanup()
