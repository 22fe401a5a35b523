"""Interactions: what a person asked of the bot through a command or a button, and its deadlines.

https://discord.com/developers/docs/interactions/receiving-and-responding
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from sandbox.discord.world.model import ChannelKind, Source
from sandbox.discord.world.wire import channel_json, member_json, user_json

if TYPE_CHECKING:
    from sandbox.discord.errors import Json
    from sandbox.discord.settings import Settings
    from sandbox.discord.world.model import Channel, Message, User
    from sandbox.discord.world.state import World

_TOKEN_BYTES = 48


class InteractionKind(IntEnum):
    COMMAND = 2
    COMPONENT = 3


class Callback(IntEnum):
    """How an interaction is answered first."""

    MESSAGE = 4
    DEFERRED_MESSAGE = 5
    DEFERRED_UPDATE = 6
    UPDATE = 7
    MODAL = 9


CALLBACKS = {
    InteractionKind.COMMAND: (Callback.MESSAGE, Callback.DEFERRED_MESSAGE, Callback.MODAL),
    InteractionKind.COMPONENT: tuple(Callback),
}


@dataclass(slots=True)
class Interaction:
    id: int
    token: str
    kind: InteractionKind
    user: User
    channel: Channel
    data: Json
    at: float
    pressed: Message | None = None
    """The message whose component was used."""
    callback: Callback | None = None
    """None: not acknowledged."""
    original: Message | None = None
    """The message that answers first, or the one whose component was used."""

    @property
    def name(self) -> str:
        return str(self.data.get("name", ""))

    def source(self) -> Source:
        """What the first answer says of the interaction."""
        return Source(self.id, self.kind, self.name, self.user)

    def follow_up_source(self) -> Source:
        original_id = None if self.original is None else self.original.id
        return Source(self.id, self.kind, self.name, self.user, original_id)


class Interactions:
    """All interactions there were."""

    def __init__(self, world: World, settings: Settings) -> None:
        self._world = world
        self._settings = settings
        self.by_id: dict[int, Interaction] = {}
        self._by_token: dict[str, Interaction] = {}

    def open(
        self,
        kind: InteractionKind,
        user: User,
        channel: Channel,
        data: Json,
        pressed: Message | None = None,
    ) -> Interaction:
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        interaction = Interaction(
            self._world.new_id(), token, kind, user, channel, data, self._world.clock(), pressed
        )
        self.by_id[interaction.id] = self._by_token[token] = interaction
        return interaction

    def find(self, token: str) -> Interaction | None:
        return self._by_token.get(token)

    def failed(self, interaction: Interaction) -> bool:
        """Whether it was not acknowledged in time: the app did not respond, the person reads."""
        age = self._world.clock() - interaction.at
        return interaction.callback is None and age > self._settings.interaction_deadline

    def expired(self, interaction: Interaction) -> bool:
        """Whether its token is no longer good for anything."""
        return self._world.clock() - interaction.at > self._settings.interaction_lifetime


def interaction_json(world: World, interaction: Interaction, message: Json | None) -> Json:
    """The interaction as INTERACTION_CREATE gives it; `message`: the one that was pressed."""
    channel, bot = interaction.channel, world.bot
    in_dm = channel.kind is ChannelKind.DM
    shown: Json = {
        "id": str(interaction.id),
        "application_id": str(bot.id),
        "type": int(interaction.kind),
        "token": interaction.token,
        "version": 1,
        "data": interaction.data,
        "channel_id": str(channel.id),
        "channel": {
            **channel_json(world, channel),
            "permissions": str(int(world.permissions(interaction.user, channel))),
        },
        "app_permissions": str(int(world.permissions(bot, channel))),
        "locale": "en-US",
        "entitlements": [],
        "authorizing_integration_owners": {"0": "0" if in_dm else str(channel.guild_id)},
        "context": 1 if in_dm else 0,
        "attachment_size_limit": 10 << 20,
    }
    if message is not None:
        shown["message"] = message
    member = world.member_of(channel, interaction.user)
    if member is None:
        return shown | {"user": user_json(interaction.user)}
    permissions = str(int(world.permissions(interaction.user, channel)))
    return shown | {
        "guild_id": str(channel.guild_id),
        "guild": {"id": str(channel.guild_id), "locale": "en-US", "features": []},
        "guild_locale": "en-US",
        "member": {**member_json(member), "permissions": permissions},
    }
