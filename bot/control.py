"""What reaches a running turn from outside."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bot.messages import ChatKey


class Control:
    """The answers being written in this process, and the way to stop them."""

    def __init__(self) -> None:
        # Invariant: at most one turn of a chat runs at a time, which is what the queue ensures.
        self._running: dict[ChatKey, asyncio.Event] = {}

    @contextmanager
    def running(self, chat: ChatKey) -> Iterator[asyncio.Event]:
        """Around the writing of an answer; the event is set when it shall stop."""
        assert chat not in self._running
        stop = self._running[chat] = asyncio.Event()
        try:
            yield stop
        finally:
            del self._running[chat]

    def stop(self, chat: ChatKey) -> bool:
        """Stop the answer being written in `chat`; False where there is none."""
        stop = self._running.get(chat)
        if stop is None:
            return False
        stop.set()
        return True
