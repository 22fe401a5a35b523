"""How late the event loop comes to what is due: meanwhile every answer stands still."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

EVERY: Final = 0.05
"""Seconds between two looks. What holds up the loop is told too short by up to so much."""


async def watch(observe: Callable[[float], None]) -> None:
    """Tell `observe` again and again by how many seconds the loop is late, until cancelled."""
    while True:
        due = time.monotonic() + EVERY
        await asyncio.sleep(EVERY)
        observe(max(0.0, time.monotonic() - due))
