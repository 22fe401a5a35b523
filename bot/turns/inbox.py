"""The one door in: what a platform tells of, and what it asks about it.

With it platforms know no history, no queue and no prompt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.chat.incoming import Incoming
    from bot.chat.keys import BotKey, ChatKey, TurnKey
    from bot.store.schema import After


class Inbox(Protocol):
    """See `bot.turns.intake.Intake`. Nothing is raised: what can't be kept is tried again.

    On return of the calls that tell something no crash can lose it. Each may be made again.
    """

    async def said(self, incoming: Incoming, after: After | None = None) -> bool:
        """A message is addressed to the bot; False if it gets no answer.

        The conversation goes on from `after`; None: from the turn before it in its chat.
        """
        ...

    async def heard(self, incoming: Incoming, after: After) -> After:
        """A message asked nothing of the bot, and one that does refers to it.

        Return what goes on from it.
        """
        ...

    async def edited(self, places: Sequence[ChatKey], incoming: Incoming) -> None:
        """A message received in one of `places` reads so now."""
        ...

    async def deleted(self, places: Sequence[ChatKey], message: str) -> None:
        """A message received in one of `places` was taken back."""
        ...

    async def origin(self, places: Sequence[ChatKey], message: str) -> After | None:
        """What goes on from `message`, received or posted in one of `places`; None: not known."""
        ...

    async def has_begun(self, chat: ChatKey) -> bool:
        """Whether anything was said to the bot in `chat`."""
        ...

    async def answered(self, key: TurnKey) -> bool:
        """Whether an answer to it stands in the chat, or none will come."""
        ...

    async def latest(self, bot: BotKey, since: float) -> list[TurnKey]:
        """The last message of each chat of `bot`, the newest first.

        Only those taken since `since`, in seconds since the epoch. Of a forgotten chat, its newest
        message then.
        """
        ...
