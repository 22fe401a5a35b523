"""Faults on demand, latency, and the waits that tests use."""

import asyncio

import aiohttp
import pytest
import telegram
from telegram import MessageEntity
from telegram.error import BadRequest, NetworkError, RetryAfter, TimedOut
from yarl import URL

from sandbox.telegram.faults import Fault, FaultKind, Faults
from sandbox.telegram.server import TelegramSandbox
from sandbox.telegram.settings import Settings
from sandbox.telegram.users import ScriptedUser


def shown(tg: TelegramSandbox, ada: ScriptedUser) -> list[str]:
    return [message.text for message in tg.transcript(ada) if message.from_bot]


def test_a_fault_meets_what_it_matches_as_often_as_it_says() -> None:
    faults = Faults()
    faults.add(Fault(FaultKind.RESET, method="sendMessage", chat_id=1, count=2, after=1))
    calls = [("editMessageText", 1), ("sendMessage", 2), *[("SENDMESSAGE", 1)] * 4]
    met = [faults.take(method, chat, has_entities=False) is not None for method, chat in calls]
    assert met == [False, False, False, True, True, False]


def test_a_fault_without_a_method_spares_the_polling() -> None:
    faults = Faults()
    faults.add(Fault(FaultKind.ERROR, count=None))
    assert faults.take("getUpdates", None, has_entities=False) is None
    assert faults.take("sendMessage", 1, has_entities=False) is not None
    faults.add(Fault(FaultKind.RESET, method="getUpdates"))
    assert faults.take("getUpdates", None, has_entities=False) is not None


def test_a_flood_needs_seconds() -> None:
    with pytest.raises(ValueError, match="needs seconds"):
        Fault(FaultKind.FLOOD)


async def test_a_flood_closes_the_chat_it_meets(
    tg: TelegramSandbox, bot: telegram.Bot, ada: ScriptedUser
) -> None:
    ben = tg.user("Ben")
    await ben.say("hi")
    tg.fault("flood", method="sendMessage", chat=ada, after=1, seconds=33)
    sent = await bot.send_message(ada.id, "one")
    for call in (
        bot.send_message(ada.id, "two"),
        bot.edit_message_text("two", ada.id, sent.message_id),
        bot.send_chat_action(ada.id, "typing"),
    ):
        with pytest.raises(RetryAfter):
            await call
    await bot.send_message(ben.id, "to Ben")
    assert shown(tg, ada) == ["one"]
    refused = [(call.method, call.retry_after) for call in tg.calls if call.status == 429]
    assert refused == [("sendMessage", 33), ("editMessageText", 33), ("sendChatAction", 33)]


async def test_a_flood_without_penalty_refuses_one_call(
    tg: TelegramSandbox, bot: telegram.Bot, ada: ScriptedUser
) -> None:
    tg.fault("flood", seconds=5, penalty=False)
    with pytest.raises(RetryAfter):
        await bot.send_message(ada.id, "one")
    await bot.send_message(ada.id, "two")
    assert shown(tg, ada) == ["two"]


async def test_drop_after_accept_applies_and_answers_nothing(
    tg: TelegramSandbox, bot: telegram.Bot, ada: ScriptedUser
) -> None:
    tg.fault("drop_after_accept", method="sendMessage", chat=ada, count=2)
    for text in ("one", "two"):
        with pytest.raises(NetworkError, match="RemoteProtocolError"):
            await bot.send_message(ada.id, text)
    await bot.send_message(ada.id, "three")
    assert shown(tg, ada) == ["one", "two", "three"]
    assert [(c.status, c.applied_at is None) for c in tg.calls_of("sendMessage")] == [
        (None, False),
        (None, False),
        (200, False),
    ]


async def test_the_answer_to_an_applied_call_is_held_until_its_release(
    tg: TelegramSandbox, bot: telegram.Bot, ada: ScriptedUser
) -> None:
    tg.fault("hold_after_accept", method="sendMessage", chat=ada)
    saying = asyncio.create_task(bot.send_message(ada.id, "one"))
    await tg.until(lambda: shown(tg, ada) == ["one"])
    (call,) = tg.calls_of("sendMessage")
    assert (call.applied_at is None, call.status) == (False, None)
    tg.faults.release()
    assert (await saying).message_id == call.message_id
    assert call.status == 200


async def test_a_call_tells_by_which_port_it_came() -> None:
    async with TelegramSandbox() as tg, aiohttp.ClientSession() as session:
        urls = [tg.api_url, await tg.listen(), tg.api_url]
        for url in urls:
            async with session.get(f"{url}/bot{tg.token}/getMe") as answer:
                assert answer.status == 200
        assert [call.port for call in tg.calls] == [URL(url).port for url in urls]
        assert tg.calls[0].port != tg.calls[1].port


async def test_a_refused_call_is_no_accepted_one(
    tg: TelegramSandbox, bot: telegram.Bot, ada: ScriptedUser
) -> None:
    tg.fault("drop_after_accept", method="sendMessage")
    with pytest.raises(BadRequest):
        await bot.send_message(ada.id, "")
    with pytest.raises(NetworkError, match="RemoteProtocolError"):
        await bot.send_message(ada.id, "one")


