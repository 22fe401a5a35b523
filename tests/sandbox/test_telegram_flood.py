"""The flood model on virtual time: no clock runs here."""

from dataclasses import replace

import pytest

from sandbox.telegram.flood import CallKind, FloodControl, Verdict
from sandbox.telegram.settings import FLOOD_PRESETS, Bucket, FloodSettings

ADA, BEN, GROUP = 1001, 1002, -4_000_000_001
DEFAULT = FLOOD_PRESETS["default"]
STRICT = FLOOD_PRESETS["strict"]
OFF = FLOOD_PRESETS["off"]


def send(flood: FloodControl, now: float, chat: int = ADA) -> Verdict:
    return flood.request(now, chat, CallKind.MESSAGE)


def sends(flood: FloodControl, now: float, count: int, chat: int = ADA) -> list[Verdict]:
    return [send(flood, now, chat) for _ in range(count)]


def exhaust(flood: FloodControl, now: float, chat: int = ADA) -> int:
    """Send until a call is refused; the penalty's seconds."""
    for _ in range(1000):
        verdict = send(flood, now, chat)
        if verdict.retry_after:
            return verdict.retry_after
    raise AssertionError("never refused")


@pytest.mark.parametrize(("settings", "burst"), [(DEFAULT, 20), (STRICT, 3)])
def test_a_private_chat_takes_its_burst_at_once_and_then_grows_slow(
    settings: FloodSettings, burst: int
) -> None:
    verdicts = sends(FloodControl(settings), 0.0, burst + 3)
    assert [v.wait for v in verdicts] == [0.0] * burst + [1.0, 2.0, 3.0]
    assert not any(v.retry_after for v in verdicts)


def test_eight_seconds_are_absorbed_and_the_ninth_is_a_429() -> None:
    flood = FloodControl(STRICT)
    assert sends(flood, 0.0, 11)[-1] == Verdict(wait=8.0)
    assert send(flood, 0.0) == Verdict(retry_after=9)


def test_one_message_a_second_is_never_slowed() -> None:
    flood = FloodControl(STRICT)
    assert {send(flood, float(second)).wait for second in range(600)} == {0.0}


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    flood = FloodControl(STRICT)
    send(flood, 0.0)
    assert [v.wait for v in sends(flood, 10_000.0, 4)] == [0.0, 0.0, 0.0, 1.0]


def test_a_call_inside_the_penalty_gets_the_remaining_seconds_and_does_not_lengthen_it() -> None:
    flood = FloodControl(STRICT)
    assert exhaust(flood, 0.0) == 9
    remaining = [send(flood, now).retry_after for now in (0.5, 3.0, 8.2)]
    assert remaining == [9, 6, 1]
    assert send(flood, 9.0).retry_after == 0


def test_each_strike_within_ten_minutes_doubles_the_penalty() -> None:
    flood = FloodControl(STRICT)
    now, penalties = 0.0, []
    for _ in range(4):
        penalties.append(exhaust(flood, now))
        now += penalties[-1]
    assert penalties == [9, 18, 36, 72]


def test_a_strike_is_forgotten_after_ten_minutes() -> None:
    flood = FloodControl(STRICT)
    assert exhaust(flood, 0.0) == 9
    assert exhaust(flood, 601.0) == 9


def test_a_penalty_lies_between_its_bounds() -> None:
    slow = FloodSettings(private=Bucket(rate=0.001, burst=1), absorb=0.0)
    assert exhaust(FloodControl(slow), 0.0) == 300
    quick = FloodSettings(private=Bucket(rate=10, burst=1), absorb=0.0)
    assert exhaust(FloodControl(quick), 0.0) == 3


def test_a_group_takes_twenty_at_once_and_twenty_a_minute() -> None:
    flood = FloodControl(DEFAULT)
    verdicts = sends(flood, 0.0, 22, GROUP)
    assert [v.wait for v in verdicts[:20]] == [0.0] * 20
    assert [round(v.wait, 6) for v in verdicts[20:]] == [3.0, 6.0]
    assert send(flood, 0.0, GROUP).retry_after == 9


def test_a_penalty_closes_one_chat_alone() -> None:
    flood = FloodControl(STRICT)
    exhaust(flood, 0.0)
    assert send(flood, 0.0, BEN) == Verdict()


def test_with_the_scope_bot_a_penalty_closes_every_chat() -> None:
    flood = FloodControl(replace(STRICT, scope="bot"))
    exhaust(flood, 0.0)
    assert send(flood, 0.0, BEN).retry_after == 9
    assert flood.request(0.0, BEN, CallKind.ACTION).retry_after == 9


def test_the_whole_bot_has_thirty_at_once() -> None:
    flood = FloodControl(DEFAULT)
    verdicts = [send(flood, 0.0, chat) for chat in range(1, 34)]
    assert [v.wait for v in verdicts[:30]] == [0.0] * 30
    assert [round(v.wait, 3) for v in verdicts[30:]] == [0.033, 0.067, 0.1]


def test_a_chat_in_penalty_costs_the_bot_nothing() -> None:
    flood = FloodControl(DEFAULT)
    exhaust(flood, 0.0)
    sends(flood, 5.0, 500)
    assert [v.wait for v in (send(flood, 5.0, chat) for chat in range(1, 31))] == [0.0] * 30


def test_actions_and_drafts_have_their_own_bucket_and_two_seconds_of_patience() -> None:
    flood = FloodControl(DEFAULT)
    verdicts = [flood.request(0.0, ADA, CallKind.ACTION) for _ in range(31)]
    assert [v.wait for v in verdicts[:20]] == [0.0] * 20
    assert [v.wait for v in verdicts[20:30]] == pytest.approx([0.2 * n for n in range(1, 11)])
    assert verdicts[30].retry_after == 3
    assert send(flood, 0.1).retry_after == 0


def test_exempt_calls_are_never_limited() -> None:
    flood = FloodControl(STRICT)
    exhaust(flood, 0.0)
    assert flood.request(0.0, ADA, CallKind.EXEMPT) == Verdict()


def test_the_preset_off_limits_nothing() -> None:
    assert set(sends(FloodControl(OFF), 0.0, 10_000)) == {Verdict()}


def test_a_forced_penalty_closes_sends_and_actions_of_one_chat() -> None:
    flood = FloodControl(OFF)
    flood.penalize(100.0, ADA, 30)
    assert send(flood, 110.0).retry_after == 20
    assert flood.request(110.0, ADA, CallKind.ACTION).retry_after == 20
    assert send(flood, 110.0, BEN) == Verdict()
    assert send(flood, 130.0) == Verdict()
