"""A lower bound for calls that share a budget: the budget's constraint becomes a price.

Lagrangian relaxation of "until each instant at most so many calls": for any prices that never rise
over time, what all chats would pay at least (delays and calls), less what the allowed calls are
worth, is at most the best schedule's sum of delays. The prices that give the greatest bound are
approached by subgradient ascent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ASCENTS = 500
"""Steps towards the best prices. Every one gives a valid bound; more make it tighter."""
PATIENCE = 20
"""Ascents without a better bound before the steps become shorter."""
SHORTER = 0.7


class PricedCalls:
    """Chats alike but for when they start, each of which buys the calls that are best for it."""

    def __init__(
        self,
        first: Floats,
        waits: Floats,
        complete: NDArray[np.bool_],
        offsets: Mapping[int, int],
    ) -> None:
        """Costs and ticks are a chat's own; `offsets` maps the tick of a start to the chats.

        `first[tick]` is what its words have waited at the first call, `waits[earlier, later]` at a
        later one; a schedule ends with a call at a tick that is `complete`.
        """
        self._first = first
        self._waits = waits
        self._end = int(np.argmax(complete))
        self._starts = np.array(list(offsets))
        self._chats = np.array(list(offsets.values()))
        self._own = np.arange(len(first))
        self.ticks = len(first) + int(self._starts.max())

    def bound(self, allowed: Floats, *, target: float) -> float:
        """The greatest bound found where `allowed[tick]` calls may be made until each tick.

        `target` is the cost of any schedule that can be done; it sets the ascent's steps.
        """
        falls = best_falls = np.zeros(self.ticks)  # How much the price falls after each tick.
        best, scale, failures = 0.0, 1.0, 0
        for _ in range(ASCENTS):
            prices = np.cumsum(falls[::-1])[::-1]
            paid, calls = self._buy(prices)
            bound = paid - float(falls @ allowed)
            if bound > best:
                best, best_falls, failures = bound, falls, 0
            elif (failures := failures + 1) >= PATIENCE:
                falls, scale, failures = best_falls, scale * SHORTER, 0
            excess = np.cumsum(calls) - allowed
            size = float(excess @ excess)
            if target <= bound or not size:
                break
            falls = np.maximum(0.0, falls + scale * (target - bound) / size * excess)
        return best

    def _buy(self, prices: Floats) -> tuple[float, Floats]:
        """What all chats pay at least, and how many calls they make at each tick."""
        price = prices[self._starts[:, None] + self._own]
        costs = self._first + price
        before = np.full(costs.shape, -1)
        rows = np.arange(len(costs))
        for tick in range(1, costs.shape[1]):
            options = costs[:, :tick] + self._waits[:tick, tick]
            earlier = options.argmin(axis=1)
            cost = options[rows, earlier] + price[:, tick]
            better = cost < costs[:, tick]
            costs[better, tick] = cost[better]
            before[better, tick] = earlier[better]
        last = self._end + costs[:, self._end :].argmin(axis=1)
        calls = np.zeros(self.ticks)
        for row, tick in enumerate(last):
            at = tick
            while at >= 0:
                calls[self._starts[row] + at] += self._chats[row]
                at = before[row, at]
        return float(self._chats @ costs[rows, last]), calls
