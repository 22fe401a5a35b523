"""What every provider takes, yields and raises.

ProviderError                the request failed; `str(error)` is one plain line without secrets
├── AuthenticationError      401, 403: the key is missing, wrong or not allowed
├── RateLimitedError         429: `retry_after` seconds, or None where the server named none
│   └── QuotaExceededError   402, or a 429 for money: waiting does not help
├── OverloadedError          500, 502, 503, 529: the server can't answer just now
├── ContextTooLongError      the messages are longer than the model takes
├── ContentFilteredError     the server refused the question or cut the answer for its content
├── BadRequestError          400, 404, …: the request itself is refused (unknown model, bad option)
├── BadResponseError         the answer breaks the protocol (HTML, malformed JSON, no text at all)
├── TruncatedError           the stream ended without its end marker: the text so far is partial
├── ConnectionFailedError    no connection, or it broke
└── ProviderTimeoutError     nothing came within the connect, first-byte or idle time-out
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence


class ProviderError(Exception):
    """A request that did not end well.

    The message is one line for the log and may reach the reader; it never holds a key, a token
    or a whole response body. `retryable` tells whether the same request may succeed later.
    """

    retryable: ClassVar[bool] = False


class AuthenticationError(ProviderError):
    """The server does not accept our credentials."""


class RateLimitedError(ProviderError):
    """Too many requests."""

    retryable = True

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds to wait as the server said; None where it said nothing."""


class QuotaExceededError(RateLimitedError):
    """The account's credit or spending limit is used up; another key may still have some."""

    retryable = False


class OverloadedError(ProviderError):
    """The server is failing or full."""

    retryable = True


class ContextTooLongError(ProviderError):
    """The messages do not fit the model's context window."""


class ContentFilteredError(ProviderError):
    """Refused, or cut short, for its content."""


class BadRequestError(ProviderError):
    """The server refuses this request whatever the load: unknown model, wrong option."""


class BadResponseError(ProviderError):
    """What came back is not the protocol, or holds no answer."""

    retryable = True

    def __init__(self, message: str, *, complete: bool = False) -> None:
        """`complete`: it ended as an answer should, and said nothing."""
        super().__init__(message)
        self.complete = complete


class TruncatedError(ProviderError):
    """The stream ended before its end marker."""

    retryable = True


class ConnectionFailedError(ProviderError):
    """The server can't be reached, or the connection broke."""

    retryable = True


class ProviderTimeoutError(ProviderError):
    """The server was silent for too long."""

    retryable = True


class Role(StrEnum):
    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class TextPart:
    text: str


@dataclass(frozen=True, slots=True)
class ImagePart:
    data: bytes
    media_type: str
    """As in Content-Type: image/png, image/jpeg, …"""


Part = TextPart | ImagePart


@dataclass(frozen=True, slots=True)
class Message:
    role: Role
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, role: Role, text: str) -> Message:
        return cls(role, (TextPart(text),))

    @property
    def text(self) -> str:
        """All text parts, joined by newlines; images are left out."""
        return "\n".join(part.text for part in self.parts if isinstance(part, TextPart))


@dataclass(frozen=True, slots=True)
class TextDelta:
    """Text to append to the answer; never empty, never half a surrogate pair."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """Text the model thinks in; not part of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the server counted them; None where it did not say."""

    input_tokens: int | None = None
    output_tokens: int | None = None


class FinishReason(StrEnum):
    STOP = "stop"
    LENGTH = "length"
    """The answer reached the server's token limit: complete as a response, cut as a text."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The last event of every stream that ends well."""

    reason: FinishReason


Event = TextDelta | ReasoningDelta | Usage | Finish


@dataclass(frozen=True, slots=True)
class Option:
    """A setting a provider takes beside its messages, for documentation and checks."""

    name: str
    type: str
    """As written in Python: str, float, list, bool, …"""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider says of itself; `parlance providers` prints it."""

    url: str
    """The default base URL, or the site the protocol came from."""
    models: tuple[str, ...]
    """Model names it is known to take; empty: whatever the server has."""
    supports_stream: bool
    needs_auth: bool
    working: bool
    """False: the public site is gone, only a compatible server of one's own can be used."""
    options: tuple[Option, ...] = ()
    takes_images: bool = False
    """False: the provider puts `providers.images.IMAGE_NOTE` in the place of an image."""
    needs_model: bool = False
    """No server of this kind has a default model: the request names one."""
    optional_key: bool = False
    """Needs no key, and sends one where it is set: for a server behind a proxy that asks for it."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `first_byte` runs from the request sent to the first byte of the body."""

    connect: float = 10.0
    first_byte: float = 120.0
    idle: float = 60.0
    """The longest silence between two chunks of the body."""


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """What the configuration gives a provider; every field but `kind` has a default."""

    kind: str
    base_url: str | None = None
    """None: the kind's own default."""
    api_key: str | None = field(default=None, repr=False)
    model: str | None = None
    """None: the kind's own default, or the server's."""
    temperature: float | None = None
    max_tokens: int | None = None
    proxy: str | None = field(default=None, repr=False)
    """URL of an HTTP proxy; it may hold a password."""
    user_agent: str | None = None
    rate: float | None = None
    """Words a second of a provider that writes by itself (demo); 0: without a pause."""
    timeouts: Timeouts = field(default_factory=Timeouts)


class Provider(ABC):
    """A model server behind one wire format.

    Implementations are safe for any number of concurrent `stream` calls. `close` releases the
    connections; no `stream` may be started after it.
    """

    kind: ClassVar[str]
    capabilities: ClassVar[Capabilities]

    def __init__(self, settings: ProviderSettings) -> None:
        self.settings = settings

    @abstractmethod
    def stream(self, messages: Sequence[Message]) -> AsyncGenerator[Event, None]:
        """Ask for an answer to `messages` (oldest first) and yield it as it is written.

        Ends with exactly one `Finish`, or raises a `ProviderError`; what was yielded before the
        error is a valid partial answer. At least one non-blank `TextDelta` comes before `Finish`:
        an answer without text is a `BadResponseError`. Closing the generator (`aclose`) closes
        the connection. A provider that cannot stream yields the whole text as one delta.
        """

    async def close(self) -> None:
        """Release the connections; calling it twice is harmless."""
        return
