"""The four protocols Parlance began from, each in Telegram against its strict server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from chat import reads

from sandbox.llm.script import Script

if TYPE_CHECKING:
    from bot_process import BotProcess

    from sandbox.llm.server import LlmSandbox
    from sandbox.telegram.server import TelegramSandbox

KINDS = ("getgpt", "yqcloud", "aichat", "gptalk")


def provider(llm: LlmSandbox, kind: str) -> str:
    return f'kind = "{kind}"\nbase_url = "{llm.urls[kind]}"'


@pytest.mark.parametrize("kind", KINDS)
async def test_a_conversation_of_several_turns(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess, kind: str
) -> None:
    bot.provider = provider(llm, kind)
    ada = tg.user("Ada")
    await bot.start()
    llm.script(Script(text="héllo 😀 **Ada**", write_size=3), times=1)
    await ada.say("my name is Ada")
    greeting = await tg.wait(lambda m: "héllo 😀 Ada" in m.text)
    assert [entity.type for entity in greeting.entities] == ["bold"]
    for n in range(3):
        await ada.say(f"question {n}")
        await tg.until(lambda n=n: f"question {n}" in reads(tg, ada))
    last = llm.requests[-2] if kind == "gptalk" else llm.requests[-1]
    conversation = "\n".join(message.text for message in last.messages)
    assert "my name is Ada" in conversation
    assert "question 2" in conversation
    assert "You are the test's model." in conversation


async def test_a_hundred_conversations_share_the_gptalk_logins(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    bot.provider = provider(llm, "gptalk")
    llm.script(Script(text=lambda ms: f"hello {ms[-1].text}", first_token=0.2))
    await bot.start()
    people = [tg.user(f"P{n}") for n in range(100)]
    for person in people:
        await person.say(f"p{person.id}")
    await tg.until(
        lambda: all(f"hello p{person.id}" in reads(tg, person) for person in people), within=60
    )
    assert llm.gptalk.logins == 20
    assert max(llm.gptalk.uses) <= 5


async def test_text_that_looks_like_the_protocol_survives_getgpt(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess
) -> None:
    bot.provider = provider(llm, "getgpt")
    llm.script(Script(text="a line of `data: ` and data: more", finish_reason="content_filter"))
    ada = tg.user("Ada")
    await bot.start()
    await ada.say("go")
    await tg.wait(lambda m: m.text.startswith("a line of data:  and data: more"))
