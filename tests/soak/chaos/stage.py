"""The platforms, the model and the people of a soak, in the driver's own process."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
from yarl import URL

from sandbox.discord.server import DiscordSandbox
from sandbox.llm.control import read_fault
from sandbox.llm.script import Script
from sandbox.llm.server import LlmSandbox
from sandbox.telegram.server import TelegramSandbox

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

    from chaos.schedule import Asked, Person, Schedule
    from sandbox.llm.journal import Record
    from sandbox.llm.script import ChatMessage

RATE = 60.0
"""Words a second, of both models."""
THINKING = 0.2
"""Seconds before the first."""
DATABASE_STARTS = 10.0
"""Seconds that PostgreSQL may need to recover."""
ASKED = re.compile(r"What is (\d+)\?")
SETTINGS = """
[telegram]
token = "{telegram_token}"
api_url = "{telegram_url}"

[discord]
token = "{discord_token}"
api_url = "{discord_url}"
gateway_url = "{gateway_url}"

[providers.main]
kind = "openai"
base_url = "{openai_url}"
api_key = "{key}"
model = "main"
first_byte_timeout = 3
idle_timeout = 3

[providers.spare]
kind = "ollama"
base_url = "{ollama_url}"
model = "sandbox"

[chat]
resume = true
history_tokens = 300

[storage]
url = "{storage}"

[access]
open = true
"""


@dataclass(frozen=True)
class Chat:
    """Where a person asks: their own direct chat, or a room with another one."""

    user: Any
    """The sandbox's handle."""
    room: Any = None


