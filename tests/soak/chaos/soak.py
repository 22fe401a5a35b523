"""The driver: plays a schedule to replicas on a stage, and dumps what was seen."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from chaos.replica import Replica
from chaos.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chaos.schedule import Act, Schedule

PARLANCE = (sys.executable, "-m", "bot", "run")
PATIENCE = 90.0
"""Seconds after the last trouble in which all that is owed must be answered."""
SETTLING = 3.0
"""Seconds after that in which nothing may be said twice or changed."""


@dataclass
class Soak:
    schedule: Schedule
    folder: Path
    """For the settings and logs of the replicas, and for the evidence."""
    storage: str
    replicas: int = 1
    command: Sequence[str] = PARLANCE
    restart_database: Callable[[], None] | None = None
    problems: list[str] = field(default_factory=list)
    """What is wrong beside what the readers saw."""

    async def run(self) -> Path:
        """Play the schedule; return the evidence, for the checker."""
        async with Stage(self.schedule) as stage:
            self._stage = stage
            self._replicas = [
                Replica(
                    name, self.folder, self.command, await stage.settings(name, self.storage),
                    stage, self.problems,
                )
                for name in (f"r{number}" for number in range(self.replicas))
            ]  # fmt: skip
            keeping = [asyncio.create_task(replica.keep()) for replica in self._replicas]
            try:
                for replica in self._replicas:
                    await replica.start()
                await stage.ready()
                await self._play()
                await self._wait_for_answers()
                for replica in self._replicas:
                    replica.is_well("the end")
            finally:
                for keeper in keeping:
                    keeper.cancel()
                for replica in self._replicas:
                    await replica.discard()
            path = self.folder / "evidence.json"
            path.write_text(json.dumps(await stage.evidence()), "utf-8")
        return path

    async def _play(self) -> None:
        """Everything at its time; an act that lasts does not hold up the others."""
        began = self._stage.began = self._stage.now()

        async def at(seconds: float, doing: Callable[[], object]) -> None:
            await asyncio.sleep(began + seconds - self._stage.now())
            done = doing()
            if asyncio.iscoroutine(done):
                await done

        async with asyncio.TaskGroup() as group:
            for number, asked in enumerate(self.schedule.questions):
                group.create_task(at(asked.at, lambda number=number: self._stage.ask(number)))
            for lane in self._lanes():
                group.create_task(self._play_lane(lane, at))
        self._stage.calm()

    def _lanes(self) -> list[list[Act]]:
        """What befalls one process comes one after another, as late as it may be."""
        lanes: dict[object, list[Act]] = {}
        for number, act in enumerate(self.schedule.acts):
            lane: object = number
            if act.kind in ("kill", "term", "stop", "database"):
                lane = ("database",) if act.kind == "database" else ("replica", act.replica)
            lanes.setdefault(lane, []).append(act)
        return list(lanes.values())

    async def _play_lane(
        self,
        acts: Sequence[Act],
        at: Callable[[float, Callable[[], object]], object],
    ) -> None:
        for act in acts:
            await at(act.at, lambda act=act: self._do(act))  # type: ignore[misc]

    async def _do(self, act: Act) -> None:
        if act.kind in ("kill", "term", "stop"):
            await self._replicas[act.replica].suffer(act.kind, act.seconds, rest=act.rest)
        elif act.kind != "database":
            self._stage.trouble(act.kind, act.what or {})
        elif self.restart_database is not None:
            self._stage.note("database")
            await asyncio.to_thread(self.restart_database)

    async def _wait_for_answers(self) -> None:
        owed = set(self._stage.asked_at)
        until = self._stage.now() + PATIENCE
        while owed and self._stage.now() < until:
            await asyncio.sleep(0.2)
            owed = {number for number in owed if not self._stage.is_answered(number)}
        await asyncio.sleep(SETTLING)


def check(evidence: Path) -> tuple[int, str]:
    """The checker's exit code and what it says; it runs where only Python can be imported."""
    ran = subprocess.run(
        [sys.executable, "-S", "-E", "-m", "chaos.checker", str(evidence)],
        cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False,
    )  # fmt: skip
    return ran.returncode, ran.stdout + ran.stderr
