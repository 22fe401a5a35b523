"""One way to a model, and what each error means for it and for those beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from providers import base
from providers.cooldown import Cooldown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from providers.base import Provider, ProviderError
    from providers.breaker import Breaker


class Next(Enum):
    """Who may answer what a route could not."""

    KEY = auto()
    """Another key of the same provider, and after the last of them another provider."""
    PROVIDER = auto()
    """Another provider: the other keys lead to the same trouble."""
    NOBODY = auto()
    """It is the question itself: it is not carried from server to server."""


class KeyFate(Enum):
    """What becomes of the key that was used."""

    KEPT = auto()
    RESTS = auto()
    """Not used until the time that the server named."""
    SET_ASIDE = auto()
    """Used only where no other can be."""


@dataclass(frozen=True, slots=True)
class Treatment:
    """What follows from an error. Whether the same route is tried again says `retryable`."""

    next: Next
    key: KeyFate = KeyFate.KEPT
    unhealthy: bool = False
    """It counts for the provider's circuit breaker."""


_UNHEALTHY: Final = Treatment(Next.PROVIDER, unhealthy=True)
_TREATMENTS: Final[Mapping[type[ProviderError], Treatment]] = {
    base.AuthenticationError: Treatment(Next.KEY, KeyFate.SET_ASIDE),
    base.QuotaExceededError: Treatment(Next.KEY, KeyFate.SET_ASIDE),
    base.RateLimitedError: Treatment(Next.KEY, KeyFate.RESTS),
    base.OverloadedError: _UNHEALTHY,
    base.BadResponseError: _UNHEALTHY,
    base.TruncatedError: _UNHEALTHY,
    base.ConnectionFailedError: _UNHEALTHY,
    base.ProviderTimeoutError: _UNHEALTHY,
    # Another model may take more, or know the option; this one is well.
    base.ContextTooLongError: Treatment(Next.PROVIDER),
    base.BadRequestError: Treatment(Next.PROVIDER),
    base.ContentFilteredError: Treatment(Next.NOBODY),
    base.ProviderError: Treatment(Next.PROVIDER),
}


def treatment(error: ProviderError) -> Treatment:
    """Return what follows from `error`; an error new to us is treated like its parent."""
    return next(_TREATMENTS[kind] for kind in type(error).__mro__ if kind in _TREATMENTS)


@dataclass(slots=True, eq=False)
class Route:
    """A provider with one of its keys."""

    provider: Provider
    name: str
    """The provider's, as the owner calls it; the same for all its keys."""
    place: int
    """The provider's, in the order in which they are asked."""
    breaker: Breaker
    """The provider's: one for all its keys."""
    key: int | None = None
    """The key's number, from 1; None where there is one key only, or none."""
    cooldown: Cooldown = field(default_factory=Cooldown)
    last_use: int = 0
    """Grows with every use of any route, so that the keys take turns."""

    def is_last_resort(self, now: float) -> bool:
        """Whether every other route should be tried before this one."""
        return self.breaker.rejects(now) or self.cooldown.is_set_aside(now)

    def failed(self, error: ProviderError, now: float) -> None:
        treated = treatment(error)
        if treated.unhealthy:
            self.breaker.failed(now)
        match treated.key:
            case KeyFate.SET_ASIDE:
                self.cooldown.rejected(now)
            case KeyFate.RESTS:
                named = error.retry_after if isinstance(error, base.RateLimitedError) else None
                self.cooldown.rate_limited(now, named)

    def succeeded(self) -> None:
        self.breaker.succeeded()
        self.cooldown.succeeded()
