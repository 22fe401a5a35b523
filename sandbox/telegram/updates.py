"""getUpdates and its queue: what the bot has not confirmed yet is given again."""

from __future__ import annotations

import asyncio
from collections import deque

from sandbox.telegram.errors import conflict

DEFAULT_HIDDEN = frozenset(
    {
        "chat_member",
        "message_reaction",
        "message_reaction_count",
        "stopped_message_generation",
    }
)
"""Kinds that come only to a bot that names them in allowed_updates."""
MAX_LIMIT = 100
MAX_TIMEOUT = 50

Update = dict[str, object]


class UpdateQueue:
    """Updates in order, each kept until a getUpdates names a higher offset."""

    def __init__(self, first_id: int) -> None:
        self.webhook_url = ""
        self.allowed: frozenset[str] | None = None
        """The kinds the bot named; None: all but the hidden ones."""
        self._next_id = first_id
        self._pending: deque[tuple[int, Update]] = deque()
        self._poll: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._pending)

    @property
    def polled(self) -> bool:
        """A getUpdates is being held until there is something to say."""
        return self._poll is not None

    def add(self, kind: str, payload: object) -> None:
        """Queue an update, or forget it where the bot does not take its kind."""
        wanted = kind not in DEFAULT_HIDDEN if self.allowed is None else kind in self.allowed
        if not wanted:
            return
        self._pending.append((self._next_id, {"update_id": self._next_id, kind: payload}))
        self._next_id += 1
        if self._poll is not None and not self._poll.done():
            self._poll.set_result(None)

    def allow(self, kinds: object) -> None:
        """Take an allowed_updates parameter: no list changes nothing, an empty one resets."""
        if isinstance(kinds, list):
            self.allowed = frozenset(str(kind).lower() for kind in kinds) or None

    def drop_all(self) -> None:
        self._pending.clear()

    def set_webhook(self, url: str) -> None:
        self.webhook_url = url
        if url:
            self._terminate("terminated by setWebhook request")

    async def poll(self, offset: int, limit: int, seconds: float) -> list[Update]:
        """Confirm what lies before `offset` and return what follows, waiting for the first.

        A negative offset keeps only that many updates from the end. Raises ApiError (409) while a
        webhook is set, and in a poll that another one replaces.
        """
        if self.webhook_url:
            raise conflict(
                "can't use getUpdates method while webhook is active; "
                "use deleteWebhook to delete the webhook first"
            )
        self._terminate(
            "terminated by other getUpdates request; "
            "make sure that only one bot instance is running"
        )
        self._confirm(offset)
        if not self._pending and seconds > 0:
            await self._wait(seconds)
        return [update for _, update in list(self._pending)[:limit]]

    def _confirm(self, offset: int) -> None:
        if offset < 0:
            while len(self._pending) > -offset:
                self._pending.popleft()
        while self._pending and self._pending[0][0] < offset:
            self._pending.popleft()

    async def _wait(self, seconds: float) -> None:
        poll = self._poll = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                await poll
        except TimeoutError:
            return
        finally:
            if self._poll is poll:
                self._poll = None

    def _terminate(self, reason: str) -> None:
        if self._poll is not None and not self._poll.done():
            self._poll.set_exception(conflict(reason))
        self._poll = None
