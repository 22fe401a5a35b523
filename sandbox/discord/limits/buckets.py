"""Discord's rate limits, as far as they are known: pure, time is passed in.

Every route has a bucket for each channel, guild or webhook it is called for; all calls together
have the global limit; and an address whose calls are answered 401, 403 or 429 too often is banned
for a time. What is documented: https://discord.com/developers/docs/topics/rate-limits. The numbers
of the single routes are inferred.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import deque
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal, Protocol

from sandbox.discord.limits.refusals import VIA, Refusal, banned, rate_limited, seconds

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

CREATE_MESSAGE = "POST /channels/{channel_id}/messages"
EDIT_MESSAGE = "PATCH /channels/{channel_id}/messages/{message_id}"
DELETE_MESSAGE = "DELETE /channels/{channel_id}/messages/{message_id}"
TYPING = "POST /channels/{channel_id}/typing"
ADD_REACTION = "PUT /channels/{channel_id}/messages/{message_id}/reactions/{emoji}/@me"
REMOVE_REACTION = "DELETE /channels/{channel_id}/messages/{message_id}/reactions/{emoji}/@me"

_INVALID = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)
_ROUNDING = 1e-9
"""A share of a call or of a second that sums of floats may lack."""


def plain(route: str) -> str:
    """A route's template without the names in its braces, so that templates can be compared."""
    return re.sub(r"\{[^}]*\}", "{}", route)


@dataclass(frozen=True, slots=True)
class RouteLimit:
    """`limit` calls in `window` seconds."""

    limit: int
    window: float
    bucket: str = ""
    """Routes with the same name show the same X-RateLimit-Bucket; "": the route's own.

    Nothing more than what is shown: each route is counted by itself. Creating and editing messages
    are such a pair (https://github.com/discord/discord-api-docs/issues/8073).
    """

    def __post_init__(self) -> None:
        if self.limit < 1 or self.window <= 0:
            raise ValueError("a limit needs at least 1 call and a window of more than 0 seconds")


def _routes() -> dict[str, RouteLimit]:
    return {
        CREATE_MESSAGE: RouteLimit(5, 5.0, bucket="messages"),
        EDIT_MESSAGE: RouteLimit(5, 5.0, bucket="messages"),
        DELETE_MESSAGE: RouteLimit(5, 1.0),
        TYPING: RouteLimit(5, 5.0),
        ADD_REACTION: RouteLimit(1, 0.25, bucket="reactions"),
        REMOVE_REACTION: RouteLimit(1, 0.25, bucket="reactions"),
    }


@dataclass(frozen=True, slots=True)
class LimitSettings:
    variant: Literal["refill", "fixed"] = "refill"
    """How a bucket fills again: call by call, or as a whole when its window ends."""
    routes: Mapping[str, RouteLimit] = field(default_factory=_routes)
    """By route template; the names in braces don't matter. Other routes have no bucket."""
    global_limit: RouteLimit | None = RouteLimit(50, 1.0)
    """All calls but those of interactions: documented. Its window is always a fixed one."""
    invalid_limit: RouteLimit | None = RouteLimit(10_000, 600.0)
    """Answers 401, 403 and 429 that earn a ban: documented."""
    ban_seconds: float = 600.0
    """How long a ban lasts: inferred."""
    via: bool = True
    """Whether the answers have the header Via; discord.py takes a 429 without it for a ban."""
    epoch: float = 0.0
    """The Unix time at `now` 0, for X-RateLimit-Reset."""

    def with_limit(self, route: str, limit: int, window: float) -> Self:
        """These settings with another limit for one route."""
        others = {key: value for key, value in self.routes.items() if plain(key) != plain(route)}
        former = next((v for k, v in self.routes.items() if plain(k) == plain(route)), None)
        bucket = former.bucket if former else ""
        return replace(self, routes={**others, route: RouteLimit(limit, window, bucket)})


