"""The processes of one run: the platform's server, the model's, and the bot that is measured."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import time
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Mapping, Sequence

ROOT = Path(__file__).parent.parent
CPUCLOCK_SCHED = 2
"""Of a process's CPU clocks, the one that the scheduler keeps."""
LAST_WORDS = 10.0
"""Seconds that a process is given to end when it is told to."""


@asynccontextmanager
async def server(arguments: Sequence[str]) -> AsyncIterator[Mapping[str, Any]]:
    """Run `python -m sandbox …`; gives the line it prints when it is ready."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sandbox", *arguments, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    try:
        assert process.stdout is not None
        line = await process.stdout.readline()
        if not line:
            raise RuntimeError(f"python -m sandbox {' '.join(arguments)} did not start")
        yield json.loads(line)
    finally:
        await _end(process)


@asynccontextmanager
async def program(
    arguments: Sequence[str], environment: Mapping[str, str], log: Path
) -> AsyncIterator[Process]:
    """Run `python …` with all it says in `log`."""
    clean = {name: v for name, v in os.environ.items() if not name.startswith("PARLANCE__")}
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments,
            stdout=output, stderr=output, env={**clean, **environment}, cwd=ROOT,
        )  # fmt: skip
    try:
        yield process
    finally:
        await _end(process)


async def _end(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(LAST_WORDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def cpu_seconds(pid: int) -> float:
    """What a process has used so far, in user and system mode, all its threads together."""
    # Linux's clock of another process, exact where /proc counts ticks: clock_getcpuclockid(3).
    return time.clock_gettime(~pid << 3 | CPUCLOCK_SCHED)


def memory(pid: int) -> tuple[float, float]:
    """Megabytes that a process holds now, and the most it ever held."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    sizes = {name: value for name, _, value in (line.partition(":") for line in lines)}
    now, peak = (int(sizes[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return now, peak
