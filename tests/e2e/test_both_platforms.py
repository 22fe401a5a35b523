"""Telegram and Discord in one process: neither disturbs the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from bot_process import BotProcess, openai
from chat import reads, replies, words_in
from discord_chat import reads as discord_reads
from discord_chat import words_in as discord_words_in
from words import numbered

from sandbox.discord.rest.api import CREATE_MESSAGE, EDIT_MESSAGE
from sandbox.llm.script import Script

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sandbox.discord.server import DiscordSandbox
    from sandbox.llm.server import LlmSandbox
    from sandbox.telegram.server import TelegramSandbox


@pytest.fixture
async def both(
    tg: TelegramSandbox, dc: DiscordSandbox, llm: LlmSandbox, tmp_path: Path
) -> AsyncIterator[BotProcess]:
    process = BotProcess(tmp_path, tg, openai(llm), discord=dc)
    yield process
    await process.discard()


async def test_both_are_answered_at_once_and_their_chats_are_apart(
    tg: TelegramSandbox, dc: DiscordSandbox, llm: LlmSandbox, both: BotProcess
) -> None:
    llm.script(Script(text=numbered(150), rate=40), when="go")
    there, here = tg.user("Ada", user_id=4711), dc.user("Ada", user_id=4711)
    await both.start()
    await there.say("go")
    await here.say("go")
    await tg.wait(lambda m: "w5" in m.text)
    await dc.wait(lambda m: "w5" in m.text)
    assert not words_in(tg, there, 150)
    assert not discord_words_in(dc, here.dm, 150)
    await tg.until(lambda: words_in(tg, there, 150))
    await dc.until(lambda: discord_words_in(dc, here.dm, 150))
    await here.say("and then?")
    await dc.wait(lambda m: "4 messages" in m.text)
    assert len(replies(tg, there)) == 1
    assert await both.stop() == 0
    assert "Traceback" not in both.log


async def test_while_one_hangs_the_other_answers(
    tg: TelegramSandbox, dc: DiscordSandbox, both: BotProcess
) -> None:
    ada, bob = tg.user("Ada"), dc.user("Bob")
    await both.start()
    for route in (CREATE_MESSAGE, EDIT_MESSAGE):
        dc.fault("hang", route=route, count=None)
    await bob.say("into the void")
    await dc.until(lambda: dc.calls_of(CREATE_MESSAGE))
    await ada.say("hello")
    await tg.wait(lambda m: "hello" in m.text)
    dc.faults.clear()
    await dc.wait(lambda m: "into the void" in m.text)
    tg.fault("hang", method="sendMessage", count=None)
    await ada.say("into the void")
    await tg.until(lambda: len(tg.calls_of("sendMessage")) == 2)
    await bob.say("hello")
    await dc.wait(lambda m: "hello" in m.text)
    tg.faults.clear()
    await tg.wait(lambda m: "into the void" in m.text)


async def test_one_that_turns_us_away_leaves_the_other_in_service(
    tg: TelegramSandbox, dc: DiscordSandbox, both: BotProcess
) -> None:
    both.environment = {"PARLANCE__TELEGRAM__TOKEN": "123:wrong"}
    await both.start(ready=False)
    await dc.until(lambda: dc.gateway.sessions, within=30)
    bob = dc.user("Bob")
    await bob.say("still there?")
    await dc.wait(lambda m: "still there?" in m.text)
    dc.gateway.refuse_identifies(None, code=4014)
    dc.gateway.invalidate()
    assert await both.exited() == 2
    assert "platform lost; the others go on" in both.log


async def test_one_that_cannot_be_reached_leaves_the_other_in_service(
    tg: TelegramSandbox, dc: DiscordSandbox, both: BotProcess
) -> None:
    ada, bob = tg.user("Ada"), dc.user("Bob")
    dc.fault("error", status=503, count=None)
    dc.gateway.refuse_connections(None)
    await both.start(ready=False)
    await ada.say("hello")
    await tg.wait(lambda m: "hello" in m.text, within=30)
    dc.faults.clear()
    dc.gateway.accept()
    await dc.until(lambda: dc.gateway.sessions, within=30)
    await bob.say("hello")
    await dc.wait(lambda m: "hello" in m.text)
    tg.fault("reset", method="getUpdates", count=None)
    await bob.say("go on")
    await dc.wait(lambda m: "go on" in m.text)
    assert "hello" in reads(tg, ada)
    assert "hello" in discord_reads(dc, bob.dm)
    assert "Traceback" not in both.log
