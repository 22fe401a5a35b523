"""What is counted, for Prometheus: nothing that was said and nobody who said it.

Labels come from small fixed sets: platforms, outcomes, the names of the [providers.…] sections,
kinds of errors, paths of the server.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from bot.reply.ledger import Counts
    from bot.store.schema import Turn
    from providers.base import ProviderError

COMMAND = "command"
"""The outcome of a turn that asked the model nothing."""
ERROR = "error"
"""The outcome of a turn that ended in a bug."""

PLATFORM = ("platform",)
_WAITS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0, 600.0)
_LATE = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.5, 1.0, 5.0)
_LAGS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_TURNS = (0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0)


@dataclass(slots=True)
class Watch:
    """A turn being run; what becomes of it is counted at its end."""

    platform: str
    outcome: str = ""
    """Empty: there was nothing to do any more."""
    began_at: float = 0.0
    """On the event loop's clock."""
    waited: float = 0.0
    """Seconds from the question to the run."""
    counts: Counts | None = None


class Metrics:
    """The counters of one bot, in a registry of their own."""

    def __init__(self, platforms: Iterable[str], clock: Callable[[], float] = time.time) -> None:
        """`platforms` stand at 0 from the start.

        `clock`: seconds since the epoch, as the history's.
        """
        self._clock = clock
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)

        def counter(name: str, about: str, *labels: str) -> Counter:
            return Counter(f"parlance_{name}", about, labels or PLATFORM, registry=registry)

        def histogram(
            name: str, about: str, buckets: Sequence[float], labels: Sequence[str] = PLATFORM
        ) -> Histogram:
            name = f"parlance_{name}_seconds"
            return Histogram(name, about, labels, registry=registry, buckets=buckets)

        self._turns = counter(
            "turns", "Turns that ended, by what became of them", "platform", "outcome"
        )
        self._running = Gauge(
            "parlance_turns_running", "Turns being answered", PLATFORM, registry=registry
        )
        self._queue = histogram("queue", "From storing a question to its turn", _WAITS)
        self._first = histogram(
            "first_text", "From storing a question to its answer's first text on screen", _WAITS
        )
        self._lag = histogram(
            "finish_lag", "From the model's last word to the whole answer on screen", _LAGS
        )
        self._whole = histogram("turn", "From storing a question to the end of its turn", _TURNS)
        self._late = histogram(
            "loop_lag", "How late the event loop is, twenty times a second", _LATE, ()
        )
        self._calls = counter("platform_calls", "Sends, edits and deletions that were made")
        self._refusals = counter("platform_refusals", "Of these, refused for their rate (429)")
        self._ambiguous = counter(
            "ambiguous_creates", "Of these, messages of unknown fate, which were sent again"
        )
        self._failures = counter(
            "provider_failures", "Requests to a provider that failed", "provider", "kind"
        )
        self._requests = counter(
            "http_requests", "Requests to the bot's own server", "path", "status"
        )
        for name in platforms:
            for known in (self._running, self._calls, self._refusals, self._ambiguous):
                known.labels(name)
            for spread in (self._queue, self._first, self._lag, self._whole):
                spread.labels(name)

    def text(self) -> bytes:
        """All of it in Prometheus's text format. Reads files: call it on a thread."""
        return generate_latest(self._registry)

    @contextmanager
    def turn(self, platform: str) -> Iterator[Watch]:
        """Around the run of a turn; `began` says when there is something to do."""
        watch = Watch(platform)
        try:
            yield watch
        except Exception:
            self._ended(watch, ERROR)
            raise
        except BaseException:
            # Cut by the end of the process: it goes on in the next one.
            self._left(watch)
            raise
        else:
            self._ended(watch, watch.outcome)

    def began(self, watch: Watch, turn: Turn, counts: Counts) -> None:
        watch.outcome = turn.outcome.value if turn.outcome else COMMAND
        watch.waited = max(0.0, self._clock() - turn.asked_at)
        watch.began_at = asyncio.get_running_loop().time()
        watch.counts = counts
        self._queue.labels(watch.platform).observe(watch.waited)
        self._running.labels(watch.platform).inc()

    def provider_failed(self, provider: str, error: ProviderError) -> None:
        self._failures.labels(provider, type(error).__name__).inc()

    def requested(self, path: str, status: int) -> None:
        self._requests.labels(path, str(status)).inc()

    def was_late(self, seconds: float) -> None:
        """The event loop came so much later than it was due."""
        self._late.observe(seconds)

    def _ended(self, watch: Watch, outcome: str) -> None:
        if not watch.counts:
            return
        now = asyncio.get_running_loop().time()
        self._turns.labels(watch.platform, outcome).inc()
        self._whole.labels(watch.platform).observe(watch.waited + now - watch.began_at)
        if outcome != COMMAND:
            self._observe_answer(watch, watch.counts)
        self._left(watch)

    def _observe_answer(self, watch: Watch, counts: Counts) -> None:
        if counts.first_shown is not None:
            first = watch.waited + counts.first_shown - watch.began_at
            self._first.labels(watch.platform).observe(first)
        if counts.ended is not None and counts.delivered is not None:
            lag = max(0.0, counts.delivered - counts.ended)
            self._lag.labels(watch.platform).observe(lag)

    def _left(self, watch: Watch) -> None:
        """Its run is over, whether the turn is or not."""
        if not watch.counts:
            return
        self._running.labels(watch.platform).dec()
        self._calls.labels(watch.platform).inc(watch.counts.calls)
        self._refusals.labels(watch.platform).inc(watch.counts.refusals)
        self._ambiguous.labels(watch.platform).inc(watch.counts.ambiguous)
