"""The bot on SQLite, moved, goes on on PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from chat import numbered, reads, replies
from moving import migrate

from bot.store.databases import Databases
from bot.store.owed import owed
from sandbox.llm.script import Script, Silence

if TYPE_CHECKING:
    from bot_process import BotProcess

    from sandbox.llm.server import LlmSandbox
    from sandbox.telegram.server import TelegramSandbox


async def moved(bot: BotProcess, url: str) -> str:
    code, said, errors = await migrate(bot.config, url)
    assert (code, errors) == (0, "")
    bot.environment["PARLANCE__STORAGE__URL"] = url
    return said


async def test_an_answer_that_was_cut_off_goes_on_in_its_message(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess, postgres_url: str
) -> None:
    llm.script(Script(text="before"), times=1)
    llm.script(Script(text=numbered(200), rate=60), times=2)
    llm.script(Script(text=lambda ms: f"{len(ms)} messages, then {ms[-1].text}"))
    ada = tg.user("Ada")
    await bot.start()
    await ada.say("first")
    await tg.wait(lambda m: m.text == "before")
    await ada.say("second")
    begun = await tg.wait(lambda m: "w20" in m.text)
    await ada.say("third")
    await tg.until(lambda: len(tg.updates) == 0)
    await bot.kill()
    assert "answers that are still owed: 2;" in await moved(bot, postgres_url)
    await bot.start()
    # System prompt, three questions and two answers: what was said before has come along.
    await tg.wait(lambda m: m.text == "6 messages, then third", within=30)
    assert [m.text for m in replies(tg, ada)] == [
        "before",
        numbered(200),
        "6 messages, then third",
    ]
    assert replies(tg, ada)[1] is begun
    await bot.stop()
    assert "Traceback" not in bot.log


async def test_a_question_that_is_delivered_again_is_not_answered_again(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess, postgres_url: str
) -> None:
    llm.script(Script(text="an answer"))
    ada = tg.user("Ada")
    await bot.start()
    tg.fault("reset", method="getUpdates", count=None)  # So it is not acknowledged.
    await ada.say("hi")
    await tg.wait(lambda m: m.text == "an answer")
    queue = Databases.at(f"sqlite:///{bot.folder}/parlance.db").turns
    async with asyncio.timeout(30):
        while await asyncio.to_thread(owed, queue):  # noqa: ASYNC110 - another process's
            await asyncio.sleep(0.1)
    await bot.stop()
    assert len(tg.updates) == 1
    tg.faults.clear()
    assert "answers that are still owed: 0;" in await moved(bot, postgres_url)
    await bot.start()
    await tg.until(lambda: len(tg.updates) == 0)
    await ada.say("more")
    await tg.until(lambda: len(replies(tg, ada)) == 2)
    assert len(llm.requests) == 2


async def test_the_questions_that_waited_are_answered_in_order(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess, postgres_url: str
) -> None:
    llm.script(Script(fault=Silence()), times=1)
    llm.script(Script(text=lambda ms: f"answer to {ms[-1].text}"))
    ada = tg.user("Ada")
    await bot.start()
    for number in range(5):
        await ada.say(f"q{number}")
    await tg.until(lambda: len(tg.updates) == 0)
    await llm.until(lambda: len(llm.requests) == 1)  # The silence is for this run.
    await bot.kill()
    assert "answers that are still owed: 5;" in await moved(bot, postgres_url)
    await bot.start()
    expected = "\n".join(f"answer to q{number}" for number in range(5))
    await tg.until(lambda: reads(tg, ada) == expected, within=30)
    await bot.stop()
    assert "Traceback" not in bot.log
