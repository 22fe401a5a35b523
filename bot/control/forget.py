"""A chat is erased while the bot runs, because somebody in it asked for that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from bot.control.stop import Control
    from bot.store.erasure import Erasure
    from bot.store.queue import TurnQueue
    from bot.store.schema import Turn

log = structlog.get_logger(__name__)


async def forget(turn: Turn, erasure: Erasure, queue: TurnQueue, control: Control) -> None:
    """Erase what was said before `turn` in its chat; on return it is gone. May be repeated.

    What is under way is stopped: it finds nothing left to write into.
    """
    # The history first: a question that still waits finds nothing to answer.
    await erasure.forget(turn)
    await control.stop_all(turn.key.chat)
    await queue.forget(turn.key)
    log.info("a chat was forgotten", chat=str(turn.key.chat))
