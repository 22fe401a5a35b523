"""The library's client, against the sandbox's gateway."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from bot.platforms.discord.client import GUILDS_LATE, Shard, ShardClient, point_at
from bot.settings.sections import DiscordSettings
from sandbox.discord.server import DiscordSandbox

if TYPE_CHECKING:
    import discord


class Listener:
    """Notes what it is told of the connection."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.in_session = asyncio.Event()

    async def may_identify(self) -> None:
        self.told.append("may identify")

    async def began(self) -> None:
        self.told.append("began")
        self.in_session.set()

    async def connected(self, *, resumed: bool) -> None:
        self.told.append(f"connected, {resumed=}")

    async def disconnected(self) -> None:
        self.told.append("disconnected")

    async def said(self, message: discord.Message) -> None: ...
    async def edited(self, message: discord.Message) -> None: ...
    async def deleted(self, message_id: int, channel_id: int) -> None: ...
    async def commanded(self, interaction: discord.Interaction) -> None: ...


async def test_a_client_that_is_closed_before_it_is_ready_says_nothing_more() -> None:
    troubles: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, trouble: troubles.append(trouble))
    listener = Listener()
    async with DiscordSandbox() as dc:
        point_at(DiscordSettings(token=dc.token, api_url=dc.api_url, gateway_url=dc.gateway_url))
        client = ShardClient(listener, Shard(0, 1), message_content=True)
        await client.login(dc.token)
        connection = asyncio.create_task(client.connect())
        await listener.in_session.wait()
        connection.cancel()
        await asyncio.wait({connection})
        await client.close()
        await asyncio.sleep(GUILDS_LATE + 1)  # The library would say that it is ready now.
    assert listener.told == ["may identify", "began"]
    assert troubles == []
