"""The checker's figures as a table."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping, Sequence

ROWS = (
    "questions",
    "answered",
    "lost",
    "abandoned",
    "doubled",
    "orphans",
    "needless orphans",
    "out of order",
    "interleaved",
    "shrunk",
    "shrunk in one run",
    "shrunk at the end",
    "429s",
)


def table(counts: Mapping[str, Counter[str]], **times: Sequence[float]) -> str:
    """The lines, each of `times` (seconds) in one of its own."""
    lines = [f"{'':<18}" + "".join(f"{platform:>10}" for platform in counts)]
    lines += [
        f"{row:<18}" + "".join(f"{of_platform[row]:>10}" for of_platform in counts.values())
        for row in ROWS
    ]
    for name, seconds in times.items():
        if seconds:
            p50, p95 = quantile(seconds, 0.5), quantile(seconds, 0.95)
            figures = f"p50 {p50:.2f} s, p95 {p95:.2f} s, longest {max(seconds):.2f} s"
            lines.append(f"{name:<18}{figures}, of {len(seconds)} answers")
    return "\n".join(lines) + "\n"


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of them do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
