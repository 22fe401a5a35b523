"""Updates posted to the bot: each is answered once and in order, whatever happens in between."""

from __future__ import annotations

import json
import sqlite3
from functools import partial
from typing import TYPE_CHECKING

import aiohttp
import pytest
from chat import replies
from posted import PATH, Posted, message, until

from sandbox.llm.script import Script, Silence
from sandbox.telegram.server import TelegramSandbox
from sandbox.telegram.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bot_process import BotProcess

    from sandbox.llm.server import LlmSandbox
    from sandbox.telegram.users import ScriptedUser


@pytest.fixture
async def tg(request: pytest.FixtureRequest) -> AsyncIterator[TelegramSandbox]:
    """One that repeats soon, unless a test says after how many seconds.

    It lets a bot that was started again set its webhook at once.
    """
    backoff = getattr(request, "param", 0.05)
    settings = Settings(
        webhook_backoff=backoff, webhook_longest_backoff=backoff + 60, webhook_interval=0.0
    )
    async with TelegramSandbox(settings) as sandbox:
        yield sandbox


@pytest.fixture
async def posted(tg: TelegramSandbox, bot: BotProcess) -> AsyncIterator[Posted]:
    async with aiohttp.ClientSession() as http:
        yield Posted(tg, bot, http)


def answers(tg: TelegramSandbox, person: ScriptedUser) -> list[str]:
    return [message.text for message in replies(tg, person)]


async def settled(bot: BotProcess) -> bool:
    """Whether every question is answered, and the bot has written that down."""
    with sqlite3.connect(bot.folder / "parlance.db") as history:
        open_ones, all_ = history.execute("SELECT sum(NOT settled), count(*) FROM turns").fetchone()
    history.close()
    return bool(all_) and not open_ones


async def all_taken(tg: TelegramSandbox) -> None:
    await tg.until(lambda: len(tg.updates) == 0, within=30)


async def test_updates_are_posted_and_never_polled(
    tg: TelegramSandbox, llm: LlmSandbox, posted: Posted
) -> None:
    llm.script(Script(text=lambda ms: f"answer to {ms[-1].text}"))
    await posted.start()
    ada = tg.user("Ada")
    await ada.say("hello")
    await tg.wait(lambda m: m.text == "answer to hello")
    assert tg.calls_of("getUpdates") == []
    (call,) = tg.calls_of("setWebhook")
    assert call.params["url"] == posted.root + PATH
    assert call.params["allowed_updates"] == ["message"]
    assert int(str(call.params["max_connections"])) > 1
    assert tg.token not in posted.secret
    assert posted.secret not in posted.bot.log
    assert tg.token not in posted.bot.log


async def test_many_chats_at_once_are_each_answered_in_order(
    tg: TelegramSandbox, llm: LlmSandbox, posted: Posted
) -> None:
    llm.script(Script(text=lambda ms: f"answer to {ms[-1].text}"))
    await posted.start()
    people = [tg.user(f"P{n}") for n in range(8)]
    for question in range(4):
        for person in people:
            await person.say(f"q{question}")
    expected = [f"answer to q{question}" for question in range(4)]
    for person in people:
        await tg.until(lambda p=person: answers(tg, p) == expected, within=30)
    assert len(llm.requests) == 32


async def test_an_update_that_is_posted_twice_is_answered_once(
    tg: TelegramSandbox, llm: LlmSandbox, posted: Posted
) -> None:
    llm.script(Script(text="an answer"))
    # The bot's answer is lost on its way, so Telegram posts the update again.
    tg.fault("drop_after_accept", method="webhook", count=3)
    await posted.start()
    ada = tg.user("Ada")
    await ada.say("hello")
    await all_taken(tg)
    assert [delivery.status for delivery in tg.deliveries] == [200] * 4
    await tg.wait(lambda m: m.text == "an answer")
    await tg.until_quiet(ada, 0.5)
    assert answers(tg, ada) == ["an answer"]
    assert len(llm.requests) == 1


async def test_an_update_that_comes_again_after_a_restart_is_answered_once(
    tg: TelegramSandbox, llm: LlmSandbox, posted: Posted
) -> None:
    llm.script(Script(text="an answer"))
    tg.fault("drop_after_accept", method="webhook", count=None)
    await posted.start()
    ada = tg.user("Ada")
    await ada.say("hello")
    await until(partial(settled, posted.bot))
    await posted.bot.kill()
    tg.faults.clear()
    await posted.start()
    await all_taken(tg)
    await tg.until_quiet(ada, 0.5)
    assert answers(tg, ada) == ["an answer"]
    assert len(llm.requests) == 1


async def test_killed_before_the_question_is_stored_it_is_posted_again(
    tg: TelegramSandbox, llm: LlmSandbox, posted: Posted
) -> None:
    llm.script(Script(text="an answer"))
    await posted.start()
    ada = tg.user("Ada")
    with sqlite3.connect(posted.bot.folder / "parlance.db", isolation_level=None) as held:
        held.execute("BEGIN IMMEDIATE")  # The bot's write waits for us.
        await ada.say("hello")
        await tg.until(lambda: tg.deliveries)
        await posted.bot.kill()
        held.execute("ROLLBACK")
    held.close()
    assert len(tg.updates) == 1
    await posted.start()
    await tg.until(lambda: answers(tg, ada) == ["an answer"], within=30)
    await all_taken(tg)


