"""The way to the platform: every call of a bot passes here, one grant at a time."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bot.chat.keys import ChatKey
    from bot.replicas.base import Lease
    from bot.reply.pace import Call, Outcome, Pace, Waiting
    from bot.reply.surface import Allowance


class Gate:
    """Lets replies through as their pace allows. One for each bot account; one event loop."""

    def __init__(self, pace: Pace, lease: Lease) -> None:
        self.pace = pace
        self._lease = lease
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[Waiting, asyncio.Future[Call]] = {}
        # Invariant: one call at a time in a chat, so that what the platform says of its bucket is
        # true for the next one.
        self._busy: set[ChatKey] = set()
        self._alarm: asyncio.Handle | None = None
        """When the pace is asked again."""
        self._soon = False
        """That is in this turn of the loop: many changes at once are looked at once."""
        self._closed = False
        self._quiet = asyncio.Event()
        """Set when no call is under way any more."""

    async def admit(self, reply: Waiting) -> Call:
        """Return when `reply` may make the call that is returned; it is paid for.

        It ends with `done`, or with `not_made`. After `close` nobody is admitted, and nobody is
        while it is not sure that this replica may still speak.
        """
        while True:
            call = await self._granted(reply)
            if self._lease.good():
                return call
            self.not_made(call)
            await self._lease.held()

    async def _granted(self, reply: Waiting) -> Call:
        granted: asyncio.Future[Call] = self._loop.create_future()
        self._waiting[reply] = granted
        self.changed()
        try:
            return await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self.not_made(granted.result())
            raise
        finally:
            self._waiting.pop(reply, None)

    def done(self, call: Call, outcome: Outcome, allowance: Allowance | None = None) -> None:
        """The call has returned, and this came of it: the next one to its chat may go.

        `allowance` is what the platform said of what is left, if it did.
        """
        self.pace.done(call, outcome, allowance, self._loop.time())
        self._free(call)

    def not_made(self, call: Call) -> None:
        """There was nothing to call for any more."""
        self.pace.refund(call, self._loop.time())
        self._free(call)

    def _free(self, call: Call) -> None:
        self._busy.discard(call.chat)
        if not self._busy:
            self._quiet.set()
        self.changed()

    @contextmanager
    def replying(self, chat: ChatKey) -> Iterator[None]:
        """Around a reply in `chat`: the more there are, the more is left for their finals."""
        self.pace.joined(chat)
        try:
            yield
        finally:
            self.pace.left(chat)

    def written(self, seconds: float) -> None:
        """An answer was written for so long."""
        self.pace.ended(seconds)

    def changed(self) -> None:
        """A reply that waits has another priority now, or a budget has changed."""
        if self._soon:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._soon = True
        self._alarm = self._loop.call_soon(self._grant)

    def _grant(self) -> None:
        """Let through whoever may go now."""
        self._soon = False
        self._alarm = None
        while self._waiting and not self._closed:
            now = self._loop.time()
            winner, again_at = self.pace.pick(self._waiting, self._busy, now)
            if winner is None:
                if again_at is not None:
                    self._alarm = self._loop.call_at(again_at, self._grant)
                return
            granted = self._waiting.pop(winner)
            if not granted.cancelled():
                call = self.pace.spend(winner, now)
                self._busy.add(call.chat)
                granted.set_result(call)

    def share(self, replicas: int) -> None:
        """So many replicas share the bot's budgets."""
        self.pace.share(replicas, self._loop.time())
        self.changed()

    def may_act(self, chat: ChatKey) -> bool:
        """Whether a chat action may be shown now; it is paid for."""
        return (
            not self._closed and self._lease.good() and self.pace.may_act(chat, self._loop.time())
        )

    async def close(self) -> None:
        """Let nobody through any more, and wait for the calls under way."""
        self._closed = True
        self.changed()
        await self.quiet()

    async def quiet(self) -> None:
        """Return when no call is under way."""
        while self._busy:
            self._quiet.clear()
            await self._quiet.wait()
