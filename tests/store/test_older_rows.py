"""What an earlier release has written is read as it was meant, and is not rewritten for it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from asked import said as spoken
from kept import CHAT, ask, opened, window

from bot.chat.content import Media, Quote, Text
from bot.chat.keys import TurnKey
from bot.conversation.prompt import question
from bot.store import upgrade
from bot.store.databases import make_engine
from bot.store.history import History
from bot.store.messages import Messages
from bot.store.schema import Kind, turns

TURNS = 100_000
"""Of a chat that was there for years."""


def fill(url: sa.URL, rows: list[dict[str, Any]]) -> None:
    """A database as the release before content left it."""
    engine = make_engine(url)
    upgrade.migrate(engine, "0007")
    columns = ("key", "chat", "command", "question", "asked_at", "answer", "outcome", "repeats")
    old = sa.table("turns", *map(sa.column, (*columns, "settled", "sender")))
    with engine.begin() as db:
        db.execute(sa.insert(old), rows)
    engine.dispose()


def row(number: int, command: str, words: str, answer: str | None = None) -> dict[str, Any]:
    return {
        "key": f"{CHAT}:{number}:0",
        "chat": str(CHAT),
        "command": command,
        "question": words,
        "asked_at": 0.0,
        "answer": answer,
        "outcome": "whole" if answer else None,
        "repeats": None,
        "settled": answer is not None,
        "sender": "9",
    }


async def test_a_hundred_thousand_turns_are_read_as_they_are(database_url: sa.URL) -> None:
    fill(database_url, [row(n, "", f"Ada: q{n}", f"a{n}") for n in range(1, TURNS + 1)])
    async with opened(database_url) as database:
        history = History(database)
        now = await ask(history, TURNS + 1)
        last = [(f"Ada: q{n}", f"a{n}") for n in (TURNS - 1, TURNS)]
        assert await window(history, now, budget=20) == last
        rewritten = sa.select(sa.func.count()).where(turns.c.kind.is_not(None))
        assert await database.run(lambda db: db.execute(rewritten).scalar()) == 1


async def test_each_kind_of_turn_that_was_owed_is_what_it_was(database_url: sa.URL) -> None:
    retry = row(3, "retry", "Ada: why?") | {"repeats": 1}
    owed = [
        row(1, "", "Ada: why?", "because"),
        row(2, "heard", "Bo: look", "-"),
        retry,
        row(4, "new", "new"),
        row(5, "say", "I can read text only."),
        row(6, "unknown", "foo_bar"),
        row(7, "", "> quoted\n\nAda: and now?"),
        row(8, "", ""),
    ]
    fill(database_url, owed)
    async with opened(database_url) as database:
        history = History(database)
        read = [await history.turn(TurnKey(CHAT, str(number))) for number in range(1, 9)]
    assert [(t.kind, t.command, t.arguments, question(t)) for t in read if t] == [
        (Kind.QUESTION, "", "", "Ada: why?"),
        (Kind.HEARD, "", "", "Bo: look"),
        (Kind.RETRY, "", "", "Ada: why?"),
        (Kind.COMMAND, "new", "new", "new"),
        (Kind.NOTICE, "", "", "I can read text only."),
        (Kind.COMMAND, "unknown", "foo_bar", "foo_bar"),
        (Kind.QUESTION, "", "", "> quoted\n\nAda: and now?"),
        (Kind.QUESTION, "", "", ""),
    ]
    assert [t.asks_model for t in read if t] == [True, False, True, *[False] * 3, True, False]


async def test_a_replica_of_the_release_before_finds_what_it_needs(database_url: sa.URL) -> None:
    content = (Quote("it is flat"), Text("true?"), Media("photo", "ref", "a.jpg", 9, "image/jpeg"))
    in_words = "> it is flat\n\nAda: true?\n\n[A photo came with this, which you can't see.]"
    async with opened(database_url) as database:
        history = History(database)
        first = await history.ask(
            TurnKey(CHAT, "1"), spoken("", content=content, speaker="Ada", language="pt-BR")
        )
        retry = await ask(history, 2, command="retry")
        columns = sa.select(turns.c.command, turns.c.question).order_by(turns.c.seq)
        old = await database.run(lambda db: [tuple(found) for found in db.execute(columns)])
        assert old == [("", in_words), ("retry", in_words)]
        assert first is not None
        assert (first.content, first.language) == (content, "pt-BR")
        assert (retry.content, question(retry)) == (content, in_words)
        # That release takes a message back in its own column alone.
        emptied = sa.update(turns).where(turns.c.seq == first.seq).values(question="")
        await database.execute(emptied)
        taken_back = await history.turn(TurnKey(CHAT, "1"))
        assert taken_back is not None
        assert not taken_back.asks_model


async def test_an_answer_may_be_shown_in_the_messages_of_another_turn(
    database_url: sa.URL,
) -> None:
    async with opened(database_url) as database:
        history = History(database)
        first = await ask(history, 1)
        await Messages(database).add(first, 0, "100")
        again = await history.ask(
            TurnKey(CHAT, "2"), spoken("", Kind.RETRY, screen=first.seq), own=True
        )
        assert again is not None
        await Messages(database).add(again, 1, "101")
        shown = [(0, "100"), (1, "101")]
        assert await history.progress(again.key) == (again, shown)
        assert await history.progress(first.key) == (first, shown)
