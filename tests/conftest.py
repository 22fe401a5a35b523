"""How hard Hypothesis tries: `make test` a little, `make soak` a lot. And a real PostgreSQL."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import postgres
import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postgres import Server

_ANY_SPEED = [HealthCheck.too_slow]
# The same examples at every run, so that a change is judged by what it changes. `make soak` seeks.
settings.register_profile(
    "quick",
    deadline=None,
    max_examples=100,
    suppress_health_check=_ANY_SPEED,
    derandomize=True,
)
settings.register_profile(
    "soak", deadline=None, max_examples=1000, suppress_health_check=_ANY_SPEED
)
settings.load_profile("quick")


def pytest_xdist_auto_num_workers() -> int:
    """Most of the long tests wait for processes of their own, not for a core."""
    return 2 * (os.cpu_count() or 1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    with postgres.server() as running:
        yield running


@pytest.fixture
def postgres_url(postgres_server: Server) -> Iterator[str]:
    """Of an empty database that is the test's own."""
    with postgres_server.database() as url:
        yield url
