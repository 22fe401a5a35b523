"""Telegram says wait, answers nothing, or answers wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chat import numbered, refusals, replies, words_in

from sandbox.llm.script import Script

if TYPE_CHECKING:
    from bot_process import BotProcess

    from sandbox.llm.server import LlmSandbox
    from sandbox.telegram.server import TelegramSandbox

PENALTY = 3.0
"""Seconds; the engine's own tests wait through minutes on virtual time."""


async def test_a_refusal_in_the_middle_is_a_wait_and_other_chats_go_on(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(160), rate=80))
    ada, bob = tg.user("Ada"), tg.user("Bob")
    await bot.start()
    await ada.say("go")
    await tg.wait(lambda m: "w10" in m.text, chat=ada)
    tg.penalize(ada, PENALTY)
    end = tg.world.clock() + PENALTY
    await bob.say("go")
    await tg.until(lambda: words_in(tg, bob, 160))
    assert tg.world.clock() < end
    await tg.until(lambda: words_in(tg, ada, 160))
    assert len(replies(tg, ada)) == 1
    assert refusals(tg) == 1


async def test_a_refusal_at_the_very_end_is_a_wait_too(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(40), rate=20))
    ada = tg.user("Ada")
    await bot.start()
    await ada.say("go")
    await llm.until(lambda: bool(llm.requests) and llm.requests[0].tokens_sent >= 38)
    tg.penalize(ada, PENALTY)
    await tg.until(lambda: words_in(tg, ada, 40))
    assert len(replies(tg, ada)) == 1
    assert refusals(tg) <= 1


async def test_the_model_is_read_to_its_end_while_telegram_hangs(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(3000), rate=2000))
    ada = tg.user("Ada")
    await bot.start()
    tg.fault("hang", method="editMessageText", chat=ada, count=None)
    await ada.say("go")
    await llm.until(lambda: bool(llm.requests) and llm.requests[0].finished)
    assert llm.requests[0].tokens_sent == 3000
    assert llm.requests[0].client_closed_at is None


async def test_a_send_whose_answer_was_lost_leaves_one_orphan_and_one_whole_answer(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(60), rate=60))
    ada = tg.user("Ada")
    tg.fault("drop_after_accept", method="sendMessage", chat=ada)
    await bot.start()
    await ada.say("go")
    whole = await tg.wait(lambda m: "w59" in m.text)
    first, second = replies(tg, ada)
    assert second is whole
    assert len(first.versions) == 1
    assert len(first.text) < len(whole.text) / 2
    await ada.say("/retry")
    await tg.until(lambda: len(llm.requests) == 2)  # So the first turn is over.
    assert "ambiguous=1" in bot.log


async def test_sends_whose_answers_are_lost_again_and_again_still_end_whole(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(100), rate=60))
    ada = tg.user("Ada")
    tg.fault("drop_after_accept", method="sendMessage", chat=ada, count=4)
    await bot.start()
    await ada.say("go")
    whole = await tg.wait(lambda m: "w99" in m.text, within=30)
    *orphans, last = replies(tg, ada)
    assert last is whole
    assert len({orphan.text for orphan in orphans}) == 1, "an orphan holds the first text"
    assert len(orphans) == 4


async def test_a_limit_on_chat_actions_holds_up_no_text(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text="here", first_token=1.0))
    ada = tg.user("Ada")
    tg.fault("flood", method="sendChatAction", chat=ada, seconds=30, penalty=False)
    await bot.start()
    await ada.say("go")
    await tg.wait(lambda m: m.text == "here", within=5)
    assert tg.calls_of("sendChatAction")


async def test_edits_that_fail_in_any_way_are_made_good(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(120), rate=60))
    ada = tg.user("Ada")
    edits = {"method": "editMessageText", "chat": ada}
    tg.fault("drop_after_accept", **edits)
    tg.fault("reset", **edits, after=1)
    tg.fault("error", **edits, status=500, after=2)
    tg.fault("error", **edits, status=502, after=3)
    await bot.start()
    await ada.say("go")
    await tg.until(lambda: words_in(tg, ada, 120), within=30)
    assert len(replies(tg, ada)) == 1
    assert "Traceback" not in bot.log
    assert "<html>" not in bot.log


async def test_refused_entities_go_out_plain(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text="all **bold** here"))
    ada = tg.user("Ada")
    tg.fault("refuse_entities", chat=ada, count=None)
    await bot.start()
    await ada.say("go")
    message = await tg.wait(lambda m: m.text == "all bold here")
    assert message.entities == ()


async def test_a_question_that_was_deleted_is_answered_all_the_same(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text="still here", first_token=0.3))
    ada = tg.user("Ada")
    await bot.start()
    question = await ada.say("go")
    await ada.delete(question)
    await tg.wait(lambda m: m.text == "still here")
