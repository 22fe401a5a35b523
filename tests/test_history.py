"""What was said in a chat, on a real SQLite file."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from bot.history import History, Outcome, Turn
from bot.messages import ChatKey, TurnKey
from bot.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

CHAT = ChatKey("telegram", "7", "1")


@pytest.fixture
async def history(tmp_path: Path) -> AsyncIterator[History]:
    opened = History(tmp_path / "history.db")
    yield opened
    await opened.close()


async def ask(history: History, message: int, question: str = "", command: str = "") -> Turn:
    return await history.ask(
        TurnKey(CHAT, str(message)), question or f"q{message}", sender="9", command=command
    )


async def exchange(history: History, message: int, outcome: Outcome = Outcome.WHOLE) -> Turn:
    turn = await ask(history, message)
    await history.end(turn, f"a{message}", outcome, notice="", tokens=None)
    return turn


async def window(history: History, turn: Turn, budget: int = 100) -> list[tuple[str, str | None]]:
    past = await history.window(turn, budget, lambda _: 10)
    return [(turn.question, turn.answer) for turn in past]


async def test_the_same_message_twice_is_one_turn(history: History) -> None:
    first = await ask(history, 1, "as it was first")
    again = await ask(history, 1, "as it came again")
    assert again == first


async def test_a_turn_outlives_the_process(tmp_path: Path) -> None:
    first = History(tmp_path / "history.db")
    turn = await exchange(first, 1)
    await first.add_message(turn, 0, "100")
    await first.settle(turn)
    await first.close()
    second = History(tmp_path / "history.db")
    read = await second.turn(turn.key)
    assert read is not None
    assert (read.question, read.answer, read.outcome) == ("q1", "a1", Outcome.WHOLE)
    assert read.settled
    assert await second.messages(read) == ["100"]
    await second.close()


async def test_an_unknown_turn_is_none(history: History) -> None:
    assert await history.turn(TurnKey(CHAT, "404")) is None


async def test_the_window_is_the_newest_that_fits_oldest_first(history: History) -> None:
    for message in range(1, 6):
        await exchange(history, message)
    now = await ask(history, 6)
    assert await window(history, now, budget=30) == [("q3", "a3"), ("q4", "a4"), ("q5", "a5")]
    assert await window(history, now, budget=9) == []


async def test_the_window_ends_before_its_own_turn(history: History) -> None:
    await exchange(history, 1)
    second = await ask(history, 2)
    await ask(history, 3)
    assert await window(history, second) == [("q1", "a1")]


async def test_other_chats_and_topics_are_not_in_the_window(history: History) -> None:
    await exchange(history, 1)
    topic = TurnKey(ChatKey("telegram", "7", "1", "5"), "2")
    turn = await history.ask(topic, "in the topic", sender="9")
    assert await window(history, turn) == []


async def test_new_forgets_what_was_before(history: History) -> None:
    await exchange(history, 1)
    await ask(history, 2, command="new")
    await exchange(history, 3)
    assert await window(history, await ask(history, 4)) == [("q3", "a3")]


async def test_other_commands_are_no_part_of_the_conversation(history: History) -> None:
    await exchange(history, 1)
    await ask(history, 2, command="help")
    assert await window(history, await ask(history, 3)) == [("q1", "a1")]


async def test_retry_takes_the_question_over_and_hides_its_answer(history: History) -> None:
    await exchange(history, 1)
    await exchange(history, 2, Outcome.PARTIAL)
    retry = await ask(history, 3, command="retry")
    assert retry.question == "q2"
    assert await window(history, retry) == [("q1", "a1")]
    await history.end(retry, "a3", Outcome.WHOLE, notice="", tokens=None)
    assert await window(history, await ask(history, 4)) == [("q1", "a1"), ("q2", "a3")]


async def test_retry_of_a_retry_leaves_the_question_once(history: History) -> None:
    await exchange(history, 1)
    await exchange(history, 2)
    for message in (3, 4):
        again = await ask(history, message, command="retry")
        await history.end(again, f"a{message}", Outcome.WHOLE, notice="", tokens=None)
    assert await window(history, await ask(history, 5)) == [("q1", "a1"), ("q2", "a4")]


async def test_retry_with_nothing_before_it_has_no_question(history: History) -> None:
    assert (await ask(history, 1, command="retry")).question == ""
    await exchange(history, 2)
    await ask(history, 3, command="new")
    assert (await ask(history, 4, command="retry")).question == ""


async def test_posted_messages_are_kept_by_page(history: History) -> None:
    turn = await ask(history, 1)
    for page, message in ((0, "10"), (1, "11"), (1, "12")):
        await history.add_message(turn, page, message)
    assert await history.messages(turn) == ["10", "12"]
    await history.remove_message(turn, "12")
    assert await history.messages(turn) == ["10"]


async def test_a_database_that_is_busy_is_waited_for(history: History) -> None:
    calls = []

    def locked_at_first() -> str:
        calls.append(1)
        if len(calls) == 1:
            raise sa.exc.OperationalError("write", {}, sqlite3.OperationalError("locked"))
        return "written"

    assert await history._run(locked_at_first) == "written"


async def test_a_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    (tmp_path / "history.db").write_text("not a database " * 100)
    with pytest.raises(StorageError, match=r"storage.url: .*history.db can't be used"):
        History(tmp_path / "history.db")


async def test_many_at_once_keep_their_order(history: History) -> None:
    turns = await asyncio.gather(*(ask(history, message) for message in range(200)))
    assert [turn.seq for turn in turns] == sorted(turn.seq for turn in turns)
    assert len({turn.seq for turn in turns}) == 200
