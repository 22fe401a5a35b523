"""What the bot keeps in files is its user's alone, whatever the umask and what was there before."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
from typing import TYPE_CHECKING

import pytest
from command_line import parlance

from sandbox.llm.script import Script

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bot_process import BotProcess

    from sandbox.llm.server import LlmSandbox
    from sandbox.telegram.server import TelegramSandbox
    from sandbox.telegram.users import ScriptedUser

CLOSED = "storage.url: closed to other users of this machine"


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """What most systems have: others may read what is made."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def data(tmp_path: Path, bot: BotProcess) -> Path:
    """Where the bot keeps its files; not made yet, in a folder that is everybody's to read."""
    shared = tmp_path / "shared"
    shared.mkdir()
    tmp_path.chmod(0o755)
    bot.cold = True  # A fork has the umask of its server.
    bot.environment = {"PARLANCE__STORAGE__URL": f"sqlite:///{shared}/data/parlance.db"}
    return shared / "data"


def open_to_all(folder: Path) -> None:
    """As an earlier release left it."""
    for path in folder.iterdir():
        path.chmod(0o644)
    folder.chmod(0o755)


def modes(folder: Path) -> dict[str, int]:
    there = [folder, *folder.iterdir()]
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in there}


def is_private(folder: Path) -> bool:
    found = modes(folder)
    return found.pop(folder.name) == 0o700 and set(found.values()) == {0o600}


async def ask(tg: TelegramSandbox, llm: LlmSandbox) -> ScriptedUser:
    llm.script(Script(text="the answer"))
    ada = tg.user("Ada")
    await ada.say("a question")
    await tg.wait(lambda m: m.text == "the answer", chat=ada)
    return ada


async def test_what_the_bot_makes_is_its_own(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess, data: Path
) -> None:
    await bot.start()
    await ask(tg, llm)
    assert {"parlance.db", "parlance.db-wal", "parlance.db.lock", "parlance.turns.db"} <= set(
        modes(data)
    )
    assert is_private(data), modes(data)
    assert CLOSED not in bot.log
    assert await bot.stop() == 0
    assert is_private(data), modes(data)


async def test_an_old_installation_is_closed_and_that_is_told_once(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess, data: Path
) -> None:
    await bot.start()
    await ask(tg, llm)
    await bot.kill()
    shutil.copy(data / "parlance.db", data / "parlance.db.bak")
    assert "parlance.db-wal" in modes(data)
    open_to_all(data)
    await bot.start()
    await ask(tg, llm)
    assert is_private(data), modes(data)
    (line,) = [line for line in bot.log.splitlines() if CLOSED in line]
    for told in ("data 0755", "parlance.db 0644", "parlance.turns.db-wal 0644", "0700", "0600"):
        assert told in line
    assert await bot.stop() == 0
    await bot.start()
    assert await bot.stop() == 0
    assert is_private(data), modes(data)
    assert bot.log.count(CLOSED) == 1


@pytest.mark.parametrize("command", ["migrate", "forget"])
async def test_other_commands_leave_no_file_open_either(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess, data: Path, postgres_url: str,
    command: str,
) -> None:  # fmt: skip
    await bot.start()
    ada = await ask(tg, llm)
    assert await bot.stop() == 0
    open_to_all(data)
    given = {
        "migrate": ("--to", postgres_url),
        "forget": ("--chat", f"telegram:{tg.token.partition(':')[0]}:{ada.id}"),
    }[command]
    bot.config.write_text(bot.config.read_text().replace(str(bot.folder), str(data)))
    done = await asyncio.to_thread(
        parlance, command, *given, "--config", str(bot.config), cwd=bot.folder
    )
    assert done.returncode == 0, done.stderr
    assert is_private(data), modes(data)
    assert CLOSED in done.stderr
