"""Pure: who is asked next for one question, how long to wait before a retry, when to give up."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from providers.base import ContextTooLongError, ProviderError, RateLimitedError
from providers.route import Next, treatment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from providers.route import Route

TRIES = 3
"""How often a provider is asked at most."""
FIRST_BACKOFF = 1.0
"""Seconds before the second round, doubled for the next; up to half of it is left to chance."""
PATIENCE = 15.0
"""Seconds after the question, or after its answer broke, within which a retry must begin."""


class Attempts:
    """One question's way through the routes.

    In a round every route is asked at most once, without a pause; the rounds after the first
    are for those whose trouble may be over. A route of last resort is asked after all others,
    and once. Times are seconds of any clock that never goes back.
    """

    def __init__(self, routes: Sequence[Route], random: Random, now: float) -> None:
        self._routes = routes
        self._random = random
        self._round = 1
        self._deadline = now + PATIENCE
        self._asked: set[Route] = set()
        """In this round, or not worth asking in it."""
        self._errors: dict[Route, ProviderError] = {}
        """The last one of each, in the order in which they first failed."""
        self._failures: Counter[Route] = Counter()

    def next(self, now: float) -> Route | None:
        """Return the route to ask; None where this round has no more."""
        ready = (
            route
            for route in self._routes
            if route not in self._asked and not route.cooldown.wait(now)
            if route not in self._errors or self._may_recover(route, now)
        )
        return min(
            ready,
            key=lambda route: (route.is_last_resort(now), route.place, route.last_use),
            default=None,
        )

    def failed(self, route: Route, error: ProviderError) -> None:
        alone = treatment(error).next is Next.KEY
        for other in self._routes:
            if other is route or (other.place == route.place and not alone):
                self._asked.add(other)
                self._errors[other] = error
                self._failures[other] += 1

    def broke(self, now: float) -> None:
        """Note that the answer stopped on the way: the reader's patience starts anew."""
        self._deadline = now + PATIENCE

    def pause(self, now: float) -> float | None:
        """Begin another round; return the seconds to wait before it, or None: give up.

        Messages that are too long for one that is well are for the caller to shorten, at once.
        """
        if any(isinstance(error, ContextTooLongError) for error in self._errors.values()):
            return None
        rests = [r.cooldown.wait(now) for r in self._routes if self._may_recover(r, now)]
        if not rests:
            return None
        backoff = FIRST_BACKOFF * 2.0 ** (self._round - 1)
        pause = max(min(rests), backoff / 2) + self._random.uniform(0, backoff / 2)
        if now + pause > self._deadline:
            return None
        self._round += 1
        self._asked.clear()
        return pause

    def verdict(self, now: float) -> ProviderError:
        """Return the error that tells most about why nobody answered.

        First of all that the messages are too long, which the caller can mend; then what may
        pass by itself, then the rest; of equals, what was met first. Where it is a limit of
        rate, it names the time at which the first key is free again.
        """
        rests = list(filter(None, (route.cooldown.wait(now) for route in self._routes)))
        errors = list(self._errors.values())
        if rests or not errors:
            errors.append(RateLimitedError("every key that may answer rests after a refusal"))
        error = min(errors, key=_rank)
        if rests and isinstance(error, RateLimitedError) and error.retryable:
            # A float's last digits would be rounded up to another minute.
            return RateLimitedError(str(error), round(min(rests), 3))
        return error

    def _may_recover(self, route: Route, now: float) -> bool:
        error = self._errors.get(route)
        over = (error is not None and not error.retryable) or self._failures[route] == TRIES
        return not over and not route.is_last_resort(now)


def _rank(error: ProviderError) -> int:
    if isinstance(error, ContextTooLongError):
        return 0
    return 1 if error.retryable else 2
