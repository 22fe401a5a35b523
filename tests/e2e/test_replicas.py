"""Several `parlance run` on one PostgreSQL database."""

from __future__ import annotations

import asyncio
import signal
from itertools import pairwise
from typing import TYPE_CHECKING

import postgres
import pytest
from chat import numbered, numbers, reads, replies
from replica_set import Replicas

from sandbox.llm.script import Script

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from bot_process import BotProcess

    from sandbox.llm.server import LlmSandbox
    from sandbox.telegram.server import TelegramSandbox
    from sandbox.telegram.users import ScriptedUser


@pytest.fixture
async def replicas(
    tmp_path: Path, postgres_url: str, tg: TelegramSandbox, llm: LlmSandbox
) -> AsyncIterator[Replicas]:
    started = Replicas(tmp_path, postgres_url, llm, telegram=tg)
    yield started
    await started.discard()
    for bot in started.all:
        assert "Traceback" not in bot.log


def log_of(bot: BotProcess) -> str:
    return bot.log if bot.process else ""


def words(tg: TelegramSandbox, person: ScriptedUser) -> list[int]:
    return numbers(reads(tg, person))


async def test_one_process_on_postgresql_answers_and_goes_on_after_a_kill(
    tg: TelegramSandbox, llm: LlmSandbox, replicas: Replicas
) -> None:
    llm.script(Script(text=numbered(200), rate=100))
    ada = tg.user("Ada")
    bot = await replicas.start()
    await ada.say("go")
    begun = await tg.wait(lambda m: "w20" in m.text)
    await bot.kill()
    await replicas.start()
    await tg.until(lambda: words(tg, ada) == list(range(200)), within=20)
    assert replies(tg, ada) == [begun]


async def test_what_a_killed_replica_was_writing_goes_on_in_another(
    tg: TelegramSandbox, llm: LlmSandbox, replicas: Replicas
) -> None:
    llm.script(Script(text=numbered(300), rate=60))
    people = [tg.user(f"P{n}") for n in range(6)]
    first, second = await replicas.start(), await replicas.start()
    for person in people:
        await person.say("go")
    begun = [await tg.wait(lambda m: "w20" in m.text, chat=person) for person in people]
    await first.kill()
    for person in people:
        await tg.until(lambda p=person: words(tg, p) == list(range(300)), within=30)
    assert [m for person in people for m in replies(tg, person)] == begun
    # Telegram is asked by the other one now.
    await people[0].say("again")
    await tg.until(lambda: len(words(tg, people[0])) == 600, within=20)
    assert "a replica is gone" in second.log


async def test_a_replica_that_stood_still_says_nothing_over_another(
    tg: TelegramSandbox, llm: LlmSandbox, replicas: Replicas
) -> None:
    llm.script(Script(text=numbered(1500), rate=60))
    people = [tg.user(f"P{n}") for n in range(6)]
    first, second = await replicas.start(), await replicas.start()
    for person in people:
        await person.say("go")
    for person in people:
        await tg.wait(lambda m: "w20" in m.text, chat=person)
    first.process.send_signal(signal.SIGSTOP)
    await tg.until(lambda: "a replica is gone" in second.log, within=20)
    first.process.send_signal(signal.SIGCONT)
    await tg.until(lambda: "was taken for dead" in first.log, within=20)
    for person in people:
        await tg.until(lambda p=person: words(tg, p) == list(range(1500)), within=60)
        for message in replies(tg, person):
            lengths = [len(version.text) for version in message.versions]
            shrunk = sum(after < before for before, after in pairwise(lengths))
            assert shrunk <= 1, "two replicas wrote it by turns"


async def test_stop_reaches_the_replica_that_writes(
    tg: TelegramSandbox, llm: LlmSandbox, replicas: Replicas
) -> None:
    llm.script(Script(text=numbered(3000), rate=40))
    people = [tg.user(f"P{n}") for n in range(8)]
    bots = [await replicas.start(), await replicas.start()]
    for person in people:
        await person.say("go")
    for person in people:
        await tg.wait(lambda m: "w20" in m.text, chat=person)
    for person in people:
        await person.say("/stop")
    for person in people:
        await tg.wait(lambda m: "Stopped" in m.text, chat=person)
    for bot in bots:
        assert await bot.stop() == 0
    assert sum(bot.log.count("outcome=stopped") for bot in bots) == len(people)


async def test_a_replica_that_is_told_to_end_leaves_its_answers_to_the_others(
    tg: TelegramSandbox, llm: LlmSandbox, replicas: Replicas
) -> None:
    llm.script(Script(text=numbered(300), rate=60))
    people = [tg.user(f"P{n}") for n in range(6)]
    first, _ = await replicas.start(), await replicas.start()
    for person in people:
        await person.say("go")
    begun = [await tg.wait(lambda m: "w20" in m.text, chat=person) for person in people]
    assert await first.stop() == 0
    for person in people:
        await tg.until(lambda p=person: words(tg, p) == list(range(300)), within=30)
    assert [m for person in people for m in replies(tg, person)] == begun


async def test_the_database_is_restarted_while_answers_are_written(
    tg: TelegramSandbox, llm: LlmSandbox, tmp_path: Path
) -> None:
    llm.script(Script(text=numbered(600), rate=60))
    people = [tg.user(f"P{n}") for n in range(6)]
    with postgres.own_server() as server, server.database() as url:
        replicas = Replicas(tmp_path, url, llm, telegram=tg)
        try:
            for _ in range(2):
                await replicas.start()
            for person in people:
                await person.say("go")
            for person in people:
                await tg.wait(lambda m: "w20" in m.text, chat=person)
            await asyncio.to_thread(server.restart)
            await people[0].say("and this")
            await tg.until(lambda: len(words(tg, people[0])) == 1200, within=60)
            for person in people[1:]:
                await tg.until(lambda p=person: words(tg, p) == list(range(600)), within=30)
        finally:
            await replicas.discard()
        for bot in replicas.all:
            assert "Traceback" not in bot.log
            assert "was taken for dead" not in bot.log


async def test_a_replica_waits_for_a_database_that_is_starting(
    tg: TelegramSandbox, llm: LlmSandbox, tmp_path: Path
) -> None:
    llm.script(Script(text="an answer"))
    ada = tg.user("Ada")
    with postgres.own_server() as server, server.database() as url:
        server.stop()
        replicas = Replicas(tmp_path, url, llm, telegram=tg)
        try:
            starting = asyncio.create_task(replicas.start())
            async with asyncio.timeout(30):
                while not any("out of reach; waiting" in log_of(bot) for bot in replicas.all):  # noqa: ASYNC110 - a file grows
                    await asyncio.sleep(0.1)
            await asyncio.to_thread(server.restart)
            await starting
            await ada.say("hi")
            await tg.wait(lambda m: m.text == "an answer", within=20)
        finally:
            await replicas.discard()
