"""`python -m benchmarks.durability`: what it costs that nothing is lost.

On SQLite and PostgreSQL, with no messages stored and with two million: how soon a message in an
idle chat reaches the provider, what a turn costs, how many turns a second one process takes, and
what the bot costs while nothing happens.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

import aiohttp

from benchmarks import stage
from benchmarks.contenders.base import Place
from benchmarks.contenders.parlance import command
from benchmarks.databases import database, fill
from benchmarks.platforms.telegram import Telegram

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Sequence

KEY = "benchmark-key"
BACKENDS = ("sqlite", "postgresql")
STORED = (0, 2_000_000)
"""Messages of others; a question and its answer are two."""
ANSWER = "Here it is."
OWN_TURNS = 20
"""That each chat remembers, so that the model is given the same at any size of the database."""
ONE_BY_ONE = 60
"""Questions, each asked when nothing is going on; each in a chat of its own."""
AT_ONCE = 300
"""Questions, all asked at the same time, each in a chat of its own."""
PAUSE = 0.2
"""Seconds between an answer and the next question."""
SETTLE = 5.0
"""Seconds until what a start has to do is done."""
START_WITHIN = 60.0
WITHIN = 60.0
"""Seconds for one answer, or for all that were asked for at once."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Seconds, unless said otherwise."""

    asked: float
    """From a message's arrival at the platform until the provider is asked; median."""
    asked_p95: float
    whole: float
    """From the same until the whole answer is shown; median."""
    cpu: float
    """Of the bot's process for a turn, of many at once."""
    rate: float
    """Turns a second, of many at once."""
    idle: float
    """Parts of a core that the bot's process takes while nothing happens."""


@dataclass(frozen=True, slots=True)
class Run:
    backend: str
    stored: int
    idle_for: float
    """Seconds."""


class _Stage:
    def __init__(self, platform: Telegram, http: aiohttp.ClientSession, model_url: str) -> None:
        self.platform = platform
        self._http = http
        self._model = f"{model_url.removesuffix('/v1')}/control"
        self._seen = 0

    async def script(self, text: str) -> None:
        body = {"script": {"text": text, "rate": 0}}
        async with self._http.post(f"{self._model}/script", json=body) as response:
            response.raise_for_status()

    async def asked(self) -> dict[str, float]:
        """When the provider was asked what."""
        async with self._http.get(f"{self._model}/requests") as response:
            records = (await response.json())["requests"]
        return {r["messages"][-1]["text"]: r["arrived_at"] for r in records if r["messages"]}

    async def ask_all(self, questions: dict[int, str]) -> tuple[list[float], list[float]]:
        """When the messages arrived, and when each answer was shown whole."""
        for chat, text in questions.items():
            await self.platform.ask(chat, text)
        arrived: dict[int, float] = {}
        shown: dict[int, float] = {}
        until = time.monotonic() + WITHIN
        while len(shown) < len(questions):
            if time.monotonic() > until:
                raise RuntimeError(f"{len(shown)} of {len(questions)} answers came")
            for event in await self._events():
                chat = event["chat_id"]
                if chat in questions and event["text"] == questions[chat]:
                    arrived[chat] = event["at"]
                elif chat in questions and event["text"] == ANSWER:
                    shown[chat] = event["at"]
        return list(arrived.values()), list(shown.values())

    async def _events(self) -> list[dict[str, Any]]:
        answer = await self.platform.get("events", after=self._seen, timeout=2)
        self._seen = answer["last"]
        events: list[dict[str, Any]] = answer["events"]
        return events


