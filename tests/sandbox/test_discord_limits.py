"""Discord's rate limits on given times: no clock runs here."""

from dataclasses import replace

import pytest

from sandbox.discord.limits.buckets import (
    CREATE_MESSAGE,
    EDIT_MESSAGE,
    LIMIT_PRESETS,
    LimitSettings,
    RateLimits,
    RouteLimit,
    Verdict,
)

CHANNEL, OTHER = 41, 42
REFILL = LIMIT_PRESETS["refill"]
FIXED = LIMIT_PRESETS["fixed"]
OFF = LIMIT_PRESETS["off"]
LIST_MESSAGES = "GET /channels/{channel_id}/messages"


def edit(limits: RateLimits, now: float, channel: int = CHANNEL) -> Verdict:
    return limits.take(EDIT_MESSAGE, channel, now)


def edits(limits: RateLimits, now: float, count: int) -> list[Verdict]:
    return [edit(limits, now) for _ in range(count)]


def shown(verdict: Verdict) -> tuple[str, str]:
    return verdict.headers["X-RateLimit-Remaining"], verdict.headers["X-RateLimit-Reset-After"]


def retry_after(verdict: Verdict) -> float:
    assert verdict.refusal is not None
    assert isinstance(verdict.refusal.body, dict)
    seconds = verdict.refusal.body["retry_after"]
    assert isinstance(seconds, float)
    return seconds


@pytest.mark.parametrize("settings", [REFILL, FIXED])
def test_five_edits_pass_and_the_sixth_is_refused(settings: LimitSettings) -> None:
    verdicts = edits(RateLimits(settings), 0.0, 6)
    assert [v.refusal is None for v in verdicts] == [True] * 5 + [False]
    assert [v.headers["X-RateLimit-Remaining"] for v in verdicts] == ["4", "3", "2", "1", "0", "0"]
    assert {v.headers["X-RateLimit-Limit"] for v in verdicts} == {"5"}


def test_a_refilled_bucket_counts_until_it_is_full_and_is_free_a_call_at_a_time() -> None:
    limits = RateLimits(REFILL)
    assert [shown(v) for v in edits(limits, 10.0, 2)] == [("4", "1.000"), ("3", "2.000")]
    edits(limits, 10.0, 3)
    assert shown(edit(limits, 10.4)) == ("0", "4.600")
    assert retry_after(edit(limits, 10.4)) == 0.6
    assert [edit(limits, 11.0).refusal is None for _ in range(2)] == [True, False]


def test_a_fixed_window_opens_with_its_first_call_and_frees_all_of_it_at_its_end() -> None:
    limits = RateLimits(FIXED)
    edit(limits, 10.0)
    assert [shown(v) for v in edits(limits, 12.0, 4)][-1] == ("0", "3.000")
    assert retry_after(edit(limits, 14.5)) == 0.5
    assert [shown(v) for v in edits(limits, 15.0, 2)] == [("4", "5.000"), ("3", "5.000")]


@pytest.mark.parametrize("settings", [REFILL, FIXED])
def test_a_client_that_waits_as_told_is_never_refused_twice(settings: LimitSettings) -> None:
    limits = RateLimits(settings.with_limit(EDIT_MESSAGE, 3, 10.0))
    now, refused_before = 0.1, False
    for _ in range(200):
        verdict = edit(limits, now)
        refused = verdict.refusal is not None
        assert not (refused and refused_before)
        now += retry_after(verdict) if refused else 0.07
        refused_before = refused


def test_a_bucket_never_holds_more_than_its_limit() -> None:
    limits = RateLimits(REFILL)
    edit(limits, 0.0)
    assert [v.refusal is None for v in edits(limits, 10_000.0, 6)] == [True] * 5 + [False]


def test_a_refused_call_takes_no_token() -> None:
    limits = RateLimits(REFILL)
    edits(limits, 0.0, 50)
    assert edit(limits, 1.0).refusal is None


def test_channels_and_routes_are_counted_apart() -> None:
    limits = RateLimits(REFILL)
    edits(limits, 0.0, 6)
    assert edit(limits, 0.0, OTHER).refusal is None
    assert limits.take(CREATE_MESSAGE, CHANNEL, 0.0).headers["X-RateLimit-Remaining"] == "4"


def test_creating_and_editing_show_the_same_bucket_though_counted_apart() -> None:
    limits = RateLimits(REFILL)
    create = limits.take(CREATE_MESSAGE, CHANNEL, 0.0).headers["X-RateLimit-Bucket"]
    assert create == edit(limits, 0.0, OTHER).headers["X-RateLimit-Bucket"]
    apart = replace(
        REFILL, routes={CREATE_MESSAGE: RouteLimit(5, 5), EDIT_MESSAGE: RouteLimit(5, 5)}
    )
    buckets = {
        RateLimits(apart).take(r, 1, 0.0).headers["X-RateLimit-Bucket"] for r in apart.routes
    }
    assert len(buckets) == 2


