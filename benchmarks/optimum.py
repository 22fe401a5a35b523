"""How small the delay could be under the same budgets: docs/benchmarks.md derives it.

Whoever plans these schedules knows all that is to come, which no bot does. Pure. Times are seconds;
a delay here is the time from a word's emission to the call that shows it, and a sum of delays is in
seconds x words.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from statistics import fmean
from typing import TYPE_CHECKING, Self

import numpy as np

from benchmarks.prices import PricedCalls
from benchmarks.sellers import BucketSeller, WindowSeller

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmarks.sellers import Seller

    Floats = NDArray[np.float64]

LONGEST_GAP = 3.0
"""The longest gap that is tried between two calls of a chat, in refill times beyond the longest
pause of the words: who waits longer gets more tokens than the words that follow can use."""
FINE = 0.025
"""Seconds: the tick of a chat or channel; `many_chats` takes twice as long a one for its speed."""
FINEST = 8
"""The most units a token is cut into where a tick refills more than one token."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A token bucket that starts full."""

    rate: float
    burst: float
    first_free: bool = False
    """Whether an answer's first call takes nothing from it."""
    windows: bool = False
    """Whether it is none, but grants `burst` calls in each window of `burst / rate` seconds, which
    the first call in it opens."""

    @classmethod
    def none(cls) -> Self:
        """So much that nobody is held up."""
        return cls(1e6, 1e6)


@dataclass(frozen=True, slots=True)
class Words:
    """When the words of one chat were emitted."""

    times: tuple[float, ...]
    """Ascending."""
    breaks: tuple[int, ...] = ()
    """Places in `times` where a further answer begins: no call shows words of two answers."""


class _Grid:
    """The instants at which calls may be made, from the first word on, and what waits between.

    The words' times are rounded to it.
    """

    def __init__(self, words: Words, step: float, ticks: int) -> None:
        times = np.rint((np.asarray(words.times) - words.times[0]) / step)
        self.at = step * np.arange(ticks)
        self.emitted = np.searchsorted(times, np.arange(ticks), side="right")
        self._sums = np.concatenate([[0.0], step * np.cumsum(times)])[self.emitted]
        answers = np.searchsorted(np.asarray(words.breaks), np.arange(len(times)), side="right")
        self._next = answers[np.minimum(self.emitted, len(times) - 1)]
        self._last = answers[np.maximum(self.emitted - 1, 0)]
        self.all_emitted = self.emitted == len(times)
        self.begins = self._next != self._last
        """Whether the next words after each instant are a further answer's."""

    def first(self) -> Floats:
        """What all words until each instant have waited if it is that of the first call."""
        return np.where(self._last == 0, self.at * self.emitted - self._sums, np.inf)

    def between(self, earlier: int, later: slice) -> Floats:
        """What the words have waited that calls at `later` show and one at `earlier` did not."""
        words = self.emitted[later] - self.emitted[earlier]
        waited = self.at[later] * words - (self._sums[later] - self._sums[earlier])
        of_one_answer = (words == 0) | (self._next[earlier] == self._last[later])
        return np.where(of_one_answer, waited, np.inf)


def single_chat(words: Words, limit: Limit, *, gap: float, step: float = FINE) -> float:
    """The least sum of delays in one chat with calls on a grid of about `step` seconds.

    Calls are at least `gap` seconds apart, less a tick: one must be answered before the next.
    """
    if limit.windows:
        raise ValueError("a single chat's optimum is known for token buckets only")
    token = math.ceil(1 / (limit.rate * step))  # A token is so many units; a tick refills one.
    step = 1 / (limit.rate * token)
    full = round(limit.burst * token)
    ticks = math.ceil((words.times[-1] - words.times[0]) / step) + token + 2
    grid = _Grid(words, step, ticks)
    shortest = max(1, math.floor(gap / step))
    pause = float(np.max(np.diff(words.times), initial=0.0))
    longest = math.ceil(LONGEST_GAP * token + pause / step)
    # costs[tick, units]: the least cost if the last call was at `tick` and left so many units.
    costs = np.full((ticks, full + 1), np.inf)
    costs[:, full if limit.first_free else full - token] = grid.first()
    for tick in range(ticks):
        takes = 0 if limit.first_free and grid.begins[tick] else token
        waits = grid.between(tick, slice(tick + shortest, tick + longest + 1))
        for later, waited in enumerate(waits, tick + shortest):
            _carry(costs[tick], costs[later, : full - takes + 1], later - tick - takes, waited)
    return float(costs[grid.all_emitted].min())


