"""What the gateway is told of the world's changes: which event, whom it reaches, what it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.discord.gateway.intents import Intent
from sandbox.discord.world.message_wire import message_event_json
from sandbox.discord.world.wire import (
    application_json,
    channel_json,
    guild_event_json,
    member_json,
    own_user_json,
    role_json,
)

if TYPE_CHECKING:
    from sandbox.discord.errors import Json
    from sandbox.discord.gateway.gateway import Gateway
    from sandbox.discord.world.model import Channel, Guild, Message, Role, User
    from sandbox.discord.world.state import World


class Greeting:
    """What a session is told when it begins."""

    def __init__(self, world: World, *, message_content: bool) -> None:
        self._world = world
        self._message_content = message_content

    def ready(self) -> Json:
        bot = self._world.bot
        application = application_json(bot, message_content=self._message_content)
        return {
            "user": own_user_json(bot),
            "private_channels": [],
            "relationships": [],
            "presences": [],
            "application": {"id": application["id"], "flags": application["flags"]},
        }

    def guilds(self) -> list[Json]:
        """A GUILD_CREATE for each guild the bot is in; that of a new guild lacks `unavailable`."""
        return [
            {**guild_event_json(self._world, guild), "unavailable": False}
            for guild in self._joined()
        ]

    def _joined(self) -> list[Guild]:
        bot = self._world.bot
        return [guild for guild in self._world.guilds.values() if bot.id in guild.members]


class Events:
    """Dispatches; nothing is said of a channel that the bot can't see, or of ephemeral messages."""

    def __init__(self, world: World, gateway: Gateway) -> None:
        self._world = world
        self._gateway = gateway

    def message_created(self, message: Message) -> None:
        self._message("MESSAGE_CREATE", message)

    def message_updated(self, message: Message) -> None:
        self._message("MESSAGE_UPDATE", message)

    def message_deleted(self, message: Message) -> None:
        channel = self._world.channels[message.channel_id]
        if message.ephemeral or not self._visible(channel):
            return
        data = {"id": str(message.id), **_place_json(channel)}
        self._gateway.dispatch("MESSAGE_DELETE", data, intent=_messages(channel))

    def typing(self, channel: Channel, user: User) -> None:
        if not self._visible(channel):
            return
        intent = Intent.DIRECT_MESSAGE_TYPING
        data: Json = {
            **_place_json(channel),
            "user_id": str(user.id),
            "timestamp": int(self._world.unix()),
        }
        member = self._world.member_of(channel, user)
        if member is not None:
            intent = Intent.GUILD_MESSAGE_TYPING
            data["member"] = member_json(member)
        self._gateway.dispatch("TYPING_START", data, intent=intent)

    def reaction(self, message: Message, user: User, emoji: str, *, added: bool) -> None:
        channel = self._world.channels[message.channel_id]
        if not self._visible(channel):
            return
        intent = Intent.DIRECT_MESSAGE_REACTIONS
        data: Json = {
            **_place_json(channel),
            "message_id": str(message.id),
            "user_id": str(user.id),
            "emoji": {"id": None, "name": emoji},
            "burst": False,
            "type": 0,
        }
        member = self._world.member_of(channel, user)
        if member is not None:
            intent = Intent.GUILD_MESSAGE_REACTIONS
            if added:
                data["member"] = member_json(member)
        event = "MESSAGE_REACTION_ADD" if added else "MESSAGE_REACTION_REMOVE"
        self._gateway.dispatch(event, data, intent=intent)

    def channel(self, event: str, channel: Channel) -> None:
        """CHANNEL_CREATE, CHANNEL_UPDATE or CHANNEL_DELETE; of hidden channels too."""
        if self._joined(channel):
            data = channel_json(self._world, channel)
            self._gateway.dispatch(event, data, intent=Intent.GUILDS)

    def thread_created(self, thread: Channel) -> None:
        self._thread("THREAD_CREATE", thread, {"newly_created": True})

    def thread_updated(self, thread: Channel) -> None:
        self._thread("THREAD_UPDATE", thread, {})

    def thread_deleted(self, thread: Channel) -> None:
        if self._visible(thread):
            whole = channel_json(self._world, thread)
            data: Json = {n: whole[n] for n in ("id", "guild_id", "parent_id", "type")}
            self._gateway.dispatch("THREAD_DELETE", data, intent=Intent.GUILDS)

    def guild_joined(self, guild: Guild) -> None:
        data = guild_event_json(self._world, guild)
        self._gateway.dispatch("GUILD_CREATE", data, intent=Intent.GUILDS)

    def guild_left(self, guild: Guild) -> None:
        self._gateway.dispatch("GUILD_DELETE", {"id": str(guild.id)}, intent=Intent.GUILDS)

    def role_created(self, guild: Guild, role: Role) -> None:
        if self._world.bot.id in guild.members:
            data: Json = {"guild_id": str(guild.id), "role": role_json(role)}
            self._gateway.dispatch("GUILD_ROLE_CREATE", data, intent=Intent.GUILDS)

    def interaction(self, data: Json) -> None:
        self._gateway.dispatch("INTERACTION_CREATE", data)

    def _message(self, event: str, message: Message) -> None:
        channel = self._world.channels[message.channel_id]
        if message.ephemeral or not self._visible(channel):
            return
        self._gateway.dispatch(
            event,
            message_event_json(self._world, message, content=True),
            intent=_messages(channel),
            redacted=message_event_json(self._world, message, content=False),
        )

    def _thread(self, event: str, thread: Channel, more: Json) -> None:
        if self._visible(thread):
            data = channel_json(self._world, thread) | more
            self._gateway.dispatch(event, data, intent=Intent.GUILDS)

    def _visible(self, channel: Channel) -> bool:
        return self._world.sees(self._world.bot, channel)

    def _joined(self, channel: Channel) -> bool:
        return self._world.member_of(channel, self._world.bot) is not None


def _messages(channel: Channel) -> Intent:
    return Intent.DIRECT_MESSAGES if channel.guild_id is None else Intent.GUILD_MESSAGES


def _place_json(channel: Channel) -> Json:
    shown: Json = {"channel_id": str(channel.id)}
    if channel.guild_id is not None:
        shown["guild_id"] = str(channel.guild_id)
    return shown
