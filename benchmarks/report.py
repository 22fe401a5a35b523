"""Results -> Markdown."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

from benchmarks.results import ratio, tables
from benchmarks.targets import verdicts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from benchmarks.results import Optimum, Result
    from benchmarks.standing import Standing

HEAD = (
    "", "mean delay", "in optima", "in ours", "slowest chat", "first text", "finish lag",
    "worst finish", "reaction", "calls", "429", "lost", "doubled", "CPU", "at rest", "MB",
    "loop lag",
)  # fmt: skip
BEGIN, END = "<!-- results -->\n", "<!-- end of results -->"


def report(results: Sequence[Result], standing: Standing | None) -> str:
    parts = ["\n".join(_table(table)) for table in tables(results)]
    if standing is not None:
        parts.append(
            f"Idle, our bot holds {standing.idle:.0f} MB; "
            f"`parlance --help` takes {standing.help_cpu:.2f} s of CPU."
        )
    told = [f"- {'met' if each.met else '**missed**'}: {each.text}" for each in verdicts(results)]
    parts.append("\n".join(["### Targets", "", *told]))
    return "\n\n".join(parts) + "\n"


def _table(results: Sequence[Result]) -> Iterator[str]:
    run = results[0].run
    yield f"### {run.scenario.name}, server: {run.server}"
    yield ""
    yield _row(HEAD)
    yield _row(["---", *["--:"] * (len(HEAD) - 1)])
    ours = next((each for each in results if each.run.contender.is_ours), None)
    for result in results:
        yield _row(_cells(result, ours))
    if ours is not None and ours.optimum is not None:
        yield _row(_optimum(ours.optimum))


def _cells(result: Result, ours: Result | None) -> list[str]:
    figures, optima = result.figures, ratio(result)
    return [
        result.run.contender.name,
        f"{figures.delay:.2f}",
        f"{optima:.2f}" if optima else "",
        f"{figures.delay / ours.figures.delay:.2f}" if ours else "",
        f"{figures.slowest_chat:.2f}",
        f"{figures.first_text:.2f}",
        f"{figures.finish_lag:.2f}",
        f"{figures.worst_finish:.2f}",
        f"{figures.reaction:.2f}",
        f"{figures.calls:.0f}",
        f"{figures.refused:.0f}",
        f"{figures.lost:.0f}",
        f"{figures.doubled:.0f}",
        f"{figures.cpu:.3f}",
        f"{figures.resting:.1%}",
        f"{figures.peak:.0f}",
        "" if isnan(figures.loop_lag) else f"≤ {figures.loop_lag:g}",
    ]


def _optimum(optimum: Optimum) -> list[str]:
    known = [
        "*optimum*", f"{optimum.delay:.2f}", "", "", "",
        f"{optimum.first_text:.2f}", f"{optimum.finish_lag:.2f}",
    ]  # fmt: skip
    return known + [""] * (len(HEAD) - len(known))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def put_into(page: Path, text: str) -> None:
    """Replace what stands between the marks of a Markdown page."""
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
