"""What was forgotten is gone, and is not taken again."""

from __future__ import annotations

import time
from random import Random
from typing import TYPE_CHECKING

from asked import said as spoken
from kept import CHAT, ask, exchange, window

from bot.chat.keys import BotKey, ChatKey, TurnKey
from bot.store.database import Database
from bot.store.databases import sqlite_url
from bot.store.erasure import Erasure
from bot.store.history import History
from bot.store.pruning import Pruning
from bot.store.schema import Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from bot.store.messages import Messages


def files_with(folder: Path, text: bytes) -> list[str]:
    return [f.name for f in folder.glob("history.db*") if text in f.read_bytes()]


async def test_what_was_forgotten_is_in_no_file_however_rows_were_moved(tmp_path: Path) -> None:
    database = Database(sqlite_url(tmp_path / "history.db"))
    history = History(database)
    random = Random(7)  # noqa: S311 - the same rows each time
    other = ChatKey("telegram", "7", "2")
    for message in range(150):
        chat = random.choice([CHAT, other])
        word = "walrus " if chat is CHAT else "badger "
        key = TurnKey(chat, str(message))
        turn = await history.ask(key, spoken(word * random.randint(1, 900), sender="9"))
        text = word * random.randint(1, 600)
        await history.end(turn, text, Outcome.WHOLE, notice="", tokens=None)
    last = await ask(history, 200, "/forget")
    await Erasure(database).forget(last)
    assert files_with(tmp_path, b"walrus") == []
    assert files_with(tmp_path, b"badger") == ["history.db"]
    await database.close()


async def test_a_chat_is_forgotten_up_to_the_request_and_stays_so(
    database: Database, history: History, messages: Messages, erasure: Erasure
) -> None:
    first = await exchange(history, 1)
    await messages.add(first, 0, "100")
    elsewhere = await history.ask(
        TurnKey(ChatKey("telegram", "7", "12"), "1"), spoken("q", sender="9")
    )
    forget = await ask(history, 2, command="forget")
    later = await exchange(history, 3)
    await erasure.forget(forget)
    await erasure.forget(forget)
    assert await history.turn(first.key) is None
    assert await history.locate([CHAT], "100") is None
    assert await history.turn(later.key) is not None
    assert await history.turn(elsewhere.key) is not None
    # What was under way changes nothing, and what is delivered again is not taken.
    await history.end(first, "a1", Outcome.WHOLE, notice="", tokens=None)
    await messages.add(first, 1, "101")
    assert await history.locate([CHAT], "101") is None
    for message in (1, 2):
        assert await history.ask(TurnKey(CHAT, str(message)), spoken("again", sender="9")) is None
    await erasure.drop(forget)
    assert await window(history, await ask(history, 4)) == [("q3", "a3")]
    await Pruning(database).forget_forgetting(time.time() - 60)
    assert await history.ask(TurnKey(CHAT, "1"), spoken("again", sender="9")) is None
    await Pruning(database).forget_forgetting(time.time() + 60)
    assert await history.ask(TurnKey(CHAT, "1"), spoken("again", sender="9")) is not None


async def test_a_forgotten_chat_is_still_the_latest_that_was_heard(
    history: History, erasure: Erasure
) -> None:
    forget = await ask(history, 5, command="forget")
    await erasure.forget(forget)
    await erasure.drop(forget)
    assert await history.latest(CHAT.account, 0.0) == [TurnKey(CHAT, "5")]
    assert await history.latest(BotKey("telegram", "77"), 0.0) == []
