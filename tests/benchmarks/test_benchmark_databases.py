"""What the durability benchmark stores before it measures is what the bot itself would find."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from asked import said as spoken
from kept import opened

from benchmarks.databases import CHATS, fill
from bot.chat.keys import BotKey, ChatKey, TurnKey
from bot.store.databases import Databases
from bot.store.history import History

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return request.getfixturevalue("postgres_url")
    return f"sqlite:///{tmp_path}/parlance.db"


async def test_the_bot_finds_the_chats_own_turns_and_those_of_others(url: str) -> None:
    fill(url, 42, [7, 8], own=3, others=2 * CHATS)
    async with opened(Databases.at(url).history) as database:
        history = History(database)
        asked = await history.ask(
            TurnKey(ChatKey("telegram", "42", "7"), "1"), spoken("and now?", sender="7")
        )
        window = await history.window(asked, 100, lambda _: 1)
        assert len(window) == 3
        assert all(turn.settled and turn.answer for turn in window)
        assert len(await history.latest(BotKey("telegram", "42"), 0.0)) == 2 + CHATS