async def test_killed_after_it_is_stored_and_before_it_is_owed_an_answer(
    tg: TelegramSandbox, llm: LlmSandbox, posted: Posted
) -> None:
    llm.script(Script(text="an answer"))
    await posted.start()
    ada = tg.user("Ada")
    history = sqlite3.connect(posted.bot.folder / "parlance.db")

    async def stored() -> bool:
        return bool(history.execute("SELECT count(*) FROM turns").fetchone()[0])

    with sqlite3.connect(posted.bot.folder / "parlance.turns.db", isolation_level=None) as held:
        held.execute("BEGIN IMMEDIATE")  # The queue's write waits for us.
        await ada.say("hello")
        await until(stored)
        await posted.bot.kill()
        held.execute("ROLLBACK")
    held.close()
    history.close()
    assert len(tg.updates) == 1, "it was acknowledged"
    await posted.start()
    await tg.until(lambda: answers(tg, ada) == ["an answer"], within=30)
    await all_taken(tg)
    assert len(llm.requests) == 1


async def test_killed_after_it_is_owed_and_before_telegram_knows(
    tg: TelegramSandbox, llm: LlmSandbox, posted: Posted
) -> None:
    llm.script(Script(fault=Silence()), times=1)
    llm.script(Script(text="an answer"))
    tg.fault("drop_after_accept", method="webhook", count=None)
    await posted.start()
    ada = tg.user("Ada")
    await ada.say("hello")
    await llm.until(lambda: len(llm.requests) == 1)
    await posted.bot.kill()
    assert len(tg.updates) == 1
    tg.faults.clear()
    await posted.start()
    await all_taken(tg)
    await tg.until(lambda: answers(tg, ada) == ["an answer"], within=30)
    await tg.until_quiet(ada, 0.5)
    assert answers(tg, ada) == ["an answer"]


async def test_a_stranger_without_the_secret_and_a_broken_body_change_nothing(
    tg: TelegramSandbox, llm: LlmSandbox, posted: Posted
) -> None:
    llm.script(Script(text="an answer"))
    await posted.start()
    ada = tg.user("Ada")
    await ada.say("hello")
    await tg.wait(lambda m: m.text == "an answer")
    update = json.dumps(message(4711, ada.id, "forged")).encode()
    assert [await posted.post(update, secret) for secret in (None, "", "wrong")] == [401] * 3
    assert await posted.post(b"x" * (1 << 21), posted.secret) == 413
    assert await posted.post(b"hush-hush", posted.secret) == 200
    broken = message(4712, ada.id, "hush-hush")
    broken["message"] = {"text": "hush-hush"}
    assert await posted.post(json.dumps(broken).encode(), posted.secret) == 200
    assert await posted.post(update, posted.secret) == 200
    await tg.until(lambda: len(replies(tg, ada)) == 2)
    assert [request.messages[-1].text for request in llm.requests] == ["hello", "forged"]
    assert "hush" not in posted.bot.log
    assert "Traceback" not in posted.bot.log
    assert posted.bot.log.count("passed over") == 2
    assert await posted.figure('parlance_http_requests_total{path="webhook",status="401"}') == 3


async def test_what_comes_while_it_is_down_is_answered_after_the_next_start(
    tg: TelegramSandbox, llm: LlmSandbox, posted: Posted
) -> None:
    llm.script(Script(text=lambda ms: f"answer to {ms[-1].text}"))
    await posted.start()
    assert await posted.bot.stop() == 0
    assert tg.updates.webhook is not None, "other replicas need it"
    ada = tg.user("Ada")
    for question in range(3):
        await ada.say(f"q{question}")
    await posted.start()
    expected = [f"answer to q{question}" for question in range(3)]
    await tg.until(lambda: answers(tg, ada) == expected, within=30)


@pytest.mark.parametrize("tg", [3600.0], indirect=True)
async def test_after_an_outage_nobody_waits_for_telegrams_next_attempt(
    tg: TelegramSandbox, llm: LlmSandbox, posted: Posted
) -> None:
    llm.script(Script(text="an answer"))
    await posted.start()
    await posted.bot.kill()
    ada = tg.user("Ada")
    for _ in range(2):  # Each time, the webhook was another one before.
        await ada.say("hello")
        await tg.until(lambda: [d for d in tg.deliveries[-1:] if d.again_in == 3600.0])
        await posted.start()
        await all_taken(tg)
        await until(partial(settled, posted.bot))
        await posted.bot.kill()
    assert answers(tg, ada) == ["an answer"] * 2


async def test_without_the_url_it_polls_again(
    tg: TelegramSandbox, llm: LlmSandbox, posted: Posted
) -> None:
    llm.script(Script(text="an answer"))
    await posted.start()
    await posted.bot.stop()
    posted.bot.environment = {}
    await posted.bot.start(ready=False)
    ada = tg.user("Ada")
    await ada.say("hello")
    await tg.wait(lambda m: m.text == "an answer", within=20)
    assert tg.updates.webhook is None
    assert tg.calls_of("getUpdates")


async def test_a_url_that_telegram_does_not_take_is_told_with_its_key(
    tg: TelegramSandbox, posted: Posted
) -> None:
    tg.fault(
        "error",
        method="setWebhook",
        status=400,
        description="Bad Request: bad webhook: Failed to resolve host: Name or service not known",
    )
    await posted.start()
    assert "telegram.webhook_url: Telegram does not take it" in posted.bot.log
    assert "failed to resolve host" in posted.bot.log.lower()
