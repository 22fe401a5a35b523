"""Slash commands that wait for their answer, on the replica that was told of them.

The way to answer one in its own place is known there alone: it is a secret, and not written down.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

import discord
import structlog

from bot.platforms.discord import errors
from bot.platforms.discord.calls import Exchange, applied
from bot.platforms.discord.surface import ANSWERED
from bot.reply.surface import NotAppliedError, SurfaceError, UnknownFateError

if TYPE_CHECKING:
    from bot.chat.incoming import Incoming
    from bot.chat.keys import TurnKey
    from bot.store.schema import Turn
    from bot.turns.inbox import Inbox

log = structlog.get_logger(__name__)

LOOK: Final = 1.0
"""Seconds between two looks at whether another replica has answered."""
FIRST_ANSWER: Final = 3.0
"""Seconds that Discord waits for the first answer."""
LASTS: Final = 15 * 60.0
"""Seconds for which Discord waits for the answer
(https://discord.com/developers/docs/interactions/receiving-and-responding)."""
REMEMBERED: Final = 1000
"""Commands; a session that is resumed tells the last ones again."""


class _Sign(Enum):
    """Whether Discord shows that a command will be answered."""

    SHOWN = auto()
    UNKNOWN = auto()
    """The answer tries its place; it goes to the chat where there is none."""
    NONE = auto()


async def _acknowledge(interaction: discord.Interaction) -> _Sign:
    exchange = Exchange()
    try:
        async with asyncio.timeout(FIRST_ANSWER):
            await _defer(interaction, exchange)
    except TimeoutError:
        sign, reason = _Sign.UNKNOWN, f"no answer in {FIRST_ANSWER:.0f} s"
    except UnknownFateError as error:
        sign, reason = _Sign.UNKNOWN, str(error)
    except SurfaceError as error:
        sign, reason = _Sign.NONE, str(error)
        if errors.code(error.__cause__) == errors.ALREADY_ACKNOWLEDGED and exchange.requests > 1:
            return _Sign.SHOWN  # It was done at the first attempt, whose answer was lost.
    else:
        return _Sign.SHOWN
    log.warning("discord: a command was not acknowledged; carrying it out", reason=reason)
    return sign


async def _defer(interaction: discord.Interaction, exchange: Exchange) -> None:
    """Once more where the connection breaks; raises SurfaceError."""
    try:
        await applied(interaction.response.defer(thinking=True), exchange, patience=None)
    except (UnknownFateError, NotAppliedError) as error:
        if isinstance(error.__cause__, discord.HTTPException):
            raise  # There was an answer, and the library has tried again by itself.
        await applied(interaction.response.defer(thinking=True), exchange, patience=None)


class SlashCommands:
    """Discord shows a sign that an answer comes; it ends in an answer, or goes away."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._waiting: dict[str, discord.Interaction] = {}
        """By turn."""
        self._told: deque[int] = deque(maxlen=REMEMBERED)
        """The newest commands."""
        self._watches: set[asyncio.Task[None]] = set()

    def waiting(self, turn: Turn) -> discord.Interaction | None:
        """The command that `turn` answers, where it was given here."""
        return self._waiting.get(str(turn.key))

    async def take(self, incoming: Incoming, interaction: discord.Interaction) -> None:
        """Carry a command out, also where Discord can't be told that it has come.

        Discord waits 3 s for a first answer, and 15 min for the one that it shows.
        """
        if interaction.id in self._told:
            return  # Told again as a session was resumed: it is in hand, or answered.
        self._told.append(interaction.id)
        sign = await _acknowledge(interaction)
        if sign is not _Sign.NONE:
            self._waiting[str(incoming.key)] = interaction
        taken = await self._inbox.said(replace(incoming, seen=sign is _Sign.SHOWN))
        if not taken:
            await self._withdraw(incoming.key)
        elif sign is not _Sign.NONE:
            watch = asyncio.create_task(self._watch(incoming.key))
            self._watches.add(watch)
            watch.add_done_callback(self._watches.discard)

    async def settled(self, turn: Turn) -> None:
        await self._withdraw(turn.key)

    def close(self) -> None:
        for watch in self._watches:
            watch.cancel()

    async def _watch(self, key: TurnKey) -> None:
        """Another replica may have run the turn, and then it has answered in the chat."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LASTS):
                while not await self._inbox.answered(key):  # noqa: ASYNC110 - it may be told nothing
                    await asyncio.sleep(LOOK)
        await self._withdraw(key)

    async def _withdraw(self, key: TurnKey) -> None:
        """Where nothing is said to a command itself, the sign that an answer comes goes away."""
        interaction = self._waiting.pop(str(key), None)
        if interaction is not None and ANSWERED not in interaction.extras:
            with suppress(*errors.FAILURES):
                await interaction.delete_original_response()