def test_the_names_in_a_template_do_not_matter() -> None:
    limits = RateLimits(REFILL.with_limit("PATCH /channels/{c}/messages/{m}", 2, 10.0))
    verdicts = edits(limits, 0.0, 3)
    assert [v.refusal is None for v in verdicts] == [True, True, False]
    assert retry_after(verdicts[-1]) == 5.0


def test_a_route_without_a_limit_shows_no_bucket() -> None:
    verdict = RateLimits(REFILL).take(LIST_MESSAGES, CHANNEL, 0.0)
    assert (verdict.refusal, dict(verdict.headers)) == (None, {"Via": "1.1 google"})


def test_a_429_says_everything_a_client_may_ask() -> None:
    settings = replace(FIXED, epoch=1_700_000_000.0)
    refusal = edits(RateLimits(settings), 100.0, 6)[-1].refusal
    assert refusal is not None
    assert (refusal.status, refusal.body) == (
        429,
        {"message": "You are being rate limited.", "retry_after": 5.0, "global": False},
    )
    headers = dict(refusal.headers)
    assert len(headers.pop("X-RateLimit-Bucket")) == 32
    assert headers == {
        "Content-Type": "application/json",
        "Via": "1.1 google",
        "Retry-After": "5",
        "X-RateLimit-Scope": "user",
        "X-RateLimit-Limit": "5",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": "1700000105.000",
        "X-RateLimit-Reset-After": "5.000",
    }


def test_without_via_no_answer_has_it() -> None:
    verdicts = edits(RateLimits(replace(REFILL, via=False)), 0.0, 6)
    assert not any("Via" in verdict.headers for verdict in verdicts)
    assert verdicts[-1].refusal is not None
    assert "Via" not in verdicts[-1].refusal.headers


def test_the_global_limit_holds_over_all_routes_and_spares_interactions() -> None:
    limits = RateLimits(REFILL)
    assert all(limits.take(LIST_MESSAGES, n, 0.25).refusal is None for n in range(50))
    verdict = limits.take(LIST_MESSAGES, CHANNEL, 0.5)
    assert verdict.refusal is not None
    assert verdict.refusal.body == {
        "message": "You are being rate limited.",
        "retry_after": 0.75,
        "global": True,
    }
    assert verdict.refusal.headers["X-RateLimit-Scope"] == "global"
    assert verdict.refusal.headers["X-RateLimit-Global"] == "true"
    assert "X-RateLimit-Remaining" not in verdict.refusal.headers
    assert limits.take(LIST_MESSAGES, CHANNEL, 0.5, exempt=True).refusal is None
    assert limits.take(LIST_MESSAGES, CHANNEL, 1.25).refusal is None


def test_a_call_the_global_limit_refuses_costs_its_route_nothing() -> None:
    limits = RateLimits(replace(REFILL, global_limit=RouteLimit(1, 1.0)))
    edits(limits, 0.0, 10)
    assert shown(edit(limits, 1.0)) == ("4", "1.000")


STRICT = replace(REFILL, invalid_limit=RouteLimit(3, 600.0), ban_seconds=60.0)


def test_too_many_invalid_requests_earn_a_ban_that_is_no_json_and_names_no_via() -> None:
    limits = RateLimits(STRICT)
    for status in (401, 404, 403, 200, 500):
        limits.answered(status, 0.0)
    assert edit(limits, 0.0).refusal is None
    limits.answered(429, 0.0)
    refusal = edit(limits, 0.5).refusal
    assert refusal is not None
    assert (refusal.status, refusal.headers["Retry-After"]) == (429, "60")
    assert refusal.headers["Content-Type"].startswith("text/html")
    assert "Via" not in refusal.headers
    assert refusal.encoded().startswith(b"<!DOCTYPE html>")


def test_a_ban_ends_and_calls_made_inside_it_do_not_lengthen_it() -> None:
    limits = RateLimits(STRICT)
    for _ in range(3):
        limits.answered(403, 0.0)
    for second in range(60):
        assert edit(limits, float(second)).refusal is not None
        limits.answered(429, float(second))
    assert edit(limits, 60.0).refusal is None


def test_invalid_requests_are_forgotten_after_their_window_and_shared_ones_do_not_count() -> None:
    limits = RateLimits(STRICT)
    for now in (0.0, 1.0, 600.5, 601.5):
        limits.answered(403, now)
    for _ in range(10):
        limits.answered(429, 601.5, shared=True)
    assert edit(limits, 601.5).refusal is None


@pytest.mark.parametrize(("limit", "window"), [(0, 1.0), (5, 0.0)])
def test_a_limit_of_nothing_is_refused(limit: int, window: float) -> None:
    with pytest.raises(ValueError, match="at least 1 call"):
        RouteLimit(limit, window)


def test_off_limits_nothing() -> None:
    limits = RateLimits(OFF)
    assert all(verdict.refusal is None for verdict in edits(limits, 0.0, 1000))
    for _ in range(20_000):
        limits.answered(429, 0.0)
    assert edit(limits, 0.0).refusal is None
