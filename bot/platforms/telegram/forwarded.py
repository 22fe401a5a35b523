"""Pure: whether a Telegram message is a forward, and whose words it brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telegram import (
    MessageOriginChannel,
    MessageOriginChat,
    MessageOriginHiddenUser,
    MessageOriginUser,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telegram import Message


def origin(message: Message) -> str | None:
    """The name of the person or chat that a forward is from; empty: not told; None: no forward."""
    match message.forward_origin:
        case MessageOriginUser(sender_user=user):
            return user.full_name
        case MessageOriginHiddenUser(sender_user_name=name):
            return name
        case MessageOriginChat(sender_chat=chat) | MessageOriginChannel(chat=chat):
            return chat.effective_name or ""
        case None:
            return _of_an_old_server(message)
    return ""


def _of_an_old_server(message: Message) -> str | None:
    """Before Bot API 7.0 a forward had fields of its own, which the library does not know."""
    if message.is_automatic_forward and message.sender_chat is not None:
        return message.sender_chat.effective_name or ""
    if not any(field.startswith("forward_") for field in message.api_kwargs):
        return None
    for field in ("forward_from", "forward_from_chat", "forward_sender_name"):
        if name := _name(message.api_kwargs.get(field)):
            return name
    return ""


def _name(value: object) -> str:
    """Of a user or a chat in JSON, or as it stands there."""
    if isinstance(value, str):
        return value
    fields: Mapping[str, object] = value if isinstance(value, dict) else {}
    parts = (fields.get(field) for field in ("first_name", "last_name", "title"))
    return " ".join(part for part in parts if isinstance(part, str))
