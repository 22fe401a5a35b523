"""A picture of text shown over time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from benchmarks.results import tables

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from benchmarks.results import Result

COLUMNS = 2
SIZE = (7.0, 4.0)
"""Inches of a panel."""


def plot(results: Sequence[Result], path: Path) -> None:
    """One panel for each scenario and server; all its bots in it."""
    panels = tables(results)
    rows = math.ceil(len(panels) / COLUMNS)
    figure = Figure(figsize=(SIZE[0] * COLUMNS, SIZE[1] * rows), layout="constrained")
    axes = figure.subplots(rows, COLUMNS, squeeze=False)
    for place, panel in enumerate(panels):
        _draw(axes[place // COLUMNS][place % COLUMNS], panel)
    for place in range(len(panels), rows * COLUMNS):
        axes[place // COLUMNS][place % COLUMNS].remove()
    figure.savefig(path, dpi=80)


def _draw(axes: Axes, results: Sequence[Result]) -> None:
    run = results[0].run
    times, written, _ = results[0].curve
    axes.plot(times, written, color="0.6", linestyle="--", label="written by the model")
    for result in results:
        times, _, seen = result.curve
        axes.step(times, seen, where="post", label=result.run.contender.name, linewidth=1.2)
    axes.set_title(f"{run.scenario.name}, server: {run.server}")
    axes.set_xlabel("seconds since the first word")
    axes.set_ylabel("words of an answer, mean")
    axes.legend(loc="lower right", fontsize="small")
