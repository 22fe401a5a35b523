from __future__ import annotations

import pytest

from bot.backoff import backoff


def test_it_grows_to_a_bound() -> None:
    assert [backoff(n) for n in (0, 1, 2, 3, 100)] == [1.0, 1.0, 2.0, 4.0, 30.0]
    assert [backoff(n, 0.5, 3.0) for n in (1, 2, 3, 4)] == [0.5, 1.0, 2.0, 3.0]


@pytest.mark.parametrize("failures", [1_025, 10_000, 10**9])
def test_trouble_may_last_for_days(failures: int) -> None:
    assert backoff(failures) == 30.0
