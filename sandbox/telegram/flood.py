"""Telegram's flood control, as far as it is known: pure, time is passed in.

A chat has a bucket for sends and edits and another for drafts and chat actions; the bot has one for
everything. A call that finds its bucket empty is first slept off inside the call (the caller sees a
slow answer, not an error). A call that would have to sleep longer than is absorbed earns a penalty:
everything in its scope is answered 429 with the seconds that remain. Calls made inside a penalty do
not lengthen it; a penalty that follows another within the strike window is twice as long.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.telegram.settings import Bucket, FloodSettings


class CallKind(Enum):
    """Which limits a method falls under."""

    EXEMPT = auto()
    MESSAGE = auto()
    """Sends and edits: the chat's message bucket and the bot's."""
    ACTION = auto()
    """Drafts and chat actions: the chat's action bucket and the bot's."""
    OTHER = auto()
    """Everything else that changes something: the bot's bucket alone."""


@dataclass(frozen=True, slots=True)
class Verdict:
    wait: float = 0.0
    """Seconds the call is slept off before it is applied."""
    retry_after: int = 0
    """Whole seconds until the penalty ends; 0: the call is allowed."""


@dataclass(slots=True)
class _Lane:
    """One bucket's level and the penalties earned on it."""

    bucket: Bucket | None
    tokens: float
    # Invariant: `tokens` is the level at `refilled_at`; below 0, calls are being slept off.
    refilled_at: float
    closed_until: float = -math.inf
    strikes: deque[float] = field(default_factory=deque)

    def wait(self, now: float) -> float:
        """Seconds until a call made now would have its token."""
        if self.bucket is None:
            return 0.0
        refill = (now - self.refilled_at) * self.bucket.rate
        self.tokens = min(self.bucket.burst, self.tokens + refill)
        self.refilled_at = now
        return max(0.0, (1.0 - self.tokens) / self.bucket.rate)

    def take(self) -> None:
        self.tokens -= 1.0

    def strike(self, now: float, window: float) -> int:
        """Count a penalty and return how many fell within the window, this one included."""
        while self.strikes and self.strikes[0] <= now - window:
            self.strikes.popleft()
        self.strikes.append(now)
        return len(self.strikes)


class FloodControl:
    def __init__(self, settings: FloodSettings) -> None:
        self._settings = settings
        self._lanes: dict[tuple[CallKind, int], _Lane] = {}

    def request(self, now: float, chat_id: int, kind: CallKind) -> Verdict:
        """Judge a call made at `now`; an allowed call has taken its tokens."""
        if kind is CallKind.EXEMPT:
            return Verdict()
        lanes = self._lanes_of(now, chat_id, kind)
        closed_until = max(lane.closed_until for lane in lanes)
        if closed_until > now:
            return Verdict(retry_after=math.ceil(closed_until - now))
        absorb = self._settings.absorb_actions if kind is CallKind.ACTION else self._settings.absorb
        waits = [lane.wait(now) for lane in lanes]
        for lane, wait in zip(lanes, waits, strict=True):
            if wait > absorb:
                return self._refuse(now, lane, wait)
        for lane in lanes:
            lane.take()
        return Verdict(wait=max(waits))

    def penalize(self, now: float, chat_id: int, seconds: float) -> None:
        """Close a chat for `seconds`, whatever its buckets hold; within scope "bot", every chat."""
        for kind in (CallKind.MESSAGE, CallKind.ACTION):
            lane = self._penalized(now, self._lane(now, chat_id, kind))
            lane.closed_until = max(lane.closed_until, now + seconds)

    def _refuse(self, now: float, lane: _Lane, wait: float) -> Verdict:
        strikes = lane.strike(now, self._settings.strike_window)
        base = min(max(wait, self._settings.penalty_min), self._settings.penalty_max)
        seconds = math.ceil(base * 2 ** (strikes - 1))
        self._penalized(now, lane).closed_until = now + seconds
        return Verdict(retry_after=seconds)

    def _penalized(self, now: float, lane: _Lane) -> _Lane:
        return self._lane(now, 0, CallKind.OTHER) if self._settings.scope == "bot" else lane

    def _lanes_of(self, now: float, chat_id: int, kind: CallKind) -> list[_Lane]:
        whole_bot = self._lane(now, 0, CallKind.OTHER)
        if kind is CallKind.OTHER:
            return [whole_bot]
        return [self._lane(now, chat_id, kind), whole_bot]

    def _lane(self, now: float, chat_id: int, kind: CallKind) -> _Lane:
        key = (kind, chat_id)
        if key not in self._lanes:
            bucket = self._bucket(chat_id, kind)
            self._lanes[key] = _Lane(bucket, bucket.burst if bucket else 0.0, now)
        return self._lanes[key]

    def _bucket(self, chat_id: int, kind: CallKind) -> Bucket | None:
        if kind is CallKind.OTHER:
            return self._settings.bot
        if kind is CallKind.ACTION:
            return self._settings.actions
        return self._settings.private if chat_id > 0 else self._settings.group
