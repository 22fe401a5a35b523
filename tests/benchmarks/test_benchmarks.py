"""What the benchmarks say is true: the figures, the report, and that the other bots work."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from benchmarks import programme
from benchmarks.contenders import roster
from benchmarks.lateness import looks, worst
from benchmarks.measure import Answer, Call, Change, Cost, Figures, Recording, curve, figures
from benchmarks.play import Run, play
from benchmarks.report import BEGIN, END, put_into, report
from benchmarks.results import Optimum, Result
from benchmarks.scenarios import (
    FIFTY_CHATS,
    MANY_CHATS,
    ONE_CHAT,
    ROOM,
    STREAMS,
    Scenario,
    answer,
    asked,
    numbers,
    question,
)
from benchmarks.targets import verdicts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Scenarios


def test_an_answer_numbers_its_words() -> None:
    assert numbers(answer(0, 150)) == list(range(150))
    assert numbers(answer(2, 3)) == [2 * ROOM, 2 * ROOM + 1, 2 * ROOM + 2]


def test_a_question_tells_who_asked_it() -> None:
    assert asked(f"Reader 7 wrote: {question(17, 2)}") == (17, 2)
    assert asked("Are you there?") is None


def test_every_run_is_there_once_and_the_quick_ones_are_among_them() -> None:
    full, quick = programme.full(), programme.quick()
    assert len(set(full)) == len(full)
    assert set(quick) < set(full)


# Measuring

LATENCY = 0.5
ANSWER = Answer(chat=1, asked=9.0, begun=10.0, ended=13.0, first=0, words=4)
"""Words at 10, 11, 12 and 13."""


COST = Cost(cpu=0.02, resting=0.001, seconds=10.0, idle=50.0, peak=60.0)


def recorded(*changes: Change, calls: Sequence[Call] = (), answers: int = 1) -> Recording:
    chats = tuple(replace(ANSWER, chat=chat) for chat in range(1, 1 + answers))
    return Recording(chats, changes, tuple(calls), COST, ended=20.0)


def shows(at: float, text: str, *, message: int = 1, kind: str = "edited", chat: int = 1) -> Change:
    return Change(at, kind, chat, message, text)


def test_a_word_is_delayed_from_its_emission_until_it_reaches_the_reader() -> None:
    measured = figures(
        recorded(
            shows(10.5, "w0", kind="sent"), shows(12.0, "w0 w1 w2"), shows(13.5, "w0 w1 w2 w3")
        ),
        LATENCY,
    )
    # Seen at 11, 12.5, 12.5 and 14.
    assert measured.delay == pytest.approx((1 + 1.5 + 0.5 + 1) / 4)
    assert measured.first_text == 1.0
    assert measured.finish_lag == measured.worst_finish == 1.0
    assert measured.reaction == 2.0
    assert (measured.lost, measured.doubled) == (0, 0)
    # 0.02 s for four words, half of which it would have taken anyway.
    assert measured.cpu == pytest.approx(2.5)
    assert measured.resting == 0.001


def test_a_word_that_was_never_seen_is_lost_and_counts_as_seen_at_the_end() -> None:
    measured = figures(recorded(shows(13.0, "w0 w1 w2", kind="sent")), LATENCY)
    assert measured.lost == 1
    assert measured.delay == pytest.approx((3.5 + 2.5 + 1.5 + 7) / 4)


def test_a_word_that_was_taken_back_is_lost() -> None:
    whole = shows(13.0, "w0 w1 w2 w3", kind="sent")
    assert figures(recorded(whole, shows(14.0, "w0 w1")), LATENCY).lost == 2
    assert figures(recorded(whole, shows(14.0, "", kind="deleted")), LATENCY).lost == 4


def test_words_that_stand_twice_or_in_the_wrong_order_are_doubled() -> None:
    first, second = shows(13.0, "w0 w1 w2", kind="sent"), shows(13.0, "w2 w3", message=2)
    assert figures(recorded(first, second), LATENCY).doubled == 1
    assert figures(recorded(shows(13.0, "w1 w0 w2 w3", kind="sent")), LATENCY).doubled == 1


def test_refusals_are_counted_and_the_slowest_chat_is_found() -> None:
    calls = [Call(10.0, "sendMessage", 200), Call(11.0, "editMessageText", 429)]
    shown = [shows(13.0, "w0 w1 w2 w3", kind="sent"), shows(16.0, "w0 w1 w2 w3", chat=2)]
    measured = figures(recorded(*shown, calls=calls, answers=2), LATENCY)
    assert (measured.calls, measured.refused) == (2, 1)
    assert measured.slowest_chat == pytest.approx(5.0)
    assert measured.delay == pytest.approx(3.5)


def test_answers_are_written_together_while_the_model_writes_them() -> None:
    spans = ((10.0, 14.0), (12.0, 15.0), (14.0, 16.0))
    answers = [replace(ANSWER, chat=n, begun=b, ended=e) for n, (b, e) in enumerate(spans)]
    answers.append(replace(ANSWER, chat=9, begun=12.0, ended=15.0, written=False))
    assert figures(replace(recorded(), answers=tuple(answers)), LATENCY).together == 2


def test_the_curve_ends_with_all_words_written_and_seen() -> None:
    shown = [shows(13.0, "w0 w1", kind="sent"), shows(13.5, "w0 w1 w2 w3")]
    times, written, seen = curve(recorded(*shown), LATENCY)
    assert times == sorted(times)
    assert (written[-1], seen[-1]) == (4, 4)
    assert seen[times.index(3.5)] == 2


# The report

GOOD = Figures(
    delay=0.3, slowest_chat=0.3, first_text=0.1, finish_lag=0.1, worst_finish=0.1, reaction=0.2,
    calls=30, refused=0, lost=0, doubled=0, cpu=0.04, resting=0.01, idle=100.0, peak=120.0,
    loop_lag=0.1, together=1000,
)  # fmt: skip
NO_CURVE: tuple[list[float], list[float], list[float]] = ([], [], [])


def a_result(scenario: Scenario, contender: str, measured: Figures) -> Result:
    run = Run(scenario, "default", getattr(roster, contender))
    return Result(run, measured, Optimum(0.25, 0.08, 0.08), NO_CURVE)


def test_targets_that_are_reached_are_met() -> None:
    other = replace(GOOD, delay=0.9, slowest_chat=1.0)
    results = [
        a_result(MANY_CHATS, "PARLANCE", GOOD),
        a_result(MANY_CHATS, "STRAIGHTFORWARD", other),
    ]
    told = list(verdicts(results))
    assert len(told) == 6
    assert all(verdict.met for verdict in told)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"delay": 0.4}, "mean delay is 1.60 optima"),
        ({"lost": 3}, "3 words lost"),
        ({"refused": 2}, "2 calls refused"),
        ({"slowest_chat": 0.9}, "slowest chat is 3.00 means"),
        ({"cpu": 0.2}, "CPU for 1,000 words is 0.200 s"),
    ],
)
def test_a_target_that_is_missed_is_named(change: dict[str, float], said: str) -> None:
    missed = [
        verdict.text
        for verdict in verdicts([a_result(MANY_CHATS, "PARLANCE", replace(GOOD, **change))])
        if not verdict.met
    ]
    assert len(missed) == 1
    assert said in missed[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"loop_lag": 0.5}, "the event loop's worst lag is 0.500 s"),
        ({"together": 490}, "490 at once"),
        ({"lost": 3}, "3 words lost"),
    ],
)
def test_so_many_streams_must_run_together_and_none_stand_still(
    change: dict[str, float], said: str
) -> None:
    run = Run(STREAMS, "off", roster.PARLANCE)
    told = list(verdicts([Result(run, replace(GOOD, **change), None, NO_CURVE)]))
    [missed] = [verdict.text for verdict in told if not verdict.met]
    assert said in missed
    assert len(told) == 3


LOOKS = """# TYPE parlance_loop_lag_seconds histogram
parlance_loop_lag_seconds_bucket{le="0.1"} %d
parlance_loop_lag_seconds_bucket{le="0.5"} %d
parlance_loop_lag_seconds_bucket{le="+Inf"} %d
"""


def test_how_late_the_loop_was_before_the_run_does_not_count() -> None:
    before, after, later = (looks(LOOKS % n) for n in ((3, 4, 5), (9, 10, 11), (20, 22, 23)))
    assert worst(before, after) == 0.1
    assert worst(after, later) == 0.5
    assert worst(before, looks(LOOKS % (9, 10, 12))) == float("inf")
    assert worst(before, before) == float("inf")


def test_a_figure_that_is_worse_than_another_bots_is_named() -> None:
    ours = replace(GOOD, finish_lag=0.5)
    results = [
        a_result(FIFTY_CHATS, "PARLANCE", ours),
        a_result(FIFTY_CHATS, "STRAIGHTFORWARD", replace(GOOD, delay=1.0)),
    ]
    assert any("finish_lag 0.5 > 0.1" in v.text and not v.met for v in verdicts(results))


def test_the_report_has_a_row_for_each_bot_and_replaces_the_former_one(tmp_path: Path) -> None:
    results = [
        a_result(ONE_CHAT, "PARLANCE", GOOD),
        a_result(ONE_CHAT, "STRAIGHTFORWARD", replace(GOOD, delay=0.6)),
    ]
    text = report(results, None)
    assert "| parlance | 0.30 | 1.20 | 1.00 |" in text
    assert "| straightforward | 0.60 | 2.40 | 2.00 |" in text
    page = tmp_path / "page.md"
    page.write_text(f"# Before\n{BEGIN}an old table\n{END}\nafter\n")
    put_into(page, text)
    put_into(page, text)
    told = page.read_text()
    assert told.count("| parlance |") == 1
    assert "an old table" not in told
    assert told.startswith("# Before\n")
    assert told.endswith("\nafter\n")


# The bots


@pytest.mark.parametrize(
    ("contender", "server"),
    [
        ("STRAIGHTFORWARD", "default"),
        ("EDIT_STREAM", "default"),
        ("STRAIGHTFORWARD_DISCORD", "refill"),
    ],
)
async def test_the_other_bots_answer_whole_and_in_order_over_pages(
    contender: str, server: str
) -> None:
    bot = getattr(roster, contender)
    scenario = Scenario("two readers", bot.platform, words=900, rate=450.0, chats=2, patience=30.0)
    async with asyncio.timeout(90):
        recording = await play(Run(scenario, server, bot))
    measured = figures(recording, LATENCY)
    assert (measured.lost, measured.doubled, measured.refused) == (0, 0, 0)
    assert len({change.message for change in recording.changes if change.kind == "sent"}) >= 4
    assert any(change.kind == "edited" for change in recording.changes)
