"""The door in as a platform sees it, with nothing behind it but what a test puts there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.store.schema import After
from bot.turns.inbox import Inbox

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from bot.chat.incoming import Incoming
    from bot.chat.keys import BotKey, ChatKey, TurnKey


class InboxOf(Inbox):
    """Hands what is said to a function, and knows of nothing that was said before."""

    def __init__(self, take: Callable[[Incoming], Awaitable[object]]) -> None:
        self._take = take

    async def said(self, incoming: Incoming, after: After | None = None) -> bool:
        await self._take(incoming)
        return True

    async def heard(self, incoming: Incoming, after: After) -> After:
        return After(1, question_only=True)

    async def edited(self, places: Sequence[ChatKey], incoming: Incoming) -> None: ...

    async def deleted(self, places: Sequence[ChatKey], message: str) -> None: ...

    async def origin(self, places: Sequence[ChatKey], message: str) -> After | None:
        return None

    async def has_begun(self, chat: ChatKey) -> bool:
        return False

    async def answered(self, key: TurnKey) -> bool:
        return False

    async def latest(self, bot: BotKey, since: float) -> list[TurnKey]:
        return []
