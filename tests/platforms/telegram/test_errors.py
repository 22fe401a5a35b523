"""What Telegram's errors mean; each is made by python-telegram-bot from what the server wrote."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import pytest
from aiohttp import web
from telegram import Bot
from telegram.error import TelegramError

from bot.platforms.telegram.errors import translate
from bot.platforms.telegram.request import AiohttpRequest
from bot.reply.surface import (
    ChatClosedError,
    MessageGoneError,
    NotAllowedError,
    NotAppliedError,
    RefusedError,
    SlowDownError,
    SurfaceError,
    UneditableError,
    UnknownFateError,
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def raised(handle: Handler, *, silence: float = 5.0) -> TelegramError:
    """What the library raises for a send that the server handles so."""
    app = web.Application()
    app.router.add_post("/{path:.*}", handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        return await raised_at(f"http://{host}:{port}/bot", silence)
    finally:
        await runner.cleanup()


async def raised_at(url: str, silence: float = 5.0) -> TelegramError:
    request = AiohttpRequest(8, silence)
    bot = Bot("1:x", base_url=url, request=request, get_updates_request=AiohttpRequest(1, 5.0))
    with pytest.raises(TelegramError) as caught:
        await bot.send_message(1, "hi")
    await request.shutdown()
    return caught.value


def answers(status: int, description: str, **parameters: object) -> Handler:
    body = {"ok": False, "error_code": status, "description": description}
    if parameters:
        body["parameters"] = parameters

    async def handle(_: web.Request) -> web.Response:
        return web.json_response(body, status=status)

    return handle


@pytest.mark.parametrize(
    ("status", "description", "meaning"),
    [
        (400, "Bad Request: message to edit not found", MessageGoneError),
        (400, "Bad Request: message can't be edited", UneditableError),
        (400, "Bad Request: MESSAGE_ID_INVALID", MessageGoneError),
        (400, "Bad Request: chat not found", ChatClosedError),
        (400, "Bad Request: message thread not found", ChatClosedError),
        (400, "Bad Request: TOPIC_CLOSED", NotAllowedError),
        (400, "Bad Request: not enough rights to send text messages to the chat", NotAllowedError),
        (400, "Bad Request: message to be replied not found", NotAppliedError),
        (400, "Bad Request: can't parse entities: byte offset 3", RefusedError),
        (400, "Bad Request: message is too long", RefusedError),
        (400, "Bad Request: something new", RefusedError),
        (403, "Forbidden: bot was blocked by the user", ChatClosedError),
        (403, "Forbidden: bot was kicked from the supergroup chat", ChatClosedError),
        (403, "Forbidden: user is deactivated", ChatClosedError),
        (401, "Unauthorized", NotAppliedError),
        (404, "Not Found", NotAppliedError),
        (403, "Forbidden: CHAT_WRITE_FORBIDDEN", NotAllowedError),
        (413, "Request Entity Too Large", NotAppliedError),
        (500, "Internal Server Error", NotAppliedError),
        (502, "Bad Gateway", NotAppliedError),
    ],
)
async def test_answers(status: int, description: str, meaning: type[SurfaceError]) -> None:
    error = translate(await raised(answers(status, description)))
    assert type(error) is meaning


async def test_a_token_that_is_not_taken_is_named() -> None:
    assert "telegram.token" in str(translate(await raised(answers(401, "Unauthorized"))))


async def test_a_429_names_its_wait() -> None:
    status = HTTPStatus.TOO_MANY_REQUESTS
    handle = answers(status, "Too Many Requests: retry after 33", retry_after=33)
    error = translate(await raised(handle))
    assert isinstance(error, SlowDownError)
    assert error.retry_after == 33


async def test_a_group_that_became_a_supergroup_is_tried_there() -> None:
    handle = answers(400, "Bad Request: group chat was upgraded", migrate_to_chat_id=-1001)
    assert type(translate(await raised(handle))) is NotAppliedError


async def test_a_connection_that_is_refused_applied_nothing() -> None:
    assert type(translate(await raised_at("http://127.0.0.1:1/bot"))) is NotAppliedError


async def test_silence_leaves_the_fate_unknown() -> None:
    async def handle(_: web.Request) -> web.Response:
        await asyncio.sleep(60)
        raise AssertionError

    assert type(translate(await raised(handle, silence=0.1))) is UnknownFateError


async def test_a_connection_that_breaks_leaves_the_fate_unknown() -> None:
    async def handle(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    assert type(translate(await raised(handle))) is UnknownFateError


async def test_an_answer_that_cannot_be_read_leaves_the_fate_unknown() -> None:
    async def handle(_: web.Request) -> web.Response:
        return web.Response(text="<html>")

    assert type(translate(await raised(handle))) is UnknownFateError


async def test_a_file_goes_out_beside_the_parameters() -> None:
    seen = asyncio.get_running_loop().create_future()

    async def handle(request: web.Request) -> web.Response:
        form = await request.post()
        document = form["document"]
        assert isinstance(document, web.FileField)
        seen.set_result((form["chat_id"], form["caption"], document.filename, document.file.read()))
        return web.json_response({"ok": False, "description": "enough seen"}, status=400)

    app = web.Application()
    app.router.add_post("/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    request = AiohttpRequest(8, 5.0)
    bot = Bot(
        "1:x", base_url=f"http://{host}:{port}/bot", request=request, get_updates_request=request
    )
    with pytest.raises(TelegramError):
        await bot.send_document(1, b"a file", caption="look", filename="notes.txt")
    await request.shutdown()
    await runner.cleanup()
    assert await seen == ("1", "look", "notes.txt", b"a file")
