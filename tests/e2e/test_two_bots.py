"""Two bots, each with a token of its own, on one database: neither speaks for the other."""

from __future__ import annotations

import asyncio
import base64
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import postgres
import pytest
from bot_process import BotProcess, openai
from chat import numbered, numbers, reads, replies
from discord_chat import reads as discord_reads
from replica_set import Replicas, logged

from sandbox.discord.server import DiscordSandbox
from sandbox.discord.settings import Settings as DiscordSettings
from sandbox.llm.script import Script, Silence
from sandbox.telegram.server import TelegramSandbox
from sandbox.telegram.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sandbox.llm.server import LlmSandbox

BOTS = (123, 456)
WHOLE = list(range(200))


def on_telegram(bot: int) -> TelegramSandbox:
    return TelegramSandbox(Settings(token=f"{bot}:a-token-for-tests"))


def on_discord(bot: int) -> DiscordSandbox:
    head = base64.urlsafe_b64encode(str(bot).encode()).decode()
    return DiscordSandbox(DiscordSettings(token=f"{head}.a.token-for-tests"))


class Side:
    """One bot: what it sees of Telegram and Discord, its processes, the people who talk to it.

    The people of both sides are the same ones: their private chats have the same ids.
    """

    def __init__(
        self,
        telegram: TelegramSandbox,
        processes: Replicas,
        discord: DiscordSandbox | None = None,
    ) -> None:
        self.telegram, self.processes, self.discord = telegram, processes, discord
        self.people = [telegram.user(f"P{n}", user_id=5000 + n) for n in range(4)]
        self.there = [discord.user(f"P{n}", user_id=5000 + n) for n in range(4)] if discord else []

    async def ask(self, text: str) -> None:
        for person in (*self.people, *self.there):
            await person.say(text)

    async def begun(self) -> None:
        for person in self.people:
            await self.telegram.wait(lambda m: "w20" in m.text, chat=person, within=20)

    async def read(self, answer: str) -> None:
        for person in self.people:
            await self.telegram.until(lambda p=person: reads(self.telegram, p) == answer, within=40)
        if self.discord is None:
            return
        for person in self.there:
            await self.discord.until(
                lambda p=person: discord_reads(self.discord, p.dm) == answer, within=40
            )

    async def whole(self) -> None:
        """Each has the words of one answer, once and in order, in one message."""
        for person in self.people:
            await self.telegram.until(
                lambda p=person: numbers(reads(self.telegram, p)) == WHOLE, within=40
            )
        assert all(len(replies(self.telegram, person)) == 1 for person in self.people)


class Sides:
    """Both bots; each process has a folder of its own, and all have one database."""

    def __init__(self, folder: Path, url: str, llm: LlmSandbox, *, discord: bool = False) -> None:
        self._folder, self._url, self._llm, self._discord = folder, url, llm, discord
        self._stack = AsyncExitStack()
        self.all: list[Side] = []

    async def __aenter__(self) -> list[Side]:
        for bot in BOTS:
            tg = await self._stack.enter_async_context(on_telegram(bot))
            dc = await self._stack.enter_async_context(on_discord(bot)) if self._discord else None
            processes = Replicas(
                self._folder / str(bot), self._url, self._llm, telegram=tg, discord=dc
            )
            self._stack.push_async_callback(processes.discard)
            self.all.append(Side(tg, processes, dc))
        return self.all

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
        for side in self.all:
            for bot in side.processes.all:
                assert "Traceback" not in bot.log


@pytest.fixture
async def sides(tmp_path: Path, postgres_url: str, llm: LlmSandbox) -> AsyncIterator[list[Side]]:
    async with Sides(tmp_path, postgres_url, llm) as both:
        yield both


async def test_each_bot_answers_what_it_was_asked_on_both_platforms(
    tmp_path: Path, postgres_url: str, llm: LlmSandbox
) -> None:
    llm.script(Script(text=lambda messages: f"answer to {messages[-1].text}"))
    async with Sides(tmp_path, postgres_url, llm, discord=True) as (one, other):
        for side in (one, other):
            await logged(await side.processes.start(), "discord: connected")
        for n in range(3):
            await one.ask(f"one {n}")
            await other.ask(f"other {n}")
        await one.read("answer to one 0\nanswer to one 1\nanswer to one 2")
        await other.read("answer to other 0\nanswer to other 1\nanswer to other 2")
    assert len(llm.requests) == 2 * 2 * 4 * 3


async def test_what_a_killed_bot_owes_is_answered_by_itself_alone(
    sides: list[Side], llm: LlmSandbox
) -> None:
    one, other = sides
    llm.script(Script(text=numbered(200), rate=60), when="go")
    llm.script(Script(text="alive"))
    first, second = await one.processes.start(), await other.processes.start()
    await one.ask("go")
    await one.begun()
    await first.kill()
    await logged(second, "a replica is gone; its turns go on")
    asked = len(llm.requests)
    await other.ask("hello")
    await other.read("alive")
    assert len(llm.requests) == asked + len(other.people), "it goes on with what is not its own"
    await one.processes.start()
    await one.whole()


