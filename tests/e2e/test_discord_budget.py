"""Discord's limits are a budget: many answers at once, none refused, none late by our own fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from discord_chat import HELD_BACK, refusals, replies, words_in
from words import numbered, numbers

from sandbox.discord.limits.buckets import LIMIT_PRESETS
from sandbox.discord.settings import OldEdits, Settings
from sandbox.llm.script import Script

if TYPE_CHECKING:
    from bot_process import BotProcess

    from sandbox.discord.server import DiscordSandbox
    from sandbox.llm.server import LlmSandbox


LIMITS = [Settings(limits=LIMIT_PRESETS[name], latency=0.02) for name in ("refill", "fixed")]
EVERY_MESSAGE_IS_OLD = Settings(old_edits=OldEdits(age=0.0, limit=2, window=2.0))


@pytest.mark.parametrize("dc", LIMITS, indirect=True, ids=["refill", "fixed"])
async def test_twenty_channels_and_three_answers_in_one_are_whole_live_and_never_refused(
    dc: DiscordSandbox, llm: LlmSandbox, discord_bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(200), rate=25))
    people = [dc.user(name) for name in ("Ada", "Bob", "Cyd")]
    guild = dc.guild("Guild", members=people)
    channels = [guild.channel(f"c{n}") for n in range(20)]
    busy = guild.channel("busy")
    await discord_bot.start()
    questions = [await people[0].say("go", channel, mention=True) for channel in channels]
    for person in people:
        await person.say("go", busy, mention=True)
    await dc.until(lambda: all(words_in(dc, c, 200) for c in channels), within=40)
    await dc.until(lambda: all("w199" in m.text for m in replies(dc, busy)), within=20)
    for channel, question in zip(channels, questions, strict=True):
        (reply,) = replies(dc, channel)
        assert reply.reference is not None
        assert reply.reference.message_id == question.id
        grown = [len(version.text) for version in reply.versions]
        assert len(grown) > 4
        assert grown == sorted(grown)
    beside = replies(dc, busy)
    assert [numbers(message.text) for message in beside] == [list(range(200))] * 3
    assert min(len(message.versions) for message in beside) > 2, "one was starved"
    assert refusals(dc) == 0
    assert HELD_BACK not in discord_bot.log


@pytest.mark.parametrize("dc", [EVERY_MESSAGE_IS_OLD], indirect=True, ids=["old"])
async def test_an_answer_in_an_old_message_that_takes_few_edits_still_ends_whole(
    dc: DiscordSandbox, llm: LlmSandbox, discord_bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(120), rate=40))
    ada = dc.user("Ada")
    await discord_bot.start()
    await ada.say("go")
    await dc.until(lambda: words_in(dc, ada.dm, 120), within=30)
    assert await discord_bot.stop() == 0
    assert len(replies(dc, ada.dm)) == 1
    assert "Traceback" not in discord_bot.log
