"""What a model server answers, how fast, in which pieces, and what goes wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

FIRST_ASTRAL = 0x10000
"""The first code point that UTF-16, and so a JSON escape, writes as two surrogates."""

HTML_ERROR_PAGE = "<html><body><h1>502 Bad Gateway</h1></body></html>\n"


@dataclass(frozen=True, slots=True)
class ChatImage:
    """An image of a message: its bytes, or the address the server was to fetch it from."""

    media_type: str = ""
    """As the client declared it; empty where it did not, or where the format has no such field."""
    data: bytes = b""
    url: str = ""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """A message as a server understood it; of a list of parts text and images are kept."""

    role: str
    """system, user or assistant, whatever the format calls them; some formats have more."""
    text: str
    images: tuple[ChatImage, ...] = ()


@dataclass(frozen=True, slots=True)
class HttpReply:
    """Instead of the answer: this status and body. With status 200 any raw body can be sent."""

    status: int
    body: str | None = None
    """None: the protocol's own error body."""
    content_type: str = "application/json"
    retry_after: str | None = None
    """The Retry-After header, as written."""


EMPTY_REPLY = HttpReply(200, "")
"""What llama-cpp-python answers when the context is exceeded: success, and not one byte."""


@dataclass(frozen=True, slots=True)
class TooLong:
    """Instead of the answer: the prompt does not fit the model's context, in the API's words."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing is sent, not even a status, until the request is released or the client goes."""


@dataclass(frozen=True, slots=True)
class Stall:
    """After this many tokens nothing more is sent until release; then the answer goes on."""

    after: int = 0


@dataclass(frozen=True, slots=True)
class StreamError:
    """After this many tokens the protocol's error object, at HTTP 200, and a clean end."""

    after: int = 0
    message: str = "The server had an error while processing your request."


@dataclass(frozen=True, slots=True)
class Cut:
    """After this many tokens the connection is closed inside the body."""

    after: int = 0
    torn: bool = False
    """Half of what the next token takes is still sent."""


@dataclass(frozen=True, slots=True)
class CleanEnd:
    """After this many tokens the body ends as HTTP wants it, but without the finish marker."""

    after: int = 0
    torn: bool = False
    """As in Cut."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """After this many tokens one broken piece; then the answer goes on as if nothing were."""

    after: int = 0


MidStreamFault = Stall | StreamError | Cut | CleanEnd | Malformed
Fault = HttpReply | TooLong | Silence | MidStreamFault


def echo(messages: Sequence[ChatMessage]) -> str:
    """A Markdown answer that shows what arrived: the last user message, and how many there were."""
    last = next((m.text for m in reversed(messages) if m.role == "user"), "")
    quote = "\n".join(f"> {line}" for line in last.split("\n"))
    noun = "message" if len(messages) == 1 else "messages"
    roles = ", ".join(f"`{message.role}`" for message in messages)
    return f"You wrote:\n\n{quote}\n\nI was given **{len(messages)} {noun}**: {roles}."


@dataclass(frozen=True, slots=True)
class Script:
    """How one request is answered. The default is `echo`, at once, word by word, without fault."""

    text: str | Callable[[Sequence[ChatMessage]], str] = echo
    first_token: float = 0.0
    """Seconds from the response headers to the first byte of the body."""
    rate: float = 0.0
    """Tokens a second; 0: as fast as possible."""
    chunking: Literal["words", "chars"] = "words"
    """What a token is. One token is one delta, and one network write where `write_size` is None."""
    write_size: int | None = None
    """Bytes of body in a network write, whatever they hold: 1 splits every UTF-8 sequence.
    Counted before compression."""
    thinking: str = ""
    """What the model thinks before it answers; written at once, where the format has a place for
    it and the request wants to see it. It does not count as tokens."""
    lone_surrogates: bool = False
    """Write each astral character (emoji) as two JSON lone surrogates over two deltas."""
    comment: str = ": keep-alive"
    """An SSE comment line; a bare ":" is one too."""
    comment_every: int = 0
    """Before every n-th chunk, the first included, stands the comment; 0: never."""
    crlf: bool = False
    """Lines end in CRLF instead of LF, in the formats that have lines."""
    padding: int = 0
    """Spaces before the first JSON object, on its line: 10,000,000 make a legal line of 10 MB."""
    gzip: bool = False
    """The body is compressed, whatever the client accepts; each write can be read at once."""
    finish_reason: str | None = "stop"
    """stop, length and content_filter become what the format calls them; others stay as written."""
    content_type: str | None = None
    """None: the protocol's own."""
    fault: Fault | None = None

    def answer(self, messages: Sequence[ChatMessage]) -> str:
        return self.text if isinstance(self.text, str) else self.text(messages)

    def tokens(self, text: str) -> list[str]:
        """`text` in pieces that join to it again; a word carries the space before it."""
        return list(text) if self.chunking == "chars" else re.findall(r"\s*\S+|\s+\Z", text)


def split_surrogates(tokens: Iterable[str]) -> Iterator[str]:
    """The tokens, with a cut in the middle of each astral character's UTF-16 surrogate pair."""
    for token in tokens:
        piece = ""
        for char in token:
            if ord(char) < FIRST_ASTRAL:
                piece += char
            else:
                high, low = divmod(ord(char) - FIRST_ASTRAL, 0x400)
                yield piece + chr(0xD800 + high)
                piece = chr(0xDC00 + low)
        if piece:
            yield piece
