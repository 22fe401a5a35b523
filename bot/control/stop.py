"""What reaches a running turn from outside, on whichever replica it runs."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from bot.chat.keys import ChatKey
from bot.replicas.base import EVERYBODY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bot.replicas.base import Replicas, Signal
    from bot.store.schema import Turn

STOP: Final = "stop"
STOPPED: Final = "stopped"
"""Signals: to stop an answer, and that one was stopped."""
PATIENCE: Final = 0.4
"""Seconds in which another replica says that it has stopped something."""


class Control:
    """The answers being written in this process, and the way to stop them and those elsewhere."""

    def __init__(self, replicas: Replicas) -> None:
        self._replicas = replicas
        self._running: dict[asyncio.Event, Turn] = {}
        self._asked: dict[str, asyncio.Event] = {}
        """What the other replicas were asked to stop; set when one has."""
        replicas.hear(STOP, self._stop_for_another)
        replicas.hear(STOPPED, self._stopped_by_another)

    @contextmanager
    def running(self, turn: Turn) -> Iterator[asyncio.Event]:
        """Around the writing of an answer; the event is set when it shall stop."""
        stop = asyncio.Event()
        self._running[stop] = turn
        try:
            yield stop
        finally:
            del self._running[stop]

    async def stop(self, chat: ChatKey, sender: str) -> bool:
        """Stop what is being written in `chat` for `sender`, or else for anyone.

        False where there is nothing to stop.
        """
        return (
            self._stop_here(chat, sender)
            or await self._stop_elsewhere(chat, sender)
            or self._stop_here(chat)
            or await self._stop_elsewhere(chat)
        )

    async def stop_all(self, chat: ChatKey) -> None:
        """Stop whatever is being written in `chat`, on any replica."""
        self._stop_here(chat)
        await self._replicas.tell(EVERYBODY, stop_signal(chat))

    def _stop_here(self, chat: ChatKey, sender: str | None = None) -> bool:
        found = [
            stop
            for stop, turn in self._running.items()
            if turn.key.chat == chat and sender in (None, turn.sender)
        ]
        for stop in found:
            stop.set()
        return bool(found)

    async def _stop_elsewhere(self, chat: ChatKey, sender: str | None = None) -> bool:
        if not self._replicas.others(chat.account):
            return False
        question, stopped = secrets.token_hex(8), asyncio.Event()
        self._asked[question] = stopped
        signal = stop_signal(chat, question)
        if sender is not None:
            signal["sender"] = sender
        try:
            async with asyncio.timeout(PATIENCE):
                await self._replicas.tell(EVERYBODY, signal)
                await stopped.wait()
        except TimeoutError:
            return False
        finally:
            del self._asked[question]
        return True

    async def _stop_for_another(self, signal: Signal) -> None:
        if self._stop_here(ChatKey.parse(signal["chat"]), signal.get("sender")):
            answer = {"kind": STOPPED, "question": signal["question"]}
            await self._replicas.tell(signal["from"], answer)

    async def _stopped_by_another(self, signal: Signal) -> None:
        if stopped := self._asked.get(signal["question"]):
            stopped.set()


def stop_signal(chat: ChatKey, question: str = "") -> Signal:
    """To stop what is written in `chat`; who does so answers with `question`."""
    return {"kind": STOP, "question": question, "chat": str(chat)}
