"""Several `parlance run` on one PostgreSQL database."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bot_process import BotProcess, openai

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.discord.server import DiscordSandbox
    from sandbox.llm.server import LlmSandbox
    from sandbox.telegram.server import TelegramSandbox


class Replicas:
    """Started on demand, each in a folder of its own."""

    def __init__(
        self,
        folder: Path,
        url: str,
        llm: LlmSandbox,
        *,
        telegram: TelegramSandbox | None = None,
        discord: DiscordSandbox | None = None,
    ) -> None:
        """`url` is the database's."""
        self._folder, self._url, self._llm = folder, url, llm
        self._telegram, self._discord = telegram, discord
        self.all: list[BotProcess] = []

    async def start(self) -> BotProcess:
        """A replica that is ready; another may be the one that is told what people say."""
        folder = self._folder / f"replica{len(self.all)}"
        folder.mkdir(parents=True)
        bot = BotProcess(folder, self._telegram, openai(self._llm), discord=self._discord)
        bot.environment["PARLANCE__STORAGE__URL"] = self._url
        self.all.append(bot)
        await bot.start(ready=False)
        if self._telegram:
            await logged(bot, "telegram ready")
        if self._discord:
            await logged(bot, "discord ready")
        return bot

    async def connected(self) -> BotProcess:
        """A replica whose first connection to Discord's gateway is there."""
        bot = await self.start()
        await logged(bot, "discord: connected")
        return bot

    async def discard(self) -> None:
        """End those that run."""
        for bot in self.all:
            await bot.discard()


async def logged(bot: BotProcess, line: str, *, times: int = 1) -> None:
    async with asyncio.timeout(40):
        while bot.log.count(line) < times:
            assert bot.process is not None
            assert bot.process.returncode is None, bot.log
            await asyncio.sleep(0.05)
