"""What the bot itself says, in English and in Markdown."""

from __future__ import annotations

import math
from typing import Final

from bot.chat.commands import COMMANDS
from providers import base

START: Final = (
    "Hello! Write me anything, and watch the answer being written. /help lists what I can do."
)
STRANGER: Final = (
    "This bot is private. Your id is {id}: give it to the bot's owner, who can let you in."
)
STOPPED: Final = "⏹ Stopped. /retry asks again."
NOTHING_TO_STOP: Final = "There is nothing to stop: no answer is being written."
NEW_CONVERSATION: Final = "A new conversation: what was said before is no longer sent to the model."
NOTHING_TO_RETRY: Final = "There is nothing to ask again: write me a question first."
FORGOTTEN: Final = (
    "Forgotten: nothing that was said here before is left in my memory. The messages you see stay "
    "until they are deleted in the app, and what the model's server was sent is not mine to erase."
)
FORGET_IS_FOR_ADMINS: Final = (
    "Others share this chat, so only an admin of this bot can make me forget it. /new starts a new "
    "conversation; in a direct chat with me, anyone can use /forget."
)
TEXT_ONLY: Final = "I can read text only. Please write your question as a text message."
LENGTH_LIMIT: Final = (
    "⚠️ The answer reached its length limit and stopped here. Ask me to continue to read on."
)
QUESTION_TOO_LONG: Final = (
    "⚠️ This question alone is too long for the model. A shorter one may be answered."
)
RESUMED: Final = (
    "↪ The answer broke off on the way and was taken up again; the place may show in the text."
)
CUT_OFF: Final = "⚠️ The bot was restarted, and the answer was cut off here. /retry asks again."
WAS_AWAY: Final = (
    "⚠️ The bot was away for a while, so this was not answered. /retry asks your last question "
    "again."
)
NOTHING_TO_SEE: Final = "The model's answer shows nothing: it is empty or invisible."
NOT_TAKEN: Final = (
    "⚠️ The rest of this answer can't be shown: the platform does not take its text. Ask again, "
    "perhaps in other words."
)
INTERNAL_ERROR: Final = (
    "⚠️ Something went wrong in the bot itself. /retry asks again; the bot's owner finds more "
    "in the log."
)


def help_text() -> str:
    """The list of commands, as the command table has them."""
    lines = [f"/{name} - {description}" for name, description in COMMANDS.items()]
    return "\n".join(["Write me anything, and I answer. I also know:", *lines])


def unknown_command(word: str) -> str:
    """`word` is the command as it was typed, without its slash."""
    escaped = word.replace("_", "\\_")
    return f"I don't know /{escaped}; /help lists what I know."


def stranger(text: str, user_id: str) -> str:
    """`text` with every `{id}` replaced; other braces stay as they are."""
    return text.replace("{id}", user_id)


_RETRY: Final = "/retry asks again."
_FAILURES: Final[dict[type[base.ProviderError], tuple[str, str]]] = {
    base.AuthenticationError: (
        "The model's server does not accept this bot's key",
        "Only the bot's owner can mend that.",
    ),
    base.QuotaExceededError: (
        "The account with the model's server has used up its credit or its limit",
        "Only the bot's owner can mend that.",
    ),
    base.RateLimitedError: ("The model's server takes no more requests just now", _RETRY),
    base.OverloadedError: ("The model's server is busy", _RETRY),
    base.ContextTooLongError: (
        "The conversation is too long for the model",
        "/new starts a new one.",
    ),
    base.ContentFilteredError: (
        "The model's server refused this for its content",
        "It may help to ask in other words.",
    ),
    base.BadRequestError: (
        "The model's server refused the request",
        "Asking again is unlikely to help; the bot's owner may have to change a setting.",
    ),
    base.BadResponseError: (
        "The model's server sent something that can't be read as an answer",
        _RETRY,
    ),
    base.TruncatedError: ("The model's server broke off before the end", _RETRY),
    base.ConnectionFailedError: ("The connection to the model's server failed", _RETRY),
    base.ProviderTimeoutError: ("The model's server was silent for too long", _RETRY),
}
_OTHER_FAILURE: Final = ("The model's server gave no complete answer", _RETRY)


def failure(error: base.ProviderError, *, partial: bool) -> str:
    """One line for the reader: what happened and what can be done.

    `partial` tells that part of the answer stands above this line. Total: every ProviderError
    has a line, and none quotes the error itself.
    """
    happened, mend = next(
        (_FAILURES[kind] for kind in type(error).__mro__ if kind in _FAILURES), _OTHER_FAILURE
    )
    if isinstance(error, base.RateLimitedError) and error.retry_after:
        mend = f"It asks to wait {_duration(error.retry_after)}; then {_RETRY}"
    stopped = " and the answer stopped here" if partial else ""
    return f"⚠️ {happened}{stopped}. {mend}"


_LONGEST: Final = 1000 * 3600.0


def _duration(seconds: float) -> str:
    """Rounded up, so that nobody comes too early."""
    for size, unit in ((3600, "hour"), (60, "minute")):
        if seconds > 2 * size:
            return f"{math.ceil(min(seconds, _LONGEST) / size)} {unit}s"
    whole = max(1, math.ceil(seconds))
    return f"{whole} second{'' if whole == 1 else 's'}"
