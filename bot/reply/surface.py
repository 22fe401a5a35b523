"""The seam between the reply engine and a platform: what can be shown, within which limits.

SurfaceError               a call that did not show what it was given
├── SlowDownError          refused for its rate: nothing was applied, wait `retry_after` seconds
├── NotAppliedError        failed, and surely not applied: may be sent again at once or later
├── UnknownFateError       no answer came: it may or may not have been applied
├── AlreadyPostedError     an earlier create with this nonce was applied, with another text
├── RefusedError           this text is not taken: it may be sent once more without formatting
├── UneditableError        the message is there and can't be edited any more
├── MessageGoneError       the message was deleted
└── ChatClosedError        the chat can't be written to: blocked, kicked, deleted
    └── NotAllowedError    a right is missing, or the topic is closed: that may change again
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from bot.chat.keys import ChatKey


class SurfaceError(Exception):
    """A platform call failed; the message is one line for the log."""


class SlowDownError(SurfaceError):
    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds during which no call to this chat may be made."""


class NotAppliedError(SurfaceError):
    pass


class UnknownFateError(SurfaceError):
    pass


class AlreadyPostedError(SurfaceError):
    def __init__(self, message: str) -> None:
        super().__init__("the platform had taken an earlier attempt at this message")
        self.message = message
        """The id of the message; what it reads is not known."""


class RefusedError(SurfaceError):
    pass


class UneditableError(SurfaceError):
    pass


class MessageGoneError(SurfaceError):
    pass


class ChatClosedError(SurfaceError):
    pass


class NotAllowedError(ChatClosedError):
    pass


Entity_co = TypeVar("Entity_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Rendered(Generic[Entity_co]):
    """Text as the platform takes it, with the platform's own formatting beside it.

    Two renderings that are equal look the same to the reader.
    """

    text: str
    entities: tuple[Entity_co, ...] = ()

    def plain(self) -> Rendered[Entity_co]:
        """The same text without formatting."""
        return replace(self, entities=())


@dataclass(frozen=True, slots=True)
class Budget:
    """A token bucket: `burst` calls at once, refilled at `rate` calls a second."""

    rate: float
    burst: float
    reserve: float = 0.0
    """Tokens that previews leave for finals and for the next reply's first text."""
    share: float = 1.0
    """The part of what is left that one answer may plan with: more will be asked soon."""
    floor: float = 0.0
    """Tokens that only a final may take, and only where nobody else waits in the chat, because the
    call that takes them returns late."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What the platform said, in its answer to a call, about the bucket it counted the call in."""

    limit: int
    remaining: int
    reset_after: float
    """Seconds until the bucket is full again."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a platform allows in one chat, and what its readers are used to."""

    page_size: int
    """The most `Markup.size` of a page may be."""
    chat: Budget
    """Sends and edits in this chat; edits alone where `creates` is given."""
    creates: Budget | None = None
    """Sends, where the platform counts them by themselves."""
    nonces: bool = False
    """Whether the same nonce posts nothing twice, so that no create leaves an orphan."""
    fresh_final: bool = False
    """Whether the end of an answer is posted as a new message in place of the one that grew, so
    that the platform counts it as unread."""
    typing_lasts: float = 5.0
    """Seconds for which the platform shows the typing indicator."""


class Markup(Protocol):
    """A platform's rendering of Markdown: pure, total (any text renders), cheap."""

    def render(self, markdown: str) -> Rendered[object]:
        """Markdown as the platform shows it. Never fails; what is no markup is text.

        `bot.reply.markdown.CONTINUED`, which marks a page that begins inside a block, shows as
        nothing.
        """
        ...

    def size(self, rendered: Rendered[object]) -> int:
        """The length as the platform counts it against its page size."""
        ...


class Surface(Protocol):
    """One chat as the reply engine sees it.

    Each call is one request to the platform, raises only `SurfaceError`, and is never cancelled.
    """

    @property
    def chat(self) -> ChatKey:
        """What the platform counts its limits over."""
        ...

    @property
    def limits(self) -> Limits: ...
    @property
    def markup(self) -> Markup: ...
    @property
    def allowance(self) -> Allowance | None:
        """What the answer to the last create, edit or delete said; None where it said nothing."""
        ...

    async def create(self, page: Rendered[object], *, number: int, nonce: str) -> str:
        """Post page `number` (from 0) as a new message and return its id.

        The first page is threaded to the question. `nonce` is the same for every attempt at the
        same message: a platform with idempotency keys posts it once, and where that was an earlier
        attempt with another text, `AlreadyPostedError` is raised.
        """
        ...

    async def edit(self, message: str, page: Rendered[object]) -> None:
        """Make `message` show `page`; done already counts as success."""
        ...

    async def delete(self, message: str) -> None:
        """Remove `message`; gone already counts as success."""
        ...

    async def typing(self) -> None:
        """Show for a few seconds that an answer is being prepared."""
        ...
