"""What is posted to the bot, answered over HTTP; and the webhook at a Bot API server, kept set."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import structlog
import telegram
from aiohttp import web
from telegram import Bot, User

from bot.platforms.telegram.incoming import read
from bot.platforms.telegram.webhook import SECRET_HEADER, Webhook
from sandbox.bell import Bell
from sandbox.telegram.server import TelegramSandbox
from sandbox.telegram.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from bot.chat.incoming import Incoming

URL = "https://bot.example/tg"
SECRET = "s3cret"
ME = User(7, "P", is_bot=True, username="p_bot")


def update(number: int, text: str = "hello", chat: int = 9) -> dict[str, Any]:
    message = {
        "message_id": number,
        "date": 1,
        "chat": {"id": chat, "type": "private"},
        "from": {"id": chat, "is_bot": False, "first_name": "Ada"},
        "text": text,
    }
    return {"update_id": number, "message": message}


def as_incoming(body: dict[str, Any]) -> Incoming | None:
    """As the adapter does it, but that what can't be read is an error here."""
    message = telegram.Update.de_json(body).message
    return read(message, ME) if message else None


async def at_once(call: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401 - as the protocol
    return await call()


@dataclass
class Mounted:
    url: str
    http: aiohttp.ClientSession
    taken: list[str] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    """Nothing is kept before it is set."""
    bell: Bell = field(default_factory=lambda: Bell(list))
    arrived: int = 0

    def read(self, body: dict[str, Any]) -> Incoming | None:
        self.arrived += 1
        self.bell.ring()
        return as_incoming(body)

    async def until_arrived(self, count: int) -> None:
        await self.bell.until(lambda: self.arrived == count, within=10)

    async def take(self, incoming: Incoming) -> None:
        await self.gate.wait()
        self.taken.append(incoming.text)

    async def post(self, body: object, secret: str | None = SECRET) -> aiohttp.ClientResponse:
        headers = {} if secret is None else {SECRET_HEADER: secret}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = await self.http.post(self.url, data=data, headers=headers)
        await answer.read()
        return answer


@asynccontextmanager
async def mounted(*, serving: bool = True, patience: float = 10.0) -> AsyncIterator[Mounted]:
    """A webhook that is served, with its handler on a real HTTP server."""
    async with TelegramSandbox() as tg, aiohttp.ClientSession() as http:
        made = Mounted("", http)
        made.gate.set()
        hook = Webhook(URL, SECRET, made.read, made.take, patience=patience)
        app = web.Application()
        app.router.add_post(hook.path, hook.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        made.url = f"http://127.0.0.1:{runner.addresses[0][1]}{hook.path}"
        async with Bot(tg.token, base_url=f"{tg.api_url}/bot") as bot:
            served = asyncio.create_task(hook.serve(bot, at_once))
            await tg.until(lambda: tg.updates.webhook)
            if not serving:
                served.cancel()
                await asyncio.wait({served})
            try:
                yield made
            finally:
                served.cancel()
                await asyncio.wait({served})
                await runner.cleanup()


async def test_an_update_is_answered_once_it_is_kept() -> None:
    async with mounted() as hook:
        hook.gate.clear()
        posting = asyncio.create_task(hook.post(update(1)))
        await hook.until_arrived(1)
        assert not posting.done(), "it was answered before it was kept"
        hook.gate.set()
        assert (await posting).status == 200
        assert hook.taken == ["hello"]


@pytest.mark.parametrize("secret", [None, "", "s3cre", "s3cret2", "S3CRET", "sécret"])
async def test_without_the_secret_nothing_is_taken(secret: str | None) -> None:
    async with mounted() as hook:
        assert (await hook.post(update(1), secret)).status == 401
        assert hook.taken == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hush {",
        b"\xff\xfe",
        [],
        "hush",
        None,
        {},
        {"update_id": "hush"},
        *({**update(1, "hush"), "update_id": number} for number in (None, True, 2.5, -1, [1])),
        {"message": {"text": "hush"}},
    ],
)
async def test_what_is_no_update_is_told_by_kind_and_not_asked_for_again(body: object) -> None:
    async with mounted() as hook:
        with structlog.testing.capture_logs() as logs:
            assert (await hook.post(body)).status == 200
        (line,) = [entry for entry in logs if entry["log_level"] == "error"]
        assert line["reason"] in ("it is no JSON", "it has no valid update_id")
        assert "hush" not in str(line)
        assert (await hook.post(update(1))).status == 200
        assert hook.taken == ["hello"]


async def test_an_update_that_says_nothing_to_the_bot_is_taken_for_kept() -> None:
    async with mounted() as hook:
        assert (await hook.post({"update_id": 1, "brand_new_kind": {}})).status == 200
        assert hook.taken == []


async def test_an_update_with_a_lower_number_than_those_before_is_taken() -> None:
    async with mounted() as hook:
        for number in (900, 5, 901):
            assert (await hook.post(update(number, str(number)))).status == 200
        assert hook.taken == ["900", "5", "901"]


async def test_what_can_not_be_kept_is_to_be_posted_again_soon() -> None:
    async with mounted(patience=0.1) as hook:
        hook.gate.clear()
        first, second = await asyncio.gather(hook.post(update(1)), hook.post(update(2)))
        assert (first.status, second.status) == (503, 503)
        assert int(first.headers["Retry-After"]) > 0
        hook.gate.set()
        assert (await hook.post(update(1))).status == 200
        assert (await hook.post(update(2, "again"))).status == 200
        assert hook.taken == ["hello", "again"]


async def test_nothing_is_taken_any_more_while_it_stops() -> None:
    async with mounted(serving=False) as hook:
        answer = await hook.post(update(1))
        assert (answer.status, "Retry-After" in answer.headers) == (503, True)
        assert hook.taken == []
        assert (await hook.post(update(1), "wrong")).status == 401


async def test_updates_of_a_chat_that_come_at_once_are_taken_by_their_number() -> None:
    async with mounted() as hook:
        hook.gate.clear()
        posting = [asyncio.create_task(hook.post(update(1, "1")))]
        await hook.until_arrived(1)
        posting += [asyncio.create_task(hook.post(update(n, str(n)))) for n in (5, 3, 4, 2)]
        await hook.until_arrived(5)
        hook.gate.set()
        assert {(await each).status for each in posting} == {200}
        assert hook.taken == ["1", "2", "3", "4", "5"]


async def test_a_webhook_that_somebody_changed_is_set_again_and_failures_are_told() -> None:
    async with (
        TelegramSandbox(Settings(webhook_interval=0.0)) as tg,
        Bot(tg.token, base_url=f"{tg.api_url}/bot") as bot,
    ):
        hook = Webhook(URL, SECRET, as_incoming, at_once, watch=0.05)  # type: ignore[arg-type]
        with structlog.testing.capture_logs() as logs:
            served = asyncio.create_task(hook.serve(bot, at_once))
            await tg.until(lambda: tg.updates.webhook)
            await tg.user("Ada").say("this can't be delivered")
            await tg.until(lambda: len(tg.calls_of("getWebhookInfo")) > 3)
            await bot.delete_webhook()
            await tg.until(lambda: tg.updates.webhook)
            served.cancel()
            await asyncio.wait({served})
        assert tg.updates.webhook is not None
        assert (tg.updates.webhook.url, tg.updates.webhook.secret) == (URL, SECRET)
        events = [entry["event"] for entry in logs]
        assert "telegram: the webhook was changed from elsewhere; set again" in events
        told = [entry for entry in logs if "could not be posted" in entry["event"]]
        assert "loopback only" in told[0]["reason"]
        assert told[0]["pending"] == 1
