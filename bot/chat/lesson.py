"""What was learned of a chat's limits; it outlives the process."""

from __future__ import annotations

from typing import NamedTuple


class Lesson(NamedTuple):
    """What was learned of a chat's limit; it outlives the process."""

    burst: float
    """Calls at once."""
    trust: float
    """The part of what was declared that is believed."""
    penalty_until: float
    """Until when the chat takes no calls, on the clock of who asks."""
