"""How long to wait before the next try: longer after each failure, up to a bound."""

from __future__ import annotations

LONGEST = 30.0
_DOUBLINGS = 32
"""More make no difference, and in the end a number that no float holds: trouble may last a day."""


def backoff(failures: int, first: float = 1.0, longest: float = LONGEST) -> float:
    """Seconds to wait after so many failures in a row: `first`, doubled each time, or `longest`."""
    return min(longest, first * 2.0 ** max(0, min(failures - 1, _DOUBLINGS)))
