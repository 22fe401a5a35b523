"""One run: one bot plays one scenario on servers of its own, and what was seen is recorded."""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from benchmarks import lateness, stage
from benchmarks.contenders.base import Place
from benchmarks.measure import Answer, Cost, Recording
from benchmarks.platforms import PLATFORMS
from benchmarks.scenarios import LATENCY, ROOM, answer, asked, numbers, question

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Awaitable, Callable, Sequence

    from benchmarks.contenders.base import Contender
    from benchmarks.measure import Change
    from benchmarks.platforms.base import Platform
    from benchmarks.scenarios import Scenario

MODEL_KEY = "benchmark-key"
WARM_UP = "Are you there?"
LOOK_EVERY = 0.3
"""Seconds between two looks at what the bot has shown."""
AFTERMATH = 0.5
"""Seconds of watching after all is shown."""
START_WITHIN = 60.0
REST = 5.0
"""Seconds for which the bot is watched doing nothing."""


class RunError(Exception):
    """A bot did not start or did not live to the end; the message shows its last lines."""


@dataclass(frozen=True, slots=True)
class Run:
    scenario: Scenario
    server: str
    """Which kind of its platform's server."""
    contender: Contender

    def __str__(self) -> str:
        return f"{self.scenario.name} / {self.server} / {self.contender.name}"


async def play(run: Run) -> Recording:
    """Raises RunError."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="parlance-bench-")))
        http = await enter(aiohttp.ClientSession())
        platform_type = PLATFORMS[run.scenario.platform]
        ready = await enter(stage.server(platform_type.arguments(run.server, LATENCY)))
        urls = await enter(stage.server(["llm", "--key", MODEL_KEY]))
        platform, model = platform_type(http, ready), _Model(http, urls["openai"])
        place = Place(ready, urls["openai"], MODEL_KEY, folder, stage.free_port())
        log = folder / "log"
        bot = await enter(stage.program(run.contender.command(place), place.environment(), log))
        try:
            loop = _Loop(http, place.port) if run.contender.is_ours else None
            return await _Performance(run.scenario, platform, model, bot, loop).record()
        except RunError as error:
            lines = log.read_text(errors="replace").splitlines()[-5:]
            raise RunError("\n    ".join([f"{run}: {error}", *lines])) from None


class _Model:
    """The model's server: what it is to write, and what it wrote when."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._control = f"{url.removesuffix('/v1')}/control"

    async def learn(self, scenario: Scenario) -> None:
        await self._script("Here.", rate=0)
        for number in range(len(scenario.asked_at)):
            text = answer(number, scenario.words)
            await self._script(text, rate=scenario.rate, when=f"question {number}]")

    async def written(self) -> dict[tuple[int, int], tuple[float, float]]:
        """When the answer to each question was begun and ended."""
        async with self._http.get(f"{self._control}/requests") as response:
            records = (await response.json())["requests"]
        written = {}
        for record in records:
            place = asked(record["messages"][-1]["text"]) if record["messages"] else None
            if place is not None and record["finished"]:
                written[place] = (record["arrived_at"], record["ended_at"])
        return written

    async def _script(self, text: str, *, rate: float, **when: str) -> None:
        command = {"script": {"text": text, "rate": rate}, **when}
        async with self._http.post(f"{self._control}/script", json=command) as response:
            response.raise_for_status()


class _Loop:
    """The event loop of our bot."""

    def __init__(self, http: aiohttp.ClientSession, port: int) -> None:
        self._http = http
        self._url = f"http://127.0.0.1:{port}/metrics"

    async def looks(self) -> dict[float, float]:
        """See `lateness.looks`."""
        async with self._http.get(self._url) as response:
            return lateness.looks(await response.text())


