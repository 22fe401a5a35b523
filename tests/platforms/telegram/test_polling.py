"""From which update on Telegram is asked, and what becomes of updates that are none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from telegram import Bot

from bot.chat.incoming import Incoming, Sender
from bot.chat.keys import ChatKey, TurnKey
from bot.platforms.telegram.polling import Offset, Polling

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

ME = {"id": 7, "is_bot": True, "first_name": "P", "username": "p_bot"}
NO_IDS = [None, "6", True, 6.0, -6, 0, [6], {}]


def batch(*numbers: object) -> list[dict[str, Any]]:
    return [{"update_id": number} for number in numbers]


def test_what_comes_after_the_last_update_is_asked_for() -> None:
    offset = Offset()
    assert offset.move(batch(5, 6, 7))
    assert offset.value == 8


def test_the_last_id_counts_also_where_they_jump_back() -> None:
    offset = Offset()
    for numbers, following in (((900, 901), 902), ((902, 3), 4), ((4,), 5), ((2,), 3)):
        assert offset.move(batch(*numbers))
        assert offset.value == following


@pytest.mark.parametrize("no_id", NO_IDS)
def test_what_is_no_id_changes_nothing(no_id: object) -> None:
    offset = Offset()
    assert not offset.move(batch(no_id))
    assert offset.value == 0
    assert offset.move(batch(no_id, 5, no_id))
    assert offset.value == 6
    assert not offset.move([{"message": {}}])
    assert not offset.move([None, 4, "x"])  # type: ignore[list-item] - no updates at all
    assert offset.value == 6


def test_a_server_that_goes_in_circles_gets_nowhere() -> None:
    offset = Offset()
    assert offset.move(batch(5))
    assert not offset.move(batch(5))
    assert offset.move(batch(6))
    assert not offset.move(batch(5))
    assert not offset.move(batch(6))
    assert offset.move(batch(7))


@given(st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=3), max_size=30))
def test_whatever_a_few_ids_come_in_they_soon_get_nowhere(batches: list[list[int]]) -> None:
    offset = Offset()
    assert sum(offset.move(batch(*numbers)) for numbers in batches) <= 5


class Server:
    """Answers getUpdates with `batches`, one after another, the last one again and again."""

    def __init__(self, *batches: list[Any]) -> None:
        self.batches = list(batches)
        self.offsets: list[int] = []

    async def handle(self, request: web.Request) -> web.Response:
        if request.match_info["method"] != "getUpdates":
            return web.json_response({"ok": True, "result": ME})
        self.offsets.append(int((await request.post()).get("offset", 0)))
        answer = self.batches.pop(0) if len(self.batches) > 1 else self.batches[0]
        return web.json_response({"ok": True, "result": answer})


@pytest.fixture
async def site() -> AsyncIterator[Callable[[Server], Awaitable[Bot]]]:
    runners: list[web.AppRunner] = []

    async def serve(server: Server) -> Bot:
        app = web.Application()
        app.router.add_post("/bot7:x/{method}", server.handle)
        runner = web.AppRunner(app)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        return Bot("7:x", base_url=f"http://{host}:{port}/bot")

    yield serve
    for runner in runners:
        await runner.cleanup()


class Pauses:
    """Stands still after `most` pauses; nobody waits for the others."""

    def __init__(self, most: int) -> None:
        self.seconds: list[float] = []
        self.enough = asyncio.Event()
        self._most = most

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        if len(self.seconds) == self._most:
            self.enough.set()
            await asyncio.Event().wait()


def incoming(update: dict[str, Any]) -> Incoming:
    key = TurnKey(ChatKey("telegram", "7", "9"), str(update["update_id"]))
    return Incoming(key, Sender("9", "Ada"), "hello")


async def insist(call: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401 - as the protocol
    return await call()


async def at_once() -> None: ...


async def polled(bot: Bot, pauses: Pauses) -> tuple[list[str], list[str]]:
    """Poll until the pauses are enough; what was taken, and what the log said."""
    taken: list[str] = []

    async def take(said: Incoming) -> None:
        taken.append(said.key.message)

    polling = Polling(bot, incoming, take, patience=5.0, pause=pauses)
    with structlog.testing.capture_logs() as logs:
        async with bot, asyncio.timeout(20):
            serving = asyncio.create_task(polling.serve(insist, at_once))
            enough = asyncio.create_task(pauses.enough.wait())
            await asyncio.wait({serving, enough}, return_when=asyncio.FIRST_COMPLETED)
            assert not serving.done()
            serving.cancel()
            await asyncio.wait({serving})
    return taken, [line["event"] for line in logs]


async def test_a_server_that_gives_the_same_again_is_told_once_and_asked_slowly(
    site: Callable[[Server], Awaitable[Bot]],
) -> None:
    server, pauses = Server(batch(5, 6)), Pauses(7)
    taken, log = await polled(await site(server), pauses)
    assert pauses.seconds == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert server.offsets == [0] + [7] * 7
    assert taken[:2] == ["5", "6"]
    (line,) = log
    assert "the same updates again and again" in line


async def test_a_server_that_does_not_wait_is_told_once_and_asked_every_second(
    site: Callable[[Server], Awaitable[Bot]],
) -> None:
    server, pauses = Server(batch(5), []), Pauses(4)
    taken, log = await polled(await site(server), pauses)
    assert pauses.seconds == [1.0] * 4
    assert taken == ["5"]
    (line,) = log
    assert "does not wait" in line


async def test_once_it_gets_on_there_is_no_pause_any_more(
    site: Callable[[Server], Awaitable[Bot]],
) -> None:
    server, pauses = Server(batch(5), batch(5), batch(5), batch(6), batch(7), batch(7)), Pauses(3)
    _, log = await polled(await site(server), pauses)
    assert pauses.seconds == [1.0, 2.0, 1.0]
    assert len(log) == 2


@pytest.mark.parametrize("no_id", NO_IDS)
async def test_an_update_without_an_id_is_passed_over_and_the_others_are_taken(
    site: Callable[[Server], Awaitable[Bot]], no_id: object
) -> None:
    server = Server(batch(5, no_id, 6), batch(no_id))
    taken, log = await polled(await site(server), Pauses(3))
    assert taken == ["5", "6"]
    assert server.offsets == [0, 7, 7, 7]
    assert sum("passed over" in line for line in log) == 2
    assert sum("again and again" in line for line in log) == 1


async def test_what_is_no_update_at_all_is_passed_over(
    site: Callable[[Server], Awaitable[Bot]],
) -> None:
    server = Server([None, 4, "x", [], {}, *batch(5)], batch(5))
    taken, _ = await polled(await site(server), Pauses(1))
    assert taken[0] == "5"
