"""The typing indicator, until there is a text to read; it is decoration and never insists."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from bot.reply.surface import SurfaceError

if TYPE_CHECKING:
    from bot.reply.gate import Gate
    from bot.reply.plan import Plan
    from bot.reply.surface import Surface

TYPING_AFTER = 0.3
"""Seconds of silence before it is shown: where a text comes sooner, it would only cost its call."""
TYPING_RETRY = 1.0
"""Seconds after which it is asked again whether there is a token for it."""
TYPING_OVERLAP = 0.5
"""Seconds before the typing indicator fades at which it is shown anew."""


async def show_typing(surface: Surface, gate: Gate, plan: Plan, text_shown: asyncio.Event) -> None:
    """Show it while nothing can be read yet.

    It ends by itself once `text_shown` is set, not by being cancelled: that could cut a request
    under way.
    """
    again_in = TYPING_AFTER
    while not await _is_set(text_shown, again_in):
        again_in = TYPING_RETRY
        nothing_new = plan.overtaking or not plan.behind
        waiting = nothing_new and not plan.ended
        if waiting and gate.may_act(surface.chat):
            again_in = surface.limits.typing_lasts - TYPING_OVERLAP
            try:
                await surface.typing()
            except SurfaceError:
                # Refused for its rate, too: actions have a budget of their own.
                return


async def _is_set(event: asyncio.Event, within: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(within):
            await event.wait()
    return event.is_set()
