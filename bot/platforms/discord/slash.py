"""Slash commands that wait for their answer, on the replica that was told of them.

The way to answer one in its own place is known there alone: it is a secret, and not written down.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog

from bot.platforms.discord import errors
from bot.platforms.discord.surface import ANSWERED

if TYPE_CHECKING:
    import discord

    from bot.history import History
    from bot.messages import Incoming, TurnKey
    from bot.schema import Turn
    from bot.turns import Turns

log = structlog.get_logger(__name__)

LOOK: Final = 1.0
"""Seconds between two looks at whether another replica has answered."""
LASTS: Final = 15 * 60.0
"""Seconds for which Discord waits for the answer
(https://discord.com/developers/docs/interactions/receiving-and-responding)."""


class SlashCommands:
    """Discord shows a sign that an answer comes; it ends in an answer, or goes away."""

    def __init__(self, turns: Turns, history: History) -> None:
        self._turns = turns
        self._history = history
        self._waiting: dict[str, discord.Interaction] = {}
        """By turn."""
        self._watches: set[asyncio.Task[None]] = set()

    def waiting(self, turn: Turn) -> discord.Interaction | None:
        """The command that `turn` answers, where it was given here."""
        return self._waiting.get(str(turn.key))

    async def take(self, incoming: Incoming, interaction: discord.Interaction) -> None:
        """Discord waits 3 s for a first answer, and 15 min for the one that it shows."""
        try:
            await interaction.response.defer(thinking=True)
        except errors.FAILURES as error:
            log.warning("discord: a command was not answered in time", reason=errors.reason(error))
            return
        self._waiting[str(incoming.key)] = interaction
        if await self._turns.take(incoming):
            watch = asyncio.create_task(self._watch(incoming.key))
            self._watches.add(watch)
            watch.add_done_callback(self._watches.discard)
        else:
            await self._withdraw(incoming.key)

    async def settled(self, turn: Turn) -> None:
        await self._withdraw(turn.key)

    def close(self) -> None:
        for watch in self._watches:
            watch.cancel()

    async def _watch(self, key: TurnKey) -> None:
        """Another replica may have run the turn, and then it has answered in the chat."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LASTS):
                while not await self._answered_elsewhere(key):  # noqa: ASYNC110 - it may be told nothing
                    await asyncio.sleep(LOOK)
        await self._withdraw(key)

    async def _answered_elsewhere(self, key: TurnKey) -> bool:
        progress = await self._history.progress(key)
        if progress is None:
            return False
        turn, posted = progress
        return turn.settled or bool(posted)

    async def _withdraw(self, key: TurnKey) -> None:
        """Where nothing is said to a command itself, the sign that an answer comes goes away."""
        interaction = self._waiting.pop(str(key), None)
        if interaction is not None and ANSWERED not in interaction.extras:
            with suppress(*errors.FAILURES):
                await interaction.delete_original_response()
