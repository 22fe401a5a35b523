"""What there is in the sandbox's Discord: users, guilds, channels, messages. No behaviour.

Times named `at` are on the clock the world was given (seconds, monotonic); those that Discord shows
(`created`, `edited`, …) are Unix time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, Literal

from sandbox.discord.world.mentions import DEFAULT, AllowedMentions
from sandbox.discord.world.permissions import EVERYONE_DEFAULT, Overwrite, Permission

if TYPE_CHECKING:
    from sandbox.discord.errors import Json

ChangeKind = Literal["sent", "edited", "deleted", "typing", "thread"]
PingReason = Literal["user", "role", "everyone", "reply"]
DAY = 1440
"""In minutes, as threads count."""


class ChannelKind(IntEnum):
    TEXT = 0
    DM = 1
    PUBLIC_THREAD = 11
    PRIVATE_THREAD = 12
    FORUM = 15


class MessageKind(IntEnum):
    DEFAULT = 0
    THREAD_CREATED = 18
    REPLY = 19
    COMMAND = 20
    """The answer to a slash command."""
    THREAD_STARTER = 21


USER_KINDS = frozenset({MessageKind.DEFAULT, MessageKind.REPLY, MessageKind.COMMAND})
"""All the others are system messages."""


class MessageFlag(IntFlag):
    NONE = 0
    SUPPRESS_EMBEDS = 1 << 2
    HAS_THREAD = 1 << 5
    EPHEMERAL = 1 << 6
    LOADING = 1 << 7
    """A deferred answer: "is thinking…"."""
    SUPPRESS_NOTIFICATIONS = 1 << 12
    HAS_SNAPSHOT = 1 << 14
    """It forwards another message."""
    COMPONENTS_V2 = 1 << 15


@dataclass(frozen=True, slots=True)
class User:
    id: int
    name: str
    """Unique, lower case."""
    display_name: str
    is_bot: bool = False


@dataclass(slots=True)
class Role:
    id: int
    name: str
    permissions: Permission = Permission.NONE
    mentionable: bool = False
    position: int = 0
    managed: bool = False
    """The role of an integration, such as the bot's own."""


@dataclass(slots=True)
class Member:
    user: User
    joined: float
    role_ids: list[int] = field(default_factory=list)
    """Without @everyone."""


@dataclass(slots=True)
class Guild:
    id: int
    name: str
    owner_id: int
    # Invariant: holds the role of @everyone, whose id is the guild's.
    roles: dict[int, Role] = field(default_factory=dict)
    members: dict[int, Member] = field(default_factory=dict)
    channel_ids: list[int] = field(default_factory=list)
    """All channels but threads, in order."""

    def __post_init__(self) -> None:
        self.roles.setdefault(self.id, Role(self.id, "@everyone", EVERYONE_DEFAULT))


@dataclass(frozen=True, slots=True)
class Attachment:
    id: int
    filename: str
    content: bytes
    content_type: str = "application/octet-stream"
    description: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """What a message showed from `at` on."""

    at: float
    text: str
    embeds: tuple[Json, ...] = ()
    components: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True)
class Mentions:
    """Whom a message mentions so that it notifies."""

    users: tuple[User, ...] = ()
    role_ids: tuple[int, ...] = ()
    everyone: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a message points: at the one it replies to or forwards, or at a thread."""

    channel_id: int
    guild_id: int | None = None
    message_id: int | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A message as it was when it was forwarded."""

    kind: MessageKind
    created: float
    edited: float | None
    flags: MessageFlag
    mentions: Mentions
    shown: Version
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """The interaction that a message answers."""

    interaction_id: int
    kind: int
    name: str
    user: User
    original_id: int | None = None
    """In a follow-up: the first answer's message."""


