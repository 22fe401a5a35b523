"""Messages in the shapes that Discord gives them.

A key that does not apply is absent, not null, but for referenced_message, edited_timestamp and the
like (https://discord.com/developers/docs/resources/message#message-object).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from sandbox.discord.world.model import MessageFlag, MessageKind
from sandbox.discord.world.wire import channel_json, member_json, timestamp, user_json

if TYPE_CHECKING:
    from sandbox.discord.errors import Json
    from sandbox.discord.world.model import (
        Attachment,
        Channel,
        Message,
        Reference,
        Snapshot,
        Source,
        User,
    )
    from sandbox.discord.world.state import World

_EMPTY: Json = {"content": "", "embeds": [], "attachments": [], "components": []}
_POINTING_BACK = frozenset({MessageKind.REPLY, MessageKind.THREAD_STARTER})
COMMAND_INTERACTION = 2


def readable_without_intent(world: World, channel: Channel, message: Message) -> bool:
    """Whether a bot without the message content intent is shown what the message says.

    https://discord.com/developers/docs/events/gateway#message-content-intent
    """
    bot = world.bot
    return channel.guild_id is None or message.author == bot or bot in message.mentions.users


def message_json(
    world: World, message: Message, *, content: bool, with_reference: bool = True
) -> Json:
    """The message as the REST API gives it.

    Args:
        world: where it is.
        message: what is shown.
        content: whether the bot may read everything; if not, other people's guild messages are
            emptied.
        with_reference: whether the message replied to is shown within.
    """
    channel = world.channels[message.channel_id]
    shown: Json = {
        "id": str(message.id),
        "channel_id": str(message.channel_id),
        "type": int(message.kind),
        "author": user_json(message.author),
        "content": message.text,
        "embeds": list(message.embeds),
        "attachments": [_attachment_json(world, channel, a) for a in message.attachments],
        "components": list(message.components),
        "mentions": [user_json(user) for user in message.mentions.users],
        "mention_roles": [str(role_id) for role_id in message.mentions.role_ids],
        "mention_everyone": message.mentions.everyone,
        "pinned": False,
        "tts": False,
        "timestamp": timestamp(message.created),
        "edited_timestamp": None if message.edited is None else timestamp(message.edited),
        "flags": int(message.flags),
    }
    if message.snapshot is not None and message.reference is not None:
        origin = world.channels[message.reference.channel_id]
        forwarded = _snapshot_json(world, origin, message.snapshot)
        shown["message_snapshots"] = [{"message": forwarded}]
    if not content and not readable_without_intent(world, channel, message):
        shown |= _EMPTY
        shown.pop("message_snapshots", None)
    shown |= _optional_json(world, message)
    if message.reference is not None:
        forwards = message.snapshot is not None
        shown["message_reference"] = _reference_json(message.reference, forwards=forwards)
        if with_reference and message.kind in _POINTING_BACK:
            parent = world.referenced(message)
            shown["referenced_message"] = (
                None
                if parent is None
                else message_json(world, parent, content=content, with_reference=False)
            )
    return shown


def message_event_json(world: World, message: Message, *, content: bool) -> Json:
    """The message as MESSAGE_CREATE and MESSAGE_UPDATE give it."""
    channel = world.channels[message.channel_id]
    shown = message_json(world, message, content=content)
    shown["channel_type"] = int(channel.kind)
    guild = world.guild_of(channel)
    if guild is None:
        return shown
    shown["guild_id"] = str(guild.id)
    author = guild.members.get(message.author.id)
    if author is not None and message.source is None:
        shown["member"] = member_json(author, with_user=False)
    shown["mentions"] = [_mentioned_json(world, channel, user) for user in message.mentions.users]
    return shown


def _snapshot_json(world: World, origin: Channel, snapshot: Snapshot) -> Json:
    """What is shown of a forwarded message: not its author.

    https://discord.com/developers/docs/resources/message#message-snapshot-object
    """
    return {
        "type": int(snapshot.kind),
        "content": snapshot.shown.text,
        "embeds": list(snapshot.shown.embeds),
        "attachments": [_attachment_json(world, origin, a) for a in snapshot.attachments],
        "components": list(snapshot.shown.components),
        "mentions": [user_json(user) for user in snapshot.mentions.users],
        "mention_roles": [str(role_id) for role_id in snapshot.mentions.role_ids],
        "timestamp": timestamp(snapshot.created),
        "edited_timestamp": None if snapshot.edited is None else timestamp(snapshot.edited),
        "flags": int(snapshot.flags),
    }


def _mentioned_json(world: World, channel: Channel, user: User) -> Json:
    member = world.member_of(channel, user)
    shown = user_json(user)
    return shown if member is None else {**shown, "member": member_json(member, with_user=False)}


def _optional_json(world: World, message: Message) -> Json:
    shown: Json = {}
    if message.nonce is not None:
        shown["nonce"] = message.nonce
    if message.position is not None:
        shown["position"] = message.position
    if message.reactions:
        shown["reactions"] = [
            _reaction_json(world, emoji, user_ids) for emoji, user_ids in message.reactions.items()
        ]
    if message.flags & MessageFlag.HAS_THREAD and message.id in world.channels:
        shown["thread"] = channel_json(world, world.channels[message.id])
    if message.source is not None:
        shown |= _source_json(world, message.source)
    return shown


def _source_json(world: World, source: Source) -> Json:
    user = user_json(source.user)
    metadata: Json = {
        "id": str(source.interaction_id),
        "type": source.kind,
        "user": user,
        "authorizing_integration_owners": {},
    }
    if source.original_id is not None:
        metadata["original_response_message_id"] = str(source.original_id)
    shown: Json = {
        "webhook_id": str(world.bot.id),
        "application_id": str(world.bot.id),
        "interaction_metadata": metadata,
    }
    if source.kind == COMMAND_INTERACTION and source.original_id is None:
        shown["interaction"] = {
            "id": str(source.interaction_id),
            "type": source.kind,
            "name": source.name,
            "user": user,
        }
    return shown


def _reference_json(reference: Reference, *, forwards: bool) -> Json:
    shown: Json = {"type": int(forwards), "channel_id": str(reference.channel_id)}
    if reference.message_id is not None:
        shown["message_id"] = str(reference.message_id)
    if reference.guild_id is not None:
        shown["guild_id"] = str(reference.guild_id)
    return shown


def _reaction_json(world: World, emoji: str, user_ids: list[int]) -> Json:
    return {
        "emoji": {"id": None, "name": emoji},
        "count": len(user_ids),
        "count_details": {"normal": len(user_ids), "burst": 0},
        "me": world.bot.id in user_ids,
        "me_burst": False,
        "burst_colors": [],
    }


def _attachment_json(world: World, channel: Channel, attachment: Attachment) -> Json:
    name = quote(attachment.filename)
    url = f"{world.cdn_url}/attachments/{channel.id}/{attachment.id}/{name}"
    shown: Json = {
        "id": str(attachment.id),
        "filename": attachment.filename,
        "size": len(attachment.content),
        "url": url,
        "proxy_url": url,
        "content_type": attachment.content_type,
    }
    if attachment.description:
        shown["description"] = attachment.description
    return shown
