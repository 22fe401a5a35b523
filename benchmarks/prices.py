"""A lower bound for calls that share a budget: the budget becomes a price for each call.

Lagrangian relaxation: one seller makes all the calls that the budget allows, and each chat buys
those that it wants. For any prices, what the chats pay at least (delays and calls), less the most
that the seller can earn, is at most the best schedule's sum of delays. The prices that give the
greatest bound are approached by subgradient ascent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from benchmarks.sellers import Seller

    Floats = NDArray[np.float64]

ASCENTS = 400
"""Steps towards the best prices. Every one gives a valid bound; more make it tighter: ten times as
many, by half a percent."""
PATIENCE = 10
"""Ascents without a better bound before the steps become shorter."""
SHORTER = 0.6
SINGLE = 5.0
"""How much a tick's own price is stepped, next to how much the prices until then are."""


class PricedCalls:
    """Chats alike but for when they start, each of which buys the calls that are best for it."""

    def __init__(
        self,
        first: Floats,
        waits: Floats,
        complete: NDArray[np.bool_],
        offsets: Mapping[int, int],
        *,
        first_free: bool,
    ) -> None:
        """Costs and ticks are a chat's own; `offsets` maps the tick of a start to the chats.

        `first[tick]` is what its words have waited at the first call, `waits[earlier, later]` at a
        later one; a schedule ends with a call at a tick that is `complete`. `first_free` says
        whether the first call takes nothing from the budget.
        """
        self._first = first
        self._waits = waits
        self._end = int(np.argmax(complete))
        self._starts = np.array(list(offsets))
        self._chats = np.array(list(offsets.values()))
        self._own = np.arange(len(first))
        self._first_free = first_free
        self.ticks = len(first) + int(self._starts.max())

    def bound(self, seller: Seller, *, target: float) -> float:
        """The greatest bound found.

        `target` is the cost of any schedule that can be done; it sets the ascent's steps.
        """
        prices = best_prices = np.zeros(self.ticks)
        best, scale, failures = 0.0, 1.0, 0
        for _ in range(ASCENTS):
            paid, bought = self._buy(prices)
            earned, sold = seller.sell(prices)
            bound = paid - earned
            if bound > best:
                best, best_prices, failures = bound, prices, 0
            elif (failures := failures + 1) >= PATIENCE:
                prices, scale, failures = best_prices, scale * SHORTER, 0
                continue
            # Tokens can be kept, so a call too many makes all calls until then dearer, too: near
            # ticks have near prices, and few steps lead far.
            excess = bought - sold
            way = SINGLE * excess + np.cumsum(np.cumsum(excess)[::-1])[::-1]
            size = float(way @ excess)
            if target <= bound or not size:
                break
            prices = np.maximum(0.0, prices + scale * (target - bound) / size * way)
        return best

    def _buy(self, prices: Floats) -> tuple[float, Floats]:
        """What all chats pay at least, and how many calls they make at each tick."""
        price = prices[self._starts[:, None] + self._own]
        price[:, -1] = 0.0  # It stands for all later ticks, at which nothing is for sale.
        costs = self._first + (np.zeros_like(price) if self._first_free else price)
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
        return float(self._chats @ costs[rows, last]), self._bought(before, last)

    def _bought(self, before: NDArray[np.int_], last: NDArray[np.int_]) -> Floats:
        """The calls that are paid for, by tick, if each schedule ends with the call at `last`."""
        calls = np.zeros(self.ticks)
        for row, tick in enumerate(last):
            at = int(tick)
            while at >= 0:
                earlier = int(before[row, at])
                if at != self._own[-1] and not (earlier < 0 and self._first_free):
                    calls[self._starts[row] + at] += self._chats[row]
                at = earlier
        return calls
