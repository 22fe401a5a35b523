"""What the bot itself says; a file per language. English is the only one so far."""

from bot.texts.en import (
    INTERNAL_ERROR,
    LENGTH_LIMIT,
    NEW_CONVERSATION,
    NOTHING_TO_RETRY,
    NOTHING_TO_STOP,
    QUESTION_TOO_LONG,
    RESUMED,
    START,
    STOPPED,
    STRANGER,
    TEXT_ONLY,
    failure,
    help_text,
    stranger,
    unknown_command,
)

__all__ = [
    "INTERNAL_ERROR",
    "LENGTH_LIMIT",
    "NEW_CONVERSATION",
    "NOTHING_TO_RETRY",
    "NOTHING_TO_STOP",
    "QUESTION_TOO_LONG",
    "RESUMED",
    "START",
    "STOPPED",
    "STRANGER",
    "TEXT_ONLY",
    "failure",
    "help_text",
    "stranger",
    "unknown_command",
]
