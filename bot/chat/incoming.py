"""What somebody has said to the bot, on any platform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.chat.content import words

if TYPE_CHECKING:
    from bot.chat.commands import Command
    from bot.chat.content import Content
    from bot.chat.keys import ChatKey, TurnKey


@dataclass(frozen=True, slots=True)
class Sender:
    id: str
    name: str
    """As the platform shows it; for the model to tell people in a group apart."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message that is addressed to the bot, as a platform received it."""

    key: TurnKey
    sender: Sender
    content: Content
    """What was said to the bot; the mention that addressed it is left out."""
    command: Command | None = None
    group: bool = False
    """More than one person may read the chat."""
    side_by_side: bool = False
    """Several people's questions in this chat are answered at the same time; each one's own are
    still answered in order."""
    here: bool = False
    """It is best answered by the replica that received it: no other knows its place."""
    language: str = ""
    """Of the sender's app, an IETF tag such as "pt-BR"; empty: the platform does not say."""
    seen: bool = True
    """Its platform shows in the chat that it was said; else a refusal would be read by others, who
    can't know what is refused to whom."""

    @property
    def chat(self) -> ChatKey:
        return self.key.chat

    @property
    def text(self) -> str:
        """What was said, without what came beside it."""
        return words(self.content)

    @property
    def speaker(self) -> str:
        """Who says it, if the chat has several; else empty."""
        return self.sender.name if self.group else ""
