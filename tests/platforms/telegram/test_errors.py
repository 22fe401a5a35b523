"""What Telegram's errors mean; each is made by python-telegram-bot from what the server wrote."""

from __future__ import annotations

import json
from http import HTTPStatus

import httpx
import pytest
from telegram import Bot
from telegram.error import TelegramError
from telegram.request import HTTPXRequest

from bot.platforms.telegram.errors import translate
from bot.reply.surface import (
    ChatClosedError,
    MessageGoneError,
    NotAppliedError,
    RefusedError,
    SlowDownError,
    SurfaceError,
    UnknownFateError,
)


async def raised(handle: httpx.MockTransport) -> TelegramError:
    """What the library raises for a send that the server handles so."""
    request = HTTPXRequest(httpx_kwargs={"transport": handle})
    bot = Bot("1:x", request=request, get_updates_request=HTTPXRequest())
    with pytest.raises(TelegramError) as caught:
        await bot.send_message(1, "hi")
    await request.shutdown()
    return caught.value


def answers(status: int, description: str, **parameters: object) -> httpx.MockTransport:
    body = {"ok": False, "error_code": status, "description": description}
    if parameters:
        body["parameters"] = parameters
    return httpx.MockTransport(lambda _: httpx.Response(status, content=json.dumps(body)))


def breaks(error: Exception) -> httpx.MockTransport:
    def handle(_: httpx.Request) -> httpx.Response:
        raise error

    return httpx.MockTransport(handle)


@pytest.mark.parametrize(
    ("status", "description", "meaning"),
    [
        (400, "Bad Request: message to edit not found", MessageGoneError),
        (400, "Bad Request: message can't be edited", MessageGoneError),
        (400, "Bad Request: MESSAGE_ID_INVALID", MessageGoneError),
        (400, "Bad Request: chat not found", ChatClosedError),
        (400, "Bad Request: message thread not found", ChatClosedError),
        (400, "Bad Request: TOPIC_CLOSED", ChatClosedError),
        (400, "Bad Request: not enough rights to send text messages to the chat", ChatClosedError),
        (400, "Bad Request: message to be replied not found", NotAppliedError),
        (400, "Bad Request: can't parse entities: byte offset 3", RefusedError),
        (400, "Bad Request: message is too long", RefusedError),
        (400, "Bad Request: something new", RefusedError),
        (403, "Forbidden: bot was blocked by the user", ChatClosedError),
        (403, "Forbidden: bot was kicked from the supergroup chat", ChatClosedError),
        (403, "Forbidden: user is deactivated", ChatClosedError),
        (401, "Unauthorized", ChatClosedError),
        (413, "Request Entity Too Large", NotAppliedError),
        (500, "Internal Server Error", NotAppliedError),
        (502, "Bad Gateway", NotAppliedError),
    ],
)
async def test_answers(status: int, description: str, meaning: type[SurfaceError]) -> None:
    error = translate(await raised(answers(status, description)))
    assert type(error) is meaning


async def test_a_429_names_its_wait() -> None:
    status = HTTPStatus.TOO_MANY_REQUESTS
    handle = answers(status, "Too Many Requests: retry after 33", retry_after=33)
    error = translate(await raised(handle))
    assert isinstance(error, SlowDownError)
    assert error.retry_after == 33


async def test_a_group_that_became_a_supergroup_is_tried_there() -> None:
    handle = answers(400, "Bad Request: group chat was upgraded", migrate_to_chat_id=-1001)
    assert type(translate(await raised(handle))) is NotAppliedError


@pytest.mark.parametrize(
    ("broken", "meaning"),
    [
        (httpx.ConnectError("refused"), NotAppliedError),
        (httpx.ConnectTimeout("slow"), NotAppliedError),
        (httpx.PoolTimeout("full"), NotAppliedError),
        (httpx.ReadTimeout("silent"), UnknownFateError),
        (httpx.ReadError("reset"), UnknownFateError),
        (httpx.WriteError("reset"), UnknownFateError),
        (httpx.RemoteProtocolError("Server disconnected"), UnknownFateError),
    ],
)
async def test_broken_connections(broken: Exception, meaning: type[SurfaceError]) -> None:
    assert type(translate(await raised(breaks(broken)))) is meaning


async def test_an_answer_that_cannot_be_read_leaves_the_fate_unknown() -> None:
    handle = httpx.MockTransport(lambda _: httpx.Response(200, content=b"<html>"))
    assert type(translate(await raised(handle))) is UnknownFateError
