"""The chaos soak: a schedule of troubles from a seed, and what the readers saw of it.

SOAK_SEED and SOAK_SECONDS choose another schedule, as `make soak SEED=… MINUTES=…` does.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from chaos.schedule import draw, kills_alone
from chaos.soak import Soak, check
from postgres import own_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from chaos.schedule import Schedule

SEED = int(os.environ.get("SOAK_SEED", "1"))
SECONDS = float(os.environ.get("SOAK_SECONDS", "45"))
"""How long there are troubles; the answers that are owed then take up to a minute more."""
LONGEST_STOP = min(30.0, SECONDS / 3)

pytestmark = pytest.mark.timeout(SECONDS + 240)


@contextmanager
def on_postgresql(schedule: Schedule, folder: Path, replicas: int) -> Iterator[Soak]:
    with own_server() as server, server.database() as storage:
        yield Soak(schedule, folder, storage, replicas, restart_database=server.restart)


async def judge(soak: Soak, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Run the soak, print the report, and fail where the checker or the driver blames anything."""
    code, said = check(await soak.run())
    with capsys.disabled():
        print(f"\nsoak: seed {SEED}, {SECONDS:g} s, {what}\n{said}")  # noqa: T201 - the report
    assert code == 0, f"{said}\nevidence: {soak.folder}"
    assert soak.problems == []


async def test_one_process_answers_each_question_once_and_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    schedule = draw(SEED, seconds=SECONDS, longest_stop=LONGEST_STOP)
    soak = Soak(schedule, tmp_path, f"sqlite:///{tmp_path}/parlance.db")
    await judge(soak, "1 process on SQLite", capsys)


@pytest.mark.parametrize("replicas", [1, 2, 3])
async def test_replicas_answer_each_question_once_and_whole(
    replicas: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    schedule = draw(
        SEED, seconds=SECONDS, longest_stop=LONGEST_STOP, replicas=replicas, database=True
    )
    with on_postgresql(schedule, tmp_path, replicas) as soak:
        await judge(soak, f"PostgreSQL, replicas: {replicas}", capsys)


async def test_the_answers_of_a_killed_replica_are_taken_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One at a time, and nothing else happens: how long it takes is in the report."""
    schedule = kills_alone(SEED, seconds=SECONDS, every=6, replicas=3)
    with on_postgresql(schedule, tmp_path, 3) as soak:
        await judge(soak, "kills of 3 replicas on PostgreSQL", capsys)
