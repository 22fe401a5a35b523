"""Pure: a Discord message -> an Incoming, where it is meant for the bot."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import discord

from bot.chat.commands import Command, CommandName, parse
from bot.chat.content import Media, Mention, Quote, Text, words
from bot.chat.incoming import Incoming, Sender
from bot.chat.keys import ChatKey, TurnKey

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from bot.chat.content import Content, Part

PLATFORM: Final = "discord"
_MENTION: Final = re.compile(r"<@[!&]?(?P<id>\d+)>")
_SPOKEN: Final = frozenset({discord.MessageType.default, discord.MessageType.reply})
_KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {"image": "picture", "audio": "recording", "video": "video"}
)
"""What a file of a media type is called."""


@dataclass(frozen=True, slots=True)
class Reader:
    """What it takes to read messages: who the bot is, and where it answers everything."""

    bot: discord.ClientUser
    channels: Collection[str] = ()
    """Ids, or names without the #."""
    auto_thread: bool = False
    find: Callable[[int], object] = lambda _: None
    """The channel of an id, as far as the gateway has told of it."""

    def read(self, message: discord.Message) -> Incoming | None:
        """None if `message` says nothing to the bot: not addressed, a notice, a bot's."""
        if not self.is_speech(message) or not self._addressed(message):
            return None
        incoming = self.spoken(message)
        if not incoming.content and not message.mentions:
            return None  # Its content is hidden from the bot.
        # What somebody else has written is no command.
        if not _is_forward(message):
            command = parse(incoming.text, self.bot.name)
            incoming = replace(incoming, command=command)
        return replace(incoming, key=TurnKey(self._home(message), str(message.id)))

    def spoken(self, message: discord.Message) -> Incoming:
        """A message as it was said in its own channel, to whomever."""
        group = message.guild is not None
        return Incoming(
            key=TurnKey(self.chat(message.channel), str(message.id)),
            sender=Sender(str(message.author.id), message.author.display_name),
            content=(*self._beside(message), *self._said(message), *_media(message)),
            group=group,
            side_by_side=group,
        )

    def command(self, interaction: discord.Interaction) -> Incoming:
        """A slash command of our own table."""
        assert isinstance(interaction.command, discord.app_commands.Command)
        assert isinstance(interaction.channel, discord.abc.Messageable)
        name, user = CommandName(interaction.command.name), interaction.user
        group = interaction.guild_id is not None
        return Incoming(
            key=TurnKey(self.chat(interaction.channel), str(interaction.id)),
            sender=Sender(str(user.id), user.display_name),
            content=(),
            command=Command(name, name.value),
            group=group,
            side_by_side=group,
            here=True,
            language=str(interaction.locale),
        )

    def is_speech(self, message: discord.Message) -> bool:
        """Whether a person says something with it."""
        person = not message.author.bot and message.webhook_id is None
        return person and message.type in _SPOKEN

    def chat(self, channel: discord.abc.MessageableChannel) -> ChatKey:
        """A thread is a chat of its own."""
        if isinstance(channel, discord.Thread):
            return ChatKey(PLATFORM, str(self.bot.id), str(channel.parent_id), str(channel.id))
        return ChatKey(PLATFORM, str(self.bot.id), str(channel.id))

    def places(self, message_id: int, channel: discord.abc.MessageableChannel) -> list[ChatKey]:
        """The chats in which a message may be known that can be seen from `channel`.

        In its own; in the channel that a thread was made in; in the thread that was made of it.
        """
        chat = self.chat(channel)
        bot, parent = chat.bot, chat.chat
        return [
            chat,
            ChatKey(PLATFORM, bot, parent),
            ChatKey(PLATFORM, bot, parent, str(message_id)),
        ]

    def _said(self, message: discord.Message) -> Iterator[Part]:
        """The running text, the bot's own mention left out.

        Discord's apps add no text to a message that they forward: what it forwards is said then.
        """
        parts = self._parts(message, message.content or _forwarded(message))
        if message.content or not _is_forward(message):
            yield from parts
        elif text := words(tuple(parts)):
            yield Text(text, self._channel_name(message))

    def _parts(self, message: discord.Message, text: str) -> Iterator[Part]:
        names = {user.id: f"@{user.display_name}" for user in message.mentions}
        names |= {role.id: f"@{role.name}" for role in message.role_mentions}
        own = {self.bot.id, *(role.id for role in message.role_mentions if self._is_own(role))}
        read = 0
        for match in _MENTION.finditer(text.strip()):
            mentioned = int(match["id"])
            if mentioned not in own and mentioned not in names:
                continue  # It is shown as it stands.
            if before := match.string[read : match.start()]:
                yield Text(before)
            if mentioned not in own:
                yield Mention(match["id"], names[mentioned])
            read = match.end()
        if rest := text.strip()[read:]:
            yield Text(rest)

    def _channel_name(self, message: discord.Message) -> str:
        """Where what `message` forwards is from; empty: not told.

        Discord tells the channel, not who wrote it. Nobody is told of a channel that they can't
        read: in a direct chat that is the one who forwards, elsewhere it may be anybody.
        """
        channel = self.find(message.reference.channel_id) if message.reference else None
        if not isinstance(channel, discord.abc.GuildChannel | discord.Thread):
            return ""
        guild = message.guild
        return f"#{channel.name}" if guild is None or _is_public(channel, guild) else ""

    def _beside(self, message: discord.Message) -> Content:
        """What is forwarded together with words of one's own."""
        text = _forwarded(message)
        return (Quote(text, self._channel_name(message)),) if message.content and text else ()

    def _home(self, message: discord.Message) -> ChatKey:
        """Where it is answered: with `auto_thread`, in a thread whose id will be the message's."""
        chat = self.chat(message.channel)
        if self.auto_thread and isinstance(message.channel, discord.TextChannel):
            return ChatKey(PLATFORM, chat.bot, chat.chat, str(message.id))
        return chat

    def _addressed(self, message: discord.Message) -> bool:
        if message.guild is None or self.bot in message.mentions:
            return True
        if any(self._is_own(role) for role in message.role_mentions):
            return True
        if isinstance(message.channel, discord.Thread) and self._is_ours(message.channel):
            return True
        return self._replies_to_us(message) or self._listens(message.channel)

    def _is_own(self, role: discord.Role) -> bool:
        """Discord gives each bot a role of its own, which is easily mentioned by mistake."""
        return role.tags is not None and role.tags.bot_id == self.bot.id

    def _is_ours(self, thread: discord.Thread) -> bool:
        return thread.owner_id == self.bot.id

    def _replies_to_us(self, message: discord.Message) -> bool:
        replied = message.reference and message.reference.resolved
        return isinstance(replied, discord.Message) and replied.author.id == self.bot.id

    def _listens(self, channel: discord.abc.MessageableChannel) -> bool:
        places: list[object] = [channel]
        if isinstance(channel, discord.Thread):
            places.append(channel.parent)
        known = {str(getattr(place, key, None)) for place in places for key in ("id", "name")}
        return not known.isdisjoint(self.channels)


def _media(message: discord.Message) -> Iterator[Media]:
    """What came beside the text, and with what is forwarded."""
    shown: list[discord.Message | discord.MessageSnapshot] = [message, *message.message_snapshots]
    for each in shown:
        for sticker in each.stickers:
            yield Media("sticker", str(sticker.id), sticker.name)
        for file in each.attachments:
            mime = file.content_type or ""
            kind = _KINDS.get(mime.partition("/")[0], "file")
            yield Media(kind, str(file.id), file.filename, file.size, mime)


def _is_public(channel: discord.abc.GuildChannel | discord.Thread, guild: discord.Guild) -> bool:
    """Whether all members of `guild` can read `channel`."""
    if channel.guild != guild or (isinstance(channel, discord.Thread) and channel.is_private()):
        return False
    try:
        return channel.permissions_for(guild.default_role).view_channel
    except discord.ClientException:
        return False  # The library does not know the thread's channel.


def _is_forward(message: discord.Message) -> bool:
    reference = message.reference
    points = reference is not None and reference.type is discord.MessageReferenceType.forward
    return points or bool(message.message_snapshots)


def _forwarded(message: discord.Message) -> str:
    return "\n\n".join(snapshot.content for snapshot in message.message_snapshots)
