"""Scripted people and guilds: handles for tests, over the scene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.discord.world.model import Channel, ChannelKind, MessageFlag
from sandbox.discord.world.permissions import Permission

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.discord.scene.interactions import Callback, Interaction
    from sandbox.discord.scene.scene import Scene
    from sandbox.discord.world.model import Guild, Message, Role, User


@dataclass(frozen=True, slots=True)
class ScriptedInteraction:
    """A slash command or a pressed button, and what its person sees of the answer."""

    scene: Scene
    interaction: Interaction

    @property
    def id(self) -> int:
        return self.interaction.id

    @property
    def answered(self) -> bool:
        """Whether the bot has acknowledged it."""
        return self.interaction.callback is not None

    @property
    def callback(self) -> Callback | None:
        """How the bot acknowledged it."""
        return self.interaction.callback

    @property
    def failed(self) -> bool:
        """Whether the deadline passed without an answer."""
        return self.scene.interactions.failed(self.interaction)

    @property
    def message(self) -> Message | None:
        """The message that answers first."""
        return self.interaction.original

    @property
    def response(self) -> str | None:
        """The answer's text; None while there is none."""
        return None if self.message is None or self.deferred else self.message.text

    @property
    def deferred(self) -> bool:
        """Whether the answer is still "thinking…"."""
        return self.message is not None and bool(self.message.flags & MessageFlag.LOADING)

    @property
    def ephemeral(self) -> bool:
        """Whether the person alone sees the answer."""
        return self.message is not None and self.message.ephemeral


@dataclass(frozen=True, slots=True)
class ScriptedGuild:
    """A guild; `owner` is who acts where no one is named."""

    scene: Scene
    guild: Guild
    owner: User

    @property
    def id(self) -> int:
        return self.guild.id

    def channel(self, name: str, *, topic: str = "") -> Channel:
        return self.scene.add_channel(self.guild, name, ChannelKind.TEXT, topic)

    def forum(self, name: str, *, topic: str = "") -> Channel:
        return self.scene.add_channel(self.guild, name, ChannelKind.FORUM, topic)

    def role(
        self,
        name: str,
        *,
        permissions: Permission = Permission.NONE,
        mentionable: bool = False,
        members: Sequence[ScriptedUser] = (),
    ) -> Role:
        role = self.scene.add_role(self.guild, name, permissions, mentionable=mentionable)
        for member in members:
            self.guild.members[member.id].role_ids.append(role.id)
        return role

    def add(self, *members: ScriptedUser) -> None:
        for member in members:
            self.scene.world.join(self.guild, member.user)

    def deny(self, channel: Channel, *permissions: Permission | str) -> None:
        """Deny the bot permissions, as "send_messages", in a channel."""
        self._set(channel, permissions, allowed=False)

    def allow(self, channel: Channel, *permissions: Permission | str) -> None:
        self._set(channel, permissions, allowed=True)

    def kick_bot(self) -> None:
        self.scene.acts.remove_bot(self.guild)

    def add_bot(self) -> None:
        self.scene.acts.add_bot(self.guild)

    def archive(self, thread: Channel, *, locked: bool = False) -> None:
        self.scene.acts.set_thread(thread, archived=True, locked=locked)

    def unarchive(self, thread: Channel) -> None:
        self.scene.acts.set_thread(thread, archived=False, locked=False)

    def lock(self, thread: Channel) -> None:
        self.scene.acts.set_thread(thread, locked=True)

    def remove(self, channel: Channel) -> None:
        """Delete a channel or a thread."""
        self.scene.acts.remove_channel(channel)

    def _set(
        self, channel: Channel, permissions: Sequence[Permission | str], *, allowed: bool
    ) -> None:
        bot = self.scene.world.bot
        for permission in permissions:
            self.scene.set_permission(channel, bot, to_permission(permission), allowed=allowed)


@dataclass(frozen=True, slots=True)
class ScriptedUser:
    """A person with a DM with the bot."""

    scene: Scene
    user: User

    @property
    def id(self) -> int:
        return self.user.id

    @property
    def dm(self) -> Channel:
        return self.scene.world.dm(self.user)

    async def say(
        self,
        text: str,
        channel: Channel | None = None,
        *,
        reply_to: Message | None = None,
        mention: bool = False,
        files: Mapping[str, bytes] | None = None,
    ) -> Message:
        """Write in the DM with the bot, or in a channel; `mention` puts the bot's name in front."""
        spoken = f"<@{self.scene.world.bot.id}> {text}" if mention else text
        place = self._place(channel)
        return self.scene.say(self.user, place, spoken, reply_to=reply_to, files=files)

    async def forward(self, message: Message, channel: Channel | None = None) -> Message:
        """Forward a message to the DM with the bot, or to a channel."""
        return self.scene.forward(self.user, message, self._place(channel))

    async def edit(self, message: Message, text: str) -> None:
        self.scene.edit(self.user, message, text)

    async def delete(self, message: Message) -> None:
        self.scene.delete(self.user, message)

    async def type(self, channel: Channel | None = None) -> None:
        self.scene.type(self.user, self._place(channel))

    async def open_thread(
        self, channel: Channel, name: str, message: Message | None = None
    ) -> Channel:
        """Open a thread, from a message or from none."""
        return self.scene.open_thread(self.user, channel, name, message)

    async def post(self, forum: Channel, title: str, text: str) -> Channel:
        """Open a post in a forum; returns its thread."""
        return self.scene.post(self.user, forum, title, text)

    async def slash(
        self, name: str, channel: Channel | None = None, **options: object
    ) -> ScriptedInteraction:
        """Use a slash command that the bot has registered."""
        interaction = self.scene.slash(self.user, self._place(channel), name, options)
        return ScriptedInteraction(self.scene, interaction)

    async def press(self, message: Message, custom_id: str) -> ScriptedInteraction:
        """Press the button with this custom id."""
        return ScriptedInteraction(self.scene, self.scene.press(self.user, message, custom_id))

    def close_dms(self) -> None:
        """Take no direct messages of the bot any more."""
        self.scene.set_dms(self.user, closed=True)

    def open_dms(self) -> None:
        self.scene.set_dms(self.user, closed=False)

    def _place(self, channel: Channel | None) -> Channel:
        return self.dm if channel is None else channel


def to_permission(permission: Permission | str) -> Permission:
    """Raises ValueError for a name that is none."""
    if isinstance(permission, Permission):
        return permission
    found = Permission.__members__.get(permission.upper())
    if found is None:
        raise ValueError(f"there is no permission {permission!r}")
    return found
