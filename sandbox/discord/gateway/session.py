"""Gateway sessions: what a client is to get, in order, what can be replayed, and until when."""

from __future__ import annotations

import json
import math
import secrets
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from sandbox.discord.gateway.protocol import (
    SESSION_ENDING,
    CloseCode,
    GatewayCloseError,
    GatewaySettings,
    Opcode,
)
from sandbox.discord.snowflake import snowflake

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.discord.errors import Json
    from sandbox.discord.gateway.handshake import Identify, Resume
    from sandbox.discord.gateway.intents import Intent

_GUILD_EVENTS = ("GUILD_CREATE", "GUILD_UPDATE", "GUILD_DELETE")
_SHARD_SHIFT = 22
_DAY = 86_400.0


class Line(Protocol):
    """The way to a session's client."""

    def send_text(self, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class _Event:
    seq: int
    text: str
    """The whole payload: what was true when it happened, whatever has changed since."""


@dataclass(slots=True)
class Session:
    id: str
    intents: Intent
    shard: tuple[int, int]
    """The shard's number and how many there are."""
    replay_limit: int
    line: Line | None = None
    """None: the client is away, and may come back."""
    away_since: float = 0.0
    resumable: bool = True
    seq: int = 0
    """The sequence number of the newest event."""
    sent: int = 0
    """The sequence number of the newest event that went out; less than `seq` while paused."""
    _events: deque[_Event] = field(default_factory=deque)
    # Invariant: consecutive, up to `seq`; at most `replay_limit` beyond those not yet sent.

    def wants(self, event: str, data: Json, intent: Intent | None) -> bool:
        """Whether an event is for this session: its intents name it, its shard has the guild."""
        if intent is not None and intent not in self.intents:
            return False
        return self.has_guild(data.get("id" if event in _GUILD_EVENTS else "guild_id"))

    def has_guild(self, guild_id: object) -> bool:
        """Whether a guild is on this session's shard."""
        number, shards = self.shard
        return shard_of(guild_id, shards) == number

    def record(self, event: str, data: object) -> None:
        """Give an event its place; `deliver` sends it."""
        self.seq += 1
        payload = {"op": Opcode.DISPATCH, "t": event, "s": self.seq, "d": data}
        self._events.append(_Event(self.seq, json.dumps(payload)))
        while len(self._events) > self.replay_limit and self._forgettable(self._events[0]):
            self._events.popleft()

    def deliver(self) -> None:
        """Send what was not sent yet, if the client is there."""
        if self.line is None:
            return
        for event in self._events:
            if event.seq > self.sent:
                self.line.send_text(event.text)
        self.sent = self.seq

    def rewind(self, seq: int) -> bool:
        """Have everything after `seq` sent again; False if not all of it is kept."""
        if seq < self.seq and (not self._events or self._events[0].seq > seq + 1):
            return False
        self.sent = seq
        return True

    def is_over(self, now: float, resume_window: float) -> bool:
        """Whether the client is away for good."""
        away = self.line is None
        return away and (not self.resumable or now - self.away_since > resume_window)

    def _forgettable(self, event: _Event) -> bool:
        return self.line is None or event.seq <= self.sent


def shard_of(guild_id: object, shards: int) -> int:
    """Which of `shards` a guild is on; what is of no guild is on shard 0.

    https://discord.com/developers/docs/events/gateway#sharding
    """
    return ((snowflake(guild_id) or 0) >> _SHARD_SHIFT) % shards


class Sessions:
    """The sessions whose client is there, or may come back."""

    def __init__(self, settings: GatewaySettings, clock: Callable[[], float]) -> None:
        self.by_id: dict[str, Session] = {}
        self._settings = settings
        self._clock = clock
        self._started = 0
        self._started_at: dict[int, float] = {}
        self._paused = False

    def current(self) -> list[Session]:
        """Those that are not over; the others are forgotten."""
        window = self._settings.resume_window
        for session in list(self.by_id.values()):
            if session.is_over(self._clock(), window):
                del self.by_id[session.id]
        return list(self.by_id.values())

    @property
    def starts_left(self) -> int:
        """How many more may be started; none is given back while the sandbox runs."""
        return self._settings.session_start_limit - self._started

    def start(self, identify: Identify) -> Session | None:
        """A new session; None: too soon after the one before."""
        key = (identify.shard or (0, 1))[0] % self._settings.max_concurrency
        earlier = self._started_at.get(key, -math.inf)
        if self._clock() < earlier + self._settings.identify_interval:
            return None
        self._started_at[key] = self._clock()
        self._started += 1
        session = Session(
            id=secrets.token_hex(16),
            intents=identify.intents,
            shard=identify.shard or (0, 1),
            replay_limit=self._settings.replay_limit,
        )
        self.by_id[session.id] = session
        return session

    def start_limit(self) -> Json:
        """The session start limit object, as GET /gateway/bot has it."""
        return {
            "total": self._settings.session_start_limit,
            "remaining": self.starts_left,
            "reset_after": round(_DAY * 1000),
            "max_concurrency": self._settings.max_concurrency,
        }

    def find(self, resume: Resume) -> Session | None:
        """The session to be resumed, set back to the event it knows; None: it can't be resumed.

        Raises GatewayCloseError for an event that is yet to come.
        """
        self.current()
        session = self.by_id.get(resume.session_id)
        if session is None or not session.resumable:
            return None
        if not 0 <= resume.seq <= session.seq:
            self.end(session)
            raise GatewayCloseError(CloseCode.INVALID_SEQ)
        if not session.rewind(resume.seq):
            self.end(session)
            return None
        return session

    def deliver(self, session: Session) -> None:
        if not self._paused:
            session.deliver()

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        for session in self.current():
            session.deliver()

    def leave(self, session: Session, code: int) -> None:
        """Note that a session's socket was closed with `code`."""
        session.line = None
        session.away_since = self._clock()
        if code in SESSION_ENDING:
            self.end(session)

    def forget(self) -> None:
        """Let none be resumed any more; those whose client is there go on until it leaves."""
        for session in self.by_id.values():
            session.resumable = False
        self.current()

    def end(self, session: Session) -> None:
        session.line = None
        self.by_id.pop(session.id, None)
