"""Pure: when a key that was refused may be used again."""

from __future__ import annotations

import math

FIRST_REST, LONGEST_REST = 1.0, 60.0
"""Seconds a key rests after a refusal for rate that names no wait; doubled while they go on."""
LONGEST_WAIT = 3600.0
"""Seconds after which a key is tried again, however long the server asked to wait."""
SET_ASIDE = 600.0
"""Seconds a key that was not accepted, or has no credit left, is used only if no other can be."""


class Cooldown:
    """What one key has coming. Times are seconds of any clock that never goes back."""

    def __init__(self) -> None:
        self._rests_until = -math.inf
        self._set_aside_until = -math.inf
        self._next_rest = FIRST_REST

    def wait(self, now: float) -> float:
        """Seconds for which the key must not be used; 0: it may be."""
        return max(0.0, self._rests_until - now)

    def is_set_aside(self, now: float) -> bool:
        """Whether every other key should be tried before this one."""
        return now < self._set_aside_until

    def rate_limited(self, now: float, retry_after: float | None) -> None:
        """Let the key rest as long as the server named; None: it named no time."""
        if retry_after is None and now < self._rests_until:
            return  # Requests that were under way together are refused together.
        if retry_after is None:
            retry_after, self._next_rest = self._next_rest, min(LONGEST_REST, 2 * self._next_rest)
        self._rests_until = max(self._rests_until, now + min(LONGEST_WAIT, retry_after))

    def rejected(self, now: float) -> None:
        """Set the key aside: the server does not accept it, or its credit is used up."""
        self._set_aside_until = now + SET_ASIDE

    def succeeded(self) -> None:
        self._set_aside_until = -math.inf
        self._next_rest = FIRST_REST
