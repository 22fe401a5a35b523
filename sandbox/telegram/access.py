"""Who the bot may write to, where: the checks that come before a call is applied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.telegram.errors import bad_request, forbidden, migrated
from sandbox.telegram.state import GENERAL_TOPIC, Chat, Message, World

if TYPE_CHECKING:
    from sandbox.telegram.params import Params


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message goes, checked."""

    thread_id: int | None
    reply_to: int | None


def find_chat(world: World, params: Params) -> Chat:
    """The chat that chat_id names, whether the bot may write there or not."""
    name = params.text("chat_id")
    if not name:
        raise bad_request("chat_id is empty")
    try:
        return world.chats[int(name)]
    except (KeyError, ValueError):
        raise bad_request("chat not found") from None


def check_member(world: World, chat: Chat) -> None:
    """Raises ApiError in a group the bot is not in, or that has become another."""
    if chat.migrated_to is not None:
        raise migrated(chat.migrated_to)
    if chat.type == "private":
        return
    status = chat.members.get(world.bot.id, "left")
    if status == "kicked":
        raise forbidden(f"bot was kicked from the {_kind(chat)} chat")
    if status == "left":
        raise forbidden(f"bot is not a member of the {_kind(chat)} chat")


def check_not_blocked(world: World, chat: Chat) -> None:
    """Raises ApiError in a private chat whose user never wrote, or blocked the bot."""
    if chat.type != "private":
        return
    if not chat.started:
        raise forbidden("bot can't initiate conversation with a user")
    if chat.members[world.bot.id] == "kicked":
        raise forbidden("bot was blocked by the user")


def check_place(world: World, chat: Chat, params: Params) -> Place:
    """The topic and the reply a new message asks for, checked."""
    thread_id = check_thread(world, chat, params)
    parent = _parent(chat, params)
    if thread_id is None and parent is not None and parent.is_topic:
        thread_id = parent.thread_id
        _check_open(world, chat, thread_id)
    return Place(thread_id, None if parent is None else parent.message_id)


def check_thread(world: World, chat: Chat, params: Params) -> int | None:
    """The topic message_thread_id names; it means nothing in groups without topics."""
    thread_id = params.integer("message_thread_id")
    if not thread_id or (chat.type != "private" and not chat.is_forum):
        return None
    if thread_id == GENERAL_TOPIC or thread_id not in chat.topics:
        raise bad_request("message thread not found")
    _check_open(world, chat, thread_id)
    return thread_id


def _check_open(world: World, chat: Chat, thread_id: int | None) -> None:
    topic = chat.topics.get(thread_id or 0)
    if topic and topic.closed and chat.members.get(world.bot.id) != "administrator":
        raise bad_request("TOPIC_CLOSED")


def _parent(chat: Chat, params: Params) -> Message | None:
    """The message replied to, in the new form (reply_parameters) or the old."""
    wanted, lenient = params.integer("reply_to_message_id"), "allow_sending_without_reply"
    may_lack = params.boolean(lenient)
    if "reply_parameters" in params:
        reply = params.json("reply_parameters")
        if not isinstance(reply, dict):
            raise bad_request("Can't parse reply parameters JSON object")
        try:
            wanted = int(str(reply.get("message_id", 0)))
        except ValueError:
            raise bad_request("Can't parse ReplyParameters: message_id is no Number") from None
        may_lack = bool(reply.get(lenient))
    if wanted <= 0:
        return None
    parent = chat.message(wanted)
    if parent is None and not may_lack:
        raise bad_request("message to be replied not found")
    return parent


def _kind(chat: Chat) -> str:
    return "supergroup" if chat.type == "supergroup" else "group"
