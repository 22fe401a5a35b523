"""Discord for the contract."""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING

from bot_process import BotProcess
from discord_reader import read
from venue import Person, Place, Shown, Venue, View

from sandbox.discord.rest.api import CREATE_MESSAGE, EDIT_MESSAGE, TYPING
from sandbox.discord.server import DiscordSandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Literal, Self, TypeVar

    from venue import Held

    from sandbox.discord.world.model import Message

    Found = TypeVar("Found")

TARGET = "target"
"""Of the reader's characters: where a link leads to, which is not on the screen."""


class DiscordVenue(Venue):
    page_size = 2000
    orphans = 0

    def __init__(self) -> None:
        self.dc = DiscordSandbox()

    async def __aenter__(self) -> Self:
        await self.dc.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.dc.__aexit__(kind, error, trace)

    def bot(self, folder: Path, provider: str) -> BotProcess:
        return BotProcess(folder, None, provider, discord=self.dc)

    def person(self, name: str) -> Person:
        user = self.dc.user(name)
        return Person(self, user, Place(user.dm))

    def room(self, name: str, members: Sequence[Person]) -> Place:
        guild = self.dc.guild(name, members=[member.user for member in members])
        return Place(guild.channel(name.lower()))

    async def parts_of_room(self, owner: Person, names: Sequence[str]) -> list[Place]:
        room = self.room("Threads", [owner])
        return [Place(await owner.user.open_thread(room.chat, name)) for name in names]

    async def say(self, person: Person, text: str, place: Place, *, to_bot: bool) -> int:
        mention = to_bot and place != person.chat
        return (await person.user.say(text, place.chat, mention=mention)).id

    async def reply(self, person: Person, text: str, place: Place, to: int) -> int:
        replied = place.chat.messages[to]
        return (await person.user.say(text, place.chat, reply_to=replied)).id

    async def forward(self, person: Person, text: str) -> str:
        bob = self.dc.user("Bob")
        elsewhere = self.dc.guild("Elsewhere", members=[bob, person.user]).channel("elsewhere")
        await person.user.forward(await bob.say(text, elsewhere), person.chat.chat)
        return "#elsewhere"

    async def command(self, person: Person, name: str, place: Place) -> None:
        await person.user.slash(name, place.chat)

    async def delete(self, person: Person, message: Shown, place: Place) -> None:
        await person.user.delete(place.chat.messages[message.id])

    async def turn_away(self, person: Person) -> None:
        person.user.close_dms()

    async def welcome(self, person: Person) -> None:
        person.user.open_dms()

    def replies(self, place: Place) -> list[Shown]:
        return [
            _shown(message)
            for message in self.dc.transcript(place.chat)
            if message.from_bot and not message.deleted and message.text
        ]

    def typed_before(self, place: Place, message: Shown) -> bool:
        typed = self.dc.calls_of(TYPING, place.chat)
        return any(call.at < message.views[0].at for call in typed)

    async def until(self, predicate: Callable[[], Found], *, within: float = 10.0) -> Found:
        return await self.dc.until(predicate, within=within)

    @property
    def refusals(self) -> int:
        return sum(call.status == 429 for call in self.dc.calls)

    def refuse(self, place: Place, seconds: float) -> None:
        self.dc.fault("rate_limit", route=EDIT_MESSAGE, channel=place.chat, seconds=seconds)

    def lose_answers_to_creates(self, place: Place, count: int | None = 1) -> None:
        self.dc.fault("drop_after_accept", route=CREATE_MESSAGE, channel=place.chat, count=count)

    def hold_answer(self, place: Place, call: Literal["create", "edit"], after: int) -> Held:
        route = CREATE_MESSAGE if call == "create" else EDIT_MESSAGE
        fault = self.dc.fault("hold_after_accept", route=route, channel=place.chat, after=after)
        return lambda: fault.count == 0

    def trouble_edits(self, place: Place) -> None:
        edits = {"route": EDIT_MESSAGE, "channel": place.chat}
        self.dc.fault("drop_after_accept", **edits)
        self.dc.fault("reset", **edits, after=1)
        self.dc.fault("error", **edits, status=500, after=2)
        self.dc.fault("error", **edits, status=502, html=True, after=3)

    def calm(self) -> None:
        self.dc.faults.clear()


def _shown(message: Message) -> Shown:
    views = tuple(View(each.at, _runs(each.text)) for each in message.versions if each.text)
    reference = message.reference
    return Shown(message.id, views, reference.message_id if reference else None)


@lru_cache(maxsize=4096)
def _runs(content: str) -> tuple[tuple[str, frozenset[str]], ...]:
    """Read once: the tests look at the same content again and again."""
    seen = [each for each in read(content) if TARGET not in each.styles]
    grouped = groupby(seen, key=lambda each: each.styles)
    return tuple(("".join(each.character for each in run), styles) for styles, run in grouped)
