"""Users, guilds, channels and the application in the shapes that Discord gives them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sandbox.discord.world.model import Channel, ChannelKind, Guild, Member, Role, Thread, User

if TYPE_CHECKING:
    from sandbox.discord.errors import Json
    from sandbox.discord.world.state import World

GATEWAY_MESSAGE_CONTENT_LIMITED = 1 << 19
"""The application flag that says it may read messages, in fewer than 100 guilds."""


def timestamp(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).isoformat(timespec="microseconds")


def user_json(user: User) -> Json:
    shown: Json = {
        "id": str(user.id),
        "username": user.name,
        "discriminator": "0",
        "global_name": None if user.is_bot else user.display_name,
        "avatar": None,
        "public_flags": 0,
    }
    if user.is_bot:
        shown["bot"] = True
    return shown


def own_user_json(bot: User) -> Json:
    """The bot as /users/@me and READY describe it."""
    return {**user_json(bot), "verified": True, "mfa_enabled": False, "flags": 0, "email": None}


def application_json(bot: User, *, message_content: bool) -> Json:
    """The bot's application; its id is the bot's."""
    owner = User(bot.id - 1, "owner", "Owner")
    return {
        "id": str(bot.id),
        "name": bot.display_name,
        "description": "",
        "icon": None,
        "bot_public": True,
        "bot_require_code_grant": False,
        "owner": user_json(owner),
        "team": None,
        "summary": "",
        "verify_key": "0" * 64,
        "flags": GATEWAY_MESSAGE_CONTENT_LIMITED if message_content else 0,
        "bot": user_json(bot),
    }


def member_json(member: Member, *, with_user: bool = True) -> Json:
    shown: Json = {
        "roles": [str(role_id) for role_id in member.role_ids],
        "nick": None,
        "avatar": None,
        "joined_at": timestamp(member.joined),
        "premium_since": None,
        "deaf": False,
        "mute": False,
        "pending": False,
        "flags": 0,
        "communication_disabled_until": None,
    }
    if with_user:
        shown["user"] = user_json(member.user)
    return shown


def role_json(role: Role) -> Json:
    return {
        "id": str(role.id),
        "name": role.name,
        "permissions": str(int(role.permissions)),
        "position": role.position,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "managed": role.managed,
        "mentionable": role.mentionable,
        "flags": 0,
    }


def channel_json(world: World, channel: Channel) -> Json:
    shown: Json = {
        "id": str(channel.id),
        "type": int(channel.kind),
        "last_message_id": None
        if channel.last_message_id is None
        else str(channel.last_message_id),
        "flags": 0,
    }
    if channel.kind is ChannelKind.DM:
        assert channel.recipient is not None
        return shown | {"recipients": [user_json(channel.recipient)]}
    shown |= {"guild_id": str(channel.guild_id), "name": channel.name, "rate_limit_per_user": 0}
    if channel.thread is not None:
        return shown | _thread_json(world, channel, channel.thread)
    shown |= {
        "parent_id": None,
        "topic": channel.topic or None,
        "position": channel.position,
        "nsfw": False,
        "permission_overwrites": [
            {
                "id": str(overwrite.id),
                "type": int(overwrite.kind),
                "allow": str(int(overwrite.allow)),
                "deny": str(int(overwrite.deny)),
            }
            for overwrite in channel.overwrites
        ],
    }
    if channel.kind is ChannelKind.FORUM:
        shown |= {"available_tags": [], "default_reaction_emoji": None, "default_sort_order": None}
    return shown


def _thread_json(world: World, channel: Channel, thread: Thread) -> Json:
    shown: Json = {
        "parent_id": str(channel.parent_id),
        "owner_id": str(thread.owner_id),
        "message_count": thread.message_count,
        "total_message_sent": thread.total_message_sent,
        "member_count": len(thread.member_ids),
        "thread_metadata": {
            "archived": thread.archived,
            "archive_timestamp": timestamp(thread.archive_timestamp),
            "auto_archive_duration": thread.auto_archive_duration,
            "locked": thread.locked,
            "create_timestamp": timestamp(thread.created),
        },
    }
    if world.bot.id in thread.member_ids:
        shown["member"] = thread_member_json(channel, world.bot, thread)
    return shown


def thread_member_json(channel: Channel, user: User, thread: Thread) -> Json:
    return {
        "id": str(channel.id),
        "user_id": str(user.id),
        "join_timestamp": timestamp(thread.created),
        "flags": 0,
    }


def guild_json(guild: Guild) -> Json:
    return {
        "id": str(guild.id),
        "name": guild.name,
        "icon": None,
        "splash": None,
        "discovery_splash": None,
        "description": None,
        "owner_id": str(guild.owner_id),
        "roles": [role_json(role) for role in guild.roles.values()],
        "emojis": [],
        "stickers": [],
        "features": [],
        "verification_level": 0,
        "default_message_notifications": 1,
        "explicit_content_filter": 0,
        "mfa_level": 0,
        "nsfw_level": 0,
        "premium_tier": 0,
        "preferred_locale": "en-US",
        "afk_channel_id": None,
        "afk_timeout": 300,
        "system_channel_id": None,
        "system_channel_flags": 0,
        "rules_channel_id": None,
        "public_updates_channel_id": None,
        "vanity_url_code": None,
        "premium_progress_bar_enabled": False,
    }


def guild_event_json(world: World, guild: Guild) -> Json:
    """The guild as GUILD_CREATE gives it: of its members, a bot is sent only itself.

    Hidden channels are among the channels, with the overwrites that hide them, as Discord does.
    """
    bot = guild.members[world.bot.id]
    return {
        **guild_json(guild),
        "joined_at": timestamp(bot.joined),
        "large": False,
        "member_count": len(guild.members),
        "members": [member_json(bot)],
        "channels": [
            channel_json(world, world.channels[channel_id]) for channel_id in guild.channel_ids
        ],
        "threads": [
            channel_json(world, thread)
            for thread in world.threads(guild)
            if world.sees(world.bot, thread)
        ],
        "voice_states": [],
        "presences": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }
