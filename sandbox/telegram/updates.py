"""The queue of updates: what the bot has not confirmed yet is given again, by poll or webhook."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.telegram.errors import conflict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
FUTURE = 10
"""An offset so far ahead of the next update's id is none."""

Update = dict[str, object]


@dataclass(frozen=True, slots=True)
class Pending:
    """An update that the bot has not confirmed."""

    id: int
    lane: tuple[str, object]
    """A webhook gets the updates of a lane one after another."""
    body: Update


@dataclass(slots=True)
class Webhook:
    """Where updates are posted to, as setWebhook said."""

    url: str
    secret: str = ""
    max_connections: int = 40
    last_error: tuple[int, str] | None = None
    """When (Unix time) and why a delivery failed last."""

    def same(self, other: Webhook) -> bool:
        """Setting one for the other changes nothing."""
        mine = (self.url, self.secret, self.max_connections)
        return mine == (other.url, other.secret, other.max_connections)


class UpdateQueue:
    """Updates in order, each kept until a getUpdates names a higher offset or a webhook took it."""

    def __init__(self, first_id: int) -> None:
        self.webhook: Webhook | None = None
        self.on_change: Callable[[], None] = lambda: None
        """Called when there may be something new to deliver to a webhook."""
        self.allowed: frozenset[str] | None = None
        """The kinds the bot named; None: all but the hidden ones."""
        self._next_id = first_id
        self._pending: deque[Pending] = deque()
        self._poll: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._pending)

    def __iter__(self) -> Iterator[Pending]:
        return iter(self._pending)

    @property
    def polled(self) -> bool:
        """A getUpdates is being held until there is something to say."""
        return self._poll is not None

    def add(self, kind: str, payload: object) -> None:
        """Queue an update, or forget it where the bot does not take its kind."""
        wanted = kind not in DEFAULT_HIDDEN if self.allowed is None else kind in self.allowed
        if not wanted:
            return
        body: Update = {"update_id": self._next_id, kind: payload}
        self._pending.append(Pending(self._next_id, _lane(kind, payload, self._next_id), body))
        self._next_id += 1
        self.on_change()
        if self._poll is not None and not self._poll.done():
            self._poll.set_result(None)

    def renumber(self, next_id: int) -> None:
        """Number what comes from `next_id` on, as a server does after a week without updates."""
        self._next_id = next_id

    def allow(self, kinds: object) -> None:
        """Take an allowed_updates parameter: no list changes nothing, an empty one resets."""
        if isinstance(kinds, list):
            self.allowed = frozenset(str(kind).lower() for kind in kinds) or None

    def drop_all(self) -> None:
        self._pending.clear()

    def delivered(self, update: Pending) -> None:
        """The webhook has taken it."""
        if update in self._pending:
            self._pending.remove(update)

    def set_webhook(self, url: str, secret: str = "", max_connections: int = 40) -> None:
        """The same one again changes nothing: what is known of its failures stays."""
        new = Webhook(url, secret, max_connections) if url else None
        if new is None or self.webhook is None or not self.webhook.same(new):
            self.webhook = new
        if new is not None:
            self._terminate("terminated by setWebhook request")
        self.on_change()

    async def poll(self, offset: int, limit: int, seconds: float) -> list[Update]:
        """Confirm what lies before `offset` and return what follows, waiting for the first.

        A negative offset keeps only that many updates from the end. Raises ApiError (409) while a
        webhook is set, and in a poll that another one replaces.
        """
        if self.webhook is not None:
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
        return [update.body for update in list(self._pending)[:limit]]

    def _confirm(self, offset: int) -> None:
        """What is asked for by a number that is far from any given yet is everything.

        Source: `TQueueImpl::get` of tdlib's tdutils, and `do_get_updates` in Client.cpp.
        """
        if offset > self._next_id + FUTURE:
            return
        if offset < 0:
            while len(self._pending) > -offset:
                self._pending.popleft()
        while self._pending and self._pending[0].id < offset:
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


def _lane(kind: str, payload: object, update_id: int) -> tuple[str, object]:
    """As the Bot API server has it: messages of a chat with their edits; else what one person does.

    Source: `webhook_queue_id` in telegram-bot-api/Client.cpp of github.com/tdlib/telegram-bot-api.
    """
    fields = payload if isinstance(payload, dict) else {}
    if kind in ("message", "edited_message"):
        return "message", fields["chat"]["id"]
    if "from" in fields:
        return kind, fields["from"]["id"]
    return kind, update_id
