"""What a bot is given when it is started, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Place:
    """Where a bot finds its platform and its model, and may leave files."""

    platform: Mapping[str, str]
    """The line that the platform's server printed when it was ready."""
    model_url: str
    model_key: str
    folder: Path
    port: int = 0
    """A free one, for the bot's own server."""

    def environment(self) -> dict[str, str]:
        """What the bots of a few lines read."""
        return {
            "PLATFORM_URL": self.platform.get("api_url") or self.platform["url"],
            "GATEWAY_URL": self.platform.get("gateway_url", ""),
            "BOT_TOKEN": self.platform["token"],
            "OPENAI_BASE_URL": self.model_url,
            "OPENAI_API_KEY": self.model_key,
        }


@dataclass(frozen=True, slots=True)
class Contender:
    name: str
    platform: str
    command: Callable[[Place], list[str]]
    """Python's arguments."""
    is_ours: bool = False


def module(name: str) -> Callable[[Place], list[str]]:
    """The command of a bot that is a module beside this one and reads the environment."""
    return lambda _place: ["-m", f"{__package__}.{name}"]
