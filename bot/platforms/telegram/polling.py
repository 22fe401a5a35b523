"""Telegram's updates as the bot asks for them.

An update is acknowledged by asking for what comes after it, so each is kept before that. What was
kept once may come again, after a crash or from another server: `take` tells it by its chat and its
message's number, never by its update_id, which says no more than where to ask on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import structlog
from telegram.constants import UpdateType
from telegram.error import TelegramError

from bot.backoff import backoff
from bot.platforms.telegram.in_order import InOrder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from telegram import Bot

    from bot.chat.incoming import Incoming

T = TypeVar("T")

log = structlog.get_logger(__name__)

LONG_POLL: Final = 50
"""Seconds the server may hold a getUpdates that has nothing to say."""
AT_ONCE: Final = 1.0
"""Seconds within which a server that has nothing to say does not hold it."""
REMEMBERED: Final = 100
"""Offsets; one that is asked for again within so many shows a server that goes in circles."""


class Insist(Protocol):
    """Repeats a call to Telegram until it is answered."""

    async def __call__(self, call: Callable[[], Awaitable[T]]) -> T: ...


def number_of(update: object) -> int | None:
    """An update's id; None: it has none that could be one."""
    number = update.get("update_id") if isinstance(update, dict) else None
    return number if type(number) is int and number > 0 else None


class Offset:
    """Pure: from which update on to ask, and whether asking gets anywhere."""

    def __init__(self) -> None:
        self.value = 0
        self._asked = deque([0], maxlen=REMEMBERED)

    def move(self, batch: Sequence[dict[str, Any]]) -> bool:
        """Go on behind `batch`; False: it does not lead to anything that was not asked before.

        The last id counts, not the highest: after a week without updates the next id is chosen at
        random (https://core.telegram.org/bots/api#update), and a server which is asked for ids
        that it has not come to begins with the first it has.
        """
        numbers = [number for update in batch if (number := number_of(update)) is not None]
        self.value = numbers[-1] + 1 if numbers else self.value
        gets_on = self.value not in self._asked
        if gets_on:
            self._asked.append(self.value)
        return gets_on


class Polling:
    """One bot's; Telegram answers one getUpdates at a time, so one replica alone does this."""

    def __init__(
        self,
        bot: Bot,
        read: Callable[[dict[str, Any]], Incoming | None],
        take: Callable[[Incoming], Awaitable[object]],
        *,
        patience: float,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """`read` passes over what can't be read; on return of `take` no crash loses a message.

        `patience`: seconds beyond `LONG_POLL` that an answer may take.
        """
        self._bot = bot
        self._read = read
        self._take = take
        self._read_timeout = LONG_POLL + patience
        self._pause = pause
        self._offset = Offset()
        self._in_vain = 0
        """Polls in a row that got nowhere."""

    async def serve(self, insist: Insist, may_ask: Callable[[], Awaitable[object]]) -> None:
        """Take updates until cancelled, each time once `may_ask` has returned."""
        loop = asyncio.get_running_loop()
        while True:
            await may_ask()
            asked_at = loop.time()
            updates = await insist(self._ask)
            held = loop.time() - asked_at >= AT_ONCE
            await self._keep(updates)
            gets_on = self._offset.move(updates) or (held and not updates)
            self._in_vain = 0 if gets_on else self._in_vain + 1
            if not gets_on:
                await self._slow_down(said_something=bool(updates))

    async def _ask(self) -> list[dict[str, Any]]:
        # As get_updates, but each is parsed by itself, so that one that can't be does not
        # stand before all others for ever.
        wanted = {
            "offset": self._offset.value,
            "timeout": LONG_POLL,
            "allowed_updates": [UpdateType.MESSAGE],
        }
        try:
            answer = await self._bot.do_api_request(
                "getUpdates", api_kwargs=wanted, read_timeout=self._read_timeout
            )
        except (AttributeError, KeyError, TypeError):
            answer = None
        if not isinstance(answer, list):
            raise TelegramError("The answer is no list of updates")
        return answer

    async def _keep(self, updates: Sequence[dict[str, Any]]) -> None:
        in_order = InOrder()

        async def keep(place: int, update: dict[str, Any]) -> None:
            incoming = self._read(update)
            if incoming is not None:
                async with in_order.turn(incoming.chat, place):
                    await self._take(incoming)

        async with asyncio.TaskGroup() as keeping:
            for place, update in enumerate(updates):
                if number_of(update) is not None:
                    keeping.create_task(keep(place, update))
                elif not self._in_vain:  # Else it is the one that comes again and again.
                    log.error("telegram: an update without a valid update_id; passed over")

    async def _slow_down(self, *, said_something: bool) -> None:
        if self._in_vain == 1:
            log.warning(
                "telegram: the server gives the same updates again and again; asking more slowly"
                if said_something
                else "telegram: the server does not wait for updates; asking more slowly",
                offset=self._offset.value,
            )
        # A server that does not wait has nothing to say just now, but may in a moment.
        await self._pause(backoff(self._in_vain) if said_something else AT_ONCE)
