"""The bot as its users start it: `parlance run` in a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import forked
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from forked import Forked

    from sandbox.discord.server import DiscordSandbox
    from sandbox.llm.server import LlmSandbox
    from sandbox.telegram.server import TelegramSandbox

TELEGRAM = """
[telegram]
token = "{telegram.token}"
api_url = "{telegram.api_url}"
"""

DISCORD = """
[discord]
token = "{discord.token}"
api_url = "{discord.api_url}"
gateway_url = "{discord.gateway_url}"
"""

CONFIG = """
[providers.main]
{provider}

[chat]
system_prompt = "You are the test's model."

[storage]
url = "sqlite:///{folder}/parlance.db"

[access]
open = true
"""


def openai(llm: LlmSandbox, **more: object) -> str:
    lines = ['kind = "openai"', f'base_url = "{llm.openai_url}"', f'api_key = "{llm.key}"']
    lines += ['model = "test"', *(f"{name} = {value}" for name, value in more.items())]
    return "\n".join(lines)


@dataclass
class BotProcess:
    """Starts, kills and starts again on the same files."""

    folder: Path
    telegram: TelegramSandbox | None
    provider: str
    extra: str = ""
    process: asyncio.subprocess.Process | Forked | None = None
    environment: dict[str, str] = field(default_factory=dict)
    discord: DiscordSandbox | None = None
    cold: bool = False
    """Start a fresh interpreter, as a user does, instead of a fork that has imported the bot."""

    @property
    def config(self) -> Path:
        return self.folder / "config.toml"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    async def start(self, *, ready: bool = True) -> None:
        telegram, discord = self.telegram, self.discord
        form = (TELEGRAM if telegram else "") + (DISCORD if discord else "") + CONFIG
        text = form.format(
            telegram=telegram, discord=discord, provider=self.provider, folder=self.folder
        )
        self.config.write_text(text + self.extra)
        polls = len(telegram.calls_of("getUpdates")) if telegram else 0
        connections = len(discord.gateway.log) if discord else 0
        clean = {k: v for k, v in os.environ.items() if not k.startswith("PARLANCE__")}
        environment = {**clean, **self.environment}
        command = ("run", "--config", str(self.config))
        with (self.folder / "log").open("a") as log:
            if self.cold:
                self.process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "bot", *command, stderr=log, env=environment
                )
            else:
                self.process = await forked.start(
                    *command, stderr=log, environment=environment, folder=Path.cwd()
                )
        if ready and telegram:
            await self._while_it_runs(_polled(telegram, polls))
        if ready and discord:
            await self._while_it_runs(_identified(discord, connections))

    async def kill(self) -> None:
        """As a power cut does."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    async def until(self, predicate: Callable[[], object]) -> None:
        """Wait until `predicate` holds, which looks at the bot's files."""
        async with asyncio.timeout(30):
            while not predicate():  # noqa: ASYNC110 - a file tells nobody that it has changed
                await asyncio.sleep(0.02)

    def terminate(self) -> None:
        """Ask it to stop, as a service manager does."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            self.process.terminate()

    async def stop(self) -> int:
        """Ask it to stop; return the exit code."""
        self.terminate()
        return await self.exited()

    async def exited(self) -> int:
        """The exit code of a bot that ends by itself."""
        assert self.process is not None
        async with asyncio.timeout(30):
            return await self.process.wait()

    async def _while_it_runs(self, waiting: Coroutine[None, None, None]) -> None:
        assert self.process is not None
        end = asyncio.create_task(self.process.wait())
        wait = asyncio.create_task(waiting)
        await asyncio.wait({end, wait}, return_when=asyncio.FIRST_COMPLETED)
        end.cancel()
        if not wait.done():
            wait.cancel()
            pytest.fail(f"the bot ended by itself:\n{self.log}")
        await wait

    async def discard(self) -> None:
        """End it, if it runs."""
        if self.process is not None and self.process.returncode is None:
            await self.kill()


async def _polled(telegram: TelegramSandbox, before: int) -> None:
    """Wait for a getUpdates beyond those that came `before`."""
    await telegram.until(lambda: len(telegram.calls_of("getUpdates")) > before, within=30)
    # The first poll is held once it has come through the server's own tasks.
    while not telegram.updates.polled:  # noqa: ASYNC110 - it takes one or two turns
        await asyncio.sleep(0)


async def _identified(discord: DiscordSandbox, before: int) -> None:
    """Wait for an identify beyond what the gateway's log held `before`."""
    log = discord.gateway.log
    await discord.until(lambda: any(r.kind == "identified" for r in log[before:]), within=30)
