"""A bot in so many servers that the gateway tells it of them over several connections."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from asked import said as spoken
from discord.utils import time_snowflake
from discord_chat import replies
from kept import opened

from bot.chat.keys import ChatKey, TurnKey
from bot.store.databases import sqlite_url
from bot.store.history import History
from sandbox.discord.gateway.protocol import GatewaySettings
from sandbox.discord.rest.api import CREATE_MESSAGE
from sandbox.discord.settings import Settings

if TYPE_CHECKING:
    from bot_process import BotProcess

    from sandbox.discord.server import DiscordSandbox
    from sandbox.discord.world.model import Channel

THREE_SHARDS = Settings(
    gateway=GatewaySettings(shards=3, max_concurrency=2, identify_interval=5.0, guilds_per_shard=1)
)


def guild_id(shard: int) -> int:
    """Of a guild that is told to this one of three shards."""
    return (300 + shard) << 22


async def connections(dc: DiscordSandbox, count: int) -> list[list[int]]:
    """The shards of the sessions, once there are so many, in the order in which they began."""

    def begun() -> list[list[int]]:
        return [record.details["shard"] for record in dc.gateway.log if record.kind == "identified"]

    await dc.until(lambda: len(begun()) >= count, within=40)
    return begun()


@pytest.mark.parametrize("dc", [THREE_SHARDS], indirect=True)
async def test_one_process_answers_on_all_shards_and_begins_sessions_in_turn(
    dc: DiscordSandbox, discord_bot: BotProcess
) -> None:
    ada = dc.user("Ada")
    guilds = [dc.guild(f"G{n}", members=[ada], guild_id=guild_id(n)) for n in range(3)]
    lounges = [guild.channel("lounge") for guild in guilds]
    await discord_bot.start()
    assert sorted(await connections(dc, 3)) == [[0, 3], [1, 3], [2, 3]]
    for place in (ada.dm, *lounges):
        await ada.say("hello", place, mention=True)
        await dc.wait(lambda m: "hello" in m.text, channel=place, within=20)
    assert not [record for record in dc.gateway.log if record.kind == "invalidated"]
    helped = await ada.slash("help", lounges[2])
    await dc.until(lambda: "/retry" in (helped.response or ""), within=20)
    assert await discord_bot.stop() == 0
    assert [len(replies(dc, place)) for place in (ada.dm, *lounges)] == [1, 1, 1, 2]
    assert "Traceback" not in discord_bot.log


async def test_the_settings_may_say_how_many_shards_there_are(
    dc: DiscordSandbox, discord_bot: BotProcess
) -> None:
    discord_bot.environment = {"PARLANCE__DISCORD__SHARDS": "2"}
    await discord_bot.start()
    assert sorted(await connections(dc, 2)) == [[0, 2], [1, 2]]


async def test_a_server_that_advises_nothing_has_one_shard(
    dc: DiscordSandbox, discord_bot: BotProcess
) -> None:
    dc.fault(route="GET /gateway/bot", count=9, kind="error", status=404)
    await discord_bot.start()
    assert await connections(dc, 1) == [[0, 1]]
    assert "does not say how many shards" in discord_bot.log


async def test_each_shard_finds_what_it_missed_though_another_was_told_more_since(
    dc: DiscordSandbox, discord_bot: BotProcess
) -> None:
    ada, bob = dc.user("Ada"), dc.user("Bob")
    guild = dc.guild("Guild", members=[ada, bob], guild_id=301 << 22)
    lounge, garden = guild.channel("lounge"), guild.channel("garden")
    now = time.time()
    async with opened(sqlite_url(discord_bot.folder / "parlance.db")) as database:
        for channel, answered_at in ((ada.dm, now + 600), (bob.dm, now - 600), (lounge, now - 600)):
            await remember(History(database), dc, channel, answered_at)
    await bob.say("said meanwhile")
    await bob.say("said meanwhile", garden, mention=True)
    discord_bot.environment = {"PARLANCE__DISCORD__SHARDS": "2"}
    await discord_bot.start()
    for place in (bob.dm, garden):
        await dc.wait(lambda m: "said meanwhile" in m.text, channel=place, within=30)
    assert await discord_bot.stop() == 0
    assert len(dc.calls_of(CREATE_MESSAGE)) == 2


async def remember(
    history: History, dc: DiscordSandbox, channel: Channel, answered_at: float
) -> None:
    """As if the bot had answered a question of that time."""
    message = time_snowflake(datetime.fromtimestamp(answered_at, UTC))
    chat = ChatKey("discord", str(dc.settings.bot_id), str(channel.id))
    turn = await history.ask(TurnKey(chat, str(message)), spoken("earlier", sender="1"))
    await history.settle(turn)
