"""Buckets that learn from rate limit headers, against the two ways in which servers count."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.keys import ChatKey
from bot.reply.pace import Call, Pace, Priority, Took
from bot.reply.surface import Allowance, Budget

DECLARED = Budget(rate=1.0, burst=5.0, reserve=1.0, floor=1.0)
WIDE = Budget(rate=1000.0, burst=1000.0)
CALL = Call(ChatKey("fake", "bot", "1"), DECLARED, "edit")
TRIP = 0.08
"""Seconds from a call to its answer."""


class Refilling:
    """One token comes back every `window / limit` seconds."""

    def __init__(self, limit: int, window: float) -> None:
        self.limit, self.rate = limit, limit / window
        self._level, self._at = float(limit), 0.0

    def call(self, now: float) -> Allowance | None:
        level = min(self.limit, self._level + (now - self._at) * self.rate)
        if level < 1.0:
            return None
        self._level, self._at = level - 1.0, now
        return Allowance(self.limit, int(self._level), (self.limit - self._level) / self.rate)


class Windowed:
    """All tokens come back `window` seconds after the first one was spent."""

    def __init__(self, limit: int, window: float) -> None:
        self.limit, self.window = limit, window
        self._spent, self._ends = 0, -math.inf

    def call(self, now: float) -> Allowance | None:
        if now >= self._ends:
            self._spent, self._ends = 0, now + self.window
        if self._spent >= self.limit:
            return None
        self._spent += 1
        return Allowance(self.limit, self.limit - self._spent, self._ends - now)


@dataclass(eq=False)
class Writer:
    """A reply that always has more to show."""

    priority: Priority = Priority.PREVIEW
    call: Call = CALL
    behind: int = 10
    since: float = 0.0
    begun: float = 0.0
    called_at: float = 0.0
    closes: bool = True


def stream(server: Refilling | Windowed, seconds: float, trip: float = TRIP / 2) -> list[Allowance]:
    """What the server said to the previews that were let through."""
    pace, now, heard = Pace(WIDE, WIDE, now=0.0), 0.0, []
    while now < seconds:
        winner, again_at = pace.pick([Writer()], (), now)
        if winner is None:
            assert again_at is not None
            assert again_at > now
            now = again_at
            continue
        pace.spend(Writer(), now)
        said = server.call(now + trip)
        assert said is not None, "a 429 of our own making"
        now += 2 * trip
        pace.done(CALL, Took(2 * trip), said, now)
        heard.append(said)
    return heard


SERVERS = [
    Refilling(5, 5.0),
    Refilling(10, 5.0),
    Refilling(3, 6.0),
    Windowed(5, 5.0),
    Windowed(4, 10.0),
    Windowed(10, 2.0),
]


def name(server: Refilling | Windowed) -> str:
    return f"{type(server).__name__}-{server.limit}"


@pytest.mark.parametrize("server", SERVERS, ids=name)
def test_previews_never_spend_the_last_token(server: Refilling | Windowed) -> None:
    assert all(said.remaining >= 1 for said in stream(server, 120.0))


@pytest.mark.parametrize(("limit", "window"), [(5, 5.0), (10, 5.0), (3, 6.0)])
def test_tokens_that_come_back_one_by_one_are_used_as_they_come(limit: int, window: float) -> None:
    calls = len(stream(Refilling(limit, window), 120.0))
    assert calls >= 0.9 * 120.0 * limit / window


@pytest.mark.parametrize(("limit", "window"), [(5, 5.0), (4, 10.0)])
def test_of_each_window_all_but_the_last_token_is_used(limit: int, window: float) -> None:
    calls = len(stream(Windowed(limit, window), 120.0))
    assert calls >= 0.85 * 120.0 * (limit - 1) / window


def test_a_final_may_spend_the_last_token() -> None:
    pace = Pace(WIDE, WIDE, now=0.0)
    pace.done(CALL, Took(TRIP), Allowance(5, 1, 4.0), 0.0)
    assert pace.pick([Writer()], (), 0.0)[0] is None
    assert pace.pick([Writer(Priority.FIRST)], (), 0.0)[0] is None
    final = Writer(Priority.FINAL)
    assert pace.pick([final], (), 0.0) == (final, None)
    final.closes = False
    assert pace.pick([final], (), 0.0)[0] is None


def test_what_the_platform_says_in_one_bucket_says_nothing_of_another() -> None:
    pace = Pace(WIDE, WIDE, now=0.0)
    pace.done(CALL, Took(TRIP), Allowance(5, 0, 5.0), 0.0)
    create = Writer(Priority.FIRST, CALL._replace(kind="create"))
    assert pace.pick([create], (), 0.0)[0] is create


@pytest.mark.parametrize("server", [Refilling(5, 5.0), Windowed(5, 5.0)], ids=name)
def test_how_one_bucket_fills_is_taken_for_true_of_those_that_said_little(
    server: Refilling | Windowed,
) -> None:
    pace = Pace(WIDE, WIDE, now=0.0)
    for now in (0.0, 0.1):
        said = server.call(now)
        assert said is not None
        pace.done(CALL, Took(TRIP), said, now)
    other = Call(ChatKey("fake", "bot", "2"), DECLARED, "edit")
    writer = Writer(call=other)
    for now in (1.0, 10.0):
        pace.done(other, Took(TRIP), Allowance(5, 4, 1.0), now)
        pace.spend(writer, now)
        _, again_at = pace.pick([writer], (), now)
        assert again_at is not None
        # Spread over the next second, or over the seconds that an answer may take.
        gap = 0.33 if isinstance(server, Windowed) else 0.67
        assert again_at - now == pytest.approx(gap, abs=0.02)


def test_a_bucket_that_was_told_before_any_had_shown_it_learns_of_it_too() -> None:
    pace, other = Pace(WIDE, WIDE, now=0.0), CALL._replace(kind="other")
    pace.done(other, Took(TRIP), Allowance(5, 4, 1.0), 0.0)
    server, writer = Refilling(5, 5.0), Writer(call=other)
    for now in (0.0, 0.1):
        said = server.call(now)
        assert said is not None
        pace.done(CALL, Took(TRIP), said, now)
    pace.done(other, Took(TRIP), Allowance(5, 4, 1.0), 10.0)
    pace.spend(writer, 10.0)
    _, again_at = pace.pick([writer], (), 10.0)
    assert again_at == pytest.approx(10.67, abs=0.02)


@given(
    st.lists(
        st.tuples(
            st.integers(-1, 20),
            st.integers(-1, 20),
            st.floats(-1.0, 100.0),
            st.floats(0.0, 20.0),
        )
    )
)
def test_whatever_a_server_says_the_wait_has_an_end(
    answers: list[tuple[int, int, float, float]],
) -> None:
    pace, now = Pace(WIDE, WIDE, now=0.0), 0.0
    for limit, remaining, reset_after, pause in answers:
        pace.spend(Writer(), now)
        pace.done(CALL, Took(TRIP), Allowance(limit, remaining, reset_after), now)
        _, again_at = pace.pick([Writer()], (), now)
        assert again_at is None or again_at <= now + 1000.0
        now += pause
    while (picked := pace.pick([Writer()], (), now))[0] is None:
        assert picked[1] is not None
        assert picked[1] > now
        now = picked[1]
