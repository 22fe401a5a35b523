"""Snowflakes: Discord's ids, which grow and tell when they were made.

https://discord.com/developers/docs/reference#snowflakes
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

DISCORD_EPOCH = 1_420_070_400.0
"""The first second of 2015, as Unix time: from there snowflakes count."""
_TIME_SHIFT = 22
_BITS = 64


class Snowflakes:
    """New ids, each greater than every earlier one."""

    def __init__(self, unix: Callable[[], float]) -> None:
        self._unix = unix
        self._last = 0

    def next(self) -> int:
        milliseconds = int((self._unix() - DISCORD_EPOCH) * 1000)
        self._last = max(milliseconds << _TIME_SHIFT, self._last + 1)
        return self._last


def snowflake(value: object) -> int | None:
    """The id that `value` holds as an integer or in decimal digits; None where it holds none."""
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < 1 << _BITS else None
