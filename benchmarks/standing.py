"""What the bot takes when it does nothing."""

from __future__ import annotations

import resource
import subprocess
import sys
from dataclasses import dataclass
from statistics import median

from benchmarks.stage import ROOT

TIMES = 5


@dataclass(frozen=True, slots=True)
class Standing:
    idle: float
    """Megabytes after the first answer."""
    help_cpu: float
    """CPU seconds of `parlance --help`."""


def help_cpu() -> float:
    return median(_cpu_of([sys.executable, "-m", "bot", "--help"]) for _ in range(TIMES))


def _cpu_of(command: list[str]) -> float:
    before = _children()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own
    return _children() - before


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
