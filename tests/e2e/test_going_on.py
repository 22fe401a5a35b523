"""What becomes of an answer that a kill cut off: its text, its age, and who writes the rest."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from chat import numbered, numbers, replies, words_in

from bot import texts
from sandbox.llm.script import Cut, HttpReply, Script, Silence, Stall

if TYPE_CHECKING:
    from bot_process import BotProcess

    from sandbox.llm.server import LlmSandbox
    from sandbox.telegram.server import TelegramSandbox
    from sandbox.telegram.state import Message
    from sandbox.telegram.users import ScriptedUser

TOO_OLD = {"PARLANCE__CHAT__RESUME_WITHIN": "0.001"}
RESUME = {"PARLANCE__CHAT__RESUME": "true"}


def saved(bot: BotProcess) -> str:
    """The answer so far of the only question."""
    with closing(sqlite3.connect(bot.folder / "parlance.db")) as db:
        ((partial,),) = db.execute("SELECT partial FROM turns").fetchall()
    return str(partial or "")


async def cut_off(tg: TelegramSandbox, bot: BotProcess, ada: ScriptedUser) -> tuple[Message, str]:
    """Kill the bot in an answer that stalls at its 60th word; the message and what is saved."""
    await bot.start()
    await ada.say("go")
    begun = await tg.wait(lambda m: "w59" in m.text)
    await bot.until(lambda: "w59" in saved(bot))
    await bot.kill()
    return begun, saved(bot)


async def test_an_old_answer_is_left_as_it_stands_and_retry_asks_again(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(90), fault=Stall(after=60)), times=1)
    llm.script(Script(text="a new answer"))
    ada = tg.user("Ada")
    begun, _ = await cut_off(tg, bot, ada)
    bot.environment = TOO_OLD
    await bot.start()
    await tg.until(lambda: begun.text == f"{numbered(60)}\n\n{texts.CUT_OFF}")
    assert replies(tg, ada) == [begun]
    await ada.say("/retry")
    await tg.wait(lambda m: m.text == "a new answer")
    assert len(llm.requests) == 2
    assert [m.text for m in llm.requests[-1].messages if m.role == "user"] == ["go"]


async def test_an_old_question_that_was_not_begun_is_told_so_and_retry_asks_it(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(fault=Silence()), times=1)
    llm.script(Script(text="an answer"))
    ada = tg.user("Ada")
    await bot.start()
    asked = await ada.say("go")
    await llm.until(lambda: len(llm.requests) == 1)
    await tg.until(lambda: len(tg.updates) == 0)
    await bot.kill()
    bot.environment = TOO_OLD
    await bot.start()
    told = await tg.wait(lambda m: m.text == texts.WAS_AWAY)
    assert told.reply_to == asked.message_id
    await ada.say("/retry")
    await tg.wait(lambda m: m.text == "an answer")
    assert len(replies(tg, ada)) == 2


async def test_with_resume_the_model_is_asked_for_the_rest_and_nothing_is_doubled(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(90), fault=Stall(after=60)), times=1)
    llm.script(Script(text=" ".join(f"w{n}" for n in range(58, 200)), rate=80))
    bot.environment = RESUME
    ada = tg.user("Ada")
    begun, partial = await cut_off(tg, bot, ada)
    before = len(begun.versions)
    await bot.start()
    await tg.until(lambda: begun.text == f"{numbered(200)}\n\n{texts.RESUMED}", within=20)
    assert replies(tg, ada) == [begun]
    assert len(begun.versions) > before + 2, "it was not seen to grow"
    assert all(len(version.text) >= len(partial) for version in begun.versions[before:])
    _, question, kept, _ = llm.requests[1].messages
    assert (question.text, kept.text) == ("go", partial)


async def test_without_it_the_new_answer_is_shown_when_it_is_longer_than_what_stood_there(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(90), fault=Stall(after=60)), times=1)
    llm.script(Script(text=f"Now: {numbered(200)}", rate=80))
    ada = tg.user("Ada")
    begun, partial = await cut_off(tg, bot, ada)
    before = len(begun.versions)
    await bot.start()
    await tg.until(lambda: words_in(tg, ada, 200), within=20)
    assert begun.text.startswith("Now: ")
    lengths = [len(version.text) for version in begun.versions[before:]]
    assert len(lengths) > 2
    assert lengths == sorted(lengths)
    assert lengths[0] >= len(partial)


async def test_what_stood_there_stays_where_the_model_has_nothing_to_say_any_more(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(90), fault=Stall(after=60)), times=1)
    llm.script(Script(fault=HttpReply(401)))
    ada = tg.user("Ada")
    begun, _ = await cut_off(tg, bot, ada)
    await bot.start()
    await tg.until(lambda: "⚠️" in begun.text)
    assert numbers(begun.text) == list(range(60))
    assert replies(tg, ada) == [begun]


async def test_what_stood_there_stays_where_the_new_answer_breaks_off_before_it_is_longer(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(90), fault=Stall(after=60)), times=1)
    llm.script(Script(text=f"Now: {numbered(90)}", fault=Cut(after=20)))
    ada = tg.user("Ada")
    begun, partial = await cut_off(tg, bot, ada)
    await bot.start()
    await tg.until(lambda: "⚠️" in begun.text)
    assert begun.text.startswith(f"{partial}\n\n⚠️")
    assert replies(tg, ada) == [begun]


async def test_killed_again_and_again_it_goes_on_from_the_longest(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(90), fault=Stall(after=60)), times=1)
    llm.script(Script(text=" w60 w61 w62 w63 w64 w65", fault=Stall(after=5)), times=1)
    llm.script(Script(text="".join(f" w{n}" for n in range(65, 100))))
    bot.environment = RESUME
    ada = tg.user("Ada")
    begun, _ = await cut_off(tg, bot, ada)
    await bot.start()
    await bot.until(lambda: "w64" in saved(bot))
    await bot.kill()
    await bot.start()
    await tg.until(lambda: texts.RESUMED in begun.text)
    assert words_in(tg, ada, 100)
