"""What is said to the bot: who may, what it asks for, and that it is owed an answer."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import structlog

from bot import texts
from bot.backoff import backoff
from bot.chat.commands import CommandName
from bot.conversation import prompt

if TYPE_CHECKING:
    from bot.access.people import Access
    from bot.chat.incoming import Incoming
    from bot.store.history import History
    from bot.store.queue import TurnQueue
    from bot.store.schema import After

log = structlog.get_logger(__name__)

SAY = "say"
"""The command of a turn that only says what stands for its question."""
IN_ORDER = frozenset({CommandName.NEW, CommandName.RETRY})
"""Commands that wait for the answers before them; the others are carried out at once."""


class Intake:
    """Takes messages in, of all platforms."""

    def __init__(self, history: History, queue: TurnQueue, access: Access) -> None:
        self._history = history
        self._queue = queue
        self._access = access

    async def take(self, incoming: Incoming, after: After | None = None) -> bool:
        """Owe `incoming` an answer; False where it gets none.

        On return no crash can lose it, and it may be acknowledged: what can't be kept is tried
        again, more and more slowly. The conversation goes on from `after`; None: from the turn
        before it in its chat. Taking the same message again changes nothing.
        """
        for failures in count():
            try:
                return await self._take(incoming, after)
            except Exception:
                log.exception("a message can't be kept; trying again", turn=str(incoming.key))
                await asyncio.sleep(backoff(failures + 1))
        raise AssertionError

    async def _take(self, incoming: Incoming, after: After | None) -> bool:
        key, command = incoming.key, incoming.command
        if incoming.group and command and command.name is CommandName.UNKNOWN:
            return False  # It may be meant for another bot.
        if not self._access.allows(key.chat.platform, incoming.sender.id):
            if _keeps_back_refusal(incoming):
                return False
            # All threads of a channel are one place to be told it in.
            place = replace(key.chat, thread="")
            notice = self._access.stranger_notice(place, incoming.sender.id)
            if notice is None:
                return False
            return await self._owe(incoming, notice, SAY)
        question, asked = self._meaning(incoming)
        if asked == SAY and _keeps_back_refusal(incoming):
            return False
        return await self._owe(incoming, question, asked, None if asked else after)

    def _meaning(self, incoming: Incoming) -> tuple[str, str]:
        """The question and the command that `incoming` stands for."""
        command = incoming.command
        if command and command.name is CommandName.FORGET and not self._may_forget(incoming):
            return texts.FORGET_IS_FOR_ADMINS, SAY
        if command:
            return command.word, command.name.value
        if incoming.text.strip():
            return prompt.question(incoming), ""
        return texts.TEXT_ONLY, SAY

    def _may_forget(self, incoming: Incoming) -> bool:
        """What others said in a shared chat is not one person's to erase."""
        return not incoming.group or self._access.is_admin(
            incoming.chat.platform, incoming.sender.id
        )

    async def _owe(
        self, incoming: Incoming, question: str, command: str = "", after: After | None = None
    ) -> bool:
        key, sender = incoming.key, incoming.sender.id
        apart = incoming.side_by_side
        turn = await self._history.ask(
            key, question, sender=sender, command=command, after=after, own=apart
        )
        if turn is None:
            return False  # It is older than the last /forget, and was delivered again.
        lane = str(key.chat)
        if command and command not in IN_ORDER:
            # What is done at once waits for nothing, not even for another such command.
            lane = str(key)
        elif apart:
            lane = f"{key.chat} {sender}"
        await self._queue.put(key, lane=lane, order=turn.seq, here=incoming.here)
        return True


def _keeps_back_refusal(incoming: Incoming) -> bool:
    """Whether a refusal of `incoming` is for the log alone, where it is told then."""
    kept_back = incoming.group and not incoming.seen
    if kept_back:
        log.info("a refusal is not told: nobody sees what it answers", turn=str(incoming.key))
    return kept_back
