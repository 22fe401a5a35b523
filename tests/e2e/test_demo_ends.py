"""However the demo ends, its servers end with it, and nothing of it is left on the disk."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import signal
import sys
import termios
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

QUIET = {k: v for k, v in os.environ.items() if not k.startswith(("PARLANCE__", "OPENAI_"))}
SIGNALS = [signal.SIGHUP, signal.SIGTERM, signal.SIGKILL]


class Window:
    """A terminal window that runs the demo.

    Its servers inherit standard error, so that is at its end once the last of them is gone.
    """

    def __init__(self, process: asyncio.subprocess.Process, ours: int) -> None:
        self.process = process
        self._ours = ours
        self._seen = ""

    @classmethod
    async def open(cls, folder: Path) -> Window:
        ours, theirs = pty.openpty()

        def own_the_terminal() -> None:
            os.setsid()
            fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "demo",
            stdin=theirs, stdout=theirs, stderr=asyncio.subprocess.PIPE,
            env={**QUIET, "TERM": "xterm", "TMPDIR": str(folder)},
            preexec_fn=own_the_terminal,
        )  # fmt: skip
        os.close(theirs)
        return cls(process, ours)

    def type(self, line: str) -> None:
        os.write(self._ours, f"{line}\n".encode())

    def close(self) -> None:
        if self._ours >= 0:
            os.close(self._ours)
            self._ours = -1

    async def until(self, text: str) -> None:
        async with asyncio.timeout(30):
            while text not in self._seen:
                more = await asyncio.to_thread(os.read, self._ours, 4096)
                self._seen += more.decode(errors="replace")

    async def gone(self) -> tuple[int, str]:
        """The exit code and what was said to standard error, once no process is left."""
        assert self.process.stderr is not None
        async with asyncio.timeout(30):
            said = await self.process.stderr.read()
            return await self.process.wait(), said.decode()


@pytest.fixture
async def window(tmp_path: Path) -> AsyncIterator[Window]:
    opened = await Window.open(tmp_path)
    yield opened
    with suppress(ProcessLookupError):
        opened.process.kill()
    opened.close()


def left(folder: Path) -> list[Path]:
    return list(folder.iterdir())


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
async def test_a_signal_at_the_prompt_leaves_nothing(
    window: Window, tmp_path: Path, number: signal.Signals
) -> None:
    await window.until("you >")
    assert left(tmp_path)
    window.process.send_signal(number)
    code, said = await window.gone()
    assert code == (-number if number is signal.SIGKILL else 128 + number)
    assert "Traceback" not in said
    assert left(tmp_path) == []


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
async def test_a_signal_while_an_answer_is_written_leaves_nothing(
    window: Window, tmp_path: Path, number: signal.Signals
) -> None:
    await window.until("you >")
    window.type("show me what you can do")
    await window.until("What an answer can look like")
    window.process.send_signal(number)
    await window.gone()
    assert left(tmp_path) == []


@pytest.mark.parametrize("number", [*SIGNALS, signal.SIGINT], ids=lambda number: number.name)
async def test_a_signal_while_it_starts_leaves_nothing(
    window: Window, tmp_path: Path, number: signal.Signals
) -> None:
    async with asyncio.timeout(30):
        while not left(tmp_path):  # noqa: ASYNC110 - a folder tells nobody that it is made
            await asyncio.sleep(0.005)
    window.process.send_signal(number)
    await window.gone()
    assert left(tmp_path) == []


@pytest.mark.parametrize("busy", [False, True], ids=["at the prompt", "while it writes"])
async def test_a_window_that_is_closed_leaves_nothing(
    window: Window, tmp_path: Path, *, busy: bool
) -> None:
    await window.until("you >")
    if busy:
        window.type("show me what you can do")
        await window.until("What an answer can look like")
    window.close()
    await window.gone()
    assert left(tmp_path) == []


async def test_a_second_signal_does_not_cut_the_clearing_up(window: Window, tmp_path: Path) -> None:
    await window.until("you >")
    for _ in range(3):
        window.process.send_signal(signal.SIGTERM)
    code, _ = await window.gone()
    assert code == 128 + signal.SIGTERM
    assert left(tmp_path) == []


async def test_a_server_started_by_hand_goes_on_without_standard_input() -> None:
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sandbox", "telegram",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert server.stdout is not None
    ready = await server.stdout.readline()
    assert b'"telegram"' in ready
    assert b"scratch" not in ready
    assert server.returncode is None
    server.terminate()
    assert await server.wait() == 0
