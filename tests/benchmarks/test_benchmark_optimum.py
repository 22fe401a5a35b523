"""The optimum and its lower bounds: against brute force, and schedules that can be done."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations, combinations_with_replacement, pairwise, product
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.contenders import roster
from benchmarks.measure import Answer
from benchmarks.optimum import FINE, Limit, Words, many_chats, mean_wait, single_chat
from benchmarks.play import Run
from benchmarks.results import best
from benchmarks.scenarios import CHANNEL, DIRECT
from benchmarks.sellers import BucketSeller, WindowSeller

if TYPE_CHECKING:
    from collections.abc import Sequence

# One chat


def test_where_the_budget_is_ample_every_word_is_shown_at_once() -> None:
    assert single_chat(Words((0.0, 1.0, 2.0, 3.0)), Limit(1.0, 4.0), gap=0.0) == 0.0


def test_two_calls_for_four_words_are_best_in_the_middle_and_at_the_end() -> None:
    # At 0 and 3: 2 + 1. At 2 and 3: 2 + 1. At 1 and 3: 1 + 1.
    words = Words((0.0, 1.0, 2.0, 3.0))
    assert single_chat(words, Limit(0.01, 2.0), gap=0.0, step=0.5) == pytest.approx(2.0)


def test_a_call_waits_for_the_answer_to_the_one_before() -> None:
    # Calls at 0 and 0.5 would cost 0.4; one call at 0.1 costs 0.1.
    words = Words((0.0, 0.1))
    assert single_chat(words, Limit(1.0, 9.0), gap=0.5, step=0.1) == pytest.approx(0.1)


def test_one_call_does_not_show_two_answers() -> None:
    limit = Limit(0.1, 1.0)
    joined, parted = Words((0.0, 1.0)), Words((0.0, 1.0), breaks=(1,))
    assert single_chat(joined, limit, gap=0.0, step=1.0) == pytest.approx(1.0)
    # The first answer at 0; the token for the second is there at 10.
    assert single_chat(parted, limit, gap=0.0, step=1.0) == pytest.approx(9.0)


def test_each_answers_first_call_may_be_free() -> None:
    limit = Limit(0.1, 1.0, first_free=True)
    words = Words((0.0, 1.0, 2.0), breaks=(1, 2))
    # Three answers of one word each take no token at all.
    assert single_chat(words, limit, gap=0.0, step=1.0) == 0.0
    # Of the answers of two words, the first one's end takes the only token.
    words = Words((0.0, 1.0, 2.0, 3.0), breaks=(2,))
    assert single_chat(words, limit, gap=0.0, step=1.0) == pytest.approx(1.0)


def allowed(calls: Sequence[float], limit: Limit) -> bool:
    """Whether the limit grants calls at these times, from 0 on."""
    if limit.windows:
        return allowed_in_windows(sorted(calls), limit)
    tokens, before = limit.burst, 0.0
    for at in sorted(calls):
        tokens = min(limit.burst, tokens + (at - before) * limit.rate) - 1
        before = at
        if tokens < -1e-9:
            return False
    return True


def allowed_in_windows(calls: Sequence[float], limit: Limit) -> bool:
    ends, left = -math.inf, 0.0
    for at in calls:
        if at >= ends:
            ends, left = at + limit.burst / limit.rate, limit.burst
        left -= 1
        if left < 0:
            return False
    return True


def delays(words: Sequence[int], calls: Sequence[int]) -> int | None:
    """The sum of delays, or None where a word is never shown."""
    seen = [min((call for call in calls if call >= word), default=None) for word in words]
    if None in seen:
        return None
    return sum(at - word for at, word in zip(seen, words, strict=True))


def subsets(ticks: int) -> list[tuple[int, ...]]:
    return [calls for size in range(1, ticks + 1) for calls in combinations(range(ticks), size)]


def paid(calls: Sequence[int], limit: Limit) -> Sequence[int]:
    """The calls of an answer that the limit counts."""
    return calls[1:] if limit.first_free else calls


@given(
    words=st.lists(st.integers(0, 6), min_size=1, max_size=6),
    rate=st.sampled_from([0.25, 0.5, 1.0]),
    burst=st.integers(1, 4),
    gap=st.integers(1, 3),
    first_free=st.booleans(),
)
def test_a_single_chats_optimum_is_that_of_brute_force(
    words: list[int], rate: float, burst: int, gap: int, *, first_free: bool
) -> None:
    words = sorted(word - min(words) for word in words)
    limit = Limit(rate, burst, first_free=first_free)
    least = min(
        cost
        for calls in subsets(12)
        if all(later - earlier >= gap for earlier, later in pairwise(calls))
        and allowed(paid(calls, limit), limit)
        and (cost := delays(words, calls)) is not None
    )
    found = single_chat(Words(tuple(map(float, words))), limit, gap=gap, step=1.0)
    assert found == pytest.approx(least)


# Sellers

PRICES = st.lists(st.integers(0, 9), min_size=1, max_size=4)
MOST = 12
"""Calls that any seller below can make."""


def earned(prices: Sequence[int], limit: Limit) -> int:
    """The most that the calls of any schedule are worth."""
    ticks = range(len(prices))
    return max(
        sum(prices[at] for at in calls)
        for size in range(MOST + 1)
        for calls in combinations_with_replacement(ticks, size)
        if allowed(calls, limit)
    )


@given(prices=PRICES, gain=st.integers(1, 3), token=st.integers(1, 3), full=st.integers(0, 6))
def test_a_bucket_earns_what_brute_force_does(
    prices: list[int], gain: int, token: int, full: int
) -> None:
    full = min(full, MOST - 3 * gain)
    limit = Limit(gain / token, full / token)
    value, sold = BucketSeller(gain=gain, token=token, full=full).sell(np.array(prices, float))
    assert value == pytest.approx(earned(prices, limit))
    assert value == pytest.approx(float(sold @ prices))
    assert allowed([tick for tick, calls in enumerate(sold) for _ in range(int(calls))], limit)


@given(prices=PRICES, calls=st.integers(1, 3), length=st.integers(2, 4))
def test_windows_earn_what_brute_force_does(prices: list[int], calls: int, length: int) -> None:
    limit = Limit(calls / length, calls, windows=True)
    value, sold = WindowSeller(calls=calls, length=length).sell(np.array(prices, float))
    assert value == pytest.approx(earned(prices, limit))
    assert value == pytest.approx(float(sold @ prices))


# Many chats

LIMITS = st.builds(
    Limit,
    rate=st.sampled_from([0.5, 1.0]),
    burst=st.integers(1, 3),
    first_free=st.booleans(),
    windows=st.booleans(),
)


@given(words=st.integers(1, 5), late=st.integers(0, 2), limit=LIMITS, first_at_once=st.booleans())
def test_the_bound_is_below_every_schedule(
    words: int, late: int, limit: Limit, *, first_at_once: bool
) -> None:
    emitted = range(words)
    plans = [
        (calls, cost)
        for calls in subsets(7)
        if (cost := delays(emitted, calls)) is not None and (calls[0] == 0 or not first_at_once)
    ]
    pairs = sorted(product(plans, plans), key=lambda pair: pair[0][1] + pair[1][1])
    costs = (
        first + second
        for (calls, first), (others, second) in pairs
        if allowed([*paid(calls, limit), *(late + at for at in paid(others, limit))], limit)
    )
    chats = [Words(tuple(map(float, emitted))), Words(tuple(float(late + at) for at in emitted))]
    bound = many_chats(chats, limit, step=1.0, first_at_once=first_at_once)
    assert bound <= next(costs, math.inf) + 1e-9


def test_a_full_bucket_saves_no_more() -> None:
    # One word at 0 and four at 10, when there is one token: they wait 0, 1, 2 and 3. Were the
    # tokens from 1 to 9 saved up, none would wait. 400 steps don't end at so steep a price.
    chats = [Words((0.0,)), *[Words((10.0,))] * 4]
    assert 4.5 < many_chats(chats, Limit(1.0, 1.0), step=1.0) <= 6.0 + 1e-9


def test_a_windows_rest_is_lost() -> None:
    # The call at 0 opens a window of 10; from its end on, 2 calls are granted every 10.
    chats = [Words((0.0,)), *[Words((9.0,))] * 3]
    limit = Limit(0.2, 2.0, windows=True)
    assert many_chats(chats, limit, step=1.0) == pytest.approx(0 + 1 + 1, rel=0.02)


def even(words: int, begin: float = 0.0) -> Words:
    """Emitted 40 a second."""
    return Words(tuple(begin + n / 40 for n in range(words)))


@pytest.mark.parametrize(
    "limit", [Limit(1.0, 5.0), Limit(1.0, 5.0, first_free=True), Limit(2.0, 3.0)]
)
def test_with_one_chat_the_bound_is_near_its_optimum(limit: Limit) -> None:
    least = single_chat(even(300), limit, gap=0.0)
    assert 0.97 * least <= many_chats([even(300)], limit, step=FINE) <= least + 1e-9


def in_turn(chats: Sequence[Words], limit: Limit, worth: float) -> float:
    """The sum of delays of a schedule that can be done.

    A token goes to whose words have waited most, once that is `worth` it or the answer is whole.
    """
    shown = [0] * len(chats)
    now, level, total = 0.0, limit.burst, 0.0
    while any(done < len(chat.times) for done, chat in zip(shown, chats, strict=True)):
        begun = [place for place, chat in enumerate(chats) if now >= chat.times[0] - 1e-9]
        waited = {
            place: sum(max(0.0, now - at) for at in chats[place].times[shown[place] :])
            for place in begun
        }
        free = [place for place in begun if limit.first_free and not shown[place]]
        place = free[0] if free else max(waited, key=lambda each: waited[each])
        whole = now >= chats[place].times[-1] - 1e-9
        wanted = waited[place] >= worth or (whole and waited[place])
        if free or (wanted and level >= 1 - 1e-9):
            total += waited[place]
            shown[place] = sum(at <= now + 1e-9 for at in chats[place].times)
            level -= 0 if free else 1
        else:
            now += FINE
            level = min(limit.burst, level + limit.rate * FINE)
    return total


@pytest.mark.parametrize(
    ("chats", "limit", "worth"),
    [
        ([even(300)] * 3, Limit(1.0, 5.0, first_free=True), 60.0),
        ([even(200, n / 40) for n in range(40)], Limit(30.0, 30.0), 10.0),
        ([even(200, n / 20) for n in range(60)], Limit(20.0, 10.0), 20.0),
    ],
)
def test_the_bound_is_near_a_schedule_that_can_be_done(
    chats: Sequence[Words], limit: Limit, worth: float
) -> None:
    done = in_turn(chats, limit, worth)
    assert 0.7 * done < many_chats(chats, limit) < done


def test_firsts_at_once_cost_the_calls_that_could_come_later() -> None:
    limit = Limit(1.0, 5.0, first_free=True)
    chats = [even(100)] * 3
    assert many_chats(chats, limit) < many_chats(chats, limit, first_at_once=True)


def test_a_chat_of_several_answers_has_no_bound_where_their_first_calls_are_free() -> None:
    with pytest.raises(ValueError, match="one answer"):
        many_chats([Words((0.0, 1.0), breaks=(1,))], Limit(1.0, 1.0, first_free=True))


def test_windows_have_no_single_chats_optimum() -> None:
    with pytest.raises(ValueError, match="token buckets"):
        single_chat(Words((0.0, 1.0)), Limit(1.0, 1.0, windows=True), gap=0.0)


@pytest.mark.parametrize(
    ("windows", "first_at_once", "near", "calls"),
    [
        (
            False,
            False,
            0.99,
            ((74, 149, 224, 299), (29, 59, 129, 199, 269, 339), (49, 99, 166, 233, 299)),
        ),
        (
            False,
            True,
            0.99,
            ((0, 75, 149, 224, 299), (0, 19, 99, 179, 259, 339), (0, 59, 139, 219, 299)),
        ),
        (
            True,
            False,
            0.94,
            ((82, 164, 247, 299), (82, 165, 247, 299), (23, 47, 131, 215, 299)),
        ),
        (
            True,
            True,
            0.96,
            ((0, 114, 228, 299), (0, 100, 200, 299), (0, 28, 128, 228, 299)),
        ),
    ],
)
def test_three_in_a_channel_have_a_bound_near_the_best_schedules_that_were_found(
    calls: Sequence[Sequence[int]], near: float, *, windows: bool, first_at_once: bool
) -> None:
    # The calls are ticks, as words are: one word every 25 ms.
    ticks = Limit(FINE, 5.0, first_free=True, windows=windows)
    assert allowed([at for each in calls for at in paid(each, ticks)], ticks)
    costs = [delays(range(300), each) for each in calls]
    found = FINE * sum(cost for cost in costs if cost is not None)
    limit = replace(ticks, rate=1.0)
    bound = many_chats([even(300)] * 3, limit, step=FINE, first_at_once=first_at_once)
    assert near * found <= bound <= found + 1e-9


def test_a_channels_optimum_is_that_of_its_edits() -> None:
    answers = [Answer(1, 0.0, 0.0, 299 / 40, 0, 300)] * 3
    refill, fixed = (
        best(Run(CHANNEL, server, roster.PARLANCE_DISCORD), answers).delay
        for server in ("refill", "fixed")
    )
    assert refill == pytest.approx(0.905, abs=0.01)
    assert fixed == pytest.approx(0.968, abs=0.01)


def test_a_dm_is_searched_where_its_bucket_refills_and_bounded_where_it_has_windows() -> None:
    answers = [Answer(1, 0.0, 0.0, 299 / 40, 0, 300)]
    refill, fixed = (
        best(Run(DIRECT, server, roster.PARLANCE_DISCORD), answers).delay
        for server in ("refill", "fixed")
    )
    assert refill == pytest.approx(0.373, abs=0.005)
    assert fixed == pytest.approx(0.42, abs=0.01)


def test_calls_that_are_wanted_at_once_wait_for_their_tokens() -> None:
    assert mean_wait([5.0] * 4, Limit(1.0, 2.0)) == pytest.approx((0 + 0 + 1 + 2) / 4)
    assert mean_wait([5.0, 9.0, 9.0], Limit(1.0, 1.0)) == 0.0
