"""One platform as its people and its readers see it; the contract knows nothing else of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from words import numbers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from bot_process import BotProcess

Found = TypeVar("Found")
CODE = frozenset({"code", "pre"})


@dataclass(frozen=True, slots=True)
class View:
    """What a message showed from `at` on, as a reader sees it: no markup, only its effect."""

    at: float
    runs: tuple[tuple[str, frozenset[str]], ...]
    """The text in pieces, each with its styles: bold, italic, strike, code, pre, link, …"""

    @property
    def text(self) -> str:
        return "".join(text for text, _ in self.runs)

    @property
    def code(self) -> str:
        return "\n".join(text for text, styles in self.runs if styles & CODE)

    @property
    def prose(self) -> str:
        """What is no code."""
        return "\n".join(text for text, styles in self.runs if not styles & CODE)

    def styled(self, style: str) -> str:
        return " ".join(text.strip() for text, styles in self.runs if style in styles)


@dataclass(frozen=True, slots=True)
class Shown:
    """A message of the bot that stands in a chat, and all that it has shown."""

    id: int
    views: tuple[View, ...]
    reply_to: int | None

    @property
    def now(self) -> View:
        return self.views[-1]

    @property
    def text(self) -> str:
        return self.now.text


@dataclass(frozen=True, slots=True)
class Place:
    """Where people and the bot write: a direct chat, a room, or a part of a room."""

    chat: Any
    """As the platform's sandbox names it."""
    thread: int | None = None


Held = Callable[[], bool]
"""Whether the call whose answer is to be held back has come."""


@dataclass(frozen=True, slots=True)
class Person:
    venue: Venue
    user: Any
    """The sandbox's handle."""
    chat: Place
    """The direct chat with the bot."""

    async def say(self, text: str, place: Place | None = None, *, to_bot: bool = True) -> int:
        """Write in the direct chat or in `place`, there with the bot's name; the message's id."""
        return await self.venue.say(self, text, place or self.chat, to_bot=to_bot)

    async def command(self, name: str, place: Place | None = None) -> None:
        await self.venue.command(self, name, place or self.chat)


class Venue(ABC):
    """A platform's sandbox under a bot; an async context manager."""

    page_size: ClassVar[int]
    orphans: ClassVar[int]
    """Messages that a create whose answer was lost may leave behind."""

    @abstractmethod
    async def __aenter__(self) -> Self: ...
    @abstractmethod
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    @abstractmethod
    def bot(self, folder: Path, provider: str) -> BotProcess:
        """A bot of this platform alone, not started yet."""

    # People.

    @abstractmethod
    def person(self, name: str) -> Person: ...
    @abstractmethod
    def room(self, name: str, members: Sequence[Person]) -> Place:
        """A room for many, which the first member owns."""

    @abstractmethod
    async def parts_of_room(self, owner: Person, names: Sequence[str]) -> list[Place]:
        """A new room's topics or threads: conversations of their own."""

    @abstractmethod
    async def say(self, person: Person, text: str, place: Place, *, to_bot: bool) -> int: ...
    @abstractmethod
    async def reply(self, person: Person, text: str, place: Place, to: int) -> int:
        """Reply to a message, without the bot's name."""

    @abstractmethod
    async def forward(self, person: Person, text: str) -> str:
        """Forward a message from where the bot is not told of it to the direct chat.

        Returns the name that the forward shows to say where it is from.
        """

    @abstractmethod
    async def command(self, person: Person, name: str, place: Place) -> None: ...
    @abstractmethod
    async def delete(self, person: Person, message: Shown, place: Place) -> None: ...
    @abstractmethod
    async def turn_away(self, person: Person) -> None:
        """The person takes no messages of the bot any more."""

    @abstractmethod
    async def welcome(self, person: Person) -> None:
        """The person takes them again."""

    # The screen.

    @abstractmethod
    def replies(self, place: Place) -> list[Shown]:
        """The bot's messages that stand there now, in order."""

    @abstractmethod
    def typed_before(self, place: Place, message: Shown) -> bool:
        """Whether the bot showed that it was writing before the message's first text."""

    @abstractmethod
    async def until(self, predicate: Callable[[], Found], *, within: float = 10.0) -> Found:
        """Wait until `predicate` holds; raises TimeoutError."""

    def reads(self, place: Place) -> str:
        """All that the bot's messages there read now."""
        return "\n".join(message.text for message in self.replies(place))

    def has(self, place: Place, count: int) -> bool:
        """Whether all of `words.numbered(count)` is there, once and in order."""
        return numbers(self.reads(place)) == list(range(count))

    async def wait(self, place: Place, text: str, *, within: float = 10.0) -> Shown:
        """The first message there that comes to hold `text`."""

        def found() -> Shown | None:
            return next((m for m in self.replies(place) if text in m.text), None)

        message = await self.until(found, within=within)
        assert message is not None
        return message

    # Troubles.

    @property
    @abstractmethod
    def refusals(self) -> int:
        """How often a call was answered 429."""

    @abstractmethod
    def refuse(self, place: Place, seconds: float) -> None:
        """Answer 429 with that many seconds."""

    @abstractmethod
    def lose_answers_to_creates(self, place: Place, count: int | None = 1) -> None:
        """Post the next messages and drop the connection; None: all of them."""

    @abstractmethod
    def hold_answer(self, place: Place, call: Literal["create", "edit"], after: int) -> Held:
        """Hold back the answer to one create or edit that is applied, `after` others passed."""

    @abstractmethod
    def trouble_edits(self, place: Place) -> None:
        """Fail the next edits: each in another way."""

    @abstractmethod
    def calm(self) -> None:
        """No trouble any more."""
