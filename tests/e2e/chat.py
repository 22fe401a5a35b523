"""What a reader sees in a sandbox chat."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.telegram.server import TelegramSandbox
    from sandbox.telegram.state import Message
    from sandbox.telegram.users import ScriptedUser


def replies(tg: TelegramSandbox, chat: int | ScriptedUser) -> list[Message]:
    """The bot's messages that are still there, in order."""
    return [m for m in tg.transcript(chat) if m.from_bot and not m.deleted]


def reads(tg: TelegramSandbox, chat: int | ScriptedUser) -> str:
    """All that the bot's messages read now."""
    return "\n".join(message.text for message in replies(tg, chat))


def squeezed(text: str) -> str:
    """Without white space, which may change at a page's border."""
    return "".join(text.split())


def numbered(count: int) -> str:
    """An answer in which every word tells its place."""
    return " ".join(f"w{n}" for n in range(count))


def numbers(text: str) -> list[int]:
    return [int(n) for n in re.findall(r"\bw(\d+)\b", text)]


def refusals(tg: TelegramSandbox) -> int:
    return sum(call.status == 429 for call in tg.calls)


def words_in(tg: TelegramSandbox, chat: int | ScriptedUser, count: int) -> bool:
    """Whether all of `numbered(count)` is there, once and in order."""
    return numbers(reads(tg, chat)) == list(range(count))
