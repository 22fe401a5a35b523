"""SIGTERM: what is being written may end, what is not begun waits, nothing is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from chat import numbered, replies, words_in

from sandbox.llm.script import Script, Silence, Stall

if TYPE_CHECKING:
    from bot_process import BotProcess

    from sandbox.llm.server import LlmSandbox
    from sandbox.telegram.server import TelegramSandbox


@pytest.fixture(autouse=True)
def cold(bot: BotProcess) -> None:
    """Started as a user starts it, imports and all."""
    bot.cold = True


async def test_the_answer_under_way_ends_and_the_question_behind_it_waits(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(120), rate=60), times=1)
    llm.script(Script(text="the second answer"))
    ada = tg.user("Ada")
    await bot.start()
    await ada.say("go")
    begun = await tg.wait(lambda m: "w20" in m.text)
    await ada.say("and then?")
    await tg.until(lambda: len(tg.updates) == 0)
    assert await bot.stop() == 0
    assert words_in(tg, ada, 120)
    assert replies(tg, ada) == [begun]
    assert len(llm.requests) == 1
    assert "ended=1" in bot.log
    assert "go_on_at_the_next_start=0" in bot.log
    await bot.start()
    await tg.wait(lambda m: m.text == "the second answer")
    assert len(replies(tg, ada)) == 2
    assert "Traceback" not in bot.log


async def test_after_the_grace_the_answer_goes_on_at_the_next_start(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(200), rate=60))
    bot.environment = {"PARLANCE__SERVER__GRACE": "0.5"}
    ada = tg.user("Ada")
    await bot.start()
    await ada.say("go")
    begun = await tg.wait(lambda m: "w20" in m.text)
    assert await bot.stop() == 0
    assert not words_in(tg, ada, 200)
    assert "go_on_at_the_next_start=1" in bot.log
    assert "Traceback" not in bot.log
    await bot.start()
    await tg.until(lambda: words_in(tg, ada, 200), within=20)
    assert replies(tg, ada) == [begun]


async def test_a_second_signal_ends_the_grace(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(100), fault=Stall(after=10)), times=1)
    llm.script(Script(text=numbered(100)))
    bot.environment = {"PARLANCE__SERVER__GRACE": "3600"}
    ada = tg.user("Ada")
    await bot.start()
    await ada.say("go")
    await tg.wait(lambda m: "w9" in m.text)
    bot.terminate()
    await bot.until(lambda: "stopping" in bot.log)
    bot.terminate()
    assert await bot.exited() == 0
    assert "Traceback" not in bot.log
    await bot.start()
    await tg.until(lambda: words_in(tg, ada, 100))


async def test_nobody_waits_for_an_answer_whose_platform_can_not_be_reached(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(fault=Silence()), times=1)
    llm.script(Script(text="an answer"))
    ada = tg.user("Ada")
    await bot.start()
    await ada.say("hi")
    await llm.until(lambda: len(llm.requests) == 1)
    await bot.kill()
    bot.environment = {"PARLANCE__SERVER__GRACE": "3600"}
    tg.fault("reset", method="getMe", count=None)
    await bot.start(ready=False)
    await bot.until(lambda: "can't be reached" in bot.log)
    assert await bot.stop() == 0
    tg.faults.clear()
    await bot.start()
    await tg.wait(lambda m: m.text == "an answer")
