"""The chaos soak: a schedule of troubles from a seed, and what the readers saw of it.

SOAK_SEED and SOAK_SECONDS choose another schedule, as `make soak SEED=… MINUTES=…` does.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from chaos.schedule import draw
from chaos.soak import Soak, check

if TYPE_CHECKING:
    from pathlib import Path

SEED = int(os.environ.get("SOAK_SEED", "1"))
SECONDS = float(os.environ.get("SOAK_SECONDS", "45"))
"""How long there are troubles; the answers that are owed then take up to a minute more."""


@pytest.mark.timeout(SECONDS + 240)
async def test_one_process_answers_each_question_once_and_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    schedule = draw(SEED, seconds=SECONDS, replicas=1, database=False, longest_stop=10)
    soak = Soak(schedule, tmp_path, f"sqlite:///{tmp_path}/parlance.db")
    code, said = check(await soak.run())
    with capsys.disabled():
        print(f"\nsoak: seed {SEED}, {SECONDS:g} s, 1 process on SQLite\n{said}")  # noqa: T201 - the report
    assert code == 0, f"{said}\nevidence: {tmp_path}"
    assert soak.problems == []
