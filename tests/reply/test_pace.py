"""Budgets, penalties and priorities, on times that the tests name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import pytest

from bot.chat.keys import ChatKey
from bot.reply.bucket import Bucket
from bot.reply.pace import Call, Pace, Priority, Refused, Took
from bot.reply.surface import Budget
from bot.reply.tuning import USUAL

PRIVATE = Budget(rate=1.0, burst=10.0, reserve=2.0)
WIDE = Budget(rate=1000.0, burst=1000.0)


@dataclass(eq=False)
class Waiter:
    name: str = "1"
    priority: Priority = Priority.PREVIEW
    behind: int = 10
    since: float = 0.0
    begun: float = 0.0
    called_at: float = 0.0
    closes: bool = True
    chat_budget: Budget = PRIVATE

    @property
    def chat(self) -> ChatKey:
        return ChatKey("fake", "bot", self.name)

    @property
    def call(self) -> Call:
        return Call(self.chat, self.chat_budget)


def pace(bot: Budget = WIDE) -> Pace:
    return Pace(bot, WIDE, now=0.0)


def grants(pace: Pace, waiter: Waiter, until: float) -> list[float]:
    """When `waiter` is let through, always wanting to go, up to `until`."""
    return grants_from(pace, waiter, 0.0, until)


def grants_from(pace: Pace, waiter: Waiter, now: float, until: float) -> list[float]:
    times = []
    while now <= until:
        winner, again_at = pace.pick([waiter], (), now)
        if winner is None:
            assert again_at is not None
            assert again_at > now
            now = again_at
            continue
        pace.spend(winner, now)
        times.append(now)
    return times


class TestBucket:
    def test_holds_its_burst_and_refills_at_its_rate(self) -> None:
        bucket = Bucket(Budget(rate=2.0, burst=3.0), now=0.0)
        for _ in range(3):
            bucket.take(0.0)
        assert bucket.level(0.0) == 0.0
        assert bucket.ready_at(1.0, 0.0) == 0.5
        assert bucket.level(100.0) == 3.0

    def test_a_full_bucket_meets_a_need_above_its_burst(self) -> None:
        bucket = Bucket(Budget(rate=1.0, burst=3.0), now=0.0)
        assert bucket.ready_at(5.0, 0.0) == 0.0

    def test_drained_it_refills_from_the_end_of_the_penalty(self) -> None:
        bucket = Bucket(Budget(rate=1.0, burst=3.0), now=0.0)
        bucket.drain(until=30.0)
        assert bucket.level(30.0) == 1.0
        assert bucket.level(31.0) == 2.0


def test_previews_leave_the_reserve_and_then_keep_to_the_rate() -> None:
    times = grants(pace(), Waiter(), until=60.0)
    assert len(times) <= 10 - 2 + 60 + 1
    assert len(times) >= 60
    steady = [b - a for a, b in pairwise(times[-10:])]
    assert all(gap == pytest.approx(1.0, abs=0.01) for gap in steady)


def test_the_burst_is_spent_early_and_the_pace_falls_to_the_rate() -> None:
    times = grants(pace(), Waiter(), until=20.0)
    gaps = [b - a for a, b in pairwise(times)]
    assert times[0] == 0.0
    assert sum(time < 5.0 for time in times) > 1.5 * 5.0
    assert max(gaps[:5]) < min(gaps[-5:])


def test_answers_that_are_always_short_are_shown_in_more_steps() -> None:
    usual, short = pace(), pace()
    for _ in range(50):
        short.ended(4.0)
    assert len(grants(short, Waiter(), until=4.0)) > len(grants(usual, Waiter(), until=4.0))


def test_one_answer_leaves_something_to_the_next_where_many_ask() -> None:
    crowd = Budget(rate=0.1, burst=20.0, reserve=2.0, share=0.5)
    first = len(grants(pace(), Waiter(chat_budget=crowd), until=10.0))
    alone = len(grants(pace(), Waiter(chat_budget=replace(crowd, share=1.0)), until=10.0))
    assert first < alone


def test_a_final_goes_at_once_when_previews_have_spent_all_they_may() -> None:
    budgets = pace()
    grants(budgets, Waiter(), until=30.0)
    final = Waiter(priority=Priority.FINAL)
    assert budgets.pick([final], (), 30.0) == (final, None)


def order_of(budgets: Pace, waiting: list[Waiter]) -> list[Waiter]:
    """In which they are let through, all at one time."""
    order = []
    while waiting:
        winner, _ = budgets.pick(waiting, (), 10.0)
        assert winner is not None
        budgets.spend(winner, 10.0)
        waiting.remove(winner)
        order.append(winner)
    return order


def test_finals_go_before_all_and_first_texts_before_previews() -> None:
    far = Waiter("1", Priority.PREVIEW, behind=9999)
    preview = Waiter("2", Priority.PREVIEW, behind=100)
    first = Waiter("3", Priority.FIRST, behind=1, since=9.0)
    final = Waiter("4", Priority.FINAL, behind=1, since=9.0)
    assert order_of(pace(), [preview, far, first, final]) == [final, first, far, preview]


def test_in_a_crowd_a_first_text_waits_for_readers_who_are_far_behind() -> None:
    far = Waiter("1", Priority.PREVIEW, behind=9999)
    preview = Waiter("2", Priority.PREVIEW, behind=100)
    first = Waiter("3", Priority.FIRST, behind=100)
    final = Waiter("4", Priority.FINAL, behind=1)
    others = [Waiter(f"other {n}", behind=1, since=9.9) for n in range(20)]
    budgets = pace(bot=Budget(rate=10.0, burst=100.0))
    order = order_of(budgets, [preview, far, first, final, *others])
    assert order[:4] == [final, far, first, preview]


def test_first_texts_spend_what_previews_leave_of_the_bots_budget_and_finals_go_before() -> None:
    budgets = pace(bot=Budget(rate=10.0, burst=11.0, reserve=10.0))
    firsts = [Waiter(str(n), Priority.FIRST) for n in range(12)]
    assert shown_at_once(budgets, [*firsts], 0.0) == 11
    winner, again_at = budgets.pick([Waiter("preview")], (), 0.0)
    assert winner is None
    assert again_at == pytest.approx(1.1)
    final = Waiter("final", Priority.FINAL)
    assert budgets.pick([*firsts, final], (), 0.1)[0] is final


def shown_at_once(budgets: Pace, waiting: list[Waiter], now: float) -> int:
    """How many are let through at that time; they are taken out."""
    shown = 0
    while (winner := budgets.pick(waiting, (), now)[0]) is not None:
        budgets.spend(winner, now)
        waiting.remove(winner)
        shown += 1
    return shown


def test_in_a_crowd_only_first_texts_that_waited_long_go_before_the_bots_reserve() -> None:
    budgets = pace(bot=Budget(rate=1.0, burst=11.0, reserve=9.0))
    young = [Waiter(f"young {n}", Priority.FIRST) for n in range(20)]
    assert shown_at_once(budgets, young, 0.0) == 2
    assert budgets.pick(young, (), 0.0) == (None, 1.0)
    assert shown_at_once(budgets, young, USUAL.first_patience) == 11


def test_among_previews_the_reader_furthest_behind_is_next() -> None:
    near = Waiter("1", behind=10, since=9.0)
    far = Waiter("2", behind=200, since=5.0)
    winner, _ = pace().pick([near, far], (), 10.0)
    assert winner is far


def test_a_penalty_holds_its_chat_to_the_end_and_no_other() -> None:
    budgets = pace()
    refused, other = Waiter("1", Priority.FINAL), Waiter("2")
    budgets.spend(refused, 0.0)
    budgets.done(refused.call, Refused(30.0), None, 0.0)
    assert budgets.pick([refused], (), 29.9)[0] is None
    assert budgets.pick([refused, other], (), 1.0)[0] is other
    assert budgets.pick([refused], (), 0.0) == (None, 30.0)
    assert budgets.pick([refused], (), 30.0)[0] is refused


@pytest.mark.parametrize("refusals", [1, 2, 3])
@pytest.mark.parametrize("budget", [PRIVATE, Budget(rate=1 / 3, burst=18.0, reserve=4.0)])
def test_a_final_goes_at_the_end_of_the_penalty_however_short(
    budget: Budget, refusals: int
) -> None:
    budgets, final = pace(), Waiter(priority=Priority.FINAL, chat_budget=budget)
    for _ in range(refusals):
        budgets.done(final.call, Refused(3.0), None, 0.0)
    assert budgets.pick([final], (), 0.0) == (None, 3.0)
    assert budgets.pick([final], (), 3.0)[0] is final


def test_a_preview_leaves_the_final_a_token_even_in_a_chat_that_is_hardly_trusted() -> None:
    budgets, waiter = pace(), Waiter()
    for _ in range(5):
        budgets.done(waiter.call, Refused(0.0), None, 0.0)
    last = grants(budgets, waiter, until=100.0)[-1]
    final = Waiter(priority=Priority.FINAL)
    assert budgets.pick([final], (), last)[0] is final


@dataclass(eq=False)
class OneOfSeveral(Waiter):
    """A reply beside others in a channel where new messages are counted by themselves."""

    @property
    def chat(self) -> ChatKey:
        return ChatKey("fake", "bot", "channel")

    @property
    def call(self) -> Call:
        kind = "create" if self.priority is Priority.FIRST else ""
        return Call(self.chat, CHANNEL, kind)


CHANNEL = Budget(rate=1.0, burst=5.0, reserve=1.0, floor=1.0)


def test_a_first_text_that_is_counted_by_itself_draws_no_preview_after_it() -> None:
    budgets, reply = pace(), OneOfSeveral(priority=Priority.FIRST)
    budgets.joined(reply.chat)
    budgets.spend(reply, 0.0)
    reply.priority = Priority.PREVIEW
    assert grants_from(budgets, reply, 0.0, 1.0)[0] > 0.2


def test_replies_in_one_channel_take_turns_and_spend_what_comes_in() -> None:
    budgets, replies = pace(), [OneOfSeveral(str(n)) for n in range(3)]
    for reply in replies:
        budgets.joined(reply.chat)
    now, shown = 1.0, []
    while now < 31.0:
        for reply in replies:
            reply.since = reply.called_at
        winner, again_at = budgets.pick(replies, (), now)
        if winner is None:
            assert again_at is not None
            now = again_at
            continue
        budgets.spend(winner, now)
        shown.append(winner.name)
    assert 31 <= len(shown) <= 33
    assert all(len(set(shown[at : at + 3])) == 3 for at in range(len(shown) - 2))


def test_where_the_bucket_is_full_no_reply_waits_for_its_turn() -> None:
    budgets, replies = pace(), [OneOfSeveral(str(n), Priority.FIRST) for n in range(3)]
    for reply in replies:
        budgets.joined(reply.chat)
        budgets.spend(reply, 0.0)
        reply.priority = Priority.PREVIEW
    assert grants_from(budgets, replies[0], 0.0, 1.0)[0] < 1.0


def test_where_the_bucket_fills_before_a_replys_turn_it_goes_then() -> None:
    budgets, replies = pace(), [OneOfSeveral(str(n)) for n in range(3)]
    for reply in replies:
        budgets.joined(reply.chat)
    budgets.spend(replies[0], 0.0)
    assert grants_from(budgets, replies[0], 0.0, 1.5)[0] == 1.0


def test_the_more_replies_in_a_chat_the_more_is_left_for_their_finals() -> None:
    left = []
    for count in (1, 2, 3):
        budgets, replies = pace(), [OneOfSeveral(str(n)) for n in range(count)]
        for reply in replies:
            budgets.joined(reply.chat)
        now = 0.0
        while now < 20.0:
            winner, again_at = budgets.pick(replies, (), now)
            if winner:
                budgets.spend(winner, now)
            now = again_at or now
        left.append(budgets._bucket(replies[0].call, now).level(now))
    assert left == pytest.approx([2.0, 2.5, 3.0], abs=0.1)  # With the preview's own token.


def test_while_the_reserve_fills_again_half_of_what_comes_in_is_shown() -> None:
    budgets, waiter = pace(), Waiter()
    for _ in range(10):
        budgets.spend(waiter, 0.0)
    times = grants_from(budgets, waiter, 0.0, 12.0)
    gaps = [b - a for a, b in pairwise(times)]
    assert times[0] == 2.0
    assert gaps[0] == 2.0
    assert gaps[-1] == pytest.approx(1.0, abs=0.1)


def test_a_refused_chat_is_slower_and_recovers_bit_by_bit() -> None:
    calm, burnt = pace(), pace()
    waiter = Waiter()
    burnt.done(waiter.call, Refused(0.0), None, 0.0)
    slow = len(grants(burnt, waiter, until=30.0))
    assert slow < len(grants(calm, Waiter(), until=30.0)) / 2
    for _ in range(200):
        burnt.done(waiter.call, Took(0.1), None, 30.0)
    assert burnt._bucket(waiter.call, 30.0).trust > 0.95


def test_the_bots_own_budget_holds_over_all_chats() -> None:
    budgets = pace(bot=Budget(rate=10.0, burst=5.0, reserve=1.0))
    waiting = [Waiter(str(n)) for n in range(100)]
    now, sent = 0.0, 0
    while now <= 2.0:
        winner, again_at = budgets.pick(waiting, (), now)
        if winner is None:
            now = again_at or 3.0
            continue
        budgets.spend(winner, now)
        waiting.remove(winner)
        sent += 1
    assert sent == 5 - 1 + 20


def test_typing_takes_no_texts_place() -> None:
    budgets = pace(bot=Budget(rate=10.0, burst=10.0, reserve=6.0))
    shown = sum(budgets.may_act(Waiter(str(n)).chat, 0.0) for n in range(100))
    assert 0 < shown <= 3


def test_no_typing_within_a_penalty() -> None:
    budgets, waiter = pace(), Waiter()
    assert budgets.may_act(waiter.chat, 0.0)
    budgets.done(waiter.call, Refused(30.0), None, 0.0)
    assert not budgets.may_act(waiter.chat, 29.0)
    assert budgets.may_act(waiter.chat, 31.0)


def test_a_call_that_was_not_made_costs_nothing() -> None:
    budgets, waiter = pace(bot=Budget(rate=1.0, burst=1.0)), Waiter(priority=Priority.FINAL)
    budgets.spend(waiter, 0.0)
    assert budgets.pick([waiter], (), 0.0)[0] is None
    budgets.refund(waiter.call, 0.0)
    assert budgets.pick([waiter], (), 0.0)[0] is waiter


def test_a_refusal_is_forgotten_after_a_while() -> None:
    budgets = pace()
    for n in range(2000):
        budgets.done(Waiter(str(n)).call, Refused(30.0), None, 0.0)
    budgets.spend(Waiter("later"), 60.0)
    assert len(budgets._chats) > 2000
    budgets.spend(Waiter("much later"), 100_000.0)
    assert len(budgets._chats) < 10


def test_chats_at_rest_are_forgotten() -> None:
    budgets = pace()
    for n in range(5000):
        budgets.spend(Waiter(str(n)), float(n))
    assert len(budgets._chats) < 2000


def test_a_chat_whose_calls_are_slowed_down_is_taken_to_have_a_smaller_burst() -> None:
    budgets, waiter, now = pace(), Waiter(), 0.0
    slow_from = 4
    for call in range(slow_from + 2):
        budgets.spend(waiter, now)
        took = 1.1 if call >= slow_from else 0.1
        now += took
        budgets.done(waiter.call, Took(took), None, now)
    assert budgets.pick([waiter], (), now)[0] is None
    later = grants_from(budgets, waiter, now, now + 20.0)
    assert all(b - a >= 0.9 for a, b in pairwise(later))


def test_one_slow_call_teaches_nothing() -> None:
    budgets, waiter = pace(), Waiter()
    for took in (0.1, 5.0, 0.1, 5.0, 0.1):
        budgets.done(waiter.call, Took(took), None, 0.0)
    assert budgets.lessons() == {}


def test_what_was_learned_is_known_to_the_next_process() -> None:
    before, after, waiter = pace(), pace(), Waiter()
    before.done(waiter.call, Refused(30.0), None, 0.0)
    learned = before.lessons()
    assert list(learned) == [(waiter.chat, "")]
    assert before.lessons() == {}
    after.recall(learned)
    final = Waiter(priority=Priority.FINAL)
    assert after.pick([final], (), 1.0) == (None, 30.0)
    assert after._bucket(waiter.call, 30.0).trust < 1.0


def test_replicas_share_the_bots_budget_in_equal_parts() -> None:
    shared = pace(Budget(rate=30.0, burst=30.0))
    shared.share(3, 0.0)
    waiters = [Waiter(str(n), chat_budget=WIDE) for n in range(100)]
    granted, now = 0, 0.0
    while now <= 1.0:
        winner, again_at = shared.pick(waiters, (), now)
        if winner is None:
            assert again_at is not None
            now = again_at
            continue
        shared.spend(winner, now)
        waiters.remove(winner)
        granted += 1
    assert granted == 20, "a burst of 10 and 10 in a second"


def test_what_is_spent_stays_spent_when_a_replica_comes_or_goes() -> None:
    bucket = Bucket(Budget(rate=1.0, burst=10.0), 0.0)
    for _ in range(4):
        bucket.take(0.0)
    bucket.declare(Budget(rate=0.5, burst=5.0), 0.0)
    assert bucket.level(0.0) == 1.0
    bucket.declare(Budget(rate=1.0, burst=10.0), 0.0)
    assert bucket.level(0.0) == 6.0
