"""Who takes part."""

from __future__ import annotations

from benchmarks.contenders import parlance
from benchmarks.contenders.base import Contender, module

PARLANCE = Contender("parlance", "telegram", parlance.command, is_ours=True)
PARLANCE_STRICT = Contender(
    "parlance, told strict", "telegram", parlance.believing_strict, is_ours=True
)
STRAIGHTFORWARD = Contender("straightforward", "telegram", module("straightforward_telegram"))
PARLANCE_DISCORD = Contender("parlance", "discord", parlance.on_discord, is_ours=True)
STRAIGHTFORWARD_DISCORD = Contender("straightforward", "discord", module("straightforward_discord"))
EDIT_STREAM = Contender("EditStream", "telegram", module("edit_stream"))
