"""Waiting for something to be so, without looking at it all the time."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Found = TypeVar("Found")


class Bell:
    """Rung whenever something has changed in a sandbox."""

    def __init__(self, last_changes: Callable[[], list[str]]) -> None:
        """`last_changes` are told in the error of a wait that was in vain."""
        self._last_changes = last_changes
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()
        self._rung = asyncio.Event()

    async def until(self, predicate: Callable[[], Found], *, within: float) -> Found:
        """Wait until `predicate` is true and return what it gave; asked at each ring.

        Raises TimeoutError after `within` seconds.
        """
        try:
            async with asyncio.timeout(within):
                while not (found := predicate()):
                    await self._rung.wait()
                return found
        except TimeoutError:
            last = self._last_changes()
            raise TimeoutError(f"not so within {within} s; last changes: {last}") from None

    async def until_quiet(self, count: Callable[[], int], seconds: float) -> None:
        """Wait until `count` has not grown for `seconds`."""

        def more_than(before: int) -> bool:
            return count() > before

        try:
            while True:
                await self.until(partial(more_than, count()), within=seconds)
        except TimeoutError:
            return
