"""The composition root: makes the parts, wires them, runs them, takes them down.

The only file that names concrete classes of every kind.
"""

from __future__ import annotations

import asyncio
import gc
import random
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import structlog
import uvloop

from bot import storage
from bot.access import Access
from bot.control import Control
from bot.durable import TurnQueue
from bot.history import History
from bot.lessons import Lessons
from bot.turns import PlatformError, Turns
from providers import registry
from providers.chain import Chain

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from bot.settings import ProviderSection, Settings
    from bot.turns import Platform
    from providers.base import Provider

T = TypeVar("T")

log = structlog.get_logger(__name__)

LAST_CALLS = 10.0
"""Seconds that calls under way are given to end when the bot stops."""


class SettingError(Exception):
    """A setting can't be used; the message is one line that names it."""


class App:
    """The bot, on one event loop: made on the running loop, then `serve`, then always `close`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        history_path, queue_path = storage.files(settings.storage.url)
        self.history = History(history_path)
        self._chain = _chain(settings)
        self.turns = Turns(
            history=self.history,
            chain=self._chain,
            access=Access(settings.access, time.monotonic),
            control=Control(),
            chat=settings.chat,
        )
        self._queue = self.turns.queue = TurnQueue(queue_path, self.turns.run)
        platforms = self.turns.platforms
        platforms.update(self._platforms())
        self._lessons = Lessons(self.history, {n: p.gate.pace for n, p in platforms.items()})

    def _platforms(self) -> Iterator[tuple[str, Platform]]:
        """What is not configured is not imported."""
        if self._settings.telegram:
            from bot.platforms.telegram.adapter import TelegramAdapter  # noqa: PLC0415

            yield "telegram", TelegramAdapter(self._settings.telegram, self.turns.take)
        if self._settings.discord:
            from bot.platforms.discord.adapter import DiscordAdapter  # noqa: PLC0415

            yield "discord", DiscordAdapter(self._settings.discord, self.turns, self.history)

    async def serve(self) -> None:
        """Run until cancelled, or until the last platform turns us away: raises PlatformError."""
        await self._lessons.recall()
        await self._queue.start()
        saving = asyncio.create_task(self._lessons.keep_saving())
        serving = {
            asyncio.create_task(platform.serve()): name
            for name, platform in self.turns.platforms.items()
        }
        try:
            while serving:
                ended, _ = await asyncio.wait(serving, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    self._ended(serving.pop(task), task.exception(), alone=not serving)
        finally:
            for task in (saving, *serving):
                task.cancel()
            await asyncio.gather(saving, *serving, return_exceptions=True)

    @staticmethod
    def _ended(name: str, error: BaseException | None, *, alone: bool) -> None:
        """One platform that is down does not disturb the others."""
        error = error or PlatformError(f"{name}: it ended")
        if alone:
            raise error
        log.error(
            "platform lost; the others go on",
            platform=name,
            reason=str(error),
            exc_info=None if isinstance(error, PlatformError) else error,
        )

    async def close(self) -> None:
        """Let calls under way end; turns that are not finished go on at the next start."""
        closing = [platform.close() for platform in self.turns.platforms.values()]
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_CALLS):
                await asyncio.gather(*closing, return_exceptions=True)
        await self._queue.close()
        await self._lessons.save()
        await self._chain.close()
        await self.history.close()


def _chain(settings: Settings) -> Chain:
    providers = {name: _keys(name, section) for name, section in settings.fallback().items()}
    return Chain(providers, resume=settings.chat.resume, random=random.Random())  # noqa: S311 - for pauses


def _keys(name: str, section: ProviderSection) -> list[Provider]:
    """The provider of a section, once for each of its keys."""
    try:
        return [registry.create(variant) for variant in section.variants()]
    except ValueError as error:
        raise SettingError(f"providers.{name}: {error}") from None


def run_loop(main: Coroutine[object, object, T]) -> T:
    """Run `main` on the fastest event loop there is."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def run(settings: Settings) -> int:
    """Run the bot until it is told to stop; return the process's exit code."""
    path, _ = storage.files(settings.storage.url)
    try:
        with storage.claim(path):
            return run_loop(_serve(settings))
    except (storage.StorageError, SettingError, PlatformError) as error:
        log.error(str(error))  # noqa: TRY400 - one line that names the mend, no traceback
        return 2


async def _serve(settings: Settings) -> int:
    app = App(settings)
    # What is there now stays: to look through it for garbage again and again would hold up the
    # loop for a third of a second at a time.
    gc.collect()
    gc.freeze()
    serving = asyncio.create_task(app.serve())
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, serving.cancel)
    try:
        await serving
    except asyncio.CancelledError:
        log.info("stopping; unfinished answers go on at the next start")
    finally:
        await app.close()
    return 0
