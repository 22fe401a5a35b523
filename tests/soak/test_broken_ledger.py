"""The soak's checker finds out a bot whose page ledger forgets."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from chaos.schedule import kills_alone
from chaos.soak import PARLANCE, Soak, check

FORGETFUL = (sys.executable, str(Path(__file__).parent / "broken_ledger.py"))


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("command", "doubled"), [(PARLANCE, False), (FORGETFUL, True)])
async def test_a_page_ledger_that_forgets_is_found_out(
    command: tuple[str, ...], *, doubled: bool, tmp_path: Path
) -> None:
    """Each kill has the answers that were begun posted anew."""
    schedule = kills_alone(seed=1, seconds=15, every=3, words=250)
    soak = Soak(schedule, tmp_path, f"sqlite:///{tmp_path}/parlance.db", command=command)
    code, said = check(await soak.run())
    assert code == doubled, said
    assert ("doubled: " in said) is doubled
    assert soak.problems == []
