"""Update ids that jump back, repeat, or are none: everything is answered, and once."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import aiohttp
from chat import replies
from posted import Posted, message

from sandbox.llm.script import Script

if TYPE_CHECKING:
    from bot_process import BotProcess

    from sandbox.llm.server import LlmSandbox
    from sandbox.telegram.server import TelegramSandbox
    from sandbox.telegram.users import ScriptedUser

ECHO = Script(text=lambda messages: f"answer to {messages[-1].text}")


def answers(tg: TelegramSandbox, person: ScriptedUser) -> list[str]:
    return [message.text for message in replies(tg, person)]


async def all_taken(tg: TelegramSandbox) -> None:
    """Until the bot waits for something new."""
    async with asyncio.timeout(10):
        while tg.updates or not tg.updates.polled:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)


async def answered(tg: TelegramSandbox, person: ScriptedUser, *questions: str) -> None:
    expected = [f"answer to {question}" for question in questions]
    await tg.until(lambda: answers(tg, person) == expected)


async def test_after_a_week_of_silence_the_numbers_begin_anew_and_all_is_answered(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(ECHO)
    ada = tg.user("Ada")
    await bot.start()
    await ada.say("q0")
    await answered(tg, ada, "q0")
    await all_taken(tg)
    before = len(tg.calls_of("getUpdates"))
    tg.updates.renumber(40)
    for question in ("q1", "q2"):
        await ada.say(question)
        await all_taken(tg)
    await answered(tg, ada, "q0", "q1", "q2")
    assert len(tg.calls_of("getUpdates")) == before + 2
    assert "again and again" not in bot.log


async def test_the_numbers_may_begin_anew_while_it_is_away(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(ECHO)
    ada = tg.user("Ada")
    await bot.start()
    await ada.say("q0")
    await answered(tg, ada, "q0")
    await all_taken(tg)
    await bot.stop()
    tg.updates.renumber(40)
    await ada.say("q1")
    await bot.start()
    await answered(tg, ada, "q0", "q1")


async def test_what_was_answered_is_not_answered_again_under_lower_numbers(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(ECHO)
    ada = tg.user("Ada")
    await bot.start()
    said: list[Any] = []
    for count, question in enumerate(("q0", "/help", "q1"), 1):
        await ada.say(question)
        said += [pending.body["message"] for pending in tg.updates]
        await tg.until(lambda n=count: len(replies(tg, ada)) == n)
        await all_taken(tg)
    await tg.until(lambda: answers(tg, ada)[-1] == "answer to q1")
    before = answers(tg, ada)
    for numbers_begin, restarted in ((40, False), (7, True)):
        if restarted:
            await bot.stop()
        tg.updates.renumber(numbers_begin)
        for each in said:
            tg.updates.add("message", each)
        if restarted:
            await bot.start()
        await all_taken(tg)
    await ada.say("q2")
    await tg.until(lambda: answers(tg, ada)[len(before) :] == ["answer to q2"])
    await tg.until_quiet(ada, 0.5)
    assert answers(tg, ada) == [*before, "answer to q2"]
    assert len(llm.requests) == 3


async def test_posted_updates_may_have_any_number_and_those_without_are_passed_over(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(ECHO)
    ada = tg.user("Ada")
    async with aiohttp.ClientSession() as http:
        posted = Posted(tg, bot, http)
        await posted.start()
        await ada.say("q0")
        await answered(tg, ada, "q0")
        tg.updates.renumber(40)
        await ada.say("q1")
        await answered(tg, ada, "q0", "q1")
        for number in (None, "41", True, 41.5, -41):
            update = {**message(900, ada.id, "no"), "update_id": number}
            assert await posted.post(json.dumps(update).encode(), posted.secret) == 200
        again = {**message(900, ada.id, "q2"), "update_id": 3}
        assert await posted.post(json.dumps(again).encode(), posted.secret) == 200
        await answered(tg, ada, "q0", "q1", "q2")
    assert bot.log.count("passed over") == 5
    assert "Traceback" not in bot.log


async def test_an_update_without_a_number_does_not_end_the_bot(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(ECHO)
    ada = tg.user("Ada")
    await bot.start()
    await all_taken(tg)
    tg.updates.renumber(40)
    await ada.say("no")
    (pending,) = tg.updates
    pending.body["update_id"] = None
    await bot.until(lambda: "passed over" in bot.log)
    tg.updates.drop_all()
    await ada.say("q0")
    await answered(tg, ada, "q0")
    assert bot.log.count("again and again") == 1
    assert "Traceback" not in bot.log


async def test_a_message_that_can_be_read_in_part_is_answered_and_so_are_those_beside_it(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(ECHO)
    ada = tg.user("Ada")
    poll = {"id": "1", "question": "tea?", "options": []}
    q1 = message(1, ada.id, "q1")["message"]
    q1["reply_to_message"] = {**message(901, ada.id, "")["message"], "poll": poll}
    await ada.say("q0")
    for broken in ({"text": "hush"}, {**q1, "message_id": 902}, {**q1, "chat": None}, 5):
        tg.updates.add("any", broken)
        pending = [*tg.updates][-1]
        pending.body["message"] = pending.body.pop("any")
    await ada.say("q2")
    await bot.start()
    await answered(tg, ada, "q0", "q1", "q2")
    await all_taken(tg)
    assert bot.log.count("passed over") == 3
    assert "hush" not in bot.log
    assert "Traceback" not in bot.log
