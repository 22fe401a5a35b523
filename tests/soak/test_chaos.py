"""The chaos soak: a schedule of troubles from a seed, and what the readers saw of it.

SOAK_SEED and SOAK_SECONDS choose another schedule, as `make soak SEED=… MINUTES=…` does.
"""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from chaos.schedule import CALM, Act, draw
from chaos.soak import PARLANCE, Soak, check
from postgres import own_server

if TYPE_CHECKING:
    from chaos.schedule import Schedule

SEED = int(os.environ.get("SOAK_SEED", "1"))
SECONDS = float(os.environ.get("SOAK_SECONDS", "45"))
"""How long there are troubles; the answers that are owed then take up to a minute more."""
LONGEST_STOP = min(30.0, SECONDS / 3)
FORGETFUL = (sys.executable, str(Path(__file__).parent / "broken_ledger.py"))


@pytest.mark.timeout(SECONDS + 240)
@pytest.mark.parametrize(
    "replicas", [0, 1, 2, 3], ids=["sqlite", *map("postgresql-{}".format, (1, 2, 3))]
)
async def test_each_question_is_answered_once_and_whole(
    replicas: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 replicas: one process on SQLite."""
    schedule = draw(
        SEED,
        seconds=SECONDS,
        replicas=max(1, replicas),
        database=replicas > 0,
        longest_stop=LONGEST_STOP,
    )
    with (
        own_server() if replicas else nullcontext() as server,
        (
            server.database() if server else nullcontext(f"sqlite:///{tmp_path}/parlance.db")
        ) as storage,
    ):
        soak = Soak(schedule, tmp_path, storage, replicas=max(1, replicas))
        soak.restart_database = server.restart if server else None
        code, said = check(await soak.run())
    where = f"{replicas} replicas on PostgreSQL" if replicas else "1 process on SQLite"
    with capsys.disabled():
        print(f"\nsoak: seed {SEED}, {SECONDS:g} s, {where}\n{said}")  # noqa: T201 - the report
    assert code == 0, f"{said}\nevidence: {tmp_path}"
    assert soak.problems == []


@pytest.mark.parametrize(("command", "doubled"), [(PARLANCE, False), (FORGETFUL, True)])
async def test_a_page_ledger_that_forgets_is_found_out(
    command: tuple[str, ...], *, doubled: bool, tmp_path: Path
) -> None:
    """Each kill has the answers that were begun posted anew."""
    schedule = kills_alone(draw(SEED, seconds=15, replicas=1, database=False, longest_stop=1))
    soak = Soak(schedule, tmp_path, f"sqlite:///{tmp_path}/parlance.db", command=command)
    code, said = check(await soak.run())
    assert code == doubled, said
    assert ("doubled: " in said) is doubled
    assert soak.problems == []


def kills_alone(schedule: Schedule) -> Schedule:
    """The schedule with three kills in the place of its troubles, and of the model's."""
    acts = [Act(CALM + seconds, "kill", seconds=0.1) for seconds in (0.5, 3.5, 6.5)]
    questions = [replace(asked, model=None) for asked in schedule.questions]
    return replace(schedule, acts=acts, questions=questions)
