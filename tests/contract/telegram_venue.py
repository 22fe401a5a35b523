"""Telegram for the contract."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from bot_process import BotProcess
from venue import Person, Place, Shown, Venue, View

from sandbox.telegram.server import TelegramSandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Literal, Self, TypeVar

    from venue import Held

    from sandbox.telegram.state import Message, Version

    Found = TypeVar("Found")

STYLES = {"strikethrough": "strike", "blockquote": "quote", "text_link": "link", "url": "link"}
"""Names of entities that are others in the contract."""


class TelegramVenue(Venue):
    page_size = 4096
    orphans = 1

    def __init__(self) -> None:
        self.tg = TelegramSandbox()

    async def __aenter__(self) -> Self:
        await self.tg.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.tg.__aexit__(kind, error, trace)

    def bot(self, folder: Path, provider: str) -> BotProcess:
        return BotProcess(folder, self.tg, provider)

    def person(self, name: str) -> Person:
        user = self.tg.user(name)
        return Person(self, user, Place(user))

    def room(self, name: str, members: Sequence[Person]) -> Place:
        users = [member.user for member in members]
        return Place(self.tg.group(name, members=users, supergroup=True))

    async def parts_of_room(self, owner: Person, names: Sequence[str]) -> list[Place]:
        forum = self.tg.group("Forum", members=[owner.user], supergroup=True, forum=True)
        return [Place(forum, forum.open_topic(name)) for name in names]

    async def say(self, person: Person, text: str, place: Place, *, to_bot: bool) -> int:
        if place == person.chat:
            return (await person.user.say(text)).message_id
        spoken = f"@{self.tg.settings.bot_username} {text}" if to_bot else text
        said = await person.user.say(spoken, chat=place.chat, thread=place.thread)
        return said.message_id

    async def reply(self, person: Person, text: str, place: Place, to: int) -> int:
        chat = None if place == person.chat else place.chat
        replied = self.tg.world.chats[place.chat.id].messages[to]
        return (await person.user.say(text, chat=chat, reply_to=replied)).message_id

    async def forward(self, person: Person, text: str) -> str:
        bob = self.tg.user("Bob")
        elsewhere = self.tg.group("Elsewhere", members=[bob, person.user], bot=False)
        await person.user.forward(await bob.say(text, chat=elsewhere))
        return "Bob"

    async def command(self, person: Person, name: str, place: Place) -> None:
        chat = None if place == person.chat else place.chat
        await person.user.say(f"/{name}", chat=chat, thread=place.thread)

    async def delete(self, person: Person, message: Shown, place: Place) -> None:
        await person.user.delete(self.tg.world.chats[place.chat.id].messages[message.id])

    async def turn_away(self, person: Person) -> None:
        await person.user.block()

    async def welcome(self, person: Person) -> None:
        await person.user.unblock()

    def replies(self, place: Place) -> list[Shown]:
        return [
            Shown(m.message_id, tuple(map(_view, m.versions)), m.reply_to)
            for m in self.tg.transcript(place.chat)
            if m.from_bot and not m.deleted and _in(m, place)
        ]

    def typed_before(self, place: Place, message: Shown) -> bool:
        typed = self.tg.calls_of("sendChatAction", place.chat)
        return any(call.at < message.views[0].at for call in typed)

    async def until(self, predicate: Callable[[], Found], *, within: float = 10.0) -> Found:
        return await self.tg.until(predicate, within=within)

    @property
    def refusals(self) -> int:
        return sum(call.status == 429 for call in self.tg.calls)

    def refuse(self, place: Place, seconds: float) -> None:
        self.tg.penalize(place.chat, seconds)

    def lose_answers_to_creates(self, place: Place, count: int | None = 1) -> None:
        self.tg.fault("drop_after_accept", method="sendMessage", chat=place.chat, count=count)

    def hold_answer(self, place: Place, call: Literal["create", "edit"], after: int) -> Held:
        method = "sendMessage" if call == "create" else "editMessageText"
        fault = self.tg.fault("hold_after_accept", method=method, chat=place.chat, after=after)
        return lambda: fault.count == 0

    def trouble_edits(self, place: Place) -> None:
        edits = {"method": "editMessageText", "chat": place.chat}
        self.tg.fault("drop_after_accept", **edits)
        self.tg.fault("reset", **edits, after=1)
        self.tg.fault("error", **edits, status=500, after=2)
        self.tg.fault("error", **edits, status=502, after=3)

    def calm(self) -> None:
        self.tg.faults.clear()


def _in(message: Message, place: Place) -> bool:
    return place.thread in (None, message.thread_id)


def _view(version: Version) -> View:
    """Entities, which count in UTF-16 units, as runs of characters."""
    units = version.text.encode("utf-16-le")
    ends = {0, len(units) // 2}
    for entity in version.entities:
        ends |= {entity.offset, entity.offset + entity.length}
    borders = sorted(ends)
    runs = []
    for start, end in pairwise(borders):
        styles = {
            STYLES.get(entity.type, entity.type)
            for entity in version.entities
            if entity.offset <= start and end <= entity.offset + entity.length
        }
        runs.append((units[2 * start : 2 * end].decode("utf-16-le"), frozenset(styles)))
    return View(version.at, tuple(runs))
