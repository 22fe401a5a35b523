"""discord.py's client, made for this bot: one for calls, and one for each shard's events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import discord
import structlog
import yarl
from discord import app_commands
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot import texts
from bot.chat.commands import COMMANDS
from bot.platforms.discord import calls, errors

if TYPE_CHECKING:
    from bot.settings.sections import DiscordSettings

log = structlog.get_logger(__name__)

LONGEST_SLEEP: Final = 30.0
"""Seconds that the library may sleep on a limit inside a call; it takes no smaller value."""
GUILDS_LATE: Final = 1.0
"""Seconds without another guild after which all are taken to be there; the search for what was
missed waits for that."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of what the gateway tells.

    Of a guild it tells shard (id >> 22) % count, of direct chats shard 0
    (https://discord.com/developers/docs/events/gateway#sharding).
    """

    number: int
    count: int

    def __str__(self) -> str:
        return f"shard {self.number} of {self.count}"


class Listener(Protocol):
    """What a shard's client tells. Each call is a task of its own."""

    async def may_identify(self) -> None:
        """Return once a session may begin."""
        ...

    async def began(self) -> None:
        """A new session: what was said since the last one is not told. `connected` comes later."""
        ...

    async def connected(self, *, resumed: bool) -> None: ...
    async def disconnected(self) -> None: ...
    async def said(self, message: discord.Message) -> None: ...
    async def edited(self, message: discord.Message) -> None: ...
    async def deleted(self, message_id: int, channel_id: int) -> None: ...
    async def commanded(self, interaction: discord.Interaction) -> None: ...


def point_at(settings: DiscordSettings) -> None:
    """Have the library speak to the servers of these settings."""
    Route.BASE = settings.api_url
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(settings.gateway_url)


class Client(discord.Client):
    """Makes calls. Pings nobody, keeps nothing, and shows the headers it is answered."""

    def __init__(self, *, message_content: bool, shard: Shard | None = None) -> None:
        intents = discord.Intents(guilds=True, messages=True, message_content=message_content)
        super().__init__(
            intents=intents,
            allowed_mentions=discord.AllowedMentions.none(),
            http_trace=calls.trace(),
            max_ratelimit_timeout=LONGEST_SLEEP,
            chunk_guilds_at_startup=False,
            guild_ready_timeout=GUILDS_LATE,
            member_cache_flags=discord.MemberCacheFlags.none(),
            max_messages=None,
            shard_id=shard.number if shard else None,
            shard_count=shard.count if shard else None,
        )
        self.commands = app_commands.CommandTree(
            self,
            allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=True),
            allowed_installs=app_commands.AppInstallationType(guild=True, user=False),
        )
        for name, about in COMMANDS.items():
            self.commands.add_command(
                app_commands.Command(name=name.value, description=about, callback=self._command)
            )

    async def sync_commands(self) -> None:
        """Announce the command table, where Discord has another one."""
        known = {each.name: each.description for each in await self.commands.fetch_commands()}
        if known != {name.value: about for name, about in COMMANDS.items()}:
            await self.commands.sync()

    async def _command(self, interaction: discord.Interaction) -> None:
        """Only a shard's client is told of commands."""


class ShardClient(Client):
    """Its events, those of one shard, go to a listener."""

    def __init__(self, listener: Listener, shard: Shard, *, message_content: bool) -> None:
        super().__init__(message_content=message_content, shard=shard)
        self._listener = listener
        self.commands.error(self._unknown_command)

    async def _command(self, interaction: discord.Interaction) -> None:
        await self._listener.commanded(interaction)

    async def _unknown_command(
        self, interaction: discord.Interaction, error: app_commands.AppCommandError
    ) -> None:
        """One that an earlier release announced; Discord may offer it for a while."""
        if interaction.type is discord.InteractionType.autocomplete:
            return  # No command of ours has anything to complete.
        if not isinstance(error, app_commands.CommandNotFound):
            log.error("discord: a command failed", exc_info=error)
            return
        try:
            await interaction.response.send_message(
                texts.unknown_command(error.name), ephemeral=True
            )
        except errors.FAILURES as failure:
            # It was for one person's eyes.
            log.warning(
                "discord: an unknown command was not answered", reason=errors.reason(failure)
            )

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the library's
        """As it closes, the library forgets its loop and still dispatches READY, late."""
        if not self.is_closed():
            super().dispatch(event, *args, **kwargs)

    # The library finds these by their names.

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        await super().before_identify_hook(shard_id, initial=initial)
        await self._listener.may_identify()

    async def on_connect(self) -> None:
        await self._listener.began()

    async def on_ready(self) -> None:
        await self._listener.connected(resumed=False)

    async def on_resumed(self) -> None:
        await self._listener.connected(resumed=True)

    async def on_disconnect(self) -> None:
        await self._listener.disconnected()

    async def on_message(self, message: discord.Message) -> None:
        await self._listener.said(message)

    async def on_raw_message_edit(self, event: discord.RawMessageUpdateEvent) -> None:
        await self._listener.edited(event.message)

    async def on_raw_message_delete(self, event: discord.RawMessageDeleteEvent) -> None:
        await self._listener.deleted(event.message_id, event.channel_id)

    async def on_raw_bulk_message_delete(self, event: discord.RawBulkMessageDeleteEvent) -> None:
        for message_id in event.message_ids:
            await self._listener.deleted(message_id, event.channel_id)
