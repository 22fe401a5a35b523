"""The faults that are set on a platform's server: which call uses which one up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence


class Counted(Protocol):
    count: int | None
    """How many matching calls it meets; None: every one until it is cleared."""
    after: int
    """How many matching calls pass first."""


F = TypeVar("F", bound=Counted)


class FaultList(Generic[F]):
    """The faults that are set; the first that matches a call is the one it meets."""

    def __init__(self) -> None:
        self._faults: list[F] = []
        self._released = asyncio.Event()

    def add(self, fault: F) -> F:
        self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Forget every fault and release what hangs."""
        self._faults.clear()
        self.release()

    def release(self) -> None:
        """Let every call that hangs go on; later ones may hang again."""
        self._released.set()
        self._released = asyncio.Event()

    def released(self) -> Coroutine[object, object, bool]:
        """Wait for the first `release` after this call, even where it comes before the wait."""
        return self._released.wait()

    def _use(self, matching: Sequence[F]) -> F | None:
        """The one of these that a call meets, used up by one."""
        for fault in matching:
            if fault.after > 0:
                fault.after -= 1
                continue
            if fault.count is not None:
                fault.count -= 1
                if fault.count <= 0:
                    self._faults.remove(fault)
            return fault
        return None
