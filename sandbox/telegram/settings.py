"""What the sandbox enforces, every number a setting.

The defaults are Telegram's documented limits where there are any; which ones are documented and
which inferred is said beside them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal


@dataclass(frozen=True, slots=True)
class Bucket:
    """A token bucket: `burst` calls at once, refilled at `rate` calls a second."""

    rate: float
    burst: float


@dataclass(frozen=True, slots=True)
class FloodSettings:
    """Flood control; a bucket that is None limits nothing."""

    private: Bucket | None = Bucket(rate=1.0, burst=20.0)
    """Sends and edits in a private chat: the rate is documented, the burst inferred."""
    group: Bucket | None = Bucket(rate=20 / 60, burst=20.0)
    """Sends and edits in a group: documented."""
    bot: Bucket | None = Bucket(rate=30.0, burst=30.0)
    """All limited calls of the bot together: documented as "about 30 a second"."""
    actions: Bucket | None = Bucket(rate=5.0, burst=20.0)
    """Drafts and chat actions in a chat: inferred."""
    absorb: float = 8.0
    """Seconds a send or edit may be slept off inside the call before it is refused."""
    absorb_actions: float = 2.0
    """The same for drafts and chat actions."""
    penalty_min: float = 3.0
    penalty_max: float = 300.0
    """Bounds in seconds of one penalty before it is doubled for repeated strikes: inferred."""
    strike_window: float = 600.0
    """Seconds during which a penalty makes the next one longer."""
    scope: Literal["chat", "bot"] = "chat"
    """What a penalty closes: the chat that earned it, or every chat."""


FLOOD_PRESETS = {
    "default": FloodSettings(),
    "strict": replace(FloodSettings(), private=Bucket(rate=1.0, burst=3.0)),
    "off": FloodSettings(private=None, group=None, bot=None, actions=None),
}


@dataclass(frozen=True, slots=True)
class Settings:
    token: str = "123456789:sandbox-telegram-token-for-tests-00"  # noqa: S105 - no real secret
    bot_name: str = "Parlance"
    bot_username: str = "parlance_sandbox_bot"
    flood: FloodSettings = field(default_factory=FloodSettings)
    latency: float = 0.0
    """Seconds each way: before a call is applied, and before its answer leaves."""
    group_privacy: bool = True
    """In groups the bot sees only commands, messages that mention it, and replies to it."""
    text_limit: int = 4096
    """The most UTF-16 units a text may have once it is parsed and trimmed."""
    request_text_limit: int = 1 << 15
    """The most bytes of UTF-8 a text may have before it is parsed."""
    edits_when_blocked: bool = False
    """Whether a bot may still edit its messages in the chat of a user who blocked it."""
    first_update_id: int = 700_000_001
    webhook_timeout: float = 60.0
    """Seconds a webhook has for its answer."""
    webhook_backoff: float = 2.0
    """Seconds before the second repetition of an update that a webhook did not take; the first
    comes at once, and each later one after twice as long."""
    webhook_longest_backoff: float = 60.0
    webhook_interval: float = 1.0
    """Seconds between two calls of setWebhook; an earlier one is refused with a 429."""

    @property
    def bot_id(self) -> int:
        """A token begins with its bot's id (https://core.telegram.org/bots/api#making-requests)."""
        bot_id = self.token.partition(":")[0]
        return int(bot_id) if bot_id.isdecimal() else 1
