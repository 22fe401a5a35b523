"""Pure: text → Command, and the one table behind /help and Telegram's menu."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class CommandName(StrEnum):
    START = "start"
    HELP = "help"
    NEW = "new"
    STOP = "stop"
    RETRY = "retry"
    FORGET = "forget"
    UNKNOWN = "unknown"
    """A command for this bot that is not in the table."""


COMMANDS: Final[Mapping[CommandName, str]] = MappingProxyType(
    {
        CommandName.START: "Say hello",
        CommandName.HELP: "List what I can do",
        CommandName.NEW: "Start a new conversation",
        CommandName.STOP: "Stop the answer that is being written",
        CommandName.RETRY: "Ask the last question again",
        CommandName.FORGET: "Erase what I remember of this chat",
    }
)
"""What each command does, in one line, in the order in which they are listed."""


@dataclass(frozen=True, slots=True)
class Command:
    name: CommandName
    word: str
    """As it was typed, without the slash and the bot's name; for "I don't know /foo"."""
    arguments: str = ""
    """What was typed after it, stripped."""


# Telegram: 1-32 letters, digits and underscores, then perhaps the name of the bot it is meant for
# (https://core.telegram.org/bots/features#commands). A path such as /etc/hosts is no command.
_COMMAND = re.compile(
    r"/([a-z0-9_]{1,32})(?:@([a-z0-9_]+))?(?:\s+(.*))?", re.ASCII | re.IGNORECASE | re.DOTALL
)


def parse(text: str, bot_username: str) -> Command | None:
    """Read `text` as a command for the bot named `bot_username` (with or without its @).

    None where it is no command, or one that names another bot.
    """
    match = _COMMAND.fullmatch(text.strip())
    if match is None:
        return None
    word, addressee, arguments = match.groups(default="")
    if addressee and addressee.lower() != bot_username.removeprefix("@").lower():
        return None
    return Command(_known(word.lower()), word, arguments.strip())


def _known(word: str) -> CommandName:
    return next((name for name in COMMANDS if name == word), CommandName.UNKNOWN)
