"""Which runs there are: the full programme and the quick one."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from benchmarks.contenders.roster import (
    EDIT_STREAM,
    PARLANCE,
    PARLANCE_DISCORD,
    PARLANCE_STRICT,
    STRAIGHTFORWARD,
    STRAIGHTFORWARD_DISCORD,
)
from benchmarks.play import Run
from benchmarks.scenarios import (
    CHANNEL,
    DIRECT,
    FIFTY_CHATS,
    GROUP,
    LONG_ANSWER,
    MANY_CHATS,
    ONE_CHAT,
    STREAMS,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.contenders.base import Contender
    from benchmarks.scenarios import Scenario

ALL = (PARLANCE, STRAIGHTFORWARD, EDIT_STREAM)
ON_DISCORD = (PARLANCE_DISCORD, STRAIGHTFORWARD_DISCORD)
MISMATCHED = (PARLANCE, PARLANCE_STRICT)
"""On each server one of them believes what is true and the other what is not."""
BOTH = ("default", "strict")
REPETITIONS = 3
"""Of cheap runs, in the full programme."""


def full() -> list[Run]:
    return [
        *_runs(ONE_CHAT, BOTH, ALL),
        *_runs(ONE_CHAT, BOTH, (PARLANCE_STRICT,)),
        *_runs(GROUP, ("default",), ALL),
        *_runs(LONG_ANSWER, ("default",), ALL),
        *_runs(LONG_ANSWER, ("strict",), (*ALL, PARLANCE_STRICT)),
        *_runs(FIFTY_CHATS, BOTH, (*ALL, PARLANCE_STRICT)),
        *_runs(MANY_CHATS, ("default",), ALL),
        *_runs(MANY_CHATS, ("strict",), MISMATCHED),
        *_runs(DIRECT, ("refill", "fixed"), ON_DISCORD),
        *_runs(CHANNEL, ("refill", "fixed"), ON_DISCORD),
        *_runs(STREAMS, ("off",), (PARLANCE, STRAIGHTFORWARD)),
    ]


def quick() -> list[Run]:
    """About two minutes."""
    return [
        *_runs(GROUP, ("default",), ALL),
        *_runs(ONE_CHAT, BOTH, ALL),
        *_runs(ONE_CHAT, BOTH, (PARLANCE_STRICT,)),
        *_runs(CHANNEL, ("refill",), ON_DISCORD),
        *_runs(FIFTY_CHATS, ("default",), (PARLANCE, STRAIGHTFORWARD)),
    ]


def _runs(scenario: Scenario, servers: Sequence[str], contenders: Sequence[Contender]) -> list[Run]:
    return [Run(scenario, server, contender) for server, contender in product(servers, contenders)]
