"""Telegram's errors, told apart by what they mean for the reply engine.

python-telegram-bot strips "Bad Request: " and changes the case of what the server wrote, so texts
are compared in lower case. The texts are the Bot API server's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from telegram.error import (
    BadRequest,
    ChatMigrated,
    EndPointNotFound,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
)

from bot.platforms.telegram.answers import ForeignAnswerError, NoResultError
from bot.platforms.telegram.request import NeverSentError
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

NOT_MODIFIED = "message is not modified"
REPLY_GONE = ("message to be replied not found", "replied message not found")

_REFUSALS: Mapping[type[SurfaceError], tuple[str, ...]] = {
    MessageGoneError: (
        "message to edit not found",
        "message_id_invalid",
    ),
    UneditableError: ("message can't be edited",),
    NotAllowedError: (
        "topic_closed",
        "not enough rights",
        "have no rights",
        "chat_write_forbidden",
        "chat_restricted",
    ),
    ChatClosedError: (
        "chat not found",
        "message thread not found",
        "topic_deleted",
        "user_is_blocked",
        "peer_id_invalid",
        "group chat was deactivated",
    ),
    NotAppliedError: REPLY_GONE,
}


def means(error: TelegramError, *texts: str) -> bool:
    """Whether the server's description holds one of `texts` (given in lower case)."""
    said = error.message.lower()
    return any(text in said for text in texts)


def seconds(error: RetryAfter) -> float:
    """How long the server asks to wait."""
    after = error.retry_after
    return float(after) if isinstance(after, int) else after.total_seconds()


def reason(error: TelegramError) -> str:
    """What went wrong, in a few words; the library quotes whole bodies behind them."""
    return redact(error.message.partition(". Parsing the server response")[0])[:200]


def translate(error: TelegramError) -> SurfaceError:
    """What `error`, raised by a send, edit, delete or chat action, means for the reply."""
    if isinstance(error, InvalidToken | EndPointNotFound):
        # Owed to whoever has the right token again.
        return NotAppliedError("Telegram does not take telegram.token any more")
    said = f"Telegram: {reason(error)}"
    if isinstance(error, RetryAfter):
        return SlowDownError(said, seconds(error))
    return _meaning(error)(said)


def _meaning(error: TelegramError) -> type[SurfaceError]:
    match error:
        case BadRequest() | Forbidden():
            known = (kind for kind, texts in _REFUSALS.items() if means(error, *texts))
            unknown = ChatClosedError if isinstance(error, Forbidden) else RefusedError
            return next(known, unknown)
        case ChatMigrated() | NeverSentError() | ForeignAnswerError():
            return NotAppliedError
        case NoResultError():
            return UnknownFateError
        case NetworkError() if error.__cause__ is None:
            # The server answered with an error status of its own: 413, 500, 502, ….
            return NotAppliedError
    # No answer came.
    return UnknownFateError
