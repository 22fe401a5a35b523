"""Pieces of SQL that several files of the store are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.chat.keys import BotKey

INSERTS: Final[dict[str, Callable[[sa.Table], sqlite.Insert | postgresql.Insert]]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}
"""By the name of a connection's dialect: only these know what to do about a row that is there."""


def belongs(chat: sa.ColumnElement[str], bot: BotKey) -> sa.ColumnElement[bool]:
    """Whether a chat is one of `bot`, as an index finds it."""
    return sa.and_(chat > bot.prefix, chat < f"{bot};")
