"""The chaos soak: a schedule of troubles from a seed, and what the readers saw of it.

SOAK_SEED and SOAK_SECONDS choose another schedule, as `make soak SEED=… MINUTES=…` does.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from chaos.schedule import draw, kills_alone
from chaos.soak import PARLANCE, Soak, check
from postgres import own_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaos.schedule import Schedule

SEED = int(os.environ.get("SOAK_SEED", "1"))
SECONDS = float(os.environ.get("SOAK_SECONDS", "45"))
"""How long there are troubles; the answers that are owed then take up to a minute more."""
LONGEST_STOP = min(30.0, SECONDS / 3)
FORGETFUL = (sys.executable, str(Path(__file__).parent / "broken_ledger.py"))

pytestmark = pytest.mark.timeout(SECONDS + 240)


@contextmanager
def on_postgresql(schedule: Schedule, folder: Path, replicas: int) -> Iterator[Soak]:
    with own_server() as server, server.database() as storage:
        yield Soak(schedule, folder, storage, replicas, restart_database=server.restart)


def on_sqlite(schedule: Schedule, folder: Path) -> Soak:
    return Soak(schedule, folder, f"sqlite:///{folder}/parlance.db")


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
    await judge(on_sqlite(schedule, tmp_path), "1 process on SQLite", capsys)


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


@pytest.mark.parametrize(("command", "doubled"), [(PARLANCE, False), (FORGETFUL, True)])
async def test_a_page_ledger_that_forgets_is_found_out(
    command: tuple[str, ...], *, doubled: bool, tmp_path: Path
) -> None:
    """Each kill has the answers that were begun posted anew."""
    soak = on_sqlite(kills_alone(SEED, seconds=15, every=3, words=250), tmp_path)
    soak.command = command
    code, said = check(await soak.run())
    assert code == doubled, said
    assert ("doubled: " in said) is doubled
    assert soak.problems == []
