"""The sandbox's world: users, chats, topics, messages, and the log of what changed. No I/O.

Times named `at` are on the clock the world was given (seconds, monotonic); `date` is Unix time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Literal

from sandbox.telegram.entities import FormattedText

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sandbox.telegram.entities import Entity

EMPTY = FormattedText("")
GENERAL_TOPIC = 1
_FIRST_GROUP = -4_000_000_001
_FIRST_SUPERGROUP = -1_002_000_000_001
_FIRST_USER = 1001

ChatType = Literal["private", "group", "supergroup"]
ChangeKind = Literal["sent", "edited", "deleted", "typing", "draft"]
MemberStatus = Literal["creator", "administrator", "member", "left", "kicked"]


@dataclass(frozen=True, slots=True)
class User:
    id: int
    first_name: str
    username: str = ""
    is_bot: bool = False
    language_code: str = "en"


@dataclass(frozen=True, slots=True)
class Version:
    """What a message showed from `at` on."""

    at: float
    text: str
    entities: tuple[Entity, ...] = ()


@dataclass(slots=True)
class Message:
    """A message and everything it ever showed."""

    chat_id: int
    message_id: int
    sender: User
    date: int
    # Invariant: never empty; the last version is what is shown.
    versions: list[Version]
    reply_to: int | None = None
    thread_id: int | None = None
    is_topic: bool = False
    edit_date: int | None = None
    deleted_at: float | None = None
    reply_markup: object = None
    photo: str = ""
    """The photo's file id; the text is then its caption."""
    media_group_id: str = ""
    service: Mapping[str, object] = field(default_factory=dict)
    """Fields of a service message, as the Bot API names them; such a message has no text."""
    origin: Mapping[str, object] = field(default_factory=dict)
    """Fields that tell where a forwarded message is from, as the Bot API names them."""

    @property
    def text(self) -> str:
        return self.versions[-1].text

    @property
    def entities(self) -> tuple[Entity, ...]:
        return self.versions[-1].entities

    @property
    def from_bot(self) -> bool:
        return self.sender.is_bot

    @property
    def deleted(self) -> bool:
        return self.deleted_at is not None


