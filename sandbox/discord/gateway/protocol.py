"""The gateway's numbers, and what of it is a setting.

https://discord.com/developers/docs/topics/opcodes-and-status-codes and
https://discord.com/developers/docs/events/gateway
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from sandbox.discord.gateway.intents import PRIVILEGED, Intent

VERSION = "10"


class Opcode(IntEnum):
    DISPATCH = 0
    HEARTBEAT = 1
    IDENTIFY = 2
    PRESENCE_UPDATE = 3
    VOICE_STATE_UPDATE = 4
    RESUME = 6
    RECONNECT = 7
    REQUEST_GUILD_MEMBERS = 8
    INVALID_SESSION = 9
    HELLO = 10
    HEARTBEAT_ACK = 11
    REQUEST_SOUNDBOARD_SOUNDS = 31


class CloseCode(IntEnum):
    NORMAL = 1000
    GOING_AWAY = 1001
    ABNORMAL = 1006
    """Never sent: what a socket without a close frame is said to have been closed with."""
    UNKNOWN_ERROR = 4000
    UNKNOWN_OPCODE = 4001
    DECODE_ERROR = 4002
    NOT_AUTHENTICATED = 4003
    AUTHENTICATION_FAILED = 4004
    ALREADY_AUTHENTICATED = 4005
    INVALID_SEQ = 4007
    RATE_LIMITED = 4008
    SESSION_TIMED_OUT = 4009
    INVALID_SHARD = 4010
    SHARDING_REQUIRED = 4011
    INVALID_API_VERSION = 4012
    INVALID_INTENTS = 4013
    DISALLOWED_INTENTS = 4014


SESSION_ENDING = frozenset(
    {
        CloseCode.NORMAL,
        CloseCode.GOING_AWAY,
        CloseCode.AUTHENTICATION_FAILED,
        CloseCode.INVALID_SEQ,
        CloseCode.INVALID_SHARD,
        CloseCode.SHARDING_REQUIRED,
        CloseCode.INVALID_API_VERSION,
        CloseCode.INVALID_INTENTS,
        CloseCode.DISALLOWED_INTENTS,
    }
)
"""Closed with one of these, by either side, a session can't be resumed."""


class GatewayCloseError(Exception):
    """The client did what its socket is closed for."""

    def __init__(self, code: CloseCode) -> None:
        super().__init__(code.name)
        self.code = code


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Times are in seconds."""

    heartbeat_interval: float = 41.25
    heartbeat_grace: float = 10.0
    """How late a heartbeat may be before the socket is closed with 4009: inferred."""
    identify_timeout: float = 60.0
    """How long a client may take to identify or resume; then 4009: inferred."""
    resume_window: float = 120.0
    """How long a session without a socket can be resumed: "a few minutes", says the docs."""
    replay_limit: int = 1000
    """The most events kept of a session for its resuming."""
    privileged: Intent = PRIVILEGED
    """The privileged intents the application has enabled."""
    payload_limit: int = 4096
    """The most bytes a payload of the client may have: documented."""
    payloads_per_minute: int = 120
    """The most payloads a socket takes in 60 seconds, heartbeats included: documented."""
    identify_interval: float = 0.0
    """Seconds between two identifies of a rate limit key; Discord's is 5, 0 is none."""
    max_concurrency: int = 1
    """How many rate limit keys there are; a shard's is its number modulo this."""
    shards: int = 1
    """How many GET /gateway/bot recommends."""
    guilds_per_shard: int = 2500
    """With more on it, an identify is refused with 4011: documented."""
    session_start_limit: int = 1000
    """How many identifies are taken in all; the next one finds the token reset."""
    guilds_unavailable_first: bool = True
    """READY lists the guilds as unavailable and each comes in a GUILD_CREATE, as Discord does it.

    Else READY holds the guilds themselves.
    """
