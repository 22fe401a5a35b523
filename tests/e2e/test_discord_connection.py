"""The gateway goes away, comes back, and talks nonsense: what is said is answered, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from discord_chat import reads, replies, words_in
from words import numbered

from sandbox.discord.rest.api import CREATE_MESSAGE, EDIT_MESSAGE
from sandbox.llm.script import Script

if TYPE_CHECKING:
    from bot_process import BotProcess

    from sandbox.discord.server import DiscordSandbox
    from sandbox.llm.server import LlmSandbox

FINAL = {
    4004: "discord.token",
    4010: "discord.shards",
    4011: "discord.shards",
    4013: "intents",
    4014: "enable Message Content Intent",
}
HISTORY = "GET /channels/{channel_id}/messages"


@pytest.mark.parametrize("code", FINAL)
async def test_a_final_close_is_one_line_that_names_the_mend_and_exit_code_2(
    dc: DiscordSandbox, discord_bot: BotProcess, code: int
) -> None:
    dc.gateway.refuse_identifies(None, code=code)
    await discord_bot.start(ready=False)
    assert await discord_bot.exited() == 2
    last = discord_bot.log.strip().splitlines()[-1]
    assert FINAL[code] in last
    assert "Traceback" not in discord_bot.log
    assert dc.token not in discord_bot.log


async def test_a_wrong_token_is_one_line_and_exit_code_2(
    dc: DiscordSandbox, discord_bot: BotProcess
) -> None:
    discord_bot.environment = {"PARLANCE__DISCORD__TOKEN": "MTIz.wrong.token-of-a-test"}
    await discord_bot.start(ready=False)
    assert await discord_bot.exited() == 2
    assert "discord.token" in discord_bot.log.strip().splitlines()[-1]
    assert "Traceback" not in discord_bot.log
    assert "MTIz.wrong" not in discord_bot.log


async def test_a_connection_that_is_lost_in_the_middle_of_an_answer_is_made_again(
    dc: DiscordSandbox, llm: LlmSandbox, discord_bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(350), rate=25), when="at length")
    ada, bob = dc.user("Ada"), dc.user("Bob")
    await discord_bot.start()
    await ada.say("at length")
    await dc.wait(lambda m: "w5" in m.text, channel=ada.dm)
    gateway = dc.gateway
    troubles = [gateway.close, gateway.drop, gateway.reconnect]
    for n, trouble in enumerate(troubles):
        trouble()
        await dc.until(lambda n=n: len([r for r in gateway.log if r.kind == "resumed"]) == n + 1)
        await bob.say(f"trouble {n}")
        await dc.wait(lambda m, n=n: f"trouble {n}" in m.text, channel=bob.dm)
    gateway.invalidate()
    await bob.say("said to nobody")
    await dc.wait(lambda m: "said to nobody" in m.text, channel=bob.dm, within=20)
    await dc.until(lambda: words_in(dc, ada.dm, 350), within=20)
    assert len(replies(dc, ada.dm)) == 1
    assert len(replies(dc, bob.dm)) == len(troubles) + 1
    assert "Traceback" not in discord_bot.log


async def test_an_event_that_cannot_be_read_stands_in_nobodys_way(
    dc: DiscordSandbox, discord_bot: BotProcess
) -> None:
    ada = dc.user("Ada")
    await discord_bot.start()
    await ada.say("first")
    await dc.wait(lambda m: "first" in m.text)
    dc.gateway.send_raw("MESSAGE_CREATE", {"id": "x", "content": "private words"})
    dc.gateway.send_text("{no JSON")
    await ada.say("second")
    await dc.wait(lambda m: "second" in m.text, within=20)
    assert reads(dc, ada.dm).count("first") == 1
    assert "private words" not in discord_bot.log
    assert "Traceback" not in discord_bot.log


async def test_what_was_said_while_the_bot_was_down_is_answered_once(
    dc: DiscordSandbox, llm: LlmSandbox, discord_bot: BotProcess
) -> None:
    ada, bob = dc.user("Ada"), dc.user("Bob")
    guild = dc.guild("Guild", members=[ada, bob])
    lounge, quiet = guild.channel("lounge"), guild.channel("quiet")
    await discord_bot.start()
    await ada.say("before")
    await dc.wait(lambda m: "before" in m.text, channel=ada.dm)
    await bob.say("before", lounge, mention=True)
    await dc.wait(lambda m: "before" in m.text, channel=lounge)
    await discord_bot.stop()
    await ada.say("while away")
    await bob.say("while away", quiet, mention=True)
    await bob.say("to nobody", lounge)
    thread = await bob.open_thread(lounge, "New")
    await bob.say("while away", thread, mention=True)
    await discord_bot.start()
    for place in (ada.dm, quiet, thread):
        await dc.wait(lambda m: "while away" in m.text, channel=place, within=20)
    searched = len(dc.calls_of(HISTORY))
    assert searched > 0
    dc.gateway.invalidate()  # A second search finds all of it again.
    await dc.until(lambda: len(dc.calls_of(HISTORY)) >= 2 * searched, within=20)
    await ada.say("after")
    await dc.wait(lambda m: "after" in m.text, channel=ada.dm)
    assert [len(replies(dc, place)) for place in (ada.dm, lounge, quiet, thread)] == [3, 1, 1, 1]
    assert len(llm.requests) == 6


@pytest.mark.parametrize("searching", [False, True])
async def test_what_is_said_while_a_channel_waits_to_be_searched_is_answered_after_what_was_missed(
    dc: DiscordSandbox, llm: LlmSandbox, discord_bot: BotProcess, *, searching: bool
) -> None:
    ada = dc.user("Ada")
    guild = dc.guild("Guild", members=[ada])
    others, last = [guild.channel(f"c{n}") for n in range(20)], guild.channel("last")
    await discord_bot.start()
    await ada.say("before", last, mention=True)
    await dc.wait(lambda m: "before" in m.text, channel=last)
    await discord_bot.kill()
    for channel in others:
        await ada.say("talk among people", channel)
    await ada.say("missed", last, mention=True)
    await discord_bot.start()
    if searching:
        await dc.until(lambda: dc.calls_of(HISTORY), within=20)  # The last is two seconds off.
    dc.fault("error", route=HISTORY, channel=last)  # It has to be searched twice.
    await ada.say("told", last, mention=True)
    await dc.wait(lambda m: "told" in m.text, channel=last, within=20)
    read = reads(dc, last)
    assert read.index("missed") < read.index("told")


async def test_a_thread_that_is_archived_is_not_searched_as_a_direct_chat(
    dc: DiscordSandbox, llm: LlmSandbox, discord_bot: BotProcess
) -> None:
    ada, bob = dc.user("Ada"), dc.user("Bob")
    guild = dc.guild("Guild", members=[ada, bob])
    thread = await ada.open_thread(guild.channel("lounge"), "Old")
    await discord_bot.start()
    await ada.say("a question", thread, mention=True)
    await dc.wait(lambda m: "a question" in m.text, channel=thread)
    await bob.say("talk among people", thread)
    guild.archive(thread)
    identified = len([r for r in dc.gateway.log if r.kind == "identified"])
    dc.gateway.invalidate()
    await dc.until(
        lambda: len([r for r in dc.gateway.log if r.kind == "identified"]) > identified, within=20
    )
    await ada.say("a direct question")
    await dc.wait(lambda m: "a direct question" in m.text, channel=ada.dm)
    await dc.until(lambda: dc.calls_of(HISTORY, ada.dm), within=20)  # Searched last.
    await ada.say("another")
    await dc.wait(lambda m: "another" in m.text, channel=ada.dm)
    assert len(replies(dc, thread)) == 1
    assert len(llm.requests) == 3


async def test_a_gateway_that_cannot_be_reached_at_first_is_waited_for(
    dc: DiscordSandbox, discord_bot: BotProcess
) -> None:
    dc.gateway.refuse_connections(2, status=503)
    await discord_bot.start()
    ada = dc.user("Ada")
    await ada.say("hello")
    await dc.wait(lambda m: "hello" in m.text)
    assert "Traceback" not in discord_bot.log


async def test_a_gateway_that_turns_identifies_away_is_not_stormed(
    dc: DiscordSandbox, discord_bot: BotProcess
) -> None:
    dc.gateway.refuse_identifies(2, code=4000)
    await discord_bot.start()
    ada = dc.user("Ada")
    await ada.say("hello")
    await dc.wait(lambda m: "hello" in m.text)
    assert len([r for r in dc.gateway.log if r.kind == "connected"]) < 10


async def test_a_server_in_trouble_loses_nothing_and_doubles_nothing(
    dc: DiscordSandbox, llm: LlmSandbox, discord_bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(700), rate=100))
    people = [dc.user(name) for name in ("Ada", "Bob", "Cyd", "Dan")]
    creates = {"route": CREATE_MESSAGE, "count": 2}
    kinds = [
        {"kind": "error_after_accept", "status": 500},
        {"kind": "error_after_accept", "status": 503, "html": True},
        {"kind": "wrong_json"},
        {"kind": "rate_limit", "seconds": 1.0, "via": False},
    ]
    for person, kind in zip(people, kinds, strict=True):
        dc.fault(channel=person.dm, **creates, **kind)
        dc.fault(channel=person.dm, route=EDIT_MESSAGE, after=2, **kind)
    await discord_bot.start()
    for person in people:
        await person.say("go")
    await dc.until(lambda: all(words_in(dc, p.dm, 700) for p in people), within=40)
    await discord_bot.stop()
    for person in people:
        assert words_in(dc, person.dm, 700)
        assert not any(message.deleted for message in dc.transcript(person.dm))
    assert "Traceback" not in discord_bot.log
