"""kill -9 at every point of a turn: each question is answered once, in the message begun."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from chat import numbered, replies, words_in

from sandbox.llm.script import Script, Silence

if TYPE_CHECKING:
    from bot_process import BotProcess

    from sandbox.llm.server import LlmSandbox
    from sandbox.telegram.server import TelegramSandbox


def answered_once(tg: TelegramSandbox, chat: int, text: str) -> bool:
    return [m.text for m in replies(tg, chat)] == [text]


async def test_killed_before_the_question_is_stored(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text="an answer"))
    ada = tg.user("Ada")
    await bot.start()
    with sqlite3.connect(bot.folder / "parlance.db", isolation_level=None) as held:
        held.execute("BEGIN IMMEDIATE")  # The bot's write waits for us.
        await ada.say("hi")
        await tg.until(lambda: tg.calls_of("getUpdates")[-1].answered_at)
        await bot.kill()
        held.execute("ROLLBACK")
        assert held.execute("SELECT count(*) FROM turns").fetchone() == (0,)
    held.close()
    assert len(tg.updates) == 1
    await bot.start()
    await tg.until(lambda: answered_once(tg, ada.id, "an answer"))
    await tg.until_quiet(ada, 0.5)
    assert answered_once(tg, ada.id, "an answer")


async def test_killed_after_it_is_stored_and_before_it_is_acknowledged(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(fault=Silence()), times=1)
    llm.script(Script(text="an answer"))
    ada = tg.user("Ada")
    await bot.start()
    tg.fault("reset", method="getUpdates", count=None)
    await ada.say("hi")
    await llm.until(lambda: len(llm.requests) == 1)
    assert len(tg.updates) == 1, "it was acknowledged"
    await bot.kill()
    tg.faults.clear()
    await bot.start()
    await tg.until(lambda: answered_once(tg, ada.id, "an answer"))
    await tg.until(lambda: len(tg.updates) == 0)
    await tg.until_quiet(ada, 0.5)
    assert answered_once(tg, ada.id, "an answer")
    assert len(llm.requests) == 2


async def test_killed_after_it_is_acknowledged(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(fault=Silence()), times=1)
    llm.script(Script(text="an answer"))
    ada = tg.user("Ada")
    await bot.start()
    await ada.say("hi")
    await llm.until(lambda: len(llm.requests) == 1)
    await tg.until(lambda: len(tg.updates) == 0)
    await bot.kill()
    await bot.start()
    await tg.until(lambda: answered_once(tg, ada.id, "an answer"))


async def test_killed_in_the_middle_of_a_reply_it_goes_on_in_the_same_message(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(300), rate=60))
    people = [tg.user("Ada"), tg.user("Bob")]
    await bot.start()
    for person in people:
        await person.say("go")
    begun = [await tg.wait(lambda m: "w40" in m.text, chat=person) for person in people]
    await bot.kill()
    await bot.start()
    for person, message in zip(people, begun, strict=True):
        await tg.until(lambda p=person: words_in(tg, p, 300), within=20)
        assert replies(tg, person) == [message]


async def test_killed_on_the_second_page_both_pages_are_kept(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(1200), rate=400))
    ada = tg.user("Ada")
    await bot.start()
    await ada.say("go")
    await tg.wait(lambda m: "w900" in m.text and len(m.versions) > 1)
    begun = replies(tg, ada)
    assert len(begun) == 2
    await bot.kill()
    await bot.start()
    await tg.until(lambda: words_in(tg, ada, 1200), within=20)
    assert replies(tg, ada) == begun


async def test_killed_between_telegrams_taking_a_message_and_our_noting_it(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(60), rate=30))
    ada = tg.user("Ada")
    await bot.start()
    # The message is taken, and the answer to that never arrives.
    tg.fault("drop_after_accept", method="sendMessage", chat=ada, count=None)
    await ada.say("go")
    await tg.wait(lambda m: "w0" in m.text)
    await bot.kill()
    tg.faults.clear()
    await bot.start()
    whole = await tg.wait(lambda m: "w59" in m.text, within=20)
    orphan, kept = replies(tg, ada)
    assert kept is whole
    assert len(orphan.text) < len(whole.text) / 2


async def test_the_questions_that_waited_are_answered_in_order(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(fault=Silence()), times=1)
    llm.script(Script(text=lambda ms: f"answer to {ms[-1].text}"))
    ada = tg.user("Ada")
    await bot.start()
    for n in range(5):
        await ada.say(f"q{n}")
    await tg.until(lambda: len(tg.updates) == 0)
    await bot.kill()
    await bot.start()
    await tg.wait(lambda m: m.text == "answer to q4")
    assert [m.text for m in replies(tg, ada)] == [f"answer to q{n}" for n in range(5)]
