"""What was learned of a chat's limits is kept over a restart."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kept import CHAT

from bot.chat.keys import BotKey
from bot.chat.lesson import Lesson
from bot.store.lessons import LessonStore

if TYPE_CHECKING:
    from bot.store.database import Database


async def test_lessons_are_kept_by_chat_and_kind(database: Database) -> None:
    store = LessonStore(database)
    first, second = Lesson(5.0, 0.5, 100.0), Lesson(4.0, 0.25, 200.0)
    await store.keep_lessons({(CHAT, "edit"): first, (CHAT, ""): first})
    await store.keep_lessons({(CHAT, ""): second, (replace(CHAT, bot="77"), ""): first})
    assert await store.lessons(CHAT.account) == {(CHAT, "edit"): first, (CHAT, ""): second}
    assert await store.lessons(BotKey("discord", CHAT.bot)) == {}
