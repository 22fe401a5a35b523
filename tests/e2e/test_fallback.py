"""Several providers, several keys: what the reader sees when some of them fail."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
from bot_process import openai
from chat import numbered, numbers, reads, replies, words_in

from sandbox.llm.script import Cut, HttpReply, Script, TooLong
from sandbox.llm.server import LlmSandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bot_process import BotProcess

    from sandbox.llm.journal import Record
    from sandbox.telegram.server import TelegramSandbox


@pytest.fixture
async def spare(bot: BotProcess) -> AsyncIterator[LlmSandbox]:
    """The second provider."""
    async with LlmSandbox() as sandbox:
        bot.extra = f"[providers.spare]\n{openai(sandbox)}\n"
        yield sandbox


def nobody() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    return f'kind = "openai"\nbase_url = "http://127.0.0.1:{port}/v1"\nmodel = "test"'


def keyed(llm: LlmSandbox, *keys: str) -> str:
    return f'kind = "openai"\nbase_url = "{llm.openai_url}"\nmodel = "test"\napi_keys = {[*keys]}'


def key_of(record: Record) -> str:
    return record.headers["Authorization"].removeprefix("Bearer ")


async def test_where_the_first_is_dead_the_second_answers_and_nothing_tells(
    tg: TelegramSandbox, bot: BotProcess, spare: LlmSandbox
) -> None:
    bot.provider = nobody()
    spare.script(Script(text=numbered(200)))
    ada = tg.user("Ada")
    await bot.start()
    await ada.say("go")
    await tg.until(lambda: words_in(tg, ada, 200))
    assert len(replies(tg, ada)) == 1
    assert "⚠️" not in reads(tg, ada)
    (failed,) = (line for line in bot.log.splitlines() if "request to a provider failed" in line)
    assert "main" in failed
    (answered,) = (line for line in bot.log.splitlines() if "provider answered" in line)
    assert "spare" in answered
    assert "turn=telegram" in answered


async def test_a_second_that_can_not_stream_is_shown_whole_in_pages(
    tg: TelegramSandbox, bot: BotProcess, spare: LlmSandbox
) -> None:
    bot.provider = nobody()
    bot.extra = f'[providers.spare]\nkind = "aichat"\nbase_url = "{spare.aichat_url}"\n'
    spare.script(Script(text=numbered(2000), first_token=1.0))
    ada = tg.user("Ada")
    await bot.start()
    await ada.say("go")
    await tg.until(lambda: words_in(tg, ada, 2000))
    assert len(replies(tg, ada)) > 1
    assert tg.calls_of("sendChatAction")


async def test_a_server_that_is_busy_for_a_moment_is_asked_again(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(fault=HttpReply(503)), times=1)
    ada = tg.user("Ada")
    await bot.start()
    await ada.say("hello")
    message = await tg.wait(lambda m: "hello" in m.text)
    assert "⚠️" not in message.text
    assert len(llm.requests) == 2


async def test_an_answer_that_breaks_off_ends_with_a_line(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess, spare: LlmSandbox
) -> None:
    llm.script(Script(text=numbered(50), fault=Cut(30)))
    ada = tg.user("Ada")
    await bot.start()
    await ada.say("go")
    message = await tg.wait(lambda m: "⚠️" in m.text)
    assert numbers(message.text) == list(range(30))
    assert spare.requests == []


async def test_with_resume_the_second_goes_on_and_the_reader_is_told(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess, spare: LlmSandbox
) -> None:
    bot.environment["PARLANCE__CHAT__RESUME"] = "true"
    llm.script(Script(text=numbered(50), fault=Cut(30)), times=1)
    rest = " ".join(f"w{n}" for n in range(28, 50))
    spare.script(Script(text=rest))
    ada = tg.user("Ada")
    await bot.start()
    await ada.say("go")
    message = await tg.wait(lambda m: "↪" in m.text)
    text, _, notice = message.text.rpartition("\n\n")
    assert text == numbered(50)
    assert notice.startswith("↪")
    system, question, partial, _ = spare.requests[0].messages
    assert (system.role, question.text, partial.text) == ("system", "go", numbered(30))
    await ada.say("and now?")
    await llm.until(lambda: len(llm.requests) == 2)
    assert llm.requests[1].messages[2].text == numbered(50)


async def test_a_wrong_key_is_set_aside_and_the_other_answers(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    assert llm.key is not None
    bot.provider = keyed(llm, "wrong-key-hush", llm.key)
    ada = tg.user("Ada")
    await bot.start()
    for question in ("one?", "two?", "three?"):
        await ada.say(question)
        await tg.wait(lambda m, question=question: question in m.text)
    assert [key_of(record) for record in llm.requests] == ["wrong-key-hush"] + [llm.key] * 3
    assert "⚠️" not in reads(tg, ada)
    (line,) = (line for line in bot.log.splitlines() if "key set aside" in line)
    assert "key=1" in line
    assert "hush" not in bot.log


async def test_a_key_that_is_over_its_rate_rests_and_the_other_answers(
    tg: TelegramSandbox, bot: BotProcess
) -> None:
    async with LlmSandbox(key=None) as llm:
        bot.provider = keyed(llm, "key-a", "key-b")
        over = Script(fault=HttpReply(429, retry_after="60"))
        llm.script(over, when=lambda record: key_of(record) == "key-a")
        ada = tg.user("Ada")
        await bot.start()
        for question in ("one?", "two?", "three?"):
            await ada.say(question)
            await tg.wait(lambda m, question=question: question in m.text)
        assert [key_of(record) for record in llm.requests] == ["key-a"] + ["key-b"] * 3
        assert "⚠️" not in reads(tg, ada)


async def test_where_all_keys_rest_the_wait_is_told_and_no_request_made(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(fault=HttpReply(429, retry_after="600")))
    ada = tg.user("Ada")
    await bot.start()
    await ada.say("go")
    await tg.wait(lambda m: "wait 10 minutes" in m.text)
    await ada.say("/retry")
    await tg.until(lambda: reads(tg, ada).count("wait 10 minutes") == 2)
    assert len(llm.requests) == 1


async def test_a_conversation_too_long_for_the_model_is_shortened_unseen(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(fault=TooLong()), when=lambda record: len(record.messages) > 6)
    ada = tg.user("Ada")
    await bot.start()
    for question in ("one?", "two?", "three?", "four?"):
        await ada.say(question)
        await tg.wait(lambda m, question=question: question in m.text)
    assert "⚠️" not in reads(tg, ada)
    *_, refused, shortened = llm.requests
    assert len(refused.messages) == 8
    assert [m.text for m in shortened.messages if m.role == "user"] == ["three?", "four?"]
    assert "conversation too long" in bot.log


async def test_a_question_too_long_by_itself_is_told(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(fault=TooLong()), when="long story")
    ada = tg.user("Ada")
    await bot.start()
    await ada.say("hello")
    await tg.wait(lambda m: "hello" in m.text)
    await ada.say("a long story")
    message = await tg.wait(lambda m: "⚠️" in m.text)
    assert "question alone is too long" in message.text
    assert len(llm.requests) == 3
