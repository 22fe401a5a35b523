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
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import structlog
import uvloop

from bot.access.people import Access
from bot.chat.keys import BotKey
from bot.control.stop import Control
from bot.operations import loop_lag
from bot.operations.metrics import Metrics
from bot.operations.readiness import Readiness
from bot.replicas.base import Alone
from bot.replicas.cluster import Cluster
from bot.reply.lessons import Lessons
from bot.store.database import Database
from bot.store.databases import Databases, StorageError, await_server
from bot.store.erasure import Erasure
from bot.store.history import History
from bot.store.housekeeping import Housekeeping
from bot.store.lessons import LessonStore
from bot.store.messages import Messages
from bot.store.pruning import Pruning
from bot.store.queue import TurnQueue
from bot.turns.intake import Intake
from bot.turns.platform import PlatformError
from bot.turns.run import Turns
from providers import registry
from providers.chain import Chain

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping

    from bot.operations.server import Server
    from bot.reply.gate import Gate
    from bot.settings.sections import ProviderSection, Settings
    from bot.turns.platform import Platform
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
        databases = Databases.at(settings.storage.url)
        self._database = Database(databases.history)
        self.history = History(self._database)
        self.messages = Messages(self._database)
        self._cluster = Cluster(databases.history) if databases.shared else None
        self._replicas = self._cluster or Alone()
        self._metrics = Metrics(settings.platforms())
        self._chain = _chain(settings, self._metrics)
        self._queue = TurnQueue(databases.turns, self._replicas)
        access = Access(settings.access, time.monotonic)
        self._platforms = dict(self._make_platforms(Intake(self.history, self._queue, access)))
        self.turns = Turns(
            history=self.history,
            messages=self.messages,
            erasure=Erasure(self._database),
            queue=self._queue,
            platforms=self._platforms,
            chain=self._chain,
            control=Control(self._replicas),
            chat=settings.chat,
            lease=self._replicas.lease,
            metrics=self._metrics,
        )
        self._readiness = Readiness(self._platforms, self._database)
        self._server = self._make_server()
        self._beside: list[asyncio.Task[None]] = []
        """What runs until `close`, so also while the last answers end."""
        self._housekeeping = Housekeeping(Pruning(self._database), self._queue, settings.storage)
        paces = {name: platform.gate.pace for name, platform in self._platforms.items()}
        self._lessons = Lessons(LessonStore(self._database), paces)
        if self._cluster:
            gates = {name: platform.gate for name, platform in self._platforms.items()}
            self._cluster.member = _Member(self._queue, gates)

    def _make_server(self) -> Server | None:
        if not self._settings.server.port:
            return None
        from bot.operations.server import Server  # noqa: PLC0415 - as the platforms

        server = Server(self._settings.server, self._metrics, self._readiness)
        for platform in self._platforms.values():
            if platform.webhook:
                server.receive(platform.webhook.path, platform.webhook.handle)
        return server

    def _make_platforms(self, intake: Intake) -> Iterator[tuple[str, Platform]]:
        """What is not configured is not imported."""
        if self._settings.telegram:
            from bot.platforms.telegram.adapter import TelegramAdapter  # noqa: PLC0415

            telegram = TelegramAdapter(self._settings.telegram, intake, self._replicas)
            yield "telegram", telegram
        if self._settings.discord:
            from bot.platforms.discord.adapter import DiscordAdapter  # noqa: PLC0415

            discord = DiscordAdapter(self._settings.discord, intake, self._replicas)
            yield "discord", discord

    async def serve(self) -> None:
        """Run until cancelled, or until the last platform turns us away: raises PlatformError.

        Raises SettingError where the server can't listen on its address.
        """
        if self._server:
            try:
                await self._server.start()
            except OSError as error:
                raise SettingError(str(error)) from None
            self._beside.append(asyncio.create_task(loop_lag.watch(self._metrics.was_late)))
        await self._queue.start(self.turns.run)
        self._beside.append(asyncio.create_task(self._lessons.keep_saving()))
        if self._cluster:
            self._beside.append(asyncio.create_task(self._cluster.run()))
            await self._cluster.joined()
        else:
            self._beside.append(asyncio.create_task(self._housekeeping.run()))
        await self._tell_owed(lambda bot: bot.platform not in self._platforms)
        serving = {
            asyncio.create_task(platform.serve(partial(self._logged_in, name))): name
            for name, platform in self._platforms.items()
        }
        try:
            while serving:
                ended, _ = await asyncio.wait(serving, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    self._ended(serving.pop(task), task.exception(), alone=not serving)
        finally:
            for task in serving:
                task.cancel()
            await asyncio.gather(*serving, return_exceptions=True)

    async def _logged_in(self, platform: str, account: str) -> None:
        """Only now is it known which turns are ours."""
        bot = BotKey(platform, account)
        await self._lessons.recall(bot)
        self._replicas.speak_as(bot)
        if self._cluster:
            # Another bot on the database may have other settings.
            tidy = partial(self._housekeeping.run, bot.prefix)
            tidying = self._replicas.lead(f"housekeeping {bot}", tidy)
            self._beside.append(asyncio.create_task(tidying))
        await self._tell_owed(lambda other: other.platform == platform and other != bot)
        await self._queue.open(bot)  # Last: from here on turns of it are begun.

    async def _tell_owed(self, concerns: Callable[[BotKey], bool]) -> None:
        """Name the bots that owe answers and that nobody is logged in as."""
        for bot, answers in sorted((await self._queue.owed()).items(), key=str):
            if concerns(bot) and not self._replicas.others(bot):
                log.warning(
                    "answers are owed by a bot that nobody is logged in as; start this with that "
                    "bot's token on the same database, and they are given",
                    bot=str(bot),
                    answers=answers,
                )

    def _ended(self, name: str, error: BaseException | None, *, alone: bool) -> None:
        """One platform that is down does not disturb the others."""
        self._readiness.lost(name)
        error = error or PlatformError(f"{name}: it ended")
        if alone:
            raise error
        log.error(
            "platform lost; the others go on",
            platform=name,
            reason=str(error),
            exc_info=None if isinstance(error, PlatformError) else error,
        )

    async def drain(self, enough: asyncio.Event) -> None:
        """Begin no answer any more; give those under way `server.grace` seconds, or until `enough`.

        What has not ended by then goes on at the next start.
        """
        self._readiness.stopping = True
        if self._cluster:
            await self._cluster.resign()
        grace, running = self._settings.server.grace, self._queue.running
        log.info("stopping; a second signal ends the wait", answers=running, seconds=grace)
        ending = asyncio.create_task(self._queue.drain())
        hurrying = asyncio.create_task(enough.wait())
        waits = {ending, hurrying}
        await asyncio.wait(waits, timeout=grace, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        later = self._queue.running
        log.info("stopped", ended=max(0, running - later), go_on_at_the_next_start=later)

    async def close(self) -> None:
        """Let calls under way end; turns that are not finished go on at the next start."""
        closing = [platform.close() for platform in self._platforms.values()]
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_CALLS):
                await asyncio.gather(*closing, return_exceptions=True)
        if self._server:
            await self._server.close()
        await self.turns.partials.close()
        for task in self._beside:
            task.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)
        await self._queue.close()
        if self._cluster:
            await self._cluster.leave()
        await self._lessons.save()
        await self._chain.close()
        await self._database.close()


