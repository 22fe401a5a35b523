"""The sandbox's platforms, each as a run needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.platforms.discord import Discord
from benchmarks.platforms.telegram import Telegram

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.platforms.base import Platform

PLATFORMS: Mapping[str, type[Platform]] = {each.name: each for each in (Telegram, Discord)}
