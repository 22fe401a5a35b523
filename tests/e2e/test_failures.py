"""The model's server fails; the reader leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from bot_process import openai
from chat import numbered, numbers, reads, replies

from sandbox.llm.script import (
    EMPTY_REPLY,
    CleanEnd,
    Cut,
    Fault,
    HttpReply,
    Script,
    Silence,
    Stall,
    StreamError,
)

if TYPE_CHECKING:
    from bot_process import BotProcess

    from sandbox.llm.server import LlmSandbox
    from sandbox.telegram.server import TelegramSandbox

PARTIAL = [Cut(30), CleanEnd(30), StreamError(30), Stall(30)]
NOTHING = [
    HttpReply(500),
    HttpReply(401),
    EMPTY_REPLY,
    Silence(),
    Stall(0),
]


def impatient(llm: LlmSandbox) -> str:
    return openai(llm, first_byte_timeout=0.5, idle_timeout=0.5)


def assert_one_plain_line(notice: str, llm: LlmSandbox, tg: TelegramSandbox) -> None:
    assert notice.startswith("⚠️")
    assert "\n" not in notice
    for leak in ("Traceback", "Error", "http", str(llm.key), tg.token):
        assert leak not in notice


@pytest.mark.parametrize("fault", PARTIAL, ids=lambda fault: type(fault).__name__)
async def test_what_came_stays_with_a_line_below_and_retry_answers(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess, fault: Fault
) -> None:
    bot.provider = impatient(llm)
    llm.script(Script(text=numbered(50), fault=fault), times=1)
    llm.script(Script(text="whole at last"))
    ada = tg.user("Ada")
    await bot.start()
    await ada.say("go")
    message = await tg.wait(lambda m: "⚠️" in m.text)
    text, _, notice = message.text.rpartition("\n\n")
    assert numbers(text) == list(range(30))
    assert_one_plain_line(notice, llm, tg)
    assert "/retry" in notice
    await ada.say("what was that?")
    await tg.until(lambda: "whole at last" in reads(tg, ada))
    remembered = llm.requests[1].messages[2]
    assert remembered.role == "assistant"
    assert "w29" in remembered.text
    assert "cut off" in remembered.text
    await ada.say("/retry")
    await tg.until(lambda: reads(tg, ada).count("whole at last") == 2)
    assert str(llm.key) not in bot.log
    assert tg.token not in bot.log


@pytest.mark.parametrize(
    "fault", NOTHING, ids=lambda fault: getattr(fault, "status", None) or type(fault).__name__
)
async def test_without_any_text_the_line_is_the_answer_and_retry_works(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess, fault: Fault
) -> None:
    bot.provider = impatient(llm)
    llm.script(Script(fault=fault))
    ada = tg.user("Ada")
    await bot.start()
    await ada.say("go")
    message = await tg.wait(lambda m: "⚠️" in m.text)
    assert_one_plain_line(message.text, llm, tg)
    llm.script(Script(text="whole at last"))
    await ada.say("/retry")
    await tg.wait(lambda m: m.text == "whole at last")
    assert [m.text for m in llm.requests[-1].messages[1:]] == ["go"]


async def test_a_partial_code_block_is_closed_before_the_line(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text="Look:\n\n```py\nx = 1\ny = 2\n```\n", fault=Cut(5)))
    ada = tg.user("Ada")
    await bot.start()
    await ada.say("go")
    message = await tg.wait(lambda m: "⚠️" in m.text)
    (pre,) = [entity for entity in message.entities if entity.type == "pre"]
    covered = message.text.encode("utf-16-le")[2 * pre.offset : 2 * (pre.offset + pre.length)]
    assert "⚠️" not in covered.decode("utf-16-le")


async def test_deleting_the_answer_closes_the_connection_to_the_model(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(100_000), rate=40), times=1)
    ada = tg.user("Ada")
    await bot.start()
    await ada.say("go")
    await ada.delete(await tg.wait(lambda m: "w5" in m.text))
    await llm.until(lambda: llm.requests[0].client_closed_at is not None)
    await ada.say("still there?")
    await tg.wait(lambda m: "still there?" in m.text)
    assert len(replies(tg, ada)) == 1


async def test_being_blocked_ends_the_turn_and_nothing_else(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(100_000), rate=40), times=1)
    ada, bob = tg.user("Ada"), tg.user("Bob")
    await bot.start()
    await ada.say("go")
    await tg.wait(lambda m: "w5" in m.text)
    await ada.block()
    await llm.until(lambda: llm.requests[0].client_closed_at is not None)
    await bob.say("hello")
    await tg.wait(lambda m: "hello" in m.text, chat=bob)
    await ada.unblock()
    await ada.say("I am back")
    await tg.wait(lambda m: "I am back" in m.text, chat=ada)
    assert "Traceback" not in bot.log
