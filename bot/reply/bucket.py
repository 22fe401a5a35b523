"""A token bucket that can be believed in part, and that learns from what the platform says.

Pure: every method takes `now` (seconds of any one monotonic clock).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.reply.surface import Allowance, Budget

_ALMOST = 1e-6
"""Levels are sums of floats: a token is whole when it is this close to it."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What the platform said last."""

    full_at: float
    """When the bucket is full again."""
    window: float
    """Seconds; the longest time to a full bucket that was ever named."""
    rate: float
    """Tokens a second, if they come back one by one."""
    refills: bool
    """Whether they do; else all come back at `full_at`."""
    shown: bool
    """Whether the platform's answers have shown which of the two it is."""
    spent: bool
    """Nothing was left: then a client such as discord.py waits for all, however they come."""

    @property
    def waits(self) -> bool:
        """Whether there is nothing before `full_at` but what is left now."""
        return self.spent or not self.refills


class Bucket:
    """`burst` calls at once, refilled at `rate` calls a second."""

    def __init__(self, budget: Budget, now: float) -> None:
        self.budget = budget
        self.trust = 1.0
        """0 < trust <= 1: the part of rate and burst that is used."""
        self._level = budget.burst
        self._at = now
        """The time `_level` is true for; after a refusal it lies in the future."""
        self._told: _Told | None = None
        self._declared = budget

    @property
    def believed(self) -> float:
        """0 to 1: how much of what was declared is used."""
        return min(self.trust, self.budget.burst / self._declared.burst)

    @property
    def rate(self) -> float:
        """Tokens a second, in the long run."""
        return self.budget.rate * self.trust

    @property
    def burst(self) -> float:
        # Two at least, so that a preview leaves one for the final.
        return max(min(2.0, self.budget.burst), self.budget.burst * self.trust)

    def level(self, now: float) -> float:
        """Tokens there are at `now`; at most `burst`."""
        if now > self._at:
            if self._told is None or not self._told.waits:
                self._level = min(self.burst, self._level + (now - self._at) * self.rate)
            elif now >= self._told.full_at:
                self._level = self.burst
            self._at = now
        return self._level

    @property
    def refilled_at(self) -> float | None:
        """When all tokens come back at once; None where they come one by one."""
        return self._told.full_at if self._told is not None and self._told.waits else None

    def full(self, now: float) -> bool:
        return self.level(now) >= self.burst - _ALMOST

    def take(self, now: float) -> None:
        self._level = self.level(now) - 1.0

    def give_back(self, now: float) -> None:
        self._level = min(self.burst, self.level(now) + 1.0)

    def drain(self, until: float) -> None:
        """Leave what the owed text needs, and let no other token come before `until`."""
        self._level = 1.0 + self.budget.floor
        self._at = until

    def declare(self, budget: Budget, now: float) -> None:
        """Another budget from now on; what is spent stays spent."""
        spent = self.burst - self.level(now)
        self.budget = self._declared = budget
        self._level = self.burst - spent

    def overdrawn(self, least: float, now: float) -> None:
        """The platform had nothing left for a call that was thought to be within the burst."""
        burst = max(least, self.budget.burst - max(0.0, self.level(now)))
        self.budget = replace(self.budget, burst=min(burst, self.budget.burst))
        self._level = 0.0

    def recover(self, part: float, now: float) -> None:
        """Believe a little more in what was declared."""
        self.level(now)
        self.trust += (1.0 - self.trust) * part
        if self._told is None and self.budget.burst < self._declared.burst:
            # Each time it is found out again costs the reader a second or two.
            more = (self._declared.burst - self.budget.burst) * part / 10
            self.budget = replace(self.budget, burst=self.budget.burst + more)

    def learn(self, burst: float, trust: float, now: float) -> None:
        """What was learned before this bucket was made."""
        self.budget = replace(self.budget, burst=min(burst, self.budget.burst))
        self.trust = trust
        self._level = min(self.level(now), self.burst)

    @property
    def refills(self) -> bool | None:
        """Whether tokens come back one by one; None as long as the platform has not shown it."""
        return self._told.refills if self._told is not None and self._told.shown else None

    def told(self, allowance: Allowance, now: float, *, refills: bool = False) -> None:
        """Believe the platform's own count, which includes every call made until `now`.

        `refills`: whether tokens are taken to come back one by one until its answers show it.
        """
        if allowance.limit < 1 or allowance.reset_after <= 0 or now < self._at:
            return
        before = self._told or _Told(now, 0.0, self.budget.rate, refills, shown=False, spent=False)
        if not before.shown:
            before = replace(before, refills=refills)
        told = self._told = _understood(allowance, before, now)
        burst, level = float(allowance.limit), float(allowance.remaining)
        if told.refills:
            rate = told.rate
            if not told.spent:
                level = min(max(level, burst - allowance.reset_after * rate), level + 1.0)
        else:
            rate = max(1.0, burst - self.budget.floor) / told.window
        self.budget = replace(self.budget, rate=rate, burst=burst)
        self._level, self._at = level, now
        self.trust = 1.0

    def ready_at(self, need: float, now: float) -> float:
        """When the bucket holds `need` tokens (`need` above the burst means a full bucket)."""
        missing = min(need, self.burst) - self.level(now)
        if missing <= _ALMOST:
            return now
        if self._told is not None and self._told.waits and self._told.full_at > now:
            return self._told.full_at
        return max(now, self._at) + missing / self.rate


def _understood(allowance: Allowance, before: _Told, now: float) -> _Told:
    """How the bucket works, from what was said `before` and now."""
    # Of the tokens that are spent, the last may be back in part: the count is rounded down.
    spent = max(1, allowance.limit - allowance.remaining)
    rate = max(before.rate, (spent - 1) / allowance.reset_after)
    rate = min(rate, spent / allowance.reset_after)
    full_at = now + allowance.reset_after
    window = max(allowance.reset_after, before.window)
    # A call moves the end of a refill by one token's time, and the end of a window not at all. The
    # first call of a window tells nothing.
    refills, shown = before.refills, before.shown
    if before.full_at > now:
        refills, shown = full_at - before.full_at > 0.5 / rate, True
    return _Told(full_at, window, rate, refills, shown, spent=allowance.remaining < 1)
