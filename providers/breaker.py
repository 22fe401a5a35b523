"""Pure: when a provider that keeps failing is left alone."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FAILURES = 3
"""Failed requests in a row that open a breaker."""
OPEN_SECONDS = 30.0
"""How long it stays open before a request probes the provider."""


class Breaker:
    """A circuit breaker: closed, open, or half-open while one request at a time is a probe.

    Times are seconds of any clock that never goes back.
    """

    def __init__(self) -> None:
        self._failures = 0
        """In a row, over all requests; a whole answer ends the row."""
        self._open_until: float | None = None
        """None: closed. In the past: half-open."""
        self._probing = False

    def rejects(self, now: float) -> bool:
        """Whether somebody else had better be asked: it is open, or a probe is under way."""
        if self._open_until is None:
            return False
        return self._probing or now < self._open_until

    @contextmanager
    def request(self, now: float) -> Iterator[None]:
        """Stand around one request, which is the probe where the breaker is half-open."""
        probes = self._open_until is not None and not self.rejects(now)
        self._probing = self._probing or probes
        try:
            yield
        finally:
            if probes:
                self._probing = False

    def responded(self) -> None:
        """Note that an answer has begun: the breaker closes, and the next failure opens it."""
        self._open_until = None

    def succeeded(self) -> None:
        self._failures = 0
        self._open_until = None

    def failed(self, now: float) -> None:
        self._failures += 1
        if self._failures >= FAILURES:
            self._open_until = now + OPEN_SECONDS
