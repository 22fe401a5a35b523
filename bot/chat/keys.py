"""Which chat, and which turn in it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, unquote


@dataclass(frozen=True, slots=True)
class BotKey:
    """A bot's account. Of several that share a database, each speaks in its own chats alone.

    `str()` gives the form that is stored; `parse` reads it back.
    """

    platform: str
    bot: str
    """The account's own id, as the platform tells it once we are logged in."""

    def __str__(self) -> str:
        return f"{_quoted(self.platform)}:{_quoted(self.bot)}"

    @property
    def prefix(self) -> str:
        """The keys of its chats and turns begin with this, and nobody else's do."""
        return f"{self}:"

    @classmethod
    def parse(cls, text: str) -> BotKey:
        """Raises ValueError where `text` is no BotKey."""
        platform, bot = text.split(":")
        return cls(unquote(platform), unquote(bot))


@dataclass(frozen=True, slots=True)
class ChatKey:
    """A conversation: what is said in one is never seen in another.

    `str()` gives the form that is stored; `parse` reads it back.
    """

    platform: str
    bot: str
    """The bot account's own id on the platform: two bots in one chat are two conversations."""
    chat: str
    thread: str = ""
    """A forum topic or a thread: a conversation of its own."""

    def __str__(self) -> str:
        platform, bot, *place = map(_quoted, (self.platform, self.bot, self.chat, self.thread))
        return f"{platform}:{bot}:{'/'.join(filter(None, place))}"

    @property
    def account(self) -> BotKey:
        """The bot that speaks in it."""
        return BotKey(self.platform, self.bot)

    @classmethod
    def parse(cls, text: str) -> ChatKey:
        """Raises ValueError where `text` is no ChatKey."""
        platform, bot, place = text.split(":")
        chat, _, thread = place.partition("/")
        return cls(*map(unquote, (platform, bot, chat, thread)))


def _quoted(part: str) -> str:
    return quote(part, safe="-")


@dataclass(frozen=True, slots=True)
class TurnKey:
    """One incoming message at one revision, and so the turn that answers it.

    The same message delivered twice has the same key; that is what makes a turn run once.
    """

    chat: ChatKey
    message: str
    revision: int = 0
    """0 as first sent; an edited question is a new revision, and so a new turn."""

    def __str__(self) -> str:
        return f"{self.chat}:{_quoted(self.message)}:{self.revision}"

    @property
    def number(self) -> int:
        """Platforms number the messages of a chat in their order; 0: this one has no number."""
        return int(self.message) if self.message.isdecimal() else 0

    @classmethod
    def parse(cls, text: str) -> TurnKey:
        """Raises ValueError where `text` is no TurnKey."""
        chat, message, revision = text.rsplit(":", 2)
        return cls(ChatKey.parse(chat), unquote(message), int(revision))
