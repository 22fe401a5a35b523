"""Several `parlance run` on one PostgreSQL database, on Discord."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import postgres
import pytest
from discord_chat import reads, replies, words_in
from replica_set import Replicas, logged
from words import numbered

from sandbox.discord.gateway.protocol import GatewaySettings
from sandbox.discord.settings import Settings
from sandbox.llm.script import Script

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sandbox.discord.scene.users import ScriptedInteraction, ScriptedUser
    from sandbox.discord.server import DiscordSandbox
    from sandbox.discord.world.model import Channel
    from sandbox.llm.server import LlmSandbox

TWO_SHARDS = Settings(gateway=GatewaySettings(shards=2, identify_interval=5.0))
ON_SHARD_1 = 1 << 22
"""The id of a guild that is told to the second of two shards."""


@pytest.fixture
async def replicas(
    tmp_path: Path, postgres_url: str, dc: DiscordSandbox, llm: LlmSandbox
) -> AsyncIterator[Replicas]:
    started = Replicas(tmp_path, postgres_url, llm, discord=dc)
    yield started
    await started.discard()
    for bot in started.all:
        assert "Traceback" not in bot.log


async def begun(dc: DiscordSandbox, channels: list[Channel]) -> list[int]:
    """The messages in which answers are being written, one in each channel."""
    return [(await dc.wait(lambda m: "w20" in m.text, channel=c, within=20)).id for c in channels]


async def whole(dc: DiscordSandbox, channels: list[Channel], words: int) -> list[int]:
    """The messages of the answers that stand there, once they are whole."""
    for channel in channels:
        await dc.until(lambda c=channel: words_in(dc, c, words), within=60)
    return [message.id for channel in channels for message in replies(dc, channel)]


async def go(people: list[ScriptedUser]) -> list[Channel]:
    for person in people:
        await person.say("go")
    return [person.dm for person in people]


async def test_what_a_killed_holder_of_the_gateway_was_told_and_not_told_is_answered(
    dc: DiscordSandbox, llm: LlmSandbox, replicas: Replicas
) -> None:
    llm.script(Script(text=numbered(250), rate=40), when="go")
    people = [dc.user(f"P{n}") for n in range(6)]
    first, second = await replicas.connected(), await replicas.start()
    channels = await go(people)
    messages = await begun(dc, channels)
    await first.kill()
    eve = dc.user("Eve")
    await people[0].say("said in the gap")
    lounge = dc.guild("Guild", members=[eve]).channel("lounge")
    await eve.say("said in the gap", lounge, mention=True)
    await logged(second, "discord: connected")
    await dc.wait(lambda m: "said in the gap" in m.text, channel=lounge, within=30)
    assert await whole(dc, channels[1:], 250) == messages[1:]
    await dc.wait(lambda m: "said in the gap" in m.text, channel=channels[0], within=30)
    assert replies(dc, channels[0])[0].id == messages[0]
    await second.stop()
    assert [len(replies(dc, place)) for place in (*channels, lounge)] == [2, 1, 1, 1, 1, 1, 1]


async def test_stop_reaches_the_replica_that_writes_by_text_and_by_slash(
    dc: DiscordSandbox, llm: LlmSandbox, replicas: Replicas
) -> None:
    llm.script(Script(text=numbered(3000), rate=40))
    people = [dc.user(f"P{n}") for n in range(12)]
    bots = [await replicas.connected(), await replicas.start()]
    for person in people:  # One after another, so that each is answered where it is at home.
        await begun(dc, await go([person]))
    stops = []
    for n, person in enumerate(people):
        if n % 2:
            await person.say("/stop")
        else:
            stops.append(await person.slash("stop"))
    for person in people:
        await dc.wait(lambda m: "Stopped" in m.text, channel=person.dm, within=20)
    for stop in stops:
        await dc.until(lambda s=stop: s.message is not None and s.message.deleted, within=20)
    for bot in bots:
        assert await bot.stop() == 0
        assert bot.log.count("outcome=stopped") >= 1, "one replica wrote everything"
    assert sum(bot.log.count("outcome=stopped") for bot in bots) == len(people)


def sign_is_gone(command: ScriptedInteraction) -> bool:
    return command.message is not None and command.message.deleted


async def test_a_command_is_answered_in_its_place_or_its_sign_goes_away(
    dc: DiscordSandbox, llm: LlmSandbox, replicas: Replicas
) -> None:
    """A retry waits for the answer before it, and so may be run by either replica."""
    llm.script(Script(text=numbered(80), rate=40))
    people = [dc.user(f"P{n}") for n in range(6)]
    await replicas.connected()
    await replicas.start()
    await begun(dc, await go(people))
    retries = [await person.slash("retry") for person in people]
    for person, retry in zip(people, retries, strict=True):
        await dc.until(lambda p=person: reads(dc, p.dm).count("w79") == 2, within=30)
        await dc.until(lambda r=retry: r.response or sign_is_gone(r), within=20)
        # The other replica may come first to this one, too.
        helped = await person.slash("help")
        await dc.until(lambda h=helped: h.response or sign_is_gone(h), within=20)
        await dc.until(lambda p=person: "/retry" in reads(dc, p.dm), within=20)


async def test_a_holder_of_the_gateway_that_stood_still_answers_nothing_twice(
    dc: DiscordSandbox, replicas: Replicas
) -> None:
    people = [dc.user(f"P{n}") for n in range(4)]
    first, second = await replicas.connected(), await replicas.start()
    for person in people:  # A first direct message of somebody new would not be found.
        await person.say("before")
        await dc.wait(lambda m: "before" in m.text, channel=person.dm)
    first.process.send_signal(signal.SIGSTOP)
    for person in people:
        await person.say("meanwhile")
    await asyncio.sleep(15)
    for person in people:
        await dc.wait(lambda m: "meanwhile" in m.text, channel=person.dm, within=30)
    first.process.send_signal(signal.SIGCONT)
    await logged(first, "was taken for dead")
    await logged(first, "another replica may do this now")
    for person in people:
        await person.say("afterwards")
        await dc.wait(lambda m: "afterwards" in m.text, channel=person.dm, within=20)
    for bot in (first, second):
        assert await bot.stop() == 0
    assert [len(replies(dc, person.dm)) for person in people] == [3, 3, 3, 3]


@pytest.mark.parametrize("dc", [TWO_SHARDS], indirect=True)
async def test_two_shards_are_divided_and_one_replica_takes_the_others(
    dc: DiscordSandbox, llm: LlmSandbox, replicas: Replicas
) -> None:
    llm.script(Script(text=numbered(250), rate=25), when="go")
    ada, bob = dc.user("Ada"), dc.user("Bob")
    guild = dc.guild("Guild", members=[ada, bob], guild_id=ON_SHARD_1)
    lounge, garden = guild.channel("lounge"), guild.channel("garden")
    other = await replicas.connected()
    holder = await replicas.connected()  # The newcomer is given one.
    assert "shard 1 of 2" in holder.log
    await ada.say("go")
    await bob.say("go", lounge, mention=True)
    messages = await begun(dc, [ada.dm, lounge])
    await holder.kill()
    await bob.say("said in the gap", garden, mention=True)
    await ada.say("told by the other shard")
    await dc.wait(lambda m: "said in the gap" in m.text, channel=garden, within=30)
    assert await whole(dc, [lounge], 250) == messages[1:]
    await dc.wait(lambda m: "told by the other shard" in m.text, channel=ada.dm, within=30)
    assert await other.stop() == 0
    assert [len(replies(dc, place)) for place in (ada.dm, lounge, garden)] == [2, 1, 1]
    refused = [record for record in dc.gateway.log if record.kind == "invalidated"]
    assert len(refused) <= 1, "sessions were begun too fast"


async def test_the_database_is_restarted_while_answers_are_written(
    dc: DiscordSandbox, llm: LlmSandbox, tmp_path: Path
) -> None:
    llm.script(Script(text=numbered(400), rate=40), when="go")
    people = [dc.user(f"P{n}") for n in range(4)]
    with postgres.own_server() as server, server.database() as url:
        replicas = Replicas(tmp_path, url, llm, discord=dc)
        try:
            await replicas.connected()
            await replicas.start()
            channels = await go(people)
            messages = await begun(dc, channels)
            await asyncio.to_thread(server.restart)
            await people[0].say("and this")
            assert await whole(dc, channels[1:], 400) == messages[1:]
            await dc.wait(lambda m: "and this" in m.text, channel=channels[0], within=60)
            assert replies(dc, channels[0])[0].id == messages[0]
        finally:
            await replicas.discard()
        for bot in replicas.all:
            assert "Traceback" not in bot.log
            assert "was taken for dead" not in bot.log
