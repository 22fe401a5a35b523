"""How much of a conversation the model is given, on a real SQLite file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asked
import pytest
from kept import opened

from bot.chat.keys import TurnKey
from bot.conversation.window import ContextWindow
from bot.settings.sections import ChatSettings
from bot.store.databases import sqlite_url
from bot.store.history import History
from bot.store.schema import Outcome
from providers.base import Message, Role

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from bot.store.schema import Turn

WORDS = "word" * 96
"""100 tokens as a message, by the estimate; an exchange of two is 200."""
ROOM = ChatSettings(system_prompt=WORDS, history_tokens=700)
"""For two exchanges beside the prompt, the question and 100 tokens more."""


@pytest.fixture
async def history(tmp_path: Path) -> AsyncIterator[History]:
    async with opened(sqlite_url(tmp_path / "history.db")) as database:
        yield History(database)


async def said(history: History, exchanges: int) -> Turn:
    """A question after so many others with their answers."""
    for number in range(1, exchanges + 1):
        turn = await history.ask(TurnKey(asked.CHAT, str(number)), asked.said(WORDS, sender="9"))
        assert turn is not None
        await history.end(turn, WORDS, Outcome.WHOLE, notice="", tokens=None)
    turn = await history.ask(TurnKey(asked.CHAT, "99"), asked.said(WORDS, sender="9"))
    assert turn is not None
    return turn


def numbers(past: list[Turn]) -> list[int]:
    return [int(turn.key.message) for turn in past]


async def test_the_past_fits_beside_the_prompt_the_question_and_what_is_begun(
    history: History,
) -> None:
    question, window = await said(history, 5), ContextWindow(history, ROOM)
    assert numbers(await window.past(question, "")) == [4, 5]
    assert numbers(await window.past(question, WORDS)) == [4, 5]
    assert numbers(await window.past(question, WORDS + WORDS)) == [5]


async def test_what_the_provider_counts_corrects_the_estimate(history: History) -> None:
    question, window = await said(history, 5), ContextWindow(history, ROOM)
    for _ in range(20):
        window.learn([Message.of(Role.USER, WORDS)], counted=50)
    assert numbers(await window.past(question, "")) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(("exchanges", "kept"), [(5, [4, 5]), (2, [2]), (1, [])])
async def test_the_newer_half_is_the_newest_and_never_all(
    history: History, exchanges: int, kept: list[int]
) -> None:
    room = ChatSettings(history_tokens=8000)
    question, window = await said(history, exchanges), ContextWindow(history, room)
    past = await window.past(question, "")
    assert len(past) == exchanges
    assert numbers(window.newer_half(past)) == kept
