"""What is deleted when, on a real SQLite file and on a real PostgreSQL."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from asked import said as spoken
from pydantic import ValidationError

from bot.chat.content import Text
from bot.chat.keys import ChatKey, TurnKey
from bot.conversation.prompt import question
from bot.settings.sections import StorageSettings
from bot.store.history import History
from bot.store.housekeeping import BATCH, DAY, REDELIVERY, Housekeeping
from bot.store.messages import Messages
from bot.store.pruning import Pruning
from bot.store.schema import Kind, Outcome, posted, turns

if TYPE_CHECKING:
    from bot.store.database import Database
    from bot.store.queue import TurnQueue

CHAT = ChatKey("telegram", "7", "1")
OTHER = ChatKey("telegram", "7", "2")


class Queue:
    """Of which so many rows are left to prune."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.batches: list[int] = []

    async def prune(self, before: float, most: int) -> int:
        assert abs(time.time() - REDELIVERY - before) < DAY / 2
        batch = min(self.rows, most)
        self.rows -= batch
        self.batches.append(batch)
        return batch


def house(database: Database, queue: TurnQueue | None = None, **keep: int) -> Housekeeping:
    return Housekeeping(Pruning(database), queue or Queue(0), StorageSettings(**keep))


async def exchange(
    database: Database,
    message: int,
    *,
    days: float = 0.0,
    chat: ChatKey = CHAT,
    settled: bool = True,
) -> None:
    """Asked and answered so many days ago."""
    history = History(database)
    turn = await history.ask(TurnKey(chat, str(message)), spoken(f"q{message}", sender="9"))
    await history.end(turn, f"a{message}", Outcome.WHOLE, notice="", tokens=None)
    await Messages(database).add(turn, 0, f"{message}00")
    if settled:
        await history.settle(turn)
    at = sa.update(turns).where(turns.c.seq == turn.seq)
    await database.execute(at.values(asked_at=time.time() - days * DAY))


async def left(database: Database, chat: ChatKey = CHAT) -> list[str]:
    mine = sa.select(turns.c.question).where(turns.c.chat == str(chat)).order_by(turns.c.seq)
    return await database.run(lambda db: list(db.execute(mine).scalars()))


async def pages(database: Database) -> int:
    count = sa.select(sa.func.count()).select_from(posted)
    return await database.run(lambda db: db.execute(count).scalar_one())


async def test_nothing_is_deleted_unless_it_is_asked_for(database: Database) -> None:
    await exchange(database, 1, days=4000)
    await house(database).tidy()
    assert await left(database) == ["q1"]


async def test_what_is_older_than_asked_for_is_deleted_with_its_messages(
    database: Database,
) -> None:
    for message, days in ((1, 40), (2, 31), (3, 29), (4, 0)):
        await exchange(database, message, days=days)
    await house(database, keep_days=30).tidy()
    assert await left(database) == ["q3", "q4"]
    assert await pages(database) == 2


async def test_an_answer_that_is_owed_is_never_deleted(database: Database) -> None:
    await exchange(database, 1, days=40, settled=False)
    await exchange(database, 2, days=39)
    await exchange(database, 3)
    await house(database, keep_days=2, keep_turns=1).tidy()
    assert await left(database) == ["q1", "q3"]


async def test_the_newest_of_each_chat_are_kept(database: Database) -> None:
    for message in range(10, 20):
        await exchange(database, message, days=5)
    await exchange(database, 20, chat=OTHER, days=5)
    await house(database, keep_turns=3).tidy()
    assert await left(database) == ["q17", "q18", "q19"]
    assert await left(database, OTHER) == ["q20"]


async def test_what_may_be_delivered_again_is_kept_whatever_the_number(database: Database) -> None:
    for message, days in ((1, 3), (2, 1), (3, 1), (4, 1)):
        await exchange(database, message, days=days)
    await house(database, keep_turns=1).tidy()
    assert await left(database) == ["q2", "q3", "q4"]


async def test_more_than_a_batch_is_deleted_in_batches(database: Database) -> None:
    old = BATCH * 2 + 7
    rows = [
        {"key": f"{CHAT}:{n}:0", "chat": str(CHAT), "asked_at": 0.0, "settled": n % 2 == 0}
        for n in range(old)
    ]
    await database.execute(sa.insert(turns), rows)
    await exchange(database, old)
    queue = Queue(old)
    await house(database, queue, keep_days=2).tidy()
    assert len(await left(database)) == old // 2 + 1
    assert queue.batches == [BATCH, BATCH, 7, 0]
    await house(database, keep_turns=1).tidy()
    assert len(await left(database)) == old // 2 + 1


async def test_more_chats_than_are_told_at_once_are_all_tidied(database: Database) -> None:
    for chat in range(230):
        for message in (1, 2):
            key = f"telegram:7:{chat}:{message}:0"
            row = {"key": key, "chat": f"telegram:7:{chat}", "asked_at": 0.0, "settled": True}
            await database.execute(sa.insert(turns).values(row))
    await house(database, keep_turns=1).tidy()
    every = sa.select(turns.c.key)
    kept = await database.run(lambda db: list(db.execute(every).scalars()))
    assert len(kept) == 230
    assert all(key.endswith(":2:0") for key in kept)


async def test_what_refers_to_deleted_turns_still_works(
    database: Database, history: History
) -> None:
    await exchange(database, 1, days=9)
    await exchange(database, 2, days=9)
    branch = await history.locate([CHAT], "100")
    retry = await history.ask(TurnKey(CHAT, "3"), spoken("", Kind.RETRY, sender="9"))
    assert question(retry) == "q2"
    branched = await history.ask(TurnKey(CHAT, "4"), spoken("q4", sender="9"), after=branch)
    await house(database, keep_days=2).tidy()
    assert await left(database) == ["q2", "q4"], "the retry keeps its copy of the question"
    for turn in (retry, branched):
        assert await history.window(turn, 100, lambda _: 1) == []
    assert await history.locate([CHAT], "100") is None
    await history.reword([CHAT], "2", (Text("as it reads now"),))
    await history.end(branched, "a4", Outcome.WHOLE, notice="", tokens=None)
    later = await history.ask(TurnKey(CHAT, "5"), spoken("q5", sender="9"))
    known = await history.window(later, 100, lambda _: 1)
    assert [question(turn) for turn in known] == ["q4"]


def test_a_single_day_is_refused() -> None:
    with pytest.raises(ValidationError, match="is too few"):
        StorageSettings(keep_days=1)


async def test_each_bot_keeps_its_chats_as_long_as_its_own_settings_say(database: Database) -> None:
    theirs = ChatKey("telegram", "77", "1")
    for chat in (CHAT, theirs):
        for message, days in ((1, 40), (2, 20), (3, 10)):
            await exchange(database, message, days=days, chat=chat)
    await house(database, keep_days=30).tidy(CHAT.account.prefix)
    assert (await left(database), await left(database, theirs)) == (
        ["q2", "q3"],
        ["q1", "q2", "q3"],
    )
    await house(database, keep_turns=1).tidy(theirs.account.prefix)
    assert (await left(database), await left(database, theirs)) == (["q2", "q3"], ["q3"])
