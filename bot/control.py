"""What reaches a running turn from outside."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bot.messages import ChatKey
    from bot.schema import Turn


class Control:
    """The answers being written in this process, and the way to stop them."""

    def __init__(self) -> None:
        self._running: dict[asyncio.Event, Turn] = {}

    @contextmanager
    def running(self, turn: Turn) -> Iterator[asyncio.Event]:
        """Around the writing of an answer; the event is set when it shall stop."""
        stop = asyncio.Event()
        self._running[stop] = turn
        try:
            yield stop
        finally:
            del self._running[stop]

    def stop(self, chat: ChatKey, sender: str) -> bool:
        """Stop what is being written in `chat` for `sender`, or else for anyone.

        False where there is nothing to stop.
        """
        here = {stop: turn for stop, turn in self._running.items() if turn.key.chat == chat}
        own = [stop for stop, turn in here.items() if turn.sender == sender]
        for stop in own or here:
            stop.set()
        return bool(here)
