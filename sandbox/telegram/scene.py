"""What people do in the world, and the updates the bot gets of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.telegram.entities import Entity, FormattedText, format_text
from sandbox.telegram.state import EMPTY, Chat, Content, MemberStatus, Message, User, World
from sandbox.telegram.text import utf16_length
from sandbox.telegram.wire import chat_json, member_json, message_json, origin_json, user_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sandbox.telegram.settings import Settings
    from sandbox.telegram.updates import UpdateQueue


class SceneError(ValueError):
    """Something a person can't do in Telegram's own apps either."""


class Scene:
    """Acts of people; each is applied at once and queues the updates it causes."""

    def __init__(self, world: World, updates: UpdateQueue, settings: Settings) -> None:
        self.world = world
        self.updates = updates
        self._settings = settings
        self._callback_ids: set[str] = set()

    def say(  # noqa: PLR0913 - a message has this many parts
        self,
        user: User,
        chat: Chat,
        text: str,
        *,
        entities: Sequence[Entity] = (),
        reply_to: int | None = None,
        thread_id: int | None = None,
        photo: str = "",
        media_group_id: str = "",
    ) -> Message:
        """Post a message of `user`; writing to the bot starts the private chat and unblocks it."""
        formatted = self._formatted(text, entities, optional=bool(photo))
        parent = self._check_place(user, chat, reply_to, thread_id)
        if thread_id is None and chat.is_forum and parent is not None and parent.is_topic:
            thread_id = parent.thread_id
        content = Content(
            formatted, reply_to, thread_id, photo=photo, media_group_id=media_group_id
        )
        return self._post(user, chat, content)

    def send_photo(self, user: User, chat: Chat, caption: str, album: str = "") -> Message:
        """Post a photo; photos of one album carry the same media_group_id."""
        photo = f"photo-{len(self.world.changes)}"
        return self.say(user, chat, caption, photo=photo, media_group_id=album)

    def forward(self, user: User, message: Message, chat: Chat, *, hidden: bool = False) -> Message:
        """Post what a message shows now in another chat; `hidden`: its sender forbids a link."""
        self._check_place(user, chat, None, None)
        if message.deleted or user.id not in self.world.chats[message.chat_id].members:
            raise SceneError(
                f"there is no message {message.message_id} that {user.first_name} sees"
            )
        content = Content(
            FormattedText(message.text, message.entities),
            photo=message.photo,
            origin=origin_json(message, hidden=hidden),
        )
        return self._post(user, chat, content)

    def edit(self, user: User, message: Message, text: str) -> None:
        if message.sender != user or message.deleted:
            raise SceneError("only one's own messages can be edited")
        self.world.edit(message, self._formatted(text, (), optional=bool(message.photo)))
        self._tell("edited_message", message)

    def delete(self, message: Message) -> None:
        """Delete for everyone; a bot is not told."""
        if message.deleted:
            raise SceneError(f"message {message.message_id} is deleted already")
        self.world.delete(message)

    def press(self, user: User, message: Message, data: str) -> str:
        """Press an inline button of a message and return the callback query's id."""
        if data not in _callback_data(message.reply_markup):
            raise SceneError(f"message {message.message_id} has no button with the data {data!r}")
        query_id = str(4_000_000_000_000 + len(self._callback_ids))
        self._callback_ids.add(query_id)
        query = {
            "id": query_id,
            "from": user_json(user),
            "message": message_json(self.world, message),
            "chat_instance": str(message.chat_id),
            "data": data,
        }
        self.updates.add("callback_query", query)
        return query_id

    def answer_callback(self, query_id: str) -> bool:
        """Whether such a query waits; it is answered then."""
        if query_id in self._callback_ids:
            self._callback_ids.remove(query_id)
            return True
        return False

    def stop_generation(self, chat: Chat, draft_id: int, thread_id: int | None = None) -> None:
        """Press Stop on a draft."""
        payload: dict[str, object] = {"chat": chat_json(chat), "draft_id": draft_id}
        if thread_id is not None:
            payload["message_thread_id"] = thread_id
        self.updates.add("stopped_message_generation", payload)

    def set_bot_status(self, chat: Chat, by: User, status: MemberStatus) -> None:
        """Block or unblock, kick, add or promote the bot; the same status again is no act."""
        bot = self.world.bot
        old = chat.members.get(bot.id, "left")
        if old == status:
            return
        chat.members[bot.id] = status
        change = {
            "chat": chat_json(chat),
            "from": user_json(by),
            "date": self.world.unix(),
            "old_chat_member": member_json(bot, old),
            "new_chat_member": member_json(bot, status),
        }
        self.updates.add("my_chat_member", change)

    def open_topic(self, chat: Chat, creator: User, name: str) -> int:
        """Make a forum topic and return its message_thread_id."""
        if not chat.is_forum:
            raise SceneError(f"{chat.title!r} is no forum: make it with forum=True")
        topic, opening = self.world.open_topic(chat, creator, name)
        self._tell("message", opening)
        return topic.id

    def close_topic(self, chat: Chat, user: User, thread_id: int, *, closed: bool = True) -> None:
        topic = chat.topics.get(thread_id)
        if topic is None:
            raise SceneError(f"there is no topic {thread_id} in {chat.title!r}")
        topic.closed = closed
        field = "forum_topic_closed" if closed else "forum_topic_reopened"
        self._service(chat, user, {field: {}}, thread_id)

    def migrate(self, chat: Chat, user: User) -> Chat:
        """Turn a basic group into a supergroup, with the service messages in both."""
        if chat.type != "group" or chat.migrated_to is not None:
            raise SceneError(f"{chat.title!r} is no basic group any more")
        new = self.world.migrate(chat)
        self._service(chat, user, {"migrate_to_chat_id": new.id})
        self._service(new, user, {"migrate_from_chat_id": chat.id})
        return new

    def _post(self, user: User, chat: Chat, content: Content) -> Message:
        if chat.type == "private":
            chat.started = True
            self.set_bot_status(chat, user, "member")
        message = self.world.post(chat, user, content)
        self._tell("message", message)
        return message

    def _service(
        self, chat: Chat, user: User, fields: dict[str, object], thread_id: int | None = None
    ) -> None:
        content = Content(EMPTY, thread_id=thread_id, service=fields)
        self._tell("message", self.world.post(chat, user, content))

    def _formatted(self, text: str, entities: Sequence[Entity], *, optional: bool) -> FormattedText:
        formatted = format_text(text, entities)
        if not formatted.text and not optional:
            raise SceneError("a message needs some text")
        if utf16_length(formatted.text) > self._settings.text_limit:
            raise SceneError("the text is too long for one message: use paste")
        return formatted

    def _check_place(
        self, user: User, chat: Chat, reply_to: int | None, thread_id: int | None
    ) -> Message | None:
        """The message replied to, if any."""
        if chat.members.get(user.id) in (None, "left", "kicked") or chat.migrated_to is not None:
            raise SceneError(f"{user.first_name} is no member of the chat {chat.id}")
        if thread_id is not None and thread_id not in chat.topics:
            raise SceneError(f"there is no topic {thread_id} in the chat {chat.id}")
        if reply_to is None:
            return None
        parent = chat.message(reply_to)
        if parent is None:
            raise SceneError(f"there is no message {reply_to} in the chat {chat.id}")
        return parent

    def _tell(self, kind: str, message: Message) -> None:
        chat = self.world.chats[message.chat_id]
        if self._reaches_bot(chat, message):
            self.updates.add(kind, message_json(self.world, message))

    def _reaches_bot(self, chat: Chat, message: Message) -> bool:
        status = chat.members.get(self.world.bot.id, "left")
        if status in ("left", "kicked"):
            return False
        if chat.type == "private" or status == "administrator" or not self._settings.group_privacy:
            return True
        return bool(message.service) or self._addresses_bot(chat, message)

    def _addresses_bot(self, chat: Chat, message: Message) -> bool:
        bot = self.world.bot
        parent = None if message.reply_to is None else chat.message(message.reply_to)
        if parent is not None and parent.sender == bot:
            return True
        return any(
            _entity_names(entity, _slice(message.text, entity), bot) for entity in message.entities
        )


def _entity_names(entity: Entity, text: str, bot: User) -> bool:
    if entity.type == "bot_command":
        _, at, addressee = text.partition("@")
        return not at or addressee.lower() == bot.username.lower()
    if entity.type == "mention":
        return text.lower() == f"@{bot.username.lower()}"
    return entity.type == "text_mention" and entity.user_id == bot.id


def _slice(text: str, entity: Entity) -> str:
    units = text.encode("utf-16-le")
    return units[2 * entity.offset : 2 * entity.end].decode("utf-16-le")


def _callback_data(reply_markup: object) -> Iterable[str]:
    rows = reply_markup.get("inline_keyboard", []) if isinstance(reply_markup, dict) else []
    return [button["callback_data"] for row in rows for button in row if "callback_data" in button]
