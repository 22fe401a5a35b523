"""How late our bot's event loop was at worst, from what it tells at /metrics. Pure."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Mapping

METRIC = "parlance_loop_lag_seconds"


def looks(metrics: str) -> dict[float, float]:
    """How often the loop was no later than so many seconds, since the bot was started."""
    return {
        float(sample.labels["le"]): sample.value
        for family in text_string_to_metric_families(metrics)
        if family.name == METRIC
        for sample in family.samples
        if "le" in sample.labels
    }


def worst(before: Mapping[float, float], after: Mapping[float, float]) -> float:
    """Seconds, the least that are told apart, by which the loop was never later in between.

    Infinite where nobody looked.
    """
    told = {edge: after[edge] - before[edge] for edge in after}
    all_of_them = max(told.values())
    return min((edge for edge in told if told[edge] == all_of_them > 0), default=inf)
