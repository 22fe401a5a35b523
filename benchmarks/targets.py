"""What the bot is to reach, and whether it did. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.results import ROUND_TRIP, ratio

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.measure import Figures
    from benchmarks.results import Result

USUAL = ("default", "refill")
"""The servers with the limits that are taken to be the platforms' own."""
NEAR = 1.3
"""A mean delay in optima."""
EVEN = 2.0
"""The slowest chat's delay in mean delays."""
MANY = 200
"""Chats. With 50, others can't be twice as late: a call a second is 1.7 optima there."""
BETTER = 2.0
"""The other bots' mean delay in ours, with many chats."""
CPU = 0.05
"""Seconds for 1,000 words, with many chats."""
TOGETHER = 1000
"""Answers that are written at one time."""
LOOP_LAG = 0.25
"""Seconds by which the event loop is late at worst, with so many."""
FIRST_TEXT = ROUND_TRIP + 0.15
FINISH_LAG = ROUND_TRIP + 0.1
NOISE = 1.1
"""What counts as worse is more than so many times as much, and more than a grain more."""
GRAINS = {
    "delay": 0.05,
    "slowest_chat": 0.05,
    "first_text": 0.05,
    "finish_lag": 0.05,
    "worst_finish": 0.05,
    "reaction": 0.05,
    "refused": 0,
    "lost": 0,
    "doubled": 0,
    "cpu": 0.01,
}
"""Figure -> the difference that can be told from noise."""


@dataclass(frozen=True, slots=True)
class Verdict:
    met: bool
    text: str


def verdicts(results: Sequence[Result]) -> Iterator[Verdict]:
    """One for each target that these results can tell."""
    for result in results:
        if result.run.contender.name != "parlance":
            continue
        if not result.run.scenario.compared:
            yield from _streams(result)
            continue
        if result.run.server not in USUAL:
            continue
        yield from _own(result)
        for other in results:
            same = (other.run.scenario, other.run.server) == (
                result.run.scenario,
                result.run.server,
            )
            if same and not other.run.contender.is_ours:
                yield from _against(result, other)


def _own(result: Result) -> Iterator[Verdict]:
    figures, scenario = result.figures, result.run.scenario
    times = ratio(result) or 0.0
    yield Verdict(times <= NEAR, f"{scenario.name}: mean delay is {times:.2f} optima (<= {NEAR})")
    yield _none_lost(scenario.name, figures)
    if scenario.at_once:
        return  # Who ends together, ends one after another.
    if scenario.chats == 1:
        yield _at_most(scenario.name, "first text", figures.first_text, FIRST_TEXT)
        yield _at_most(scenario.name, "finish lag", figures.finish_lag, FINISH_LAG)
    else:
        slowest = figures.slowest_chat / figures.delay
        yield Verdict(
            slowest <= EVEN, f"{scenario.name}: slowest chat is {slowest:.2f} means (<= {EVEN})"
        )
    if scenario.chats >= MANY:
        yield _at_most(scenario.name, "CPU for 1,000 words", figures.cpu, CPU)


def _streams(result: Result) -> Iterator[Verdict]:
    """Whether the bot keeps up with that many answers."""
    name, figures = result.run.scenario.name, result.figures
    yield Verdict(
        figures.together >= TOGETHER, f"{name}: {figures.together} at once (>= {TOGETHER})"
    )
    yield _at_most(name, "the event loop's worst lag", figures.loop_lag, LOOP_LAG)
    yield _none_lost(name, figures)


def _none_lost(name: str, figures: Figures) -> Verdict:
    return Verdict(
        figures.refused == figures.lost == figures.doubled == 0,
        f"{name}: {figures.refused} calls refused, {figures.lost} words lost, "
        f"{figures.doubled} doubled (0)",
    )


def _at_most(name: str, what: str, value: float, most: float) -> Verdict:
    return Verdict(value <= most, f"{name}: {what} is {value:.3f} s (<= {most:g} s)")


def _against(ours: Result, other: Result) -> Iterator[Verdict]:
    name, rival = ours.run.scenario.name, other.run.contender.name
    worse = [
        f"{figure} {mine:g} > {theirs:g}"
        for figure, grain in GRAINS.items()
        if (mine := round(getattr(ours.figures, figure), 3))
        > max((theirs := round(getattr(other.figures, figure), 3)) * NOISE, theirs + grain)
    ]
    yield Verdict(not worse, f"{name}: not worse than {rival} {_listed(worse)}".rstrip())
    if ours.run.scenario.chats >= MANY:
        better = other.figures.delay / ours.figures.delay
        yield Verdict(
            better >= BETTER, f"{name}: {rival} delays {better:.1f} times as long (>= {BETTER:g})"
        )


def _listed(worse: Sequence[str]) -> str:
    return f"({', '.join(worse)})" if worse else ""
