"""Faults on demand: which REST call meets which trouble. Pure but for the release of hanging calls.

The gateway's own troubles are methods of `sandbox.discord.gateway.gateway.Gateway`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import get_args

from sandbox.discord.limits.buckets import plain
from sandbox.discord.limits.refusals import (
    JSON_TYPE,
    VIA,
    Refusal,
    Scope,
    page,
    phrase,
    rate_limited,
)
from sandbox.faults import FaultList


class FaultKind(StrEnum):
    RATE_LIMIT = "rate_limit"
    """Refused with 429, `seconds` and `scope`; without `via` it seems to come from Cloudflare."""
    ERROR = "error"
    """Refused before it is applied with `status`: JSON with `description` and Discord's `code`, or
    a page of HTML. So an acknowledgement that came too late is one for CALLBACK, 404, 10062."""
    RESET = "reset"
    """The connection is reset before the call is applied."""
    HANG = "hang"
    """Nothing happens until the fault is released (then the call goes on) or the client goes."""
    SLOW = "slow"
    """`seconds` pass before the call is applied."""
    DROP_AFTER_ACCEPT = "drop_after_accept"
    """The call is applied, then the connection is closed without an answer."""
    ERROR_AFTER_ACCEPT = "error_after_accept"
    """The call is applied, then answered as by ERROR: a client that tries again does it twice."""
    HOLD_AFTER_ACCEPT = "hold_after_accept"
    """The call is applied; its answer is held until the fault is released or the client goes."""
    SLOW_ANSWER = "slow_answer"
    """The call is applied, then `seconds` pass before it is answered."""
    WRONG_JSON = "wrong_json"
    """The call is applied, then answered 200 with a body that is no JSON."""


_LATE = (
    FaultKind.DROP_AFTER_ACCEPT,
    FaultKind.HOLD_AFTER_ACCEPT,
    FaultKind.ERROR_AFTER_ACCEPT,
    FaultKind.SLOW_ANSWER,
    FaultKind.WRONG_JSON,
)
_TIMED = (FaultKind.RATE_LIMIT, FaultKind.SLOW, FaultKind.SLOW_ANSWER)


@dataclass(slots=True)
class Fault:
    """What happens to the calls that match."""

    kind: FaultKind
    method: str | None = None
    """The HTTP method; None: each."""
    route: str | None = None
    """The path's template, as "/channels/{channel_id}/messages", also with its method in front.

    The names in braces don't matter. None: every route.
    """
    channel_id: int | None = None
    """None: every channel, and the calls that name none."""
    count: int | None = 1
    """How many matching calls it meets; None: every one until it is cleared."""
    after: int = 0
    """How many matching calls pass first."""
    seconds: float = 0.0
    scope: Scope = "user"
    via: bool = True
    status: int = HTTPStatus.INTERNAL_SERVER_ERROR
    description: str = ""
    code: int = 0
    """Discord's own number for what is wrong; 0: a general error."""
    html: bool = False
    """Whether an error comes as the HTML page of a proxy instead of JSON."""

    def __post_init__(self) -> None:
        self.kind = FaultKind(self.kind)
        if self.kind in _TIMED and self.seconds <= 0:
            raise ValueError(f'a fault "{self.kind.value}" needs seconds greater than 0')
        if self.scope not in get_args(Scope):
            raise ValueError(f'no scope "{self.scope}": use user, global or shared')

    def matches(self, route: str, channel_id: int | None) -> bool:
        """Whether it meets a call of `route` (method and template) in a channel."""
        method, _, path = plain(route).partition(" ")
        named = self.method is None or self.method.upper() == method
        wanted = None if self.route is None else plain(self.route)
        routed = wanted in (None, path, f"{method} {path}")
        return named and routed and self.channel_id in (None, channel_id)

    def answer(self) -> Refusal:
        """What a call that it refuses, or answers in the API's place, is answered."""
        if self.kind is FaultKind.RATE_LIMIT:
            return rate_limited(self.seconds, self.scope, via=self.via)
        if self.kind is FaultKind.WRONG_JSON:
            return Refusal(HTTPStatus.OK, '{"id": "1', {"Content-Type": JSON_TYPE, **VIA})
        if self.html:
            return page(self.status)
        message = self.description or f"{self.status}: {phrase(self.status)}"
        headers = {"Content-Type": JSON_TYPE, **(VIA if self.via else {})}
        return Refusal(self.status, {"message": message, "code": self.code}, headers)


class Faults(FaultList[Fault]):
    def take(self, route: str, channel_id: int | None) -> Fault | None:
        """The fault a call meets before it is applied, used up by one."""
        return self._use(self._matching(route, channel_id, late=False))

    def take_accepted(self, route: str, channel_id: int | None) -> Fault | None:
        """The fault a call meets once it is applied, used up by one."""
        return self._use(self._matching(route, channel_id, late=True))

    def _matching(self, route: str, channel_id: int | None, *, late: bool) -> list[Fault]:
        return [
            fault
            for fault in self._faults
            if (fault.kind in _LATE) is late and fault.matches(route, channel_id)
        ]
