"""The Bot API as HTTP: paths, tokens, the forms of parameters, and flood control's answers."""

import asyncio
import json
from functools import partial

import aiohttp
import pytest
import telegram
from telegram.error import InvalidToken, RetryAfter

from sandbox.telegram.flood import CallKind
from sandbox.telegram.server import TelegramSandbox
from sandbox.telegram.settings import FLOOD_PRESETS, Bucket, FloodSettings, Settings
from sandbox.telegram.users import ScriptedUser


async def post(tg: TelegramSandbox, method: str, **body: object) -> tuple[int, dict[str, object]]:
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{tg.api_url}/bot{tg.token}/{method}", json=body) as response,
    ):
        return response.status, await response.json()


async def test_a_wrong_token_a_malformed_one_and_an_unknown_method_are_told_apart(
    tg: TelegramSandbox, bot: telegram.Bot
) -> None:
    async with aiohttp.ClientSession() as http:
        answers = {}
        for path in ("bot1:wrong/getMe", "botwrong/getMe", f"bot{tg.token}/getYou", "getMe"):
            async with http.get(f"{tg.api_url}/{path}") as response:
                answers[path] = response.status, (await response.json())["description"]
    assert list(answers.values()) == [
        (401, "Unauthorized"),
        (404, "Not Found"),
        (404, "Not Found: method not found"),
        (404, "Not Found"),
    ]
    with pytest.raises(InvalidToken):
        async with telegram.Bot("1:wrong", base_url=f"{tg.api_url}/bot"):
            pass


async def test_parameters_come_as_query_form_multipart_or_json_and_methods_in_any_case(
    tg: TelegramSandbox, ada: ScriptedUser
) -> None:
    entities = [{"type": "bold", "offset": 0, "length": 3}]
    plain = {"chat_id": str(ada.id), "text": "one", "entities": json.dumps(entities)}
    multipart = aiohttp.FormData(plain, default_to_multipart=True)
    root = f"{tg.api_url}/bot{tg.token}"
    requests = [
        ("GET", "sendMessage", {"params": plain}),
        ("POST", "sendmessage", {"data": plain}),
        ("POST", "SENDMESSAGE", {"data": multipart}),
        ("POST", "sendMessage", {"json": {"chat_id": ada.id, "text": "one", "entities": entities}}),
    ]
    async with aiohttp.ClientSession() as http:
        for verb, method, arguments in requests:
            async with http.request(verb, f"{root}/{method}", **arguments) as response:
                assert response.status == 200, await response.text()
    bold = [[(e.type, e.length) for e in m.entities] for m in tg.transcript(ada)[1:]]
    assert bold == [[("bold", 3)]] * 4


async def test_a_body_that_is_no_json_is_refused(tg: TelegramSandbox) -> None:
    async with (
        aiohttp.ClientSession() as http,
        http.post(
            f"{tg.api_url}/bot{tg.token}/getMe",
            data=b"{",
            headers={"Content-Type": "application/json"},
        ) as response,
    ):
        assert response.status == 400


async def test_a_penalty_reaches_the_client_as_retry_after(
    tg: TelegramSandbox, bot: telegram.Bot, ada: ScriptedUser
) -> None:
    tg.penalize(ada, 30)
    with pytest.raises(RetryAfter) as caught:
        await bot.send_message(ada.id, "x")
    assert caught.value._retry_after.total_seconds() == 30
    status, body = await post(tg, "sendMessage", chat_id=ada.id, text="x")
    assert (status, body["description"]) == (429, "Too Many Requests: retry after 30")
    assert body["parameters"] == {"retry_after": 30}
    assert [(c.status, c.retry_after, c.applied_at) for c in tg.calls_of("sendMessage")] == [
        (429, 30, None)
    ] * 2


async def test_calls_beyond_the_burst_are_slept_off_and_applied_in_order() -> None:
    flood = FloodSettings(private=Bucket(rate=50, burst=2))
    async with TelegramSandbox(Settings(flood=flood)) as tg:
        ada = tg.user("Ada")
        await ada.say("hi")
        tasks = []
        for n in range(5):
            tasks.append(asyncio.create_task(post(tg, "sendMessage", chat_id=ada.id, text=str(n))))
            await tg.until(partial(lambda count: len(tg.calls) == count, n + 1))
        assert {status for status, _ in await asyncio.gather(*tasks)} == {200}
        assert [m.text for m in tg.transcript(ada)] == ["hi", "0", "1", "2", "3", "4"]


async def test_the_strict_preset_refuses_beyond_what_it_absorbs_over_the_wire() -> None:
    flood = FLOOD_PRESETS["strict"]
    async with TelegramSandbox(Settings(flood=flood)) as tg:
        ada = tg.user("Ada")
        await ada.say("hi")
        for _ in range(2):
            tg.flood.request(tg.world.clock(), ada.id, CallKind.MESSAGE)
        first, _ = await post(tg, "sendMessage", chat_id=ada.id, text="x")
        for _ in range(20):
            tg.flood.request(tg.world.clock(), ada.id, CallKind.MESSAGE)
        second, _ = await post(tg, "sendMessage", chat_id=ada.id, text="x")
        assert (first, second) == (200, 429)
        typing, _ = await post(tg, "sendChatAction", chat_id=ada.id, action="typing")
        assert typing == 200


async def test_closing_ends_a_long_poll_at_once() -> None:
    async with TelegramSandbox() as tg:
        poll = asyncio.create_task(post(tg, "getUpdates", timeout=50))
        await tg.until(lambda: tg.calls_of("getUpdates"))
    with pytest.raises(aiohttp.ClientError):
        await poll
    assert not tg.gateway.running
