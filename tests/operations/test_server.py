"""Health, readiness and metrics over HTTP, on a real history."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from bot.operations.metrics import Metrics
from bot.operations.readiness import Readiness
from bot.operations.server import LARGEST_BODY, Server, ServerError
from bot.settings.sections import ServerSettings
from bot.store.database import Database
from bot.store.databases import sqlite_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    import sqlalchemy as sa

    from bot.reply.gate import Gate
    from bot.reply.surface import Surface
    from bot.store.schema import Turn


class SlowToLogIn:
    """A platform that logs in when it is told to."""

    gate: Gate

    def __init__(self) -> None:
        self.logged_in = asyncio.Event()

    async def serve(self, _logged_in: Callable[[str], Awaitable[None]]) -> None:
        await asyncio.Event().wait()

    async def ready(self) -> str:
        await self.logged_in.wait()
        return "7"

    def surface(self, turn: Turn) -> Surface:
        raise NotImplementedError

    async def settled(self, turn: Turn) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError


@dataclass
class Running:
    url: str
    http: aiohttp.ClientSession
    database: Database
    metrics: Metrics
    readiness: Readiness
    platforms: dict[str, SlowToLogIn] = field(default_factory=dict)

    async def get(self, path: str) -> tuple[int, Any]:
        async with self.http.get(self.url + path) as answer:
            return answer.status, await answer.json(content_type=None)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def serving(folder: Path, **routes: Any) -> AsyncIterator[Running]:  # noqa: ANN401 - handlers
    database, metrics = Database(sqlite_url(folder / "parlance.db")), Metrics([])
    platforms = {"telegram": SlowToLogIn(), "discord": SlowToLogIn()}
    readiness = Readiness(platforms, database, patience=0.5)
    port = free_port()
    server = Server(ServerSettings(port=port), metrics, readiness)
    for path, handler in routes.items():
        server.receive(f"/{path}", handler)
    await server.start()
    try:
        async with aiohttp.ClientSession() as http:
            url = f"http://127.0.0.1:{port}"
            yield Running(url, http, database, metrics, readiness, platforms)
    finally:
        await server.close()
        await database.close()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Running]:
    async with serving(tmp_path) as running:
        yield running


async def test_it_is_ready_once_every_platform_is_logged_in(server: Running) -> None:
    assert await server.get("/readyz") == (
        503,
        {
            "ok": False,
            "missing": ["telegram: not logged in yet", "discord: not logged in yet"],
        },
    )
    server.platforms["telegram"].logged_in.set()
    assert (await server.get("/readyz"))[1]["missing"] == ["discord: not logged in yet"]
    server.platforms["discord"].logged_in.set()
    assert await server.get("/readyz") == (200, {"ok": True, "missing": []})


async def test_it_is_healthy_all_the_while(server: Running) -> None:
    server.readiness.stopping = True
    assert await server.get("/healthz") == (200, {"ok": True, "missing": []})


def log_in(server: Running) -> None:
    for platform in server.platforms.values():
        platform.logged_in.set()


async def test_a_platform_that_turned_us_away_is_missing(server: Running) -> None:
    log_in(server)
    server.readiness.lost("discord")
    status, body = await server.get("/readyz")
    assert status == 503
    assert body["missing"] == ["discord: it has turned the bot away; the log says why"]


async def test_it_is_not_ready_while_it_stops(server: Running) -> None:
    log_in(server)
    server.readiness.stopping = True
    assert await server.get("/readyz") == (
        503,
        {"ok": False, "missing": ["the process is stopping"]},
    )


async def test_a_history_that_does_not_answer_is_missing_until_it_does(server: Running) -> None:
    log_in(server)
    holding = asyncio.Event()
    loop = asyncio.get_running_loop()
    released = loop.create_future()

    def hold(_: sa.Connection) -> None:
        loop.call_soon_threadsafe(holding.set)
        while not released.done():
            time.sleep(0.01)

    held = asyncio.create_task(server.database.run(hold))
    await holding.wait()
    status, body = await server.get("/readyz")
    assert (status, body["missing"]) == (503, ["storage: the history does not answer"])
    released.set_result(None)
    await held
    assert (await server.get("/readyz"))[0] == 200


async def test_the_metrics_are_prometheus_text(server: Running) -> None:
    server.metrics.requested("webhook", 200)
    async with server.http.get(server.url + "/metrics") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        families = {f.name: f for f in text_string_to_metric_families(await answer.text())}
    assert "process_resident_memory_bytes" in families
    (sample, *_) = families["parlance_http_requests"].samples
    assert (sample.labels, sample.value) == ({"path": "webhook", "status": "200"}, 1)


async def test_paths_that_are_not_there_add_no_labels(server: Running) -> None:
    for n in range(5):
        async with server.http.get(f"{server.url}/nowhere/{n}") as answer:
            assert answer.status == 404
    async with server.http.post(server.url + "/healthz") as answer:
        assert answer.status == 405
    text = server.metrics.text().decode()
    assert 'parlance_http_requests_total{path="other",status="404"} 5.0' in text
    assert 'parlance_http_requests_total{path="/healthz",status="405"} 1.0' in text
    assert "nowhere" not in text


async def test_what_is_posted_reaches_its_handler_and_a_huge_body_is_refused(
    tmp_path: Path,
) -> None:
    sizes: list[int] = []

    async def take(request: web.Request) -> web.Response:
        sizes.append(len(await request.read()))
        return web.Response(status=201)

    async with serving(tmp_path, hook=take) as server:
        for size in (LARGEST_BODY, LARGEST_BODY + 1):
            async with server.http.post(server.url + "/hook", data=b"x" * size) as answer:
                assert answer.status == (201 if size <= LARGEST_BODY else 413)
        text = server.metrics.text().decode()
    assert sizes == [LARGEST_BODY]
    assert 'parlance_http_requests_total{path="webhook",status="201"} 1.0' in text
    assert 'parlance_http_requests_total{path="webhook",status="413"} 1.0' in text


@pytest.mark.parametrize(
    ("host", "problem"),
    [
        ("127.0.0.1", "server.port: 127.0.0.1:{port} is in use"),
        ("192.0.2.1", "server.host: 192.0.2.1:{port} is not an address of this machine"),
        ("no such host", "server.host: no such host:{port} can't be listened on"),
    ],
)
async def test_an_address_that_cannot_be_had_is_one_line(
    tmp_path: Path, host: str, problem: str
) -> None:
    async with serving(tmp_path) as taken:
        port = int(taken.url.rpartition(":")[2])
        second = Server(ServerSettings(host=host, port=port), taken.metrics, taken.readiness)
        with pytest.raises(ServerError) as caught:
            await second.start()
        await second.close()
    assert str(caught.value).startswith(problem.format(port=port))
    assert "\n" not in str(caught.value)
