"""What the calls that a limit allows can be sold for, if each tick has its price.

A seller is one who may make the calls and sells them to the chats, no matter to which. Pure. Times
are in ticks of a grid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class Seller(Protocol):
    def sell(self, prices: Floats) -> tuple[float, Floats]:
        """The greatest sum of prices that allowed calls have, and how many calls at each tick.

        No price is negative; there may be any number of calls at one tick.
        """


class BucketSeller:
    """A token bucket that starts full: a call takes `token` units, a tick brings `gain`."""

    def __init__(self, *, gain: int, token: int, full: int) -> None:
        self._gain, self._token, self._full = gain, token, full
        # A level is `row * token + column` units: a call leads from one row to the one before.
        self._rows = np.arange(full // token + 1, dtype=np.float64)[:, None]
        self._refilled = np.minimum(np.arange(full + 1) + gain, full)

    def sell(self, prices: Floats) -> tuple[float, Floats]:
        levels, shape = self._full + 1, (len(self._rows), self._token)
        worth = prices[:, None, None] * self._rows
        # kept[tick, level]: what can be had with so much left after the tick's sales, less the
        # worth of the calls that are in it. So to sell down to a level is worth the difference.
        kept = np.empty((len(prices), *shape))
        after = np.full(shape, -np.inf)  # Beyond the full bucket there is no level.
        values = np.zeros(levels)
        for tick in reversed(range(len(prices))):
            after.reshape(-1)[:levels] = values[self._refilled]
            np.subtract(after, worth[tick], out=kept[tick])
            best = np.maximum.accumulate(kept[tick], axis=0)
            values = (best + worth[tick]).reshape(-1)[:levels]
        return float(values[-1]), self._sold(kept)

    def _sold(self, kept: Floats) -> Floats:
        best = np.maximum.accumulate(kept, axis=1)
        places = np.arange(kept.shape[1])[:, None]
        # The row to go to from each: the highest that is as good as any at or below it.
        rows = np.maximum.accumulate(np.where(kept == best, places, 0), axis=1)
        sold = np.zeros(len(kept))
        level = self._full
        for tick in range(len(kept)):
            row, column = divmod(level, self._token)
            to = int(rows[tick, row, column])
            sold[tick] = row - to
            level = min(self._full, to * self._token + column + self._gain)
        return sold


class WindowSeller:
    """So many `calls` in each window of `length` ticks, which the first call in it opens."""

    def __init__(self, *, calls: int, length: int) -> None:
        self._calls, self._length = calls, length

    def sell(self, prices: Floats) -> tuple[float, Floats]:
        padded = np.concatenate([prices, np.zeros(self._length - 1)])
        windows = sliding_window_view(padded, self._length)
        # A window's calls are all made at its best tick, but for the one that opens it.
        opened = prices + (self._calls - 1) * windows.max(axis=1)
        values = np.zeros(len(prices) + self._length)
        for tick in reversed(range(len(prices))):
            values[tick] = max(values[tick + 1], opened[tick] + values[tick + self._length])
        best = windows.argmax(axis=1)
        sold = np.zeros(len(prices))
        tick = 0
        while tick < len(prices):
            if values[tick] == values[tick + 1]:
                tick += 1
                continue
            sold[tick] += 1
            sold[tick + best[tick]] += self._calls - 1
            tick += self._length
        return float(values[0]), sold
