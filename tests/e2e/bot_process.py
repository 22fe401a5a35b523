"""The bot as its users start it: `parlance run` in a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.llm.server import LlmSandbox
    from sandbox.telegram.server import TelegramSandbox

CONFIG = """
[telegram]
token = "{token}"
api_url = "{telegram}"

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
    telegram: TelegramSandbox
    provider: str
    extra: str = ""
    process: asyncio.subprocess.Process | None = None
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.folder / "config.toml"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    async def start(self, *, ready: bool = True) -> None:
        text = CONFIG.format(
            token=self.telegram.token,
            telegram=self.telegram.api_url,
            provider=self.provider,
            folder=self.folder,
        )
        self.config.write_text(text + self.extra)
        before = len(self.telegram.calls_of("getUpdates"))
        clean = {k: v for k, v in os.environ.items() if not k.startswith("PARLANCE__")}
        with (self.folder / "log").open("a") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bot", "run", "--config", str(self.config),
                stderr=log, env={**clean, **self.environment},
            )  # fmt: skip
        if ready:
            await self.telegram.until(
                lambda: len(self.telegram.calls_of("getUpdates")) > before, within=30
            )
            # The first poll is held once it has come through the server's own tasks.
            while not self.telegram.updates.polled:  # noqa: ASYNC110 - it takes one or two turns
                await asyncio.sleep(0)

    async def kill(self) -> None:
        """As a power cut does."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    async def stop(self) -> int:
        """As a service manager does; return the exit code."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            self.process.terminate()
        async with asyncio.timeout(30):
            return await self.process.wait()

    async def exited(self) -> int:
        """The exit code of a bot that ends by itself."""
        assert self.process is not None
        async with asyncio.timeout(30):
            return await self.process.wait()
