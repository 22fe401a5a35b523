"""What is counted of a turn, on virtual time, and that the text is Prometheus's."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import asked
import pytest
import virtual
from prometheus_client.parser import text_string_to_metric_families

from bot.chat.keys import ChatKey, TurnKey
from bot.operations import loop_lag
from bot.operations.metrics import Metrics
from bot.reply.ledger import Counts
from bot.store.schema import Outcome
from providers.base import RateLimitedError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

TURN = asked.turn(
    "a secret plan",
    key=TurnKey(ChatKey("telegram", "7", "4711"), "1"),
    sender="4711",
    asked_at=100.0,
)


def figures(metrics: Metrics) -> dict[str, float]:
    """Every sample by its name and its labels' values, in the order of the labels' names."""
    seen = {}
    for family in text_string_to_metric_families(metrics.text().decode()):
        for sample in family.samples:
            values = ",".join(value for _, value in sorted(sample.labels.items()))
            seen[f"{sample.name}{{{values}}}"] = sample.value
    return seen


def run(turn: Callable[[Metrics], Coroutine[None, None, None]]) -> dict[str, float]:
    """What `turn` leaves behind, three seconds after the question was stored."""
    metrics = Metrics(["telegram"], clock=lambda: TURN.asked_at + 3)
    virtual.run(turn(metrics))
    return figures(metrics)


def test_an_answer_is_counted_with_what_it_cost_and_how_long_it_took() -> None:
    async def turn(metrics: Metrics) -> None:
        loop, counts = asyncio.get_running_loop(), Counts()
        with metrics.turn("telegram") as watch:
            metrics.began(watch, TURN, counts)
            assert figures(metrics)["parlance_turns_running{telegram}"] == 1
            await asyncio.sleep(2)
            counts.first_shown = loop.time()
            await asyncio.sleep(5)
            counts.ended = loop.time()
            await asyncio.sleep(1)
            counts.delivered = loop.time()
            counts.calls, counts.refusals, counts.ambiguous = 9, 2, 1
            watch.outcome = Outcome.PARTIAL.value

    seen = run(turn)
    assert seen["parlance_turns_running{telegram}"] == 0
    assert seen["parlance_turns_total{partial,telegram}"] == 1
    assert seen["parlance_queue_seconds_sum{telegram}"] == 3
    assert seen["parlance_first_text_seconds_sum{telegram}"] == 5
    assert seen["parlance_finish_lag_seconds_sum{telegram}"] == 1
    assert seen["parlance_turn_seconds_sum{telegram}"] == 11
    assert seen["parlance_platform_calls_total{telegram}"] == 9
    assert seen["parlance_platform_refusals_total{telegram}"] == 2
    assert seen["parlance_ambiguous_creates_total{telegram}"] == 1


def test_a_command_is_no_answer() -> None:
    async def turn(metrics: Metrics) -> None:
        with metrics.turn("telegram") as watch:
            metrics.began(watch, replace(TURN, command="help"), Counts(1, 0, 0, 0.0, 0.0, 0.0))

    seen = run(turn)
    assert seen["parlance_turns_total{command,telegram}"] == 1
    assert seen["parlance_first_text_seconds_count{telegram}"] == 0
    assert seen["parlance_finish_lag_seconds_count{telegram}"] == 0


def test_a_turn_that_is_cut_has_not_ended_and_its_calls_count() -> None:
    async def turn(metrics: Metrics) -> None:
        with metrics.turn("telegram") as watch:
            metrics.began(watch, TURN, Counts(calls=4))
            raise asyncio.CancelledError

    metrics = Metrics(["telegram"])
    with pytest.raises(asyncio.CancelledError):
        virtual.run(turn(metrics))
    seen = figures(metrics)
    assert seen["parlance_turns_running{telegram}"] == 0
    assert seen["parlance_platform_calls_total{telegram}"] == 4
    assert seen["parlance_turn_seconds_count{telegram}"] == 0
    assert not [name for name in seen if name.startswith("parlance_turns_total")]


def test_a_turn_that_fails_is_an_error_and_one_that_is_over_is_nothing() -> None:
    async def turn(metrics: Metrics) -> None:
        with metrics.turn("telegram"):
            pass
        with metrics.turn("telegram") as watch:
            metrics.began(watch, TURN, Counts())
            raise ValueError("a bug")

    metrics = Metrics(["telegram"])
    with pytest.raises(ValueError, match="a bug"):
        virtual.run(turn(metrics))
    seen = figures(metrics)
    outcomes = {name: value for name, value in seen.items() if "turns_total" in name}
    assert outcomes == {"parlance_turns_total{error,telegram}": 1}


def test_nobody_and_nothing_that_was_said_is_in_it() -> None:
    metrics = Metrics(["telegram"])

    async def turn() -> None:
        with metrics.turn("telegram") as watch:
            metrics.began(watch, TURN, Counts())

    virtual.run(turn())
    metrics.provider_failed("main", RateLimitedError("slow down, user 4711"))
    text = metrics.text().decode()
    assert "4711" not in text
    assert "secret plan" not in text
    assert figures(metrics)["parlance_provider_failures_total{RateLimitedError,main}"] == 1


def test_two_bots_in_one_process_count_apart() -> None:
    one, other = Metrics(["telegram"]), Metrics(["telegram"])
    one.requested("/metrics", 200)
    assert "parlance_http_requests_total{/metrics,200}" in figures(one)
    assert "parlance_http_requests_total{/metrics,200}" not in figures(other)


async def test_a_loop_that_is_held_up_is_late() -> None:
    metrics = Metrics(["telegram"])
    watching = asyncio.create_task(loop_lag.watch(metrics.was_late))
    await asyncio.sleep(0)
    time.sleep(loop_lag.EVERY + 0.3)  # noqa: ASYNC251 - this is what holds it up
    await asyncio.sleep(loop_lag.EVERY / 5)
    watching.cancel()
    seen = figures(metrics)
    assert seen["parlance_loop_lag_seconds_count{}"] == 1
    assert seen["parlance_loop_lag_seconds_sum{}"] >= 0.3
