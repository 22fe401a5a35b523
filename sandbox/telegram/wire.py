"""The world's objects in the shapes that the Bot API gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sandbox.telegram.entities import Entity
    from sandbox.telegram.state import Chat, MemberStatus, Message, User, World

Json = dict[str, object]


def user_json(user: User) -> Json:
    shown: Json = {"id": user.id, "is_bot": user.is_bot, "first_name": user.first_name}
    if user.username:
        shown["username"] = user.username
    if not user.is_bot:
        shown["language_code"] = user.language_code
    return shown


def bot_json(bot: User, *, reads_groups: bool) -> Json:
    """The bot as getMe describes it."""
    return {
        **user_json(bot),
        "can_join_groups": True,
        "can_read_all_group_messages": reads_groups,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
    }


def chat_json(chat: Chat) -> Json:
    shown: Json = {"id": chat.id, "type": chat.type}
    if chat.type == "private":
        shown["first_name"] = chat.title
    else:
        shown["title"] = chat.title
    if chat.username:
        shown["username"] = chat.username
    if chat.is_forum:
        shown["is_forum"] = True
    return shown


def full_chat_json(chat: Chat) -> Json:
    """The chat as getChat describes it."""
    gifts = dict.fromkeys(
        (
            "unlimited_gifts",
            "limited_gifts",
            "unique_gifts",
            "premium_subscription",
            "gifts_from_channels",
        ),
        False,
    )
    return {
        **chat_json(chat),
        "accent_color_id": 0,
        "max_reaction_count": 11,
        "accepted_gift_types": gifts,
    }


def member_json(user: User, status: MemberStatus) -> Json:
    shown: Json = {"user": user_json(user), "status": status}
    if status == "creator":
        shown["is_anonymous"] = False
    elif status == "kicked":
        shown["until_date"] = 0
    elif status == "administrator":
        shown |= {"can_be_edited": False, "is_anonymous": False} | dict.fromkeys(_RIGHTS, True)
    return shown


_RIGHTS = (
    "can_manage_chat",
    "can_delete_messages",
    "can_manage_video_chats",
    "can_restrict_members",
    "can_promote_members",
    "can_change_info",
    "can_invite_users",
    "can_post_stories",
    "can_edit_stories",
    "can_delete_stories",
)


def entities_json(entities: Iterable[Entity], users: dict[int, User]) -> list[Json]:
    return [_entity_json(entity, users) for entity in entities]


def _entity_json(entity: Entity, users: dict[int, User]) -> Json:
    shown: Json = {"type": entity.type, "offset": entity.offset, "length": entity.length}
    if entity.type == "text_link":
        shown["url"] = entity.url
    elif entity.type == "pre" and entity.language:
        shown["language"] = entity.language
    elif entity.type == "text_mention":
        user = users.get(entity.user_id)
        shown["user"] = (
            user_json(user) if user else {"id": entity.user_id, "is_bot": False, "first_name": ""}
        )
    elif entity.type == "custom_emoji":
        shown["custom_emoji_id"] = entity.custom_emoji_id
    elif entity.type == "date_time":
        shown["unix_time"] = entity.unix_time
    return shown


def message_json(world: World, message: Message, *, with_reply: bool = True) -> Json:
    chat = world.chats[message.chat_id]
    shown: Json = {
        "message_id": message.message_id,
        "from": user_json(message.sender),
        "chat": chat_json(chat),
        "date": message.date,
    }
    if message.edit_date is not None:
        shown["edit_date"] = message.edit_date
    if message.thread_id is not None:
        shown["message_thread_id"] = message.thread_id
    if message.is_topic:
        shown["is_topic_message"] = True
    parent = _parent(chat, message)
    if with_reply and parent is not None:
        shown["reply_to_message"] = message_json(world, parent, with_reply=False)
    if message.media_group_id:
        shown["media_group_id"] = message.media_group_id
    if message.reply_markup is not None:
        shown["reply_markup"] = message.reply_markup
    return shown | dict(message.service) | dict(message.origin) | _content(world, message)


def origin_json(message: Message, *, hidden: bool) -> Json:
    """Where a forward of `message` is from, as its origin and in the fields that it replaced."""
    if message.origin:
        return dict(message.origin)
    name, date = message.sender.first_name, message.date
    if hidden:
        origin: Json = {"type": "hidden_user", "sender_user_name": name, "date": date}
        return {"forward_origin": origin, "forward_sender_name": name, "forward_date": date}
    user = user_json(message.sender)
    origin = {"type": "user", "sender_user": user, "date": date}
    return {"forward_origin": origin, "forward_from": user, "forward_date": date}


def _parent(chat: Chat, message: Message) -> Message | None:
    """What a message replies to; one in a topic that replies to nothing replies to its opening."""
    parent = message.reply_to
    if parent is None and message.is_topic and message.thread_id != message.message_id:
        parent = message.thread_id
    return None if parent is None else chat.message(parent)


def _content(world: World, message: Message) -> Json:
    text_field, entities_field = "text", "entities"
    shown: Json = {}
    if message.photo:
        text_field, entities_field = "caption", "caption_entities"
        shown["photo"] = [
            {
                "file_id": message.photo,
                "file_unique_id": f"u{message.photo}",
                "width": 90,
                "height": 90,
                "file_size": 1024,
            }
        ]
    if message.text:
        shown[text_field] = message.text
    if message.entities:
        shown[entities_field] = entities_json(message.entities, world.users)
    return shown