async def measure(run: Run) -> Figures:
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="parlance-bench-")))
        url = stack.enter_context(database(run.backend, folder))
        http = await enter(aiohttp.ClientSession())
        ready = await enter(stage.server(Telegram.arguments("off", 0.0)))
        model = await enter(stage.server(["llm", "--key", KEY]))
        platform = Telegram(http, ready)
        played = _Stage(platform, http, model["openai"])
        await played.script(ANSWER)
        chats = await platform.open_chats(1 + ONE_BY_ONE + AT_ONCE, group=False)
        bot_id = (await platform.get("info"))["bot"]["id"]
        fill(url, bot_id, chats, own=OWN_TURNS, others=run.stored // 2)
        place = Place(ready, model["openai"], KEY, folder)
        _, _, *arguments = command(place)
        environment = {**place.environment(), "PARLANCE__STORAGE__URL": url}
        bot = await enter(
            stage.program(
                ["-m", "benchmarks.contenders.unlimited", *arguments], environment, folder / "log"
            )
        )
        try:
            return await _play(run, played, bot, chats)
        except RuntimeError as error:
            log = (folder / "log").read_text(errors="replace")
            raise RuntimeError(f"{run}: {error}\n{log[-2000:]}") from None


async def _play(run: Run, played: _Stage, bot: Process, chats: Sequence[int]) -> Figures:
    until = time.monotonic() + START_WITHIN
    while not await played.platform.connected():
        if bot.returncode is not None or time.monotonic() > until:
            raise RuntimeError("the bot did not start")
        await asyncio.sleep(0.1)
    first, *chats = chats
    await played.ask_all({first: "Are you there?"})
    await asyncio.sleep(SETTLE)
    used, began = stage.cpu_seconds(bot.pid), time.monotonic()
    await asyncio.sleep(run.idle_for)
    idle = (stage.cpu_seconds(bot.pid) - used) / (time.monotonic() - began)
    reach, whole = await _one_by_one(played, chats[:ONE_BY_ONE])
    used = stage.cpu_seconds(bot.pid)
    many = {chat: f"Together {chat}" for chat in chats[ONE_BY_ONE:]}
    arrived, shown = await played.ask_all(many)
    await asyncio.sleep(PAUSE)  # The last ones are still being written down as done.
    return Figures(
        asked=median(reach),
        asked_p95=quantiles(reach, n=20)[-1],
        whole=median(whole),
        cpu=(stage.cpu_seconds(bot.pid) - used) / len(many),
        rate=len(many) / (max(shown) - min(arrived)),
        idle=idle,
    )


async def _one_by_one(played: _Stage, chats: Sequence[int]) -> tuple[list[float], list[float]]:
    """Seconds from each message's arrival until the provider was asked, and until the answer."""
    arrivals, whole = {}, []
    for chat in chats:
        question = f"Alone {chat}"
        [at], [shown] = await played.ask_all({chat: question})
        arrivals[question] = at
        whole.append(shown - at)
        await asyncio.sleep(PAUSE)
    asked = await played.asked()
    return [asked[question] - at for question, at in arrivals.items()], whole


HEAD = """\
| database | messages stored | provider asked after, median | p95 | whole answer after, median \
| CPU of a turn | turns a second | idle CPU |
|---|---|---|---|---|---|---|---|"""


def row(run: Run, figures: Figures) -> str:
    idle = f"{figures.idle:.1%}" if run.idle_for else ""
    return (
        f"| {run.backend} | {run.stored:,} | {figures.asked * 1000:.0f} ms"
        f" | {figures.asked_p95 * 1000:.0f} ms | {figures.whole * 1000:.0f} ms"
        f" | {figures.cpu * 1000:.1f} ms | {figures.rate:.0f} | {idle} |"
    )


def main() -> None:
    # So that a run that is ended takes its processes with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    parser = argparse.ArgumentParser(prog="python -m benchmarks.durability", description=__doc__)
    parser.add_argument("--only", default="", metavar="BACKEND", help="sqlite or postgresql")
    parser.add_argument("--stored", type=int, nargs="*", default=STORED, help="messages")
    parser.add_argument("--idle", type=float, default=30.0, help="seconds of watching it idle")
    options = parser.parse_args()
    sys.stdout.write(f"{HEAD}\n")
    for backend in BACKENDS:
        for stored in options.stored if backend.startswith(options.only) else ():
            run = Run(backend, stored, options.idle)
            sys.stdout.write(f"{row(run, asyncio.run(measure(run)))}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
