"""Discord's errors, told apart by what they mean for the reply engine.

The codes are Discord's own (https://discord.com/developers/docs/topics/opcodes-and-status-codes).
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import aiohttp
import discord

from bot.reply.surface import (
    ChatClosedError,
    MessageGoneError,
    NotAllowedError,
    NotAppliedError,
    RefusedError,
    SlowDownError,
    SurfaceError,
    UneditableError,
    UnknownFateError,
)
from providers.redact import redact

if TYPE_CHECKING:
    from collections.abc import Mapping

THREAD_EXISTS: Final = 160004
"""A thread was made from this message before."""
ALREADY_ACKNOWLEDGED: Final = 40060
"""An interaction, by this or by another attempt."""
UNKNOWN_CHANNEL: Final = 10003
NO_HISTORY: Final = 160002
"""A reply needs the permission to read the channel's history."""
TOO_MANY_OLD_EDITS: Final = 30046
ARCHIVED: Final = 50083
_CODES: Final[Mapping[int, type[SurfaceError]]] = {
    10008: MessageGoneError,
    TOO_MANY_OLD_EDITS: UneditableError,
    ARCHIVED: UneditableError,  # A new message takes the thread out of the archive.
    50005: UneditableError,  # written by somebody else
    UNKNOWN_CHANNEL: ChatClosedError,
    10004: ChatClosedError,
    NO_HISTORY: NotAppliedError,
    40333: NotAppliedError,  # Cloudflare could not reach Discord
    50001: NotAllowedError,
    50007: ChatClosedError,
    50013: NotAllowedError,
    160005: ChatClosedError,
}
_MENDS: Final[Mapping[int, str]] = {
    50001: "let the bot see the channel and read its history",
    50013: "give the bot the permission to send messages there, in threads too",
    50007: "its user takes no direct messages",
}
SLOWED: Final = frozenset({20016, 20028, 40062})
"""Slow mode, the channel's write limit, the service's: refused for now."""
LONG_WAIT: Final = 30.0
"""Seconds to wait where a refusal names none."""
FAILURES: Final = (
    discord.DiscordException,
    aiohttp.ClientError,
    OSError,
    TimeoutError,
    # An answer that can't be read: the library takes it apart without looking.
    AttributeError,
    KeyError,
    TypeError,
    ValueError,
    RuntimeError,
)
"""What a call of the library may raise."""


def code(error: BaseException | None) -> int:
    """Discord's code for what went wrong; 0 where there is none."""
    return error.code if isinstance(error, discord.HTTPException) else 0


def reason(error: BaseException) -> str:
    """What went wrong, in a few words."""
    if isinstance(error, discord.HTTPException) and error.status == HTTPStatus.UNAUTHORIZED:
        return "discord.token is not taken any more"
    if isinstance(error, discord.HTTPException):
        mend = _MENDS.get(error.code)
        said = redact(error.text) if error.code else f"status {error.status}"
        return f"{said[:200]}" + (f"; {mend}" if mend else "")
    said = redact(str(error))
    return f"{type(error).__name__}: {said}"[:200] if said else type(error).__name__


def translate(error: BaseException) -> SurfaceError:
    """What `error`, raised by a send, edit, delete or typing, means for the reply."""
    said = f"Discord: {reason(error)}"
    if isinstance(error, discord.RateLimited):
        return SlowDownError(said, error.retry_after)
    if isinstance(error, discord.HTTPException) and _slows_down(error):
        return SlowDownError(said, _retry_after(error))
    return _meaning(error)(said)


def _slows_down(error: discord.HTTPException) -> bool:
    # Too many edits of an old message come with status 429, too.
    limited = error.status == HTTPStatus.TOO_MANY_REQUESTS or error.code in SLOWED
    return limited and error.code not in _CODES


def _meaning(error: BaseException) -> type[SurfaceError]:
    match error:
        case discord.HTTPException() if error.code in _CODES:
            return _CODES[error.code]
        case discord.HTTPException():
            return _by_status(error)
        case aiohttp.ClientConnectorError():
            return NotAppliedError
        case RuntimeError():
            return NotAppliedError  # The session was closed: the bot is stopping.
    # No answer came, or none that can be read.
    return UnknownFateError


def _by_status(error: discord.HTTPException) -> type[SurfaceError]:
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return UnknownFateError
    if error.status == HTTPStatus.UNAUTHORIZED:
        return NotAppliedError  # The token was changed: the answer is owed to the next start.
    if error.status in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
        # Without a code it is no word of Discord's on this chat, but of something on the way.
        return ChatClosedError if error.code else NotAppliedError
    return RefusedError


def _retry_after(error: discord.HTTPException) -> float:
    said = error.response.headers.get("Retry-After", "")
    try:
        return max(0.0, float(said))
    except ValueError:
        return LONG_WAIT
