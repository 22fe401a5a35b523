"""Pure: a Telegram message -> an Incoming, where it is meant for the bot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from telegram.constants import ChatType, MessageEntityType
from telegram.helpers import effective_message_type

from bot.chat.commands import parse
from bot.chat.content import Media, Quote, Text
from bot.chat.incoming import Incoming, Sender
from bot.chat.keys import ChatKey, TurnKey
from bot.platforms.telegram import forwarded

if TYPE_CHECKING:
    from telegram import Message, MessageEntity, User

    from bot.chat.content import Content


def read(message: Message, bot: User) -> Incoming | None:
    """None where `message` says nothing to the bot: not addressed, a service message, a bot's."""
    sender = message.from_user
    if sender is None or sender.is_bot:
        return None
    text = message.text or message.caption or ""
    attached = message.effective_attachment
    if not text and attached is None:
        return None
    forwarded_from = forwarded.origin(message)
    # What somebody else has written, or another bot made of a query, is no command.
    own = forwarded_from is None and message.via_bot is None
    command = parse(text, bot.username or "") if own else None
    group = message.chat.type != ChatType.PRIVATE
    mentions = _mentions(message, bot)
    if group and command is None and not mentions and not _replies_to(message, bot):
        return None
    said = _without(text, mentions).strip()
    written = (Text(said, forwarded_from),) if said else ()
    return Incoming(
        key=TurnKey(_chat(message, bot), str(message.message_id)),
        sender=Sender(str(sender.id), sender.full_name),
        content=(*_quoted(message, bot), *written, *_media(message)),
        command=command,
        group=group,
        language=sender.language_code or "",
    )


def _chat(message: Message, bot: User) -> ChatKey:
    """A forum topic is a chat of its own; elsewhere a thread id only names a reply chain."""
    thread = str(message.message_thread_id) if message.is_topic_message else ""
    return ChatKey("telegram", str(bot.id), str(message.chat.id), thread)


def _mentions(message: Message, bot: User) -> list[MessageEntity]:
    """Where the bot is mentioned in the text."""
    found = message.parse_entities([MessageEntityType.MENTION, MessageEntityType.TEXT_MENTION])
    found |= message.parse_caption_entities(
        [MessageEntityType.MENTION, MessageEntityType.TEXT_MENTION]
    )
    name = f"@{bot.username}".lower()
    return [
        entity
        for entity, text in found.items()
        if text.lower() == name or (entity.user is not None and entity.user.id == bot.id)
    ]


def _without(text: str, entities: list[MessageEntity]) -> str:
    """`text` less the parts that `entities` cover; they count in UTF-16 units."""
    units = text.encode("utf-16-le")
    for entity in sorted(entities, key=lambda entity: entity.offset, reverse=True):
        start, end = 2 * entity.offset, 2 * (entity.offset + entity.length)
        units = units[:start] + units[end:]
    return units.decode("utf-16-le", errors="replace")


def _replies_to(message: Message, bot: User) -> bool:
    """A message in a topic that replies to nothing still carries the topic's first message."""
    replied = message.reply_to_message
    return (
        replied is not None
        and replied.forum_topic_created is None
        and replied.from_user is not None
        and replied.from_user.id == bot.id
    )


def _quoted(message: Message, bot: User) -> Content:
    """The part of somebody's message that was quoted, or all of it; the bot's own are known."""
    replied = message.reply_to_message
    if replied is None or replied.forum_topic_created is not None:
        return ()
    if message.quote is not None:
        text = message.quote.text
    elif replied.from_user is not None and replied.from_user.id == bot.id:
        return ()
    else:
        text = replied.text or replied.caption or ""
    return (Quote(text, forwarded.origin(replied)),) if text else ()


def _media(message: Message) -> Content:
    """What came beside the text. Of a photo's sizes, the largest."""
    attached: Any = message.effective_attachment
    if attached is None:
        return ()
    if isinstance(attached, list | tuple):
        attached = attached[-1] if attached else None
    return (
        Media(
            kind=effective_message_type(message) or "file",
            ref=getattr(attached, "file_id", ""),
            name=getattr(attached, "file_name", None) or "",
            size=getattr(attached, "file_size", None),
            mime=getattr(attached, "mime_type", None) or "",
        ),
    )
