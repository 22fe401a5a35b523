"""What a reader sees in a sandbox chat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from words import numbered, numbers

if TYPE_CHECKING:
    from sandbox.telegram.server import TelegramSandbox
    from sandbox.telegram.state import Message
    from sandbox.telegram.users import ScriptedUser

__all__ = ["numbered", "numbers", "reads", "refusals", "replies", "words_in"]


def replies(tg: TelegramSandbox, chat: int | ScriptedUser) -> list[Message]:
    """The bot's messages that are still there, in order."""
    return [m for m in tg.transcript(chat) if m.from_bot and not m.deleted]


def reads(tg: TelegramSandbox, chat: int | ScriptedUser) -> str:
    """All that the bot's messages read now."""
    return "\n".join(message.text for message in replies(tg, chat))


def refusals(tg: TelegramSandbox) -> int:
    return sum(call.status == 429 for call in tg.calls)


def words_in(tg: TelegramSandbox, chat: int | ScriptedUser, count: int) -> bool:
    """Whether all of `numbered(count)` is there, once and in order."""
    return numbers(reads(tg, chat)) == list(range(count))
