"""What the sandbox enforces, every number a setting.

The defaults are Discord's documented limits where there are any; which ones are inferred is said
beside them.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field

from sandbox.discord.gateway.protocol import GatewaySettings
from sandbox.discord.limits.buckets import LimitSettings

_MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class OldEdits:
    """Messages older than `age` seconds take `limit` edits in `window` seconds, per channel."""

    age: float = 3600.0
    limit: int = 3
    window: float = 6.0


@dataclass(frozen=True, slots=True)
class Settings:
    token: str = "MTIzNDU2Nzg5MDEyMzQ1Njc4.sandbox.discord-token-for-tests"  # noqa: S105 - no real secret
    bot_name: str = "Parlance"
    limits: LimitSettings = field(default_factory=LimitSettings)
    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    latency: float = 0.0
    """Seconds each way: before a call is applied, and before its answer leaves."""
    message_content: bool = True
    """Whether the application has the privileged message content intent."""
    content_limit: int = 2000
    """The most characters of a message, counted in code points before it is trimmed."""
    nonce_window: float = 180.0
    """Seconds in which a nonce is remembered: documented as "the past few minutes"."""
    old_edits: OldEdits | None = field(default_factory=OldEdits)
    """How often old messages can be edited: inferred; None: without limit."""
    interaction_deadline: float = 3.0
    """Seconds in which an interaction must be answered first."""
    interaction_lifetime: float = 900.0
    """Seconds for which an interaction's token is good."""
    file_limit: int = 10 * _MEBIBYTE
    """The most bytes of one file."""
    request_limit: int = 25 * _MEBIBYTE
    """The most bytes of a request."""

    @property
    def bot_id(self) -> int:
        """A token begins with its bot's id in base64."""
        head = self.token.partition(".")[0]
        try:
            decoded = base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)).decode("ascii")
        except (binascii.Error, UnicodeDecodeError):
            return _SOME_BOT_ID
        return int(decoded) if decoded.isdecimal() else _SOME_BOT_ID


_SOME_BOT_ID = 123_456_789_012_345_678
