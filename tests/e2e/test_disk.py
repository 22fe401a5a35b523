"""A disk that is full or read-only, and a damaged file: one clear line, and no message is lost."""

from __future__ import annotations

import asyncio
import errno
import subprocess
from typing import TYPE_CHECKING

import pytest
from chat import numbered, replies, words_in

from sandbox.llm.script import Script

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bot_process import BotProcess

    from sandbox.llm.server import LlmSandbox
    from sandbox.telegram.server import TelegramSandbox

SIZE = 12 * 2**20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own, where one can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip(f"only root can mount a disk: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Take all the space that is left; deleting the file gives it back."""
    ballast = disk / "ballast"
    with ballast.open("ab", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while file.write(b"x" * size) == size:
                    pass
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
    return ballast


def make_read_only(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)


def on(disk: Path) -> dict[str, str]:
    return {"PARLANCE__STORAGE__URL": f"sqlite:///{disk}/parlance.db"}


async def test_while_the_disk_is_full_nothing_is_acknowledged_and_then_all_is_answered_once(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess, disk: Path
) -> None:
    llm.script(Script(text=lambda ms: f"answer to {ms[-1].text[-4:]}"))
    ada = tg.user("Ada")
    bot.environment = on(disk)
    await bot.start()
    await ada.say("0000")
    await tg.wait(lambda m: m.text == "answer to 0000")
    ballast = fill(disk)
    # The journal has some room of its own: it is full only after that.
    asked = 1
    while "can't be kept" not in bot.log and "can't be used" not in bot.log:
        await ada.say("x" * 4000 + f"{asked:04}")
        asked += 1
        await asyncio.sleep(0.05)
        assert asked < 1000
    unkept = len(tg.updates)
    await asyncio.sleep(1.5)
    assert len(tg.updates) >= unkept > 0, "something that is not kept was acknowledged"
    ballast.unlink()
    expected = [f"answer to {n:04}" for n in range(asked)]
    await tg.until(lambda: len(replies(tg, ada)) >= asked, within=90)
    await tg.until(lambda: [m.text for m in replies(tg, ada)] == expected, within=30)
    await tg.until_quiet(ada, 1.0)
    assert [m.text for m in replies(tg, ada)] == expected
    assert len(tg.updates) == 0
    assert "full" in bot.log
    assert "Traceback" not in bot.log


async def test_an_answer_that_ends_on_a_full_disk_is_whole_and_the_next_is_answered(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess, disk: Path
) -> None:
    llm.script(Script(text=numbered(200), rate=60))
    ada = tg.user("Ada")
    bot.environment = on(disk)
    await bot.start()
    await ada.say("go")
    await tg.wait(lambda m: "w20" in m.text)
    ballast = fill(disk)
    await tg.until(lambda: words_in(tg, ada, 200), within=20)
    await asyncio.sleep(1)
    ballast.unlink()
    llm.script(Script(text="the next answer"), when="next")
    await ada.say("next")
    await tg.wait(lambda m: m.text == "the next answer", within=40)
    assert len(replies(tg, ada)) == 2
    assert await bot.stop() == 0
    await bot.start()
    await tg.until_quiet(ada, 1.0)
    assert len(replies(tg, ada)) == 2
    assert len(llm.requests) == 2


async def test_a_full_disk_of_the_queue_alone_holds_up_no_chat_for_ever(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess, disk: Path
) -> None:
    llm.script(Script(text=lambda ms: f"answer to {ms[-1].text}", rate=20))
    people = [tg.user(f"P{n}") for n in range(4)]
    (bot.folder / "parlance.turns.db").symlink_to(disk / "parlance.turns.db")
    await bot.start()
    ballast = None
    for n in range(25):
        for person in people:
            await person.say(f"q{n}")
        await asyncio.sleep(0.05)
        if n == 5:
            ballast = fill(disk)
    assert ballast is not None
    async with asyncio.timeout(60):
        while "disk is full" not in bot.log:  # noqa: ASYNC110 - it is told by a file
            await asyncio.sleep(0.05)
    ballast.unlink()
    expected = [f"answer to q{n}" for n in range(25)]
    for person in people:
        await tg.until(lambda p=person: len(replies(tg, p)) >= 25, within=110)
        assert [m.text for m in replies(tg, person)] == expected
    assert "Traceback" not in bot.log


async def test_a_read_only_disk_is_one_line_at_the_start(bot: BotProcess, disk: Path) -> None:
    bot.environment = on(disk)
    await bot.start()
    assert await bot.stop() == 0
    make_read_only(disk)
    await bot.start(ready=False)
    assert await bot.exited() == 2
    (line,) = bot.log.splitlines()[-1:]
    assert f"storage.url: {disk} can't be written to (Read-only file system)" in line
    assert "Traceback" not in bot.log


@pytest.mark.parametrize("name", ["parlance.db", "parlance.turns.db"])
async def test_a_damaged_file_is_one_line_that_names_the_backup(
    name: str, tg: TelegramSandbox, bot: BotProcess
) -> None:
    await bot.start()
    ada = tg.user("Ada")
    await ada.say("hello")
    await tg.wait(lambda m: "hello" in m.text)
    assert await bot.stop() == 0
    damage(bot.folder / name)
    await bot.start(ready=False)
    assert await bot.exited() == 2
    (line,) = bot.log.splitlines()[-1:]
    assert f"{name} is damaged (" in line
    assert "docs/operations.md" in line
    assert "Traceback" not in bot.log


def damage(file: Path) -> None:
    """As a bad disk does: some pages in the middle are something else."""
    content = bytearray(file.read_bytes())
    content[4096 * 2 : 4096 * 8] = b"\xa5" * (4096 * 6)
    file.write_bytes(content)
