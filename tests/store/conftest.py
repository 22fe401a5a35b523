"""An open database: a real SQLite file, and a real PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from kept import opened

from bot.store.databases import Databases
from bot.store.erasure import Erasure
from bot.store.history import History
from bot.store.messages import Messages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import sqlalchemy as sa

    from bot.store.database import Database


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> sa.URL:
    url = f"sqlite:///{tmp_path}/history.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
    return Databases.at(url).history


@pytest.fixture
async def database(database_url: sa.URL) -> AsyncIterator[Database]:
    async with opened(database_url) as database:
        yield database


@pytest.fixture
def history(database: Database) -> History:
    return History(database)


@pytest.fixture
def messages(database: Database) -> Messages:
    return Messages(database)


@pytest.fixture
def erasure(database: Database) -> Erasure:
    return Erasure(database)
