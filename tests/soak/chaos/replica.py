"""One `parlance run` of several on the same storage, and what befalls its process."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from chaos.stage import Stage

NO_DATABASE = 2
"""The exit code of a replica that can't use what its settings name."""
RESTART = 1.0
"""Seconds between two looks at that."""
LONGEST_START = 60.0
"""Seconds in which a replica must be up."""
LONGEST_END = 60.0
"""Seconds after a SIGTERM in which a replica must have ended."""


@dataclass
class Replica:
    name: str
    folder: Path
    """For its settings and its log."""
    command: Sequence[str]
    """What is started; it is given `--config` and its file."""
    settings: str
    stage: Stage
    problems: list[str] = field(default_factory=list)
    _process: asyncio.subprocess.Process | None = None
    _started_at: float = 0.0
    _coming_up: asyncio.Task[None] = field(init=False)

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def _runs(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def _is_up(self) -> bool:
        return self.stage.has_called(self.name, self._started_at)

    async def start(self) -> None:
        if self._runs:
            return
        config = self.folder / f"{self.name}.toml"
        config.write_text(self.settings, "utf-8")
        clean = {k: v for k, v in os.environ.items() if not k.startswith("PARLANCE__")}
        self.stage.note("start", self.name)
        self._started_at = self.stage.now()
        with self.log.open("a", encoding="utf-8") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.command, "--config", str(config), stderr=log, env=clean
            )
        self._coming_up = asyncio.create_task(self._come_up())

    async def _come_up(self) -> None:
        with suppress(TimeoutError):
            await self.stage.telegram.until(lambda: self._is_up, within=LONGEST_START)
            self.stage.note("up", self.name)

    async def suffer(self, kind: str, seconds: float, *, rest: float) -> None:
        """Be killed or ended, and start again after `seconds`; or be stopped for so long.

        Not before it was up for `rest` seconds: on a busy machine nobody would ever be.
        """
        await self._coming_up
        await asyncio.sleep(rest)
        if not self._is_up:
            self.problems.append(f"{self.name}: it was not up after {LONGEST_START} s")
        if self.stage.over or not self.is_well(kind):
            return
        self.stage.note(kind, self.name)
        match kind:
            case "kill":
                await self._end(signal.SIGKILL)
            case "term":
                code = await self._end(signal.SIGTERM)
                if code:
                    self.problems.append(f"{self.name}: SIGTERM ended it with code {code}")
            case "stop":
                self._signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        if kind == "stop":
            self.stage.note("cont", self.name)
            self._signal(signal.SIGCONT)
        else:
            await self.start()

    async def discard(self) -> None:
        self._coming_up.cancel()
        if self._runs:
            await self._end(signal.SIGKILL)

    async def keep(self) -> None:
        """Start it again where the database was away when it started, as a service manager does.

        It says so and ends with `NO_DATABASE`, even while the database is being restarted.
        """
        while True:
            await asyncio.sleep(RESTART)
            if self._found_no_database:
                await self.start()

    def is_well(self, before: str) -> bool:
        """Whether it runs; one that has ended by itself is a problem."""
        assert self._process is not None
        if not self._runs and not self._found_no_database:
            code = self._process.returncode
            self.problems.append(f"{self.name}: before {before} it had ended with code {code}")
        return self._runs

    @property
    def _found_no_database(self) -> bool:
        ended = self._process is not None and self._process.returncode == NO_DATABASE
        return ended and self.stage.database_was_away_since(self._started_at)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        if self._runs:
            self._process.send_signal(number)

    async def _end(self, number: int) -> int:
        assert self._process is not None
        self._signal(number)
        try:
            async with asyncio.timeout(LONGEST_END):
                return await self._process.wait()
        except TimeoutError:
            self.problems.append(f"{self.name}: it did not end within {LONGEST_END} s of a SIGTERM")
            self._process.kill()
            return await self._process.wait()
