"""Answers that no Bot API server should give, and that some give all the same."""

from __future__ import annotations

import json

import pytest
from aiohttp import web
from telegram.error import RetryAfter, TelegramError
from test_errors import raised

from bot.platforms.telegram.answers import LONG_WAIT, checked
from bot.platforms.telegram.errors import translate
from bot.reply.surface import NotAppliedError, RefusedError, SlowDownError, UnknownFateError

PAGE = "<html><h1>Not here</h1></html>"


@pytest.mark.parametrize(
    ("status", "body", "meaning"),
    [
        (200, "{}", UnknownFateError),
        (200, "[]", UnknownFateError),
        (200, "null", UnknownFateError),
        (200, "", UnknownFateError),
        (200, PAGE, UnknownFateError),
        (200, '{"ok": true}', UnknownFateError),
        (200, '{"ok": true, "result": null}', UnknownFateError),
        (200, '{"ok": false}', NotAppliedError),
        (200, '{"ok": false, "error_code": "x"}', NotAppliedError),
        (200, '{"ok": false, "error_code": 400, "description": "Bad Request: no"}', RefusedError),
        (400, '{"ok": false, "description": ["no", "way"]}', RefusedError),
        (400, '{"ok": false, "parameters": ["migrate_to_chat_id"]}', RefusedError),
        (400, '{"ok": false, "parameters": {"migrate_to_chat_id": "-1007"}}', NotAppliedError),
        (400, '{"ok": false, "parameters": {"migrate_to_chat_id": "there"}}', RefusedError),
        (400, '["no"]', NotAppliedError),
        (403, PAGE, NotAppliedError),
        (404, PAGE, NotAppliedError),
        (404, '{"error": "no such backend"}', NotAppliedError),
        (401, "", NotAppliedError),
        (407, PAGE, NotAppliedError),
        (429, PAGE, SlowDownError),
        (500, PAGE, UnknownFateError),
        (500, '{"ok": false}', NotAppliedError),
        (504, "", UnknownFateError),
    ],
)
async def test_each_is_told_by_what_it_means_for_a_send(
    status: int, body: str, meaning: type
) -> None:
    assert type(translate(await sent(status, body))) is meaning


async def sent(status: int, body: str) -> TelegramError:
    async def handle(_: web.Request) -> web.Response:
        return web.Response(text=body, status=status, content_type="application/json")

    return await raised(handle)


@pytest.mark.parametrize(
    ("parameters", "headers", "seconds"),
    [
        ({"retry_after": 7}, {}, 7),
        ({"retry_after": "2"}, {}, 2),
        ({"retry_after": 1.2}, {}, 2),
        ({"retry_after": 0}, {}, 1),
        ({"retry_after": -5}, {}, 1),
        ({"retry_after": None}, {"Retry-After": "9"}, 9),
        ({"retry_after": "soon"}, {"Retry-After": "9"}, 9),
        ({"retry_after": [3]}, {}, LONG_WAIT),
        ({"retry_after": float("inf")}, {}, LONG_WAIT),
        ({"retry_after": float("nan")}, {}, LONG_WAIT),
        ([], {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, LONG_WAIT),
        (None, {}, LONG_WAIT),
    ],
)
def test_the_wait_is_read_in_all_its_forms(
    parameters: object, headers: dict[str, str], seconds: int
) -> None:
    body = json.dumps({"ok": False, "parameters": parameters}).encode()
    with pytest.raises(RetryAfter) as caught:
        checked(429, headers, body)
    refusal = translate(caught.value)
    assert isinstance(refusal, SlowDownError)
    assert refusal.retry_after == seconds


def test_a_result_passes_as_it_came() -> None:
    for result in (True, [], {}, "", 0):
        body = json.dumps({"ok": True, "result": result}).encode()
        assert checked(200, {}, body) == (200, body)


def test_a_refusal_keeps_what_it_says() -> None:
    body = b'{"ok": false, "error_code": 400, "description": "Bad Request: chat not found"}'
    status, told = checked(400, {}, body)
    assert status == 400
    assert json.loads(told)["description"] == "Bad Request: chat not found"