class _Performance:
    def __init__(
        self,
        scenario: Scenario,
        platform: Platform,
        model: _Model,
        bot: Process,
        loop: _Loop | None,
    ) -> None:
        self._scenario = scenario
        self._platform = platform
        self._model = model
        self._bot = bot
        self._loop = loop
        self._asked: dict[tuple[int, int], float] = {}

    async def record(self) -> Recording:
        scenario, pid = self._scenario, self._bot.pid
        await self._model.learn(scenario)
        await self._warm_up()
        chats = await self._platform.open_chats(scenario.chats, group=scenario.group)
        idle, _ = stage.memory(pid)
        resting = await self._resting()
        looks = await self._loop.looks() if self._loop else {}
        used = stage.cpu_seconds(pid)
        start = time.monotonic()
        asking = asyncio.create_task(self._ask(chats, start))
        changes = await self._watch(chats, start)
        await asking
        spent, seconds = stage.cpu_seconds(pid) - used, time.monotonic() - start
        loop_lag = lateness.worst(looks, await self._loop.looks()) if self._loop else nan
        cost = Cost(spent, resting, seconds, idle, stage.memory(pid)[1], loop_lag)
        return Recording(
            answers=tuple(await self._answers(chats)),
            changes=tuple(changes),
            calls=tuple(call for call in await self._platform.calls() if call.at >= start),
            cost=cost,
            ended=time.monotonic(),
        )

    async def _resting(self) -> float:
        """CPU seconds a second that the bot takes when nothing is asked of it."""
        before = stage.cpu_seconds(self._bot.pid)
        await asyncio.sleep(REST)
        return (stage.cpu_seconds(self._bot.pid) - before) / REST

    async def _warm_up(self) -> None:
        """See the bot answer once: then all that it loads is loaded."""
        until = time.monotonic() + START_WITHIN
        await self._wait(until, self._platform.connected)
        [chat] = await self._platform.open_chats(1, group=False)
        await self._platform.ask(chat, WARM_UP)

        async def answered() -> bool:
            changes = await self._platform.changes()
            return any(change.chat == chat and change.text for change in changes)

        await self._wait(until, answered)
        await asyncio.sleep(1.0)  # The buckets it took from are full again.

    async def _ask(self, chats: Sequence[int], start: float) -> None:
        for number, seconds in enumerate(self._scenario.asked_at):
            await asyncio.sleep(max(0.0, start + seconds - time.monotonic()))
            for place, chat in enumerate(chats):
                self._asked[place, number] = time.monotonic()
                await self._platform.ask(chat, question(place, number))

    async def _watch(self, chats: Sequence[int], start: float) -> list[Change]:
        """Until every word was seen, or patience ends."""
        wanted = self._scenario.answers * self._scenario.words
        seen: set[tuple[int, int]] = set()
        looked_at = 0

        async def whole() -> bool:
            nonlocal looked_at
            changes = await self._platform.changes()
            for change in changes[looked_at:]:
                if change.chat in chats:
                    seen.update((change.chat, number) for number in numbers(change.text))
            looked_at = len(changes)
            return len(seen) >= wanted

        until = start + self._scenario.length + self._scenario.patience
        if await self._wait(until, whole, must=False):
            await asyncio.sleep(AFTERMATH)
        return await self._platform.changes()

    async def _wait(
        self, until: float, condition: Callable[[], Awaitable[bool]], *, must: bool = True
    ) -> bool:
        while not await condition():
            if self._bot.returncode is not None:
                raise RunError(f"it ended with code {self._bot.returncode}")
            if time.monotonic() > until:
                if must:
                    raise RunError(f"it did not answer within {START_WITHIN:.0f} s")
                return False
            await asyncio.sleep(LOOK_EVERY)
        return True

    async def _answers(self, chats: Sequence[int]) -> list[Answer]:
        written = await self._model.written()
        words, rate = self._scenario.words, self._scenario.rate
        answers = []
        for (place, number), asked_at in self._asked.items():
            never = (asked_at, asked_at + (words - 1) / rate)
            begun, ended = written.get((place, number), never)
            answers.append(
                Answer(
                    chats[place], asked_at, begun, ended, number * ROOM, words,
                    written=(place, number) in written,
                )
            )  # fmt: skip
        return answers
