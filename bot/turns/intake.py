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
from bot.chat.content import Text
from bot.store.schema import Kind, Said

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.access.people import Access
    from bot.chat.incoming import Incoming
    from bot.chat.keys import BotKey, ChatKey, TurnKey
    from bot.store.history import History
    from bot.store.queue import TurnQueue
    from bot.store.schema import After

log = structlog.get_logger(__name__)

IN_ORDER = frozenset({CommandName.NEW})
"""Commands that wait for the answers before them, as questions do; the others are carried out at
once."""


class Intake:
    """The `bot.turns.inbox.Inbox` of all platforms."""

    def __init__(self, history: History, queue: TurnQueue, access: Access) -> None:
        self._history = history
        self._queue = queue
        self._access = access

    async def said(self, incoming: Incoming, after: After | None = None) -> bool:
        for failures in count():
            try:
                return await self._take(incoming, after)
            except Exception:
                log.exception("a message can't be kept; trying again", turn=str(incoming.key))
                await asyncio.sleep(backoff(failures + 1))
        raise AssertionError

    async def heard(self, incoming: Incoming, after: After) -> After:
        said = Said(Kind.HEARD, incoming.content, incoming.sender.id, speaker=incoming.sender.name)
        return await self._history.hear(incoming.key, said, after=after)

    async def edited(self, places: Sequence[ChatKey], incoming: Incoming) -> None:
        await self._history.reword(places, incoming.key.message, incoming.content)

    async def deleted(self, places: Sequence[ChatKey], message: str) -> None:
        await self._history.reword(places, message, ())

    async def origin(self, places: Sequence[ChatKey], message: str) -> After | None:
        return await self._history.locate(places, message)

    async def has_begun(self, chat: ChatKey) -> bool:
        return await self._history.has_turns(chat)

    async def answered(self, key: TurnKey) -> bool:
        progress = await self._history.progress(key)
        return progress is not None and (progress[0].settled or bool(progress[1]))

    async def latest(self, bot: BotKey, since: float) -> list[TurnKey]:
        return await self._history.latest(bot, since)

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
            return await self._owe(incoming, _notice(incoming, notice))
        said = self._meaning(incoming)
        if said.kind is Kind.NOTICE and _keeps_back_refusal(incoming):
            return False
        return await self._owe(incoming, said, after if said.kind is Kind.QUESTION else None)

    def _meaning(self, incoming: Incoming) -> Said:
        command = incoming.command
        if command and command.name is CommandName.FORGET and not self._may_forget(incoming):
            return _notice(incoming, texts.FORGET_IS_FOR_ADMINS)
        if command and command.name is CommandName.RETRY:
            return _said(incoming, Kind.RETRY)
        if command:
            unknown = command.name is CommandName.UNKNOWN
            arguments = command.word if unknown else command.arguments
            said = _said(incoming, Kind.COMMAND)
            return replace(said, command=command.name.value, arguments=arguments)
        if incoming.text:
            return _said(incoming, Kind.QUESTION)
        return _notice(incoming, texts.TEXT_ONLY)

    def _may_forget(self, incoming: Incoming) -> bool:
        """What others said in a shared chat is not one person's to erase."""
        return not incoming.group or self._access.is_admin(
            incoming.chat.platform, incoming.sender.id
        )

    async def _owe(self, incoming: Incoming, said: Said, after: After | None = None) -> bool:
        key, sender = incoming.key, incoming.sender.id
        apart = incoming.side_by_side
        turn = await self._history.ask(key, said, after=after, own=apart)
        if turn is None:
            return False  # It is older than the last /forget, and was delivered again.
        lane = str(key.chat)
        if said.kind in (Kind.COMMAND, Kind.NOTICE) and said.command not in IN_ORDER:
            # What is done at once waits for nothing, not even for another such command.
            lane = str(key)
        elif apart:
            lane = f"{key.chat} {sender}"
        await self._queue.put(key, lane=lane, order=turn.seq, here=incoming.here)
        return True


def _said(incoming: Incoming, kind: Kind) -> Said:
    return Said(
        kind,
        incoming.content,
        sender=incoming.sender.id,
        speaker=incoming.speaker,
        language=incoming.language,
    )


def _notice(incoming: Incoming, text: str) -> Said:
    """To say `text` to what was sent, and nothing else."""
    return replace(_said(incoming, Kind.NOTICE), content=(Text(text),), speaker="")


def _keeps_back_refusal(incoming: Incoming) -> bool:
    """Whether a refusal of `incoming` is for the log alone, where it is told then."""
    kept_back = incoming.group and not incoming.seen
    if kept_back:
        log.info("a refusal is not told: nobody sees what it answers", turn=str(incoming.key))
    return kept_back