@dataclass(slots=True)
class Topic:
    id: int
    name: str
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Content:
    """What a message is made of besides its place and its sender."""

    formatted: FormattedText
    reply_to: int | None = None
    thread_id: int | None = None
    reply_markup: object = None
    photo: str = ""
    media_group_id: str = ""
    service: Mapping[str, object] = field(default_factory=dict)
    origin: Mapping[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class Chat:
    id: int
    type: ChatType
    title: str = ""
    """The person's first name in a private chat."""
    username: str = ""
    is_forum: bool = False
    started: bool = True
    """In a private chat: whether the user has ever written; before, the bot can't."""
    migrated_to: int | None = None
    # Invariant: in a private chat the bot is a "member", or "kicked" while it is blocked.
    members: dict[int, MemberStatus] = field(default_factory=dict)
    topics: dict[int, Topic] = field(default_factory=dict)
    messages: dict[int, Message] = field(default_factory=dict)

    def message(self, message_id: int) -> Message | None:
        """The message, unless it is deleted or never was."""
        found = self.messages.get(message_id)
        return None if found is None or found.deleted else found


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the log of what became visible; `n` counts from 1 without gaps."""

    n: int
    at: float
    kind: ChangeKind
    chat_id: int
    message_id: int | None
    from_bot: bool
    text: str = ""
    entities: tuple[Entity, ...] = ()


class World:
    """Everything that exists; each method applies one change at once and logs it."""

    def __init__(self, bot: User, clock: Callable[[], float], unix: Callable[[], int]) -> None:
        self.bot = bot
        self.users: dict[int, User] = {bot.id: bot}
        self.chats: dict[int, Chat] = {}
        self.changes: list[Change] = []
        self.on_change: Callable[[], None] = lambda: None
        self.clock = clock
        self.unix = unix
        self._user_ids = count(_FIRST_USER)
        self._group_ids = count(_FIRST_GROUP, -1)
        self._supergroup_ids = count(_FIRST_SUPERGROUP, -1)
        # Private chats and basic groups share the account's numbering; a supergroup has its own.
        self._account_message_ids = count(1)
        self._supergroup_message_ids: dict[int, count[int]] = {}

    def add_user(self, first_name: str, user_id: int | None = None, username: str = "") -> User:
        """Make a user and the private chat with the bot, not started yet."""
        if user_id is None:
            user_id = next(n for n in self._user_ids if n not in self.users)
        if user_id <= 0 or user_id in self.users:
            raise ValueError(f"user id {user_id} is taken or not positive: choose another")
        user = User(user_id, first_name, username)
        self.users[user_id] = user
        self.chats[user_id] = Chat(
            user_id,
            "private",
            first_name,
            username,
            started=False,
            members={user_id: "member", self.bot.id: "member"},
        )
        return user

    def add_group(self, title: str, *, supergroup: bool, forum: bool = False) -> Chat:
        """Make an empty group; a forum is always a supergroup."""
        if supergroup or forum:
            chat = Chat(next(self._supergroup_ids), "supergroup", title, is_forum=forum)
            self._supergroup_message_ids[chat.id] = count(2 if forum else 1)
        else:
            chat = Chat(next(self._group_ids), "group", title)
        self.chats[chat.id] = chat
        return chat

    def migrate(self, old: Chat) -> Chat:
        """Turn a basic group into a supergroup; the old one refuses every send from then on."""
        new = self.add_group(old.title, supergroup=True)
        new.members = dict(old.members)
        old.migrated_to = new.id
        return new

    def post(self, chat: Chat, sender: User, content: Content) -> Message:
        at = self.clock()
        message = Message(
            chat_id=chat.id,
            message_id=self._next_message_id(chat),
            sender=sender,
            date=self.unix(),
            versions=[Version(at, content.formatted.text, content.formatted.entities)],
            reply_to=content.reply_to,
            thread_id=self._thread(chat, content),
            is_topic=chat.is_forum and content.thread_id is not None,
            reply_markup=content.reply_markup,
            photo=content.photo,
            media_group_id=content.media_group_id,
            service=content.service,
            origin=content.origin,
        )
        chat.messages[message.message_id] = message
        self._log("sent", chat.id, message.message_id, sender, content.formatted)
        return message

    def edit(self, message: Message, formatted: FormattedText, reply_markup: object = None) -> None:
        at = self.clock()
        message.versions.append(Version(at, formatted.text, formatted.entities))
        message.reply_markup = reply_markup
        message.edit_date = self.unix()
        self._log("edited", message.chat_id, message.message_id, message.sender, formatted)

    def delete(self, message: Message) -> None:
        message.deleted_at = self.clock()
        self._log("deleted", message.chat_id, message.message_id, message.sender)

    def show_typing(self, chat: Chat) -> None:
        self._log("typing", chat.id, None, self.bot)

    def show_draft(self, chat: Chat, formatted: FormattedText) -> None:
        self._log("draft", chat.id, None, self.bot, formatted)

    def open_topic(self, chat: Chat, creator: User, name: str) -> tuple[Topic, Message]:
        """Make a topic; its id is the id of the service message that opens it."""
        service = {"forum_topic_created": {"name": name, "icon_color": 0x6FB9F0}}
        opening = self.post(chat, creator, Content(EMPTY, service=service))
        topic = Topic(opening.message_id, name)
        opening.thread_id, opening.is_topic = topic.id, True
        chat.topics[topic.id] = topic
        return topic, opening

    def _next_message_id(self, chat: Chat) -> int:
        return next(self._supergroup_message_ids.get(chat.id, self._account_message_ids))

    def _thread(self, chat: Chat, content: Content) -> int | None:
        """The topic; outside forums, in supergroups, the first message of a chain of replies."""
        if chat.is_forum or chat.type != "supergroup" or content.reply_to is None:
            return content.thread_id if chat.is_forum else None
        parent = chat.messages[content.reply_to]
        return parent.thread_id or parent.message_id

    def _log(
        self,
        kind: ChangeKind,
        chat_id: int,
        message_id: int | None,
        sender: User,
        formatted: FormattedText | None = None,
    ) -> None:
        shown = formatted or EMPTY
        n = len(self.changes) + 1
        self.changes.append(
            Change(
                n,
                self.clock(),
                kind,
                chat_id,
                message_id,
                sender.is_bot,
                shown.text,
                shown.entities,
            )
        )
        self.on_change()
