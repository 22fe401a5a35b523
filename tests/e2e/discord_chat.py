"""What a reader sees in a channel of the sandbox's Discord."""

from __future__ import annotations

from typing import TYPE_CHECKING

from words import numbers

if TYPE_CHECKING:
    from sandbox.discord.server import DiscordSandbox
    from sandbox.discord.world.model import Channel, Message
    from sandbox.llm.journal import Record
    from sandbox.llm.server import LlmSandbox

HELD_BACK = "held a call back"
"""The line in the log that tells of a preview which slept in the library."""


def replies(dc: DiscordSandbox, channel: Channel) -> list[Message]:
    """The bot's messages that stand there and show something, in order."""
    return [m for m in dc.transcript(channel) if m.from_bot and not m.deleted and m.text]


def reads(dc: DiscordSandbox, channel: Channel) -> str:
    return "\n".join(message.text for message in replies(dc, channel))


def words_in(dc: DiscordSandbox, channel: Channel, count: int) -> bool:
    """Whether all of `numbered(count)` is there, once and in order."""
    return numbers(reads(dc, channel)) == list(range(count))


def refusals(dc: DiscordSandbox) -> int:
    return sum(call.status == 429 for call in dc.calls)


def conversation(record: Record) -> list[str]:
    return [message.text for message in record.messages if message.role != "system"]


def asked(llm: LlmSandbox, text: str) -> list[str]:
    """The conversation of the only request whose question ends with `text`."""
    (record,) = [r for r in llm.requests if r.messages and r.messages[-1].text.endswith(text)]
    return conversation(record)
