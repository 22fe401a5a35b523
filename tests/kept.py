"""A chat whose turns are written into a database as if the bot had answered in it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from bot.chat.keys import ChatKey, TurnKey
from bot.store.database import Database
from bot.store.schema import Outcome, Turn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import sqlalchemy as sa

    from bot.store.history import History

CHAT = ChatKey("telegram", "7", "1")


@asynccontextmanager
async def opened(url: sa.URL) -> AsyncIterator[Database]:
    database = Database(url)
    try:
        yield database
    finally:
        await database.close()


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