def _carry(source: Floats, target: Floats, gain: int, waited: float) -> None:
    """Go on from every level of `source`: it changes by `gain`, to the top of `target` at most."""
    lowest, top = max(0, -gain), max(0, len(target) - 1 - gain)
    kept = source[lowest:top]
    reached = target[lowest + gain :][: len(kept)]
    np.minimum(reached, kept + waited, out=reached)
    if top < len(source):
        target[-1] = min(target[-1], source[top:].min() + waited)


def many_chats(
    chats: Sequence[Words], shared: Limit, *, step: float = 0.05, first_at_once: bool = False
) -> float:
    """A lower bound on the sum of delays over chats that share a budget, each with one answer.

    Relaxed: the chats' own buckets are left out, and the shared budget becomes a price for each
    call. All chats are taken to have as many words as the first, over the median of their times;
    starts are rounded to about `step`. With `first_at_once` it bounds the schedules that show each
    chat's first word as soon as it is emitted.
    """
    if shared.first_free and any(chat.breaks for chat in chats):
        raise ValueError("each chat has one answer: the first calls of more are not told apart")
    step, seller = _seller(shared, step)
    start = min(chat.times[0] for chat in chats)
    spans = sorted(chat.times[-1] - chat.times[0] for chat in chats)
    words = Words(tuple(np.linspace(0.0, spans[len(spans) // 2], len(chats[0].times))))
    offsets = Counter(round((chat.times[0] - start) / step) for chat in chats)
    flush = math.ceil(len(chats) / shared.rate / step)
    ticks = math.ceil(words.times[-1] / step) + flush + 2
    grid = _Grid(words, step, ticks)
    first = grid.first()
    if first_at_once:
        first[1:] = np.inf
    waits = np.array([grid.between(tick, slice(0, ticks)) for tick in range(ticks)])
    free = shared.first_free
    calls = PricedCalls(first, waits, grid.all_emitted, offsets, first_free=free)
    return calls.bound(seller, target=_round_robin(words, len(chats), shared))


def _seller(limit: Limit, step: float) -> tuple[float, Seller]:
    """A tick of about `step` that refills a whole number of units, and who sells on that grid."""
    if limit.rate * step < 1:
        gain, token = 1, math.ceil(1 / (limit.rate * step))
    else:
        gain, token = Fraction(limit.rate * step).limit_denominator(FINEST).as_integer_ratio()
    step = gain / token / limit.rate
    if limit.windows:
        length = math.floor(limit.burst / limit.rate / step)
        return step, WindowSeller(calls=math.floor(limit.burst), length=length)
    return step, BucketSeller(gain=gain, token=token, full=math.ceil(limit.burst * token))


def _round_robin(words: Words, chats: int, bot: Limit) -> float:
    """The sum of delays if calls leave evenly, each for the chat that waits longest.

    Within some percent of the best; what is saved of the burst ends the answers at once.
    """
    times, total = np.asarray(words.times), 0.0
    shown = np.zeros(chats, dtype=int)
    now, saved = times[0], bot.burst
    while shown.min() < len(times):
        chat = int(shown.argmin())
        emitted = int(np.searchsorted(times, now + 1e-9, side="right"))
        total += now * (emitted - shown[chat]) - float(times[shown[chat] : emitted].sum())
        shown[chat] = emitted
        if now >= times[-1] and saved >= 1:
            saved -= 1
        else:
            now += 1 / bot.rate
    return total


def mean_wait(wanted: Sequence[float], bot: Limit) -> float:
    """The least mean wait of calls that are wanted at these times and share a full bucket."""
    times = sorted(wanted)
    free = (times[0] + (n - bot.burst) / bot.rate for n in range(1, len(times) + 1))
    return fmean(max(0.0, at - time) for time, at in zip(times, free, strict=True))
