"""Pure: a Telegram message -> an Incoming, where it is meant for the bot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telegram.constants import ChatType, MessageEntityType

from bot.commands import parse
from bot.messages import Attachment, ChatKey, Incoming, Sender, TurnKey

if TYPE_CHECKING:
    from telegram import Message, User


def read(message: Message, bot: User) -> Incoming | None:
    """None where `message` says nothing to the bot: not addressed, a service message, a bot's."""
    sender = message.from_user
    if sender is None or sender.is_bot:
        return None
    text = message.text or message.caption or ""
    has_attachment = message.effective_attachment is not None
    if not text and not has_attachment:
        return None
    command = parse(text, bot.username or "")
    group = message.chat.type != ChatType.PRIVATE
    mentions = _mentions(message, bot)
    if group and command is None and not mentions and not _replies_to(message, bot):
        return None
    for mention in mentions:
        text = text.replace(mention, "", 1)
    return Incoming(
        key=TurnKey(_chat(message, bot), str(message.message_id)),
        sender=Sender(str(sender.id), sender.full_name),
        text=text.strip(),
        command=command,
        group=group,
        quoted=_quoted(message, bot),
        attachments=(Attachment("file"),) if has_attachment else (),
    )


def _chat(message: Message, bot: User) -> ChatKey:
    """A forum topic is a chat of its own; elsewhere a thread id only names a reply chain."""
    thread = str(message.message_thread_id) if message.is_topic_message else ""
    return ChatKey("telegram", str(bot.id), str(message.chat.id), thread)


def _mentions(message: Message, bot: User) -> list[str]:
    """The mentions of the bot, as they stand in the text."""
    found = message.parse_entities([MessageEntityType.MENTION, MessageEntityType.TEXT_MENTION])
    found |= message.parse_caption_entities(
        [MessageEntityType.MENTION, MessageEntityType.TEXT_MENTION]
    )
    name = f"@{bot.username}".lower()
    return [
        text
        for entity, text in found.items()
        if text.lower() == name or (entity.user is not None and entity.user.id == bot.id)
    ]


def _replies_to(message: Message, bot: User) -> bool:
    """A message in a topic that replies to nothing still carries the topic's first message."""
    replied = message.reply_to_message
    return (
        replied is not None
        and replied.forum_topic_created is None
        and replied.from_user is not None
        and replied.from_user.id == bot.id
    )


def _quoted(message: Message, bot: User) -> str:
    """The part of somebody's message that was quoted, or all of it; the bot's own are known."""
    replied = message.reply_to_message
    if replied is None or replied.forum_topic_created is not None:
        return ""
    if message.quote is not None:
        return message.quote.text
    if replied.from_user is not None and replied.from_user.id == bot.id:
        return ""
    return replied.text or replied.caption or ""