@dataclass(frozen=True, slots=True)
class _Member:
    """What the other replicas may have done to this one."""

    queue: TurnQueue
    gates: dict[str, Gate]
    """By platform."""

    async def silence(self) -> None:
        await asyncio.gather(*(gate.quiet() for gate in self.gates.values()))
        await self.queue.cut()

    async def adopt(self, replica: str) -> int:
        return await self.queue.adopt(replica)

    async def owners(self) -> set[str]:
        return await self.queue.owners()

    def share(self, replicas: Mapping[BotKey, int]) -> None:
        for bot, count in replicas.items():
            self.gates[bot.platform].share(count)


def _chain(settings: Settings, metrics: Metrics) -> Chain:
    providers = {name: _keys(name, section) for name, section in settings.fallback().items()}
    return Chain(
        providers,
        resume=settings.chat.resume,
        random=random.Random(),  # noqa: S311 - for pauses
        failed=metrics.provider_failed,
    )


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
    databases = Databases.at(settings.storage.url)
    try:
        with databases.claim():
            databases.check()
            await_server(databases.history)
            return run_loop(_serve(settings))
    except (StorageError, SettingError, PlatformError) as error:
        log.error(str(error))  # noqa: TRY400 - one line that names the mend, no traceback
        return 2


async def _serve(settings: Settings) -> int:
    app = App(settings)
    # What is there now stays: to look through it for garbage again and again would hold up the
    # loop for a third of a second at a time.
    gc.collect()
    gc.freeze()
    serving = asyncio.create_task(app.serve())
    enough = asyncio.Event()

    def told_to_stop() -> None:
        if serving.cancelling():
            enough.set()
        else:
            serving.cancel()

    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, told_to_stop)
    try:
        await serving
    except asyncio.CancelledError:
        await app.drain(enough)
    finally:
        await app.close()
    return 0
