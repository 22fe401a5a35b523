"""What a run gives beside its figures: the optimum for the words that were emitted in it."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.measure import Figures, curve, figures
from benchmarks.optimum import FINE, Words, many_chats, mean_wait, single_chat
from benchmarks.platforms import PLATFORMS
from benchmarks.scenarios import LATENCY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.measure import Answer, Recording
    from benchmarks.optimum import Limit
    from benchmarks.play import Run

ROUND_TRIP = 2 * LATENCY
"""Seconds from a call's leaving until the reader sees what it shows, and until it is answered."""


@dataclass(frozen=True, slots=True)
class Optimum:
    """The least that can be had; each figure for itself, in seconds as in `Figures`."""

    delay: float
    first_text: float
    finish_lag: float


@dataclass(frozen=True, slots=True)
class Result:
    run: Run
    figures: Figures
    """Medians over the repetitions."""
    optimum: Optimum | None
    curve: tuple[list[float], list[float], list[float]]
    """See `measure.curve`; of the first repetition."""


def result(run: Run, recordings: Sequence[Recording]) -> Result:
    measured = [figures(recording, LATENCY) for recording in recordings]
    medians = Figures(*map(median, zip(*map(astuple, measured), strict=True)))
    first = recordings[0]
    optimum = best(run, first.answers) if run.scenario.compared else None
    return Result(run, medians, optimum, curve(first, LATENCY))


def best(run: Run, answers: Sequence[Answer]) -> Optimum:
    """The optimum for the words of `answers` under the limits of the run's server."""
    limits = PLATFORMS[run.scenario.platform].limits
    chat, bot = limits(run.server, run.scenario)
    words = sum(answer.words for answer in answers)
    if run.scenario.at_once:
        # One bucket for all the answers in the chat.
        parts = [Words(tuple(answer.emitted())) for answer in answers]
        delay = many_chats(parts, chat, step=FINE) / words
    else:
        chats = [_words(answers, place) for place in sorted({answer.chat for answer in answers})]
        delay = _one_chat(chats[0], chat) / len(chats[0].times)
        if len(chats) > 1:
            # Each relaxation leaves out one of the budgets, so both bounds hold.
            delay = max(delay, many_chats(chats, bot) / words)
    return Optimum(
        delay + ROUND_TRIP,
        mean_wait([answer.begun for answer in answers], bot) + ROUND_TRIP,
        mean_wait([answer.ended for answer in answers], bot) + ROUND_TRIP,
    )


def _one_chat(words: Words, limit: Limit) -> float:
    """The least sum of delays; where the limit has windows, a lower bound."""
    if limit.windows:
        return many_chats([words], limit, step=FINE)
    return single_chat(words, limit, gap=ROUND_TRIP)


def _words(answers: Sequence[Answer], chat: int) -> Words:
    """The words of one chat; answers that overlap are moved behind each other."""
    times: list[float] = []
    breaks: list[int] = []
    for answer in sorted((a for a in answers if a.chat == chat), key=lambda each: each.begun):
        emitted = answer.emitted()
        late = max(0.0, times[-1] - emitted[0]) if times else 0.0
        if times:
            breaks.append(len(times))
        times += [at + late for at in emitted]
    return Words(tuple(times), tuple(breaks))


def ratio(result: Result) -> float | None:
    """Its mean delay, in optima."""
    return result.figures.delay / result.optimum.delay if result.optimum else None


def tables(results: Sequence[Result]) -> list[list[Result]]:
    """The results that are compared: those of one scenario on one kind of server."""
    found: dict[tuple[str, str], list[Result]] = {}
    for each in results:
        found.setdefault((each.run.scenario.name, each.run.server), []).append(each)
    return list(found.values())