async def test_a_reset_comes_before_applying(
    tg: TelegramSandbox, bot: telegram.Bot, ada: ScriptedUser
) -> None:
    tg.fault("reset", method="sendMessage")
    with pytest.raises(NetworkError, match="ReadError"):
        await bot.send_message(ada.id, "one")
    assert shown(tg, ada) == []


async def test_server_errors_come_as_telegram_sends_them(
    tg: TelegramSandbox, bot: telegram.Bot, ada: ScriptedUser
) -> None:
    tg.fault("error", status=500)
    tg.fault("error", status=502)
    tg.fault("error", status=403, description="Forbidden: user is deactivated")
    with pytest.raises(NetworkError, match="Internal Server Error"):
        await bot.send_message(ada.id, "one")
    with pytest.raises(NetworkError, match="Bad Gateway"):
        await bot.send_message(ada.id, "one")
    with pytest.raises(telegram.error.Forbidden, match="user is deactivated"):
        await bot.send_message(ada.id, "one")
    assert shown(tg, ada) == []


async def test_a_bad_gateway_is_a_page_of_nginx(tg: TelegramSandbox) -> None:
    tg.fault("error", status=502)
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{tg.api_url}/bot{tg.token}/getMe") as response,
    ):
        assert (response.status, response.content_type) == (502, "text/html")
        assert "nginx" in await response.text()


async def test_entities_are_refused_and_plain_text_is_not(
    tg: TelegramSandbox, bot: telegram.Bot, ada: ScriptedUser
) -> None:
    tg.fault("refuse_entities", count=None)
    with pytest.raises(BadRequest, match="Can't parse entities: "):
        await bot.send_message(ada.id, "one", entities=[MessageEntity("bold", 0, 3)])
    await bot.send_message(ada.id, "one")
    assert shown(tg, ada) == ["one"]


async def test_a_hanging_call_goes_on_when_released(
    tg: TelegramSandbox, bot: telegram.Bot, ada: ScriptedUser
) -> None:
    tg.fault("hang", method="sendMessage")
    hanging = asyncio.create_task(bot.send_message(ada.id, "one"))
    await tg.until(lambda: tg.calls_of("sendMessage"))
    await bot.send_message(ada.id, "two")
    tg.faults.release()
    await hanging
    assert shown(tg, ada) == ["two", "one"]


async def test_a_hanging_call_is_never_applied_when_the_client_goes(
    tg: TelegramSandbox, bot: telegram.Bot, ada: ScriptedUser
) -> None:
    tg.fault("hang", method="sendMessage")
    with pytest.raises(TimedOut):
        await bot.send_message(ada.id, "one", read_timeout=0.05)
    await tg.until(lambda: not tg.gateway.running)
    tg.faults.release()
    await bot.send_message(ada.id, "two")
    assert shown(tg, ada) == ["two"]


async def test_what_telegram_received_is_applied_though_the_client_hung_up(
    tg: TelegramSandbox, bot: telegram.Bot, ada: ScriptedUser
) -> None:
    tg.fault("slow", method="sendMessage", seconds=0.2)
    with pytest.raises(TimedOut):
        await bot.send_message(ada.id, "one", read_timeout=0.02)
    message = await tg.wait(lambda m: m.text == "one")
    assert message.chat_id == ada.id


async def test_latency_lies_before_and_after_applying() -> None:
    async with TelegramSandbox(Settings(latency=0.01)) as tg:
        ada = tg.user("Ada")
        await ada.say("hi")
        async with telegram.Bot(tg.token, base_url=f"{tg.api_url}/bot") as bot:
            await bot.send_message(ada.id, "one")
        (call,) = tg.calls_of("sendMessage", ada)
        assert call.applied_at is not None
        assert call.answered_at is not None
        # no upper bound: a loaded machine may add to it, nothing may take from it
        assert call.applied_at - call.at > 0.009
        assert call.answered_at - call.applied_at > 0.009
        assert tg.transcript(ada)[-1].versions[0].at <= call.applied_at


async def test_a_wait_that_is_in_vain_says_what_happened_last(
    tg: TelegramSandbox, ada: ScriptedUser
) -> None:
    with pytest.raises(TimeoutError, match="sent 'hi'"):
        await tg.wait(lambda m: m.text == "never", within=0.01)


async def test_quiet_begins_after_the_last_change(
    tg: TelegramSandbox, bot: telegram.Bot, ada: ScriptedUser
) -> None:
    quiet = asyncio.create_task(tg.until_quiet(ada, 0.1))
    for text in "abc":
        await bot.send_message(ada.id, text)
    await quiet
    assert shown(tg, ada) == ["a", "b", "c"]


async def test_closing_ends_what_hangs() -> None:
    async with TelegramSandbox() as tg:
        tg.fault("hang", count=None)
        async with aiohttp.ClientSession() as http:
            hanging = asyncio.create_task(http.get(f"{tg.api_url}/bot{tg.token}/getMe"))
            await tg.until(lambda: tg.calls)
            await tg.__aexit__(None, None, None)
            with pytest.raises(aiohttp.ClientError):
                await hanging


def test_only_loopback_is_served() -> None:
    for host in ("0.0.0.0", "192.0.2.1", "example.com"):  # noqa: S104 - refused
        with pytest.raises(ValueError, match="loopback"):
            TelegramSandbox(host=host)