LIMIT_PRESETS = {
    "refill": LimitSettings(),
    "fixed": LimitSettings(variant="fixed"),
    "off": LimitSettings(routes={}, global_limit=None, invalid_limit=None),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    headers: Mapping[str, str]
    """For the call's answer, whatever it will be; a refusal holds them already."""
    refusal: Refusal | None = None
    """None: the call is allowed, and its token is taken."""


class _Bucket(Protocol):
    limit: RouteLimit

    def take(self, now: float) -> float:
        """Take a token and return 0; where there is none, the seconds until one is free."""

    def remaining(self) -> int:
        """Tokens left, as of the last call."""

    def reset_after(self) -> float:
        """Seconds until it is full, as of the last call."""


class _Refilled:
    """A bucket that gets one token back every `window / limit` seconds."""

    def __init__(self, limit: RouteLimit, now: float) -> None:
        self.limit = limit
        # Invariant: `_tokens` is the level at `_refilled_at`.
        self._tokens = float(limit.limit)
        self._refilled_at = now
        self._each = limit.window / limit.limit

    def take(self, now: float) -> float:
        refill = (now - self._refilled_at) / self._each
        self._tokens = min(self.limit.limit, self._tokens + refill)
        self._refilled_at = now
        if self._tokens < 1 - _ROUNDING:
            return (1 - self._tokens) * self._each
        self._tokens = max(0.0, self._tokens - 1)
        return 0.0

    def remaining(self) -> int:
        return math.floor(self._tokens + _ROUNDING)

    def reset_after(self) -> float:
        return (self.limit.limit - self._tokens) * self._each


class _Window:
    """A bucket that is full again when the window that its first call opened ends."""

    def __init__(self, limit: RouteLimit, now: float) -> None:
        self.limit = limit
        self._ends = -math.inf
        self._now = now
        self._taken = 0

    def take(self, now: float) -> float:
        if now >= self._ends - _ROUNDING:
            self._ends, self._taken = now + self.limit.window, 0
        self._now = now
        if self._taken >= self.limit.limit:
            return self._ends - now
        self._taken += 1
        return 0.0

    def remaining(self) -> int:
        return self.limit.limit - self._taken

    def reset_after(self) -> float:
        return self._ends - self._now


class RateLimits:
    """The state of all limits of one bot at one address."""

    def __init__(self, settings: LimitSettings) -> None:
        self._settings = settings
        self._limits = {plain(route): limit for route, limit in settings.routes.items()}
        self._buckets: dict[tuple[str, int | str | None], _Bucket] = {}
        self._global = _Window(settings.global_limit, 0.0) if settings.global_limit else None
        self._invalid: deque[float] = deque()
        self._banned_until = -math.inf

    def take(
        self, route: str, major: int | str | None, now: float, *, exempt: bool = False
    ) -> Verdict:
        """Judge a call made at `now` seconds.

        Args:
            route: The method and the path's template, as in `CREATE_MESSAGE`.
            major: The id of the channel, guild or webhook it is called for.
            now: Seconds; never less than at the call before.
            exempt: Whether the global limit spares it: the endpoints of interactions.
        """
        if now < self._banned_until:
            return Verdict({}, banned(self._banned_until - now))
        via = VIA if self._settings.via else {}
        if self._global and not exempt and (wait := self._global.take(now)):
            return Verdict(via, rate_limited(wait, "global", via=self._settings.via))
        template = plain(route)
        limit = self._limits.get(template)
        if limit is None:
            return Verdict(via)
        bucket = self._bucket(template, limit, major, now)
        wait = bucket.take(now)
        headers = {**via, **self._headers(template, bucket, now)}
        if wait:
            return Verdict(headers, rate_limited(wait, via=self._settings.via, headers=headers))
        return Verdict(headers)

    def answered(self, status: int, now: float, *, shared: bool = False) -> None:
        """Count an answer towards the ban; a 429 of scope `shared` does not count."""
        limit = self._settings.invalid_limit
        if limit is None or status not in _INVALID or shared or now < self._banned_until:
            return
        self._invalid.append(now)
        while self._invalid[0] <= now - limit.window:
            self._invalid.popleft()
        if len(self._invalid) >= limit.limit:
            self._invalid.clear()
            self._banned_until = now + self._settings.ban_seconds

    def _bucket(
        self, template: str, limit: RouteLimit, major: int | str | None, now: float
    ) -> _Bucket:
        key = (template, major)
        if key not in self._buckets:
            kind = _Window if self._settings.variant == "fixed" else _Refilled
            self._buckets[key] = kind(limit, now)
        return self._buckets[key]

    def _headers(self, template: str, bucket: _Bucket, now: float) -> dict[str, str]:
        name = bucket.limit.bucket or template
        reset_after = seconds(bucket.reset_after())
        return {
            "X-RateLimit-Limit": str(bucket.limit.limit),
            "X-RateLimit-Remaining": str(bucket.remaining()),
            "X-RateLimit-Reset": f"{self._settings.epoch + now + reset_after:.3f}",
            "X-RateLimit-Reset-After": f"{reset_after:.3f}",
            "X-RateLimit-Bucket": hashlib.sha256(name.encode()).hexdigest()[:32],
        }