@dataclass
class Stage:
    """An async context manager: entered, there are servers, rooms and people."""

    schedule: Schedule
    telegram: TelegramSandbox = field(default_factory=TelegramSandbox)
    discord: DiscordSandbox = field(default_factory=DiscordSandbox)
    events: list[dict[str, Any]] = field(default_factory=list)
    asked_at: dict[int, float] = field(default_factory=dict)
    """When each question was said, by its number."""
    ports: dict[str, list[int]] = field(default_factory=dict)
    began: float | None = None
    """When the schedule began."""
    _chats: list[Chat] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        self.llm = LlmSandbox(Script(self._answer, first_token=THINKING, rate=RATE))
        self._stack = AsyncExitStack()
        for server in (self.telegram, self.discord, self.llm):
            await self._stack.enter_async_context(server)
        self._session = await self._stack.enter_async_context(aiohttp.ClientSession())
        self._make_people()
        self._set_model_faults()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def note(self, kind: str, replica: str = "") -> None:
        self.events.append({"at": self.now(), "kind": kind, "replica": replica})

    async def settings(self, replica: str, storage: str) -> str:
        """A replica's settings; it calls the platforms at ports of its own."""
        urls = [await self.telegram.listen(), await self.discord.listen()]
        self.ports[replica] = [URL(url).port or 0 for url in urls]
        return SETTINGS.format(
            telegram_token=self.telegram.token, telegram_url=urls[0],
            discord_token=self.discord.token, discord_url=urls[1],
            gateway_url=self.discord.gateway_url,
            openai_url=self.llm.openai_url, key=self.llm.key, ollama_url=self.llm.ollama_url,
            storage=storage,
        )  # fmt: skip

    def has_called(self, replica: str, since: float) -> bool:
        """Whether it has called Telegram, as each does once it is up."""
        for call in reversed(self.telegram.calls):
            if call.at < since:
                return False
            if call.port in self.ports[replica]:
                return True
        return False

    def database_was_away_since(self, since: float) -> bool:
        """Whether it was restarted after `since`, or shortly before."""
        away = [event["at"] for event in self.events if event["kind"] == "database"]
        return any(at > since - DATABASE_STARTS for at in away)

    @property
    def over(self) -> bool:
        """Whether the time of troubles is."""
        return self.began is not None and self.now() > self.began + self.schedule.seconds

    async def ready(self) -> None:
        """Return once some replica takes messages of both platforms."""
        await self.telegram.until(lambda: self.telegram.calls_of("getUpdates"), within=60)
        log = self.discord.gateway.log
        await self.discord.until(lambda: any(r.kind == "identified" for r in log), within=60)

    # What people do, and what befalls the servers.

    async def ask(self, number: int) -> None:
        """Say the question of this number."""
        asked = self.schedule.questions[number]
        person, chat = self.schedule.people[asked.person], self._chats[asked.person]
        text = f"What is {number}?"
        self.asked_at[number] = self.now()
        if person.platform == "telegram":
            if chat.room is not None:
                text = f"@{self.telegram.settings.bot_username} {text}"
            await chat.user.say(text, chat=chat.room)
        else:
            await chat.user.say(text, chat.room, mention=chat.room is not None)

    def trouble(self, kind: str, what: dict[str, Any]) -> None:
        """Set a fault of a platform, or make trouble in Discord's gateway."""
        match kind:
            case "telegram":
                self.telegram.fault(**what)
            case "discord":
                self.discord.fault(**what)
            case "gateway":
                arguments = {name: value for name, value in what.items() if name != "act"}
                getattr(self.discord.gateway, what["act"])(**arguments)

    def calm(self) -> None:
        """No trouble any more."""
        self.telegram.faults.clear()
        self.discord.faults.clear()
        self.discord.gateway.accept()

    # What the model says.

    def _answer(self, messages: Sequence[ChatMessage]) -> str:
        """The rest of the answer, where the model is asked to go on with a part of it."""
        number = _number(messages)
        assert number is not None
        words = self.schedule.questions[number].words
        text = " ".join(f"q{number}w{n}" for n in range(words))
        last = [message for message in messages if message.role == "assistant"]
        partial = last[-1].text if last and ASKED.search(messages[-1].text) is None else ""
        return text.removeprefix(partial)

    def _set_model_faults(self) -> None:
        for number, asked in enumerate(self.schedule.questions):
            if asked.model is not None:
                fault = read_fault(asked.model)
                script = Script(self._answer, first_token=THINKING, rate=RATE, fault=fault)
                self.llm.script(script, times=1, when=_FirstAsked(number))

    # What is there.

    def _make_people(self) -> None:
        rooms: dict[tuple[str, int], Any] = {}
        for person in self.schedule.people:
            sandbox = self.telegram if person.platform == "telegram" else self.discord
            user = sandbox.user(f"P{person.number}")
            if person.place == "direct":
                self._chats.append(Chat(user))
                continue
            key = (person.platform, person.room)
            if key not in rooms:
                rooms[key] = self._room(person, user)
            elif person.platform == "telegram":
                rooms[key].chat.members[user.id] = "member"
            else:
                rooms[key][0].add(user)
            room = rooms[key]
            self._chats.append(Chat(user, room if person.platform == "telegram" else room[1]))

    def _room(self, person: Person, user: Any) -> Any:  # noqa: ANN401 - the sandboxes' handles
        name = f"room {person.room}"
        if person.platform == "telegram":
            return self.telegram.group(name, members=[user], supergroup=True)
        guild = self.discord.guild(name, members=[user])
        return guild, guild.channel(f"room-{person.room}")

    # What is left behind.

    def is_answered(self, number: int) -> bool:
        """Whether its last word is shown; the checker judges everything else."""
        asked = self.schedule.questions[number]
        last = re.compile(rf"\bq{number}w{asked.words - 1}\b")
        platform, chat, _ = self._place(asked)
        transcript = (self.telegram if platform == "telegram" else self.discord).transcript(chat)
        return any(m.from_bot and not m.deleted and last.search(m.text) for m in transcript)

    async def evidence(self) -> dict[str, Any]:
        """What `chaos.evidence` reads, as the control APIs tell it."""
        questions = []
        chats: dict[str, set[int]] = {"telegram": set(), "discord": set()}
        for number, at in self.asked_at.items():
            asked = self.schedule.questions[number]
            platform, chat, lane = self._place(asked)
            chats[platform].add(chat)
            place = {"platform": platform, "chat": chat, "lane": lane}
            questions.append({"id": number, **place, "asked_at": at, "words": asked.words})
        roots = {"telegram": self.telegram.api_url, "discord": self.discord.url}
        return {
            "schedule": asdict(self.schedule),
            "questions": questions,
            "replicas": self.ports,
            "model": [
                {"question": number, "finished": r.finished, "ended_at": r.ended_at}
                for r in self.llm.requests
                if (number := _number(r.messages)) is not None
            ],
            "events": self.events,
            **{name: await self._tell(roots[name], chats[name]) for name in roots},
        }

    async def _tell(self, root: str, chats: set[int]) -> dict[str, Any]:
        transcripts = {
            str(chat): (await self._get(root, "transcript", chat_id=chat))["messages"]
            for chat in sorted(chats)
        }
        return {"transcripts": transcripts, "calls": (await self._get(root, "calls"))["calls"]}

    async def _get(self, root: str, view: str, **query: int) -> dict[str, Any]:
        async with self._session.get(f"{root}/control/{view}", params=query) as answer:
            answer.raise_for_status()
            return await answer.json()

    def _place(self, asked: Asked) -> tuple[str, int, str]:
        """Platform, chat and lane: people in one channel of Discord don't wait for each other."""
        person, chat = self.schedule.people[asked.person], self._chats[asked.person]
        if person.platform == "telegram":
            place = (chat.room or chat.user).id
            return "telegram", place, f"telegram {place}"
        place = (chat.room or chat.user.dm).id
        return "discord", place, f"discord {place} {chat.user.id}"


@dataclass(frozen=True)
class _FirstAsked:
    """Whether a request asks the main model this question."""

    number: int

    def __call__(self, record: Record) -> bool:
        return record.api == "openai" and _number(record.messages) == self.number


def _number(messages: Sequence[ChatMessage]) -> int | None:
    """The question that is to be answered: the last one; None: the request was refused."""
    found = [ASKED.search(m.text) for m in messages if m.role == "user"]
    return next((int(match[1]) for match in reversed(found) if match), None)
