"""`python -m benchmarks`: play the programme, print the figures, draw the picture."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import programme, standing
from benchmarks.play import RunError, play
from benchmarks.plot import plot
from benchmarks.report import put_into, report
from benchmarks.results import result
from benchmarks.stage import ROOT
from benchmarks.standing import Standing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.measure import Recording
    from benchmarks.play import Run
    from benchmarks.results import Result

AT_ONCE = 8
"""Light runs that share the machine."""
PAGE = ROOT / "docs" / "benchmarks.md"
PICTURE = ROOT / "docs" / "benchmarks.png"


def main() -> int:
    # So that a run that is ended takes its processes with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = _options()
    runs = programme.quick() if options.quick else programme.full()
    runs = [run for run in runs if any(each in str(run) for each in options.only or [""])]
    if not runs:
        _say(f"no run is called {options.only}; these are there:", *programme.full())
        return 2
    options.output.mkdir(parents=True, exist_ok=True)
    results, failures = asyncio.run(_play_all(runs, 1 if options.quick else programme.REPETITIONS))
    if not results:
        return 1
    text = report(results, _standing(results))
    _say("", text)
    (options.output / "report.md").write_text(text)
    plot(results, options.output / "text.png")
    _say(f"the picture: {options.output / 'text.png'}")
    if options.update_docs:
        put_into(PAGE, text)
        plot(results, PICTURE)
    return 1 if failures else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about 2 minutes instead of 14")
    parser.add_argument(
        "--only",
        action="append",
        metavar="TEXT",
        help='runs with this in their name, as "50 chats"; may be given more than once',
    )
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "benchmarks")
    parser.add_argument(
        "--update-docs", action="store_true", help="put the results into docs/benchmarks.md"
    )
    return parser.parse_args()


async def _play_all(runs: Sequence[Run], repetitions: int) -> tuple[list[Result], int]:
    """The results in the order of `runs`, and how many runs failed."""
    played: dict[Run, list[Recording]] = {run: [] for run in runs}
    failures = 0

    async def once(run: Run, turn: asyncio.Semaphore) -> None:
        nonlocal failures
        async with turn:
            try:
                played[run].append(await play(run))
            except RunError as error:
                failures += 1
                _say(f"FAILED {error}")
            else:
                _say(f"played {run}")

    # Long ones first, so that they do not stand alone in the end.
    light = sorted((run for run in runs if run.scenario.is_light), key=_length, reverse=True)
    several, alone = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(1)
    times = {run: repetitions if run.scenario.is_cheap else 1 for run in light}
    await asyncio.gather(*(once(run, several) for run in light for _ in range(times[run])))
    await asyncio.gather(*(once(run, alone) for run in runs if not run.scenario.is_light))
    return [result(run, recordings) for run, recordings in played.items() if recordings], failures


def _length(run: Run) -> float:
    return run.scenario.length


def _standing(results: Sequence[Result]) -> Standing | None:
    idle = [each.figures.idle for each in results if each.run.contender.is_ours]
    return Standing(min(idle), standing.help_cpu()) if idle else None


def _say(*lines: object) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
