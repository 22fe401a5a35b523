"""The way to the platform: every call of a bot passes here, one grant at a time."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bot.reply.pace import Caller, Pace, Waiting


class Gate:
    """Lets replies through as their pace allows. One for each bot account; one event loop."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[Waiting, asyncio.Future[None]] = {}
        self._alarm: asyncio.Handle | None = None
        """When the pace is asked again."""
        self._soon = False
        """That is in this turn of the loop: many changes at once are looked at once."""
        self._closed = False
        self._calls = 0
        """Calls under way."""
        self._quiet = asyncio.Event()
        self._quiet.set()

    async def admit(self, reply: Waiting) -> None:
        """Return when `reply` may make one call; the call is paid for.

        Give it back with `pace.refund` where it is not made. After `close` it never returns.
        """
        granted = self._waiting[reply] = self._loop.create_future()
        self.changed()
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self.pace.refund(reply, self._loop.time())
            raise
        finally:
            self._waiting.pop(reply, None)

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
            winner, again_at = self.pace.pick(self._waiting, now)
            if winner is None:
                if again_at is not None:
                    self._alarm = self._loop.call_at(again_at, self._grant)
                return
            granted = self._waiting.pop(winner)
            if not granted.cancelled():
                self.pace.spend(winner, now)
                granted.set_result(None)

    def may_act(self, caller: Caller) -> bool:
        """Whether a chat action may be shown now; it is paid for."""
        return not self._closed and self.pace.may_act(caller, self._loop.time())

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Around every call to the platform, so that `close` can wait for it."""
        self._calls += 1
        self._quiet.clear()
        try:
            yield
        finally:
            self._calls -= 1
            if not self._calls:
                self._quiet.set()

    async def close(self) -> None:
        """Let nobody through any more, and wait for the calls under way."""
        self._closed = True
        self.changed()
        await self._quiet.wait()
