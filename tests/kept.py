"""A chat whose turns are written into a database as if the bot had answered in it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from asked import said as spoken

from bot.chat.keys import ChatKey, TurnKey
from bot.conversation.prompt import question as words_of
from bot.store.database import Database
from bot.store.schema import Kind, Outcome, Turn

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
    kind = Kind.RETRY if command == "retry" else Kind.COMMAND if command else Kind.QUESTION
    said = spoken(question or f"q{message}", kind, command=command)
    return await history.ask(TurnKey(CHAT, str(message)), said)


async def exchange(history: History, message: int, outcome: Outcome = Outcome.WHOLE) -> Turn:
    turn = await ask(history, message)
    await history.end(turn, f"a{message}", outcome, notice="", tokens=None)
    return turn


async def window(history: History, turn: Turn, budget: int = 100) -> list[tuple[str, str | None]]:
    past = await history.window(turn, budget, lambda _: 10)
    return [(words_of(turn), turn.answer) for turn in past]
