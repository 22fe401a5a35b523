"""Taking updates from a server that answers strangely."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from inboxes import InboxOf
from pydantic import SecretStr

from bot.platforms.telegram.adapter import TelegramAdapter
from bot.replicas.base import Alone
from bot.settings.sections import TelegramSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bot.chat.incoming import Incoming

ME = {"id": 7, "is_bot": True, "first_name": "P", "username": "p_bot"}
UPDATE = {
    "update_id": 5,
    "message": {
        "message_id": 1,
        "date": 1,
        "chat": {"id": 9, "type": "private"},
        "from": {"id": 9, "is_bot": False, "first_name": "Ada"},
        "text": "hello",
    },
}


class Server:
    """Answers getUpdates with `bodies`, one after another, and then with an update."""

    def __init__(self) -> None:
        self.bodies: list[object] = []
        self.offsets: list[int] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        if request.match_info["method"] != "getUpdates":
            return web.json_response({"ok": True, "result": ME})
        self.offsets.append(int((await request.post()).get("offset", 0)))
        body = self.bodies.pop(0) if self.bodies else {"ok": True, "result": [UPDATE]}
        return web.json_response(body)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    app = web.Application()
    app.router.add_post("/bot7:x/{method}", made.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    made.url = f"http://{host}:{port}"
    yield made
    await runner.cleanup()


@pytest.mark.parametrize(
    "strange", [{"ok": True}, {"ok": True, "result": None}, [], {"ok": True, "result": [{}]}]
)
async def test_a_strange_answer_is_asked_for_again(server: Server, strange: object) -> None:
    server.bodies = [strange]
    kept: asyncio.Queue[Incoming] = asyncio.Queue()
    adapter = TelegramAdapter(
        TelegramSettings(token=SecretStr("7:x"), api_url=server.url), InboxOf(kept.put), Alone()
    )
    known: asyncio.Queue[str] = asyncio.Queue()
    serving = asyncio.create_task(adapter.serve(known.put))
    async with asyncio.timeout(20):
        incoming = await kept.get()
        await kept.get()
    serving.cancel()
    await adapter.close()
    assert known.get_nowait() == incoming.chat.bot == "7"
    assert incoming.text == "hello"
    assert server.offsets[:2] == [0, 0]
    assert 6 in server.offsets


def update(number: int, chat: int) -> dict[str, object]:
    message = UPDATE["message"] | {"message_id": number, "chat": {"id": chat, "type": "private"}}
    return {"update_id": number, "message": message}


async def test_messages_of_a_chat_are_kept_in_their_order_and_chats_beside_each_other(
    server: Server,
) -> None:
    server.bodies = [{"ok": True, "result": [update(n, n % 3) for n in range(1, 10)]}]
    begun: list[tuple[str, str]] = []
    opened = asyncio.Event()

    async def take(incoming: Incoming) -> None:
        begun.append((incoming.chat.chat, incoming.key.message))
        await opened.wait()

    adapter = TelegramAdapter(
        TelegramSettings(token=SecretStr("7:x"), api_url=server.url), InboxOf(take), Alone()
    )
    known: asyncio.Queue[str] = asyncio.Queue()
    serving = asyncio.create_task(adapter.serve(known.put))
    async with asyncio.timeout(20):
        while len(begun) < 3:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
        held_up, acknowledged = list(begun), list(server.offsets)
        opened.set()
        while 10 not in server.offsets:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
    serving.cancel()
    await adapter.close()
    assert sorted(held_up) == [("0", "3"), ("1", "1"), ("2", "2")]
    assert acknowledged == [0]
    for chat in "012":
        numbers = [int(message) for place, message in begun if place == chat][:3]
        assert numbers == sorted(numbers)