async def test_another_replica_of_the_same_bot_goes_on(sides: list[Side], llm: LlmSandbox) -> None:
    llm.script(Script(text=numbered(200), rate=50))
    bots = [[await side.processes.start() for side in sides] for _ in range(2)]
    for side in sides:
        await side.ask("go")
    for side in sides:
        await side.begun()
    for bot in bots[0]:
        await bot.kill()
    for side in sides:
        await side.whole()


async def test_stop_and_forget_reach_the_bot_that_was_told(
    sides: list[Side], llm: LlmSandbox
) -> None:
    one, other = sides
    llm.script(Script(text=numbered(200), rate=20), when="go")
    for side in sides:
        for _ in range(2):
            await side.processes.start()
    for side in sides:
        await side.ask("go")
    for side in sides:
        await side.begun()
    await one.ask("/stop")
    for person in one.people:
        await one.telegram.wait(lambda m: "Stopped" in m.text, chat=person)
    await one.ask("/forget")
    for person in one.people:
        await one.telegram.wait(lambda m: "forgotten" in m.text.lower(), chat=person)
    await other.whole()


async def test_logging_in_waits_for_a_database_that_is_away(
    tg: TelegramSandbox, llm: LlmSandbox, tmp_path: Path
) -> None:
    llm.script(Script(text="an answer"))
    ada = tg.user("Ada")
    with postgres.own_server() as server, server.database() as url:
        replicas = Replicas(tmp_path, url, llm, telegram=tg)
        try:
            tg.fault("error", method="getMe", status=503, count=None)
            starting = asyncio.create_task(replicas.start())
            await tg.until(lambda: tg.calls_of("getMe"), within=30)
            server.stop()
            tg.faults.clear()
            (bot,) = replicas.all
            await bot.until(lambda: "the history can't be used" in bot.log)
            await asyncio.to_thread(server.restart)
            await starting
            await ada.say("hi")
            await tg.wait(lambda m: m.text == "an answer", within=20)
        finally:
            await replicas.discard()
        assert "Traceback" not in bot.log


async def test_a_platform_that_is_not_set_any_more_leaves_answers_owed(
    tg: TelegramSandbox, dc: DiscordSandbox, llm: LlmSandbox, tmp_path: Path
) -> None:
    llm.script(Script(fault=Silence()), times=1)
    llm.script(Script(text="an answer"))
    ada, bob = tg.user("Ada"), dc.user("Bob")
    both = BotProcess(tmp_path, tg, openai(llm), discord=dc)
    alone = BotProcess(tmp_path, None, openai(llm), discord=dc)
    try:
        await both.start()
        await ada.say("hi")
        await llm.until(lambda: len(llm.requests) == 1)
        await both.kill()
        await alone.start()
        await bob.say("hello")
        await dc.wait(lambda m: m.text == "an answer")
        assert alone.log.count("answers are owed") == 1
        assert not replies(tg, ada)
        assert await alone.stop() == 0
        await both.start()
        await tg.wait(lambda m: m.text == "an answer", within=20)
    finally:
        await both.discard()
        await alone.discard()


async def test_a_token_exchanged_on_the_same_files_leaves_answers_owed(
    tmp_path: Path, llm: LlmSandbox
) -> None:
    llm.script(Script(fault=Silence()), times=1)
    llm.script(Script(text=lambda messages: f"answer to {messages[-1].text}"))
    async with on_telegram(BOTS[0]) as old, on_telegram(BOTS[1]) as new:
        first, second = (BotProcess(tmp_path, tg, openai(llm)) for tg in (old, new))
        try:
            ada, again = (tg.user("Ada", user_id=5000) for tg in (old, new))
            await first.start()
            for n in range(3):
                await ada.say(f"old {n}")
            await old.until(lambda: len(old.updates) == 0)
            await llm.until(lambda: len(llm.requests) == 1)
            await first.kill()
            assert "answers are owed" not in first.log
            await second.start()
            await again.say("new")
            await new.until(lambda: reads(new, again) == "answer to new", within=20)
            (warning,) = [line for line in second.log.splitlines() if "answers are owed" in line]
            assert "telegram:123" in warning
            assert "3" in warning.replace("123", "")
            assert old.token not in second.log
            assert await second.stop() == 0
            assert not replies(old, ada)
            await first.start()
            answers = "\n".join(f"answer to old {n}" for n in range(3))
            await old.until(lambda: reads(old, ada) == answers, within=30)
            assert second.log.count("answers are owed") == 1
        finally:
            for bot in (first, second):
                await bot.discard()
        assert "Traceback" not in first.log
