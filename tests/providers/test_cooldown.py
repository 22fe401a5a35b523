from providers.cooldown import LONGEST_REST, LONGEST_WAIT, SET_ASIDE, Cooldown


def test_a_fresh_key_may_be_used() -> None:
    key = Cooldown()
    assert key.wait(0) == 0
    assert not key.is_set_aside(0)


def test_it_rests_as_long_as_the_server_says_and_an_hour_at_most() -> None:
    key = Cooldown()
    key.rate_limited(100, 7.0)
    assert key.wait(101) == 6
    assert key.wait(107) == 0
    key.rate_limited(107, 1e9)
    assert key.wait(107) == LONGEST_WAIT


def test_a_shorter_rest_does_not_end_a_longer_one() -> None:
    key = Cooldown()
    key.rate_limited(0, 50.0)
    key.rate_limited(0, 5.0)
    key.rate_limited(0, None)
    assert key.wait(0) == 50


def test_refusals_without_a_wait_rest_longer_and_longer() -> None:
    key, now, rests = Cooldown(), 0.0, []
    for _ in range(8):
        key.rate_limited(now, None)
        rests.append(key.wait(now))
        now += rests[-1]
    assert rests == [1, 2, 4, 8, 16, 32, LONGEST_REST, LONGEST_REST]
    key.succeeded()
    key.rate_limited(now, None)
    assert key.wait(now) == 1


def test_refusals_of_the_same_moment_count_once() -> None:
    key = Cooldown()
    for _ in range(5):
        key.rate_limited(0, None)
    assert key.wait(0) == 1


def test_a_key_that_is_not_accepted_is_set_aside_for_a_time_or_until_it_is() -> None:
    key = Cooldown()
    key.rejected(0)
    assert key.wait(0) == 0
    assert key.is_set_aside(SET_ASIDE - 1)
    assert not key.is_set_aside(SET_ASIDE)
    key.rejected(0)
    key.succeeded()
    assert not key.is_set_aside(0)
