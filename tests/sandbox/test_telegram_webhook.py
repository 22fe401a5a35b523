"""Webhooks: setting them, and how updates are delivered, repeated and ordered."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import telegram
from aiohttp import web
from telegram.error import BadRequest, Conflict, RetryAfter
from webhook_receiver import Receiver, receiver

from sandbox.telegram.server import TelegramSandbox
from sandbox.telegram.settings import FLOOD_PRESETS, Settings

QUICK = Settings(flood=FLOOD_PRESETS["off"], webhook_backoff=0.02, webhook_interval=0.0)


@pytest.fixture
async def tg(request: pytest.FixtureRequest) -> AsyncIterator[TelegramSandbox]:
    """A test may choose its settings by indirect parametrization."""
    async with TelegramSandbox(getattr(request, "param", QUICK)) as sandbox:
        yield sandbox


@pytest.fixture
async def bot(tg: TelegramSandbox) -> AsyncIterator[telegram.Bot]:
    async with telegram.Bot(tg.token, base_url=f"{tg.api_url}/bot") as bot:
        yield bot


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


async def delivered(tg: TelegramSandbox) -> None:
    await tg.until(lambda: len(tg.updates) == 0)


async def test_updates_are_posted_with_the_secret_and_are_gone_once_taken(
    tg: TelegramSandbox, bot: telegram.Bot, hook: Receiver
) -> None:
    await bot.set_webhook(hook.url, secret_token="s3cret_-", max_connections=7)
    ada = tg.user("Ada")
    await ada.say("hello")
    await delivered(tg)
    (update,) = hook.updates
    assert update["update_id"] == Settings().first_update_id
    assert telegram.Update.de_json(update, bot).message.text == "hello"
    assert hook.headers[0]["X-Telegram-Bot-Api-Secret-Token"] == "s3cret_-"
    assert hook.headers[0]["Content-Type"] == "application/json"
    info = await bot.get_webhook_info()
    assert (info.url, info.pending_update_count, info.max_connections) == (hook.url, 0, 7)
    assert info.last_error_message is None


async def test_what_was_said_before_it_is_set_is_delivered_then(
    tg: TelegramSandbox, bot: telegram.Bot, hook: Receiver
) -> None:
    await tg.user("Ada").say("early")
    await bot.set_webhook(hook.url)
    await delivered(tg)
    assert hook.texts == ["early"]
    assert "X-Telegram-Bot-Api-Secret-Token" not in hook.headers[0]


async def test_pending_updates_can_be_dropped(
    tg: TelegramSandbox, bot: telegram.Bot, hook: Receiver
) -> None:
    ada = tg.user("Ada")
    await ada.say("early")
    await bot.set_webhook(hook.url, drop_pending_updates=True)
    await ada.say("late")
    await delivered(tg)
    assert hook.texts == ["late"]


async def test_only_allowed_updates_are_posted(
    tg: TelegramSandbox, bot: telegram.Bot, hook: Receiver
) -> None:
    await bot.set_webhook(hook.url, allowed_updates=["message"])
    ada = tg.user("Ada")
    await ada.edit(await ada.say("one"), "changed")
    await ada.say("two")
    await delivered(tg)
    assert hook.texts == ["one", "two"]


async def test_an_update_that_is_not_taken_comes_again_and_the_error_is_told(
    tg: TelegramSandbox, bot: telegram.Bot, hook: Receiver
) -> None:
    hook.answers = [web.Response(status=503), web.Response(status=500), web.Response(status=404)]
    await bot.set_webhook(hook.url)
    await tg.user("Ada").say("hello")
    await delivered(tg)
    assert hook.texts == ["hello"] * 4
    assert [delivery.status for delivery in tg.deliveries] == [503, 500, 404, 200]
    info = await bot.get_webhook_info()
    assert info.last_error_message == "Wrong response from the webhook: 404 Not Found"
    assert info.last_error_date is not None


async def test_the_first_repetition_comes_at_once_and_each_later_one_after_twice_as_long(
    tg: TelegramSandbox, bot: telegram.Bot, hook: Receiver
) -> None:
    hook.answers = [web.Response(status=503) for _ in range(4)]
    await bot.set_webhook(hook.url)
    await tg.user("Ada").say("hello")
    await delivered(tg)
    assert [delivery.again_in for delivery in tg.deliveries] == [0.0, 0.02, 0.04, 0.08, None]


@pytest.mark.parametrize("tg", [replace(QUICK, webhook_backoff=3600.0)], indirect=True)
async def test_retry_after_overrules_the_back_off(
    tg: TelegramSandbox, bot: telegram.Bot, hook: Receiver
) -> None:
    hook.answers = [
        web.Response(status=503),
        web.Response(status=503, headers={"Retry-After": "1"}),
    ]
    await bot.set_webhook(hook.url)
    await tg.user("Ada").say("hello")
    await delivered(tg)
    first, second, third = tg.deliveries
    assert (first.status, second.status, third.status) == (503, 503, 200)
    assert (first.again_in, second.again_in) == (0.0, 1.0)


async def test_a_chat_gets_its_updates_one_after_another_and_others_do_not_wait(
    tg: TelegramSandbox, bot: telegram.Bot, hook: Receiver
) -> None:
    hook.gate.clear()
    await bot.set_webhook(hook.url)
    ada, ben = tg.user("Ada"), tg.user("Ben")
    for n in range(3):
        await ada.say(f"ada {n}")
        await ben.say(f"ben {n}")
    await hook.until_running(2)
    assert sorted(delivery.lane for delivery in tg.deliveries) == [
        ("message", ada.id),
        ("message", ben.id),
    ]
    hook.gate.set()
    await delivered(tg)
    for name in ("ada", "ben"):
        assert [t for t in hook.texts if name in t] == [f"{name} {n}" for n in range(3)]


async def test_a_chat_whose_update_is_not_taken_waits_in_order_and_others_go_on(
    tg: TelegramSandbox, bot: telegram.Bot, hook: Receiver
) -> None:
    hook.answers = [web.Response(status=503) for _ in range(3)]
    await bot.set_webhook(hook.url, max_connections=1)
    ada = tg.user("Ada")
    await ada.say("first")
    await ada.say("second")
    await delivered(tg)
    assert hook.texts == ["first"] * 4 + ["second"]


async def test_no_more_are_under_way_than_there_may_be_connections(
    tg: TelegramSandbox, bot: telegram.Bot, hook: Receiver
) -> None:
    hook.gate.clear()
    await bot.set_webhook(hook.url, max_connections=2)
    for n in range(5):
        await tg.user(f"Person {n}").say(f"{n}")
    await hook.until_running(2)
    hook.gate.set()
    await delivered(tg)
    assert hook.most_running == 2
    assert sorted(hook.texts) == list("01234")


async def test_an_answer_that_gets_lost_leads_to_a_second_delivery(
    tg: TelegramSandbox, bot: telegram.Bot, hook: Receiver
) -> None:
    tg.fault("drop_after_accept", method="webhook")
    await bot.set_webhook(hook.url)
    await tg.user("Ada").say("hello")
    await delivered(tg)
    assert hook.texts == ["hello", "hello"]
    assert len({update["update_id"] for update in hook.updates}) == 1


async def test_a_fault_that_names_no_method_spares_the_webhook(
    tg: TelegramSandbox, bot: telegram.Bot, hook: Receiver
) -> None:
    await bot.set_webhook(hook.url)
    tg.fault("drop_after_accept")
    await tg.user("Ada").say("hello")
    await delivered(tg)
    assert hook.texts == ["hello"]


@pytest.mark.parametrize("tg", [replace(QUICK, webhook_timeout=0.1)], indirect=True)
async def test_a_webhook_that_does_not_answer_is_given_up_and_asked_again(
    tg: TelegramSandbox, bot: telegram.Bot, hook: Receiver
) -> None:
    hook.gate.clear()
    await bot.set_webhook(hook.url)
    await tg.user("Ada").say("hello")
    await tg.until(lambda: tg.deliveries and tg.deliveries[0].ended_at)
    assert (await bot.get_webhook_info()).last_error_message == "Read timeout expired"
    hook.gate.set()
    await delivered(tg)


async def test_a_webhook_that_is_not_there_is_tried_until_it_is(
    tg: TelegramSandbox, bot: telegram.Bot
) -> None:
    async with receiver() as gone:
        url = gone.url
    await bot.set_webhook(url)
    await tg.user("Ada").say("hello")
    await tg.until(lambda: len(tg.deliveries) > 2)
    info = await bot.get_webhook_info()
    assert (info.pending_update_count, info.last_error_message) == (1, "Connection refused")
    async with receiver() as there:
        await bot.set_webhook(there.url)
        await delivered(tg)
        assert there.texts == ["hello"]
        assert (await bot.get_webhook_info()).last_error_message is None


@pytest.mark.parametrize("tg", [replace(QUICK, webhook_backoff=60.0)], indirect=True)
async def test_set_again_it_waits_on_and_set_otherwise_it_is_tried_at_once(
    tg: TelegramSandbox, bot: telegram.Bot, hook: Receiver
) -> None:
    hook.answers = [web.Response(status=503), web.Response(status=503)]
    await bot.set_webhook(hook.url, max_connections=2)
    await tg.user("Ada").say("hello")
    await tg.until(lambda: [d for d in tg.deliveries if d.again_in == 60.0])
    await bot.set_webhook(hook.url, max_connections=2)
    info = await bot.get_webhook_info()
    assert (info.pending_update_count, len(tg.deliveries)) == (1, 2)
    assert info.last_error_message is not None
    await bot.set_webhook(hook.url, max_connections=3)
    await delivered(tg)
    assert hook.texts == ["hello"] * 3
    assert (await bot.get_webhook_info()).last_error_message is None


async def test_without_it_the_bot_polls_again(
    tg: TelegramSandbox, bot: telegram.Bot, hook: Receiver
) -> None:
    hook.gate.clear()
    await bot.set_webhook(hook.url)
    await tg.user("Ada").say("hello")
    await hook.until_running(1)
    with pytest.raises(Conflict, match="can't use getUpdates method while webhook is active"):
        await bot.get_updates()
    await bot.delete_webhook()
    (update,) = await bot.get_updates()
    assert update.message is not None
    assert update.message.text == "hello"
    assert (await bot.get_webhook_info()).url == ""


async def test_nothing_leaves_this_machine(tg: TelegramSandbox, bot: telegram.Bot) -> None:
    await bot.set_webhook("https://bot.example/hook")
    await tg.user("Ada").say("hello")
    await tg.until(lambda: tg.deliveries)
    info = await bot.get_webhook_info()
    assert info.pending_update_count == 1
    assert "loopback only" in (info.last_error_message or "")


@pytest.mark.parametrize(
    ("url", "secret", "reason"),
    [
        ("http://bot.example/hook", "", "An HTTPS URL must be provided for webhook"),
        ("https://bot.example:8080/hook", "", "only on ports 80, 88, 443 or 8443"),
        ("https://", "", "invalid webhook url specified"),
        ("https://bot.example/hook", "not allowed", "unallowed characters"),
        ("https://bot.example/hook", "x" * 257, "secret token is too long"),
    ],
)
async def test_what_the_server_does_not_take(
    tg: TelegramSandbox, bot: telegram.Bot, url: str, secret: str, reason: str
) -> None:
    with pytest.raises(BadRequest, match=f"(?i){reason}"):
        await bot.set_webhook(url, secret_token=secret)
    assert (await bot.get_webhook_info()).url == ""


async def test_a_webhook_is_set_once_a_second_at_most() -> None:
    settings = Settings(webhook_interval=3600.0)
    async with (
        TelegramSandbox(settings) as tg,
        telegram.Bot(tg.token, base_url=f"{tg.api_url}/bot") as bot,
    ):
        await bot.set_webhook("https://bot.example/one")
        with pytest.raises(RetryAfter):
            await bot.set_webhook("https://bot.example/two")
        await bot.delete_webhook()
        assert (await bot.get_webhook_info()).url == ""
