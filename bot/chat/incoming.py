"""What somebody has said to the bot, on any platform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.chat.commands import Command
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
    text: str
    """What was said to the bot; the mention that addressed it is left out."""
    command: Command | None = None
    group: bool = False
    """More than one person may read the chat."""
    side_by_side: bool = False
    """Several people's questions in this chat are answered at the same time; each one's own are
    still answered in order."""
    here: bool = False
    """It is best answered by the replica that received it: no other knows its place."""
    forwarded_from: str | None = None
    """Whose words `text` is, where it was forwarded; empty: not known; None: the sender's own."""
    seen: bool = True
    """Its platform shows in the chat that it was said; else a refusal would be read by others, who
    can't know what is refused to whom."""
    quoted: str = ""
    """The message this one replies to, where the model does not know it yet."""
    attachment: str = ""
    """What came beside the text and is not read yet: photo, document, voice, …"""

    @property
    def chat(self) -> ChatKey:
        return self.key.chat
