"""What a call of the bot may touch: the checks that the API's methods share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.discord.errors import Code, refusal
from sandbox.discord.world.model import ChannelKind
from sandbox.discord.world.permissions import Permission

if TYPE_CHECKING:
    from sandbox.discord.world.model import Channel, Guild, Message
    from sandbox.discord.world.state import World


def find_guild(world: World, guild_id: int) -> Guild:
    """A guild that the bot is in."""
    guild = world.guilds.get(guild_id)
    if guild is None or world.bot.id not in guild.members:
        raise refusal(Code.UNKNOWN_GUILD)
    return guild


def find_channel(world: World, channel_id: int) -> Channel:
    """A channel that the bot sees."""
    channel = world.channels.get(channel_id)
    if channel is None:
        raise refusal(Code.UNKNOWN_CHANNEL)
    if not world.sees(world.bot, channel):
        raise refusal(Code.MISSING_ACCESS)
    return channel


def find_message(channel: Channel, message_id: int) -> Message:
    message = channel.message(message_id)
    if message is None:
        raise refusal(Code.UNKNOWN_MESSAGE)
    return message


def require(world: World, channel: Channel, permission: Permission) -> None:
    """Raise ApiError unless the bot has the permission in the channel."""
    if not world.may(world.bot, channel, permission):
        raise refusal(Code.MISSING_PERMISSIONS)


def check_can_send(world: World, channel: Channel) -> None:
    if channel.kind is ChannelKind.DM:
        check_can_dm(world, channel)
    elif channel.kind is ChannelKind.FORUM:
        raise refusal(Code.SEND_IN_FORUM)
    elif channel.thread is not None:
        check_unlocked(world, channel)
        require(world, channel, Permission.SEND_MESSAGES_IN_THREADS)
    else:
        require(world, channel, Permission.SEND_MESSAGES)


def check_can_dm(world: World, dm: Channel) -> None:
    """The person has direct messages open, and has a guild with the bot or has written to it."""
    person, bot = dm.recipient, world.bot
    assert person is not None
    has_written = any(message.author == person for message in dm.messages.values())
    shares_guild = any(
        person.id in guild.members and bot.id in guild.members for guild in world.guilds.values()
    )
    if person.id in world.closed_dms or not (has_written or shares_guild):
        raise refusal(Code.CANNOT_DM)


def check_unlocked(world: World, channel: Channel) -> None:
    locked = channel.thread is not None and channel.thread.locked
    if locked and not world.may(world.bot, channel, Permission.MANAGE_THREADS):
        raise refusal(Code.THREAD_LOCKED)


def check_active(channel: Channel) -> None:
    """In an archived thread nothing can be edited."""
    if channel.thread is not None and channel.thread.archived:
        raise refusal(Code.THREAD_ARCHIVED)