@dataclass(frozen=True, slots=True)
class Content:
    """What can be edited in a message."""

    text: str = ""
    embeds: tuple[Json, ...] = ()
    components: tuple[Json, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    flags: MessageFlag = MessageFlag.NONE
    allowed: AllowedMentions = DEFAULT

    @property
    def is_empty(self) -> bool:
        return not (self.text or self.embeds or self.components or self.attachments)


@dataclass(frozen=True, slots=True)
class Draft:
    """A message that is to be posted."""

    content: Content
    kind: MessageKind = MessageKind.DEFAULT
    reference: Reference | None = None
    nonce: str | int | None = None
    source: Source | None = None
    snapshot: Snapshot | None = None
    """In a forwarded message: what it forwards; `reference` says from where."""
    seen_by: int | None = None
    message_id: int | None = None
    """None: a new one. A forum post's first message has its thread's id."""


@dataclass(slots=True)
class Message:
    """A message and everything it ever showed."""

    id: int
    channel_id: int
    author: User
    at: float
    created: float
    # Invariant: never empty; the last version is what is shown.
    versions: list[Version]
    kind: MessageKind = MessageKind.DEFAULT
    mentions: Mentions = field(default_factory=Mentions)
    flags: MessageFlag = MessageFlag.NONE
    reference: Reference | None = None
    attachments: tuple[Attachment, ...] = ()
    nonce: str | int | None = None
    source: Source | None = None
    snapshot: Snapshot | None = None
    """As in `Draft`."""
    seen_by: int | None = None
    """The only person who sees an ephemeral message."""
    position: int | None = None
    """Its place in its thread, counted from 0."""
    edited: float | None = None
    deleted_at: float | None = None
    reactions: dict[str, list[int]] = field(default_factory=dict)
    """Emoji → the ids of the users who reacted with it; no list is empty."""

    @property
    def text(self) -> str:
        return self.versions[-1].text

    @property
    def embeds(self) -> tuple[Json, ...]:
        return self.versions[-1].embeds

    @property
    def components(self) -> tuple[Json, ...]:
        return self.versions[-1].components

    @property
    def from_bot(self) -> bool:
        return self.author.is_bot

    @property
    def deleted(self) -> bool:
        return self.deleted_at is not None

    @property
    def ephemeral(self) -> bool:
        return self.seen_by is not None


@dataclass(slots=True)
class Thread:
    """What a channel has on top when it is a thread."""

    owner_id: int
    created: float
    archive_timestamp: float
    auto_archive_duration: int = DAY
    archived: bool = False
    locked: bool = False
    member_ids: list[int] = field(default_factory=list)
    message_count: int = 0
    total_message_sent: int = 0


@dataclass(frozen=True, slots=True)
class NewThread:
    """A thread that is to be opened."""

    name: str
    owner: User
    kind: ChannelKind = ChannelKind.PUBLIC_THREAD
    auto_archive_duration: int = DAY


@dataclass(slots=True)
class Channel:
    id: int
    kind: ChannelKind
    guild_id: int | None = None
    """None in a DM."""
    name: str = ""
    topic: str = ""
    parent_id: int | None = None
    """The channel a thread belongs to."""
    position: int = 0
    recipient: User | None = None
    """The person in a DM."""
    overwrites: list[Overwrite] = field(default_factory=list)
    thread: Thread | None = None
    last_message_id: int | None = None
    messages: dict[int, Message] = field(default_factory=dict)
    """Everything ever posted, deleted and ephemeral messages too, oldest first."""

    def message(self, message_id: int) -> Message | None:
        """The message, unless it never was, is deleted, or is ephemeral: in no history then."""
        found = self.messages.get(message_id)
        return None if found is None or found.deleted or found.ephemeral else found

    @property
    def history(self) -> list[Message]:
        return [m for m in self.messages.values() if not m.deleted and not m.ephemeral]


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the log of what became visible; `n` counts from 1 without gaps."""

    n: int
    at: float
    kind: ChangeKind
    channel_id: int
    message_id: int | None
    from_bot: bool
    text: str = ""
    seen_by: int | None = None
    """The only person who sees it: a change of an ephemeral message."""


@dataclass(frozen=True, slots=True)
class Ping:
    """A person who was notified by a message of somebody else."""

    at: float
    message_id: int
    channel_id: int
    author_id: int
    user_id: int
    reason: PingReason
    by_edit: bool = False
