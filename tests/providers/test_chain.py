"""Fallback, keys, retries and circuit breaking on virtual time, with providers that are real."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field
from random import Random

import pytest
from scripted import END, Scripted, Step, says
from virtual import run

from providers.attempts import PATIENCE, TRIES
from providers.base import (
    AuthenticationError,
    BadRequestError,
    BadResponseError,
    ConnectionFailedError,
    ContentFilteredError,
    ContextTooLongError,
    Event,
    Message,
    OverloadedError,
    ProviderError,
    ProviderTimeoutError,
    QuotaExceededError,
    RateLimitedError,
    ReasoningDelta,
    Role,
    TextDelta,
    TruncatedError,
    Usage,
)
from providers.breaker import FAILURES, OPEN_SECONDS
from providers.chain import Chain, Resumed
from providers.cooldown import SET_ASIDE
from providers.resume import GO_ON

QUESTION = [Message.of(Role.USER, "why?")]
BUSY, DEAD = OverloadedError("busy"), ConnectionFailedError("dead")
WRONG_KEY = AuthenticationError("wrong key")

GOES_ON = [
    WRONG_KEY,
    QuotaExceededError("no credit"),
    RateLimitedError("too many", 30.0),
    BUSY,
    ContextTooLongError("too long"),
    BadRequestError("no such model"),
    BadResponseError("HTML"),
    TruncatedError("cut"),
    DEAD,
    ProviderTimeoutError("silent"),
    ProviderError("something new"),
]


@dataclass
class Heard:
    events: list[Event | Resumed] = field(default_factory=list)
    error: ProviderError | None = None
    at: float = 0.0
    """When it ended."""

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, TextDelta))


def chain(*providers: Scripted | list[Scripted], resume: bool = False) -> Chain:
    """Of one provider for each argument; a list holds a provider's keys."""
    keys = [one if isinstance(one, list) else [one] for one in providers]
    return Chain(
        {f"provider-{place}": key for place, key in enumerate(keys)},
        resume=resume,
        random=Random(1),  # noqa: S311 - for pauses
    )


async def ask(of: Chain, partial: str = "") -> Heard:
    heard = Heard()
    try:
        async for event in of.stream(QUESTION, partial):
            heard.events.append(event)
    except ProviderError as error:
        heard.error = error
    heard.at = asyncio.get_running_loop().time()
    return heard


async def ask_often(of: Chain, times: int) -> list[Heard]:
    return [await ask(of) for _ in range(times)]


def fails(error: ProviderError, *before: Step) -> Scripted:
    return Scripted([*before, error])


class TestFallback:
    def test_the_first_provider_answers_alone(self) -> None:
        first, second = Scripted(says("first")), Scripted(says("second"))
        heard = run(ask(chain(first, second)))
        assert heard.events == [TextDelta("first"), END]
        assert second.asked == []

    @pytest.mark.parametrize("error", GOES_ON, ids=lambda error: type(error).__name__)
    def test_the_next_one_answers_at_once(self, error: ProviderError) -> None:
        first, second = fails(error), Scripted(says("second"))
        heard = run(ask(chain(first, second)))
        assert heard.text == "second"
        assert heard.error is None
        assert heard.at == 0
        assert len(first.asked) == 1
        assert second.asked == [(0, QUESTION)]

    def test_halves_of_a_character_are_joined_whoever_sends_them(self) -> None:
        provider = Scripted(["Hi \ud83d", "\ude00 the", "re \ud83d", END])
        assert run(ask(chain(provider))).text == "Hi 😀 there \ufffd"

    def test_a_provider_with_a_bug_is_one_that_failed(self) -> None:
        first, second = Scripted([KeyError("oops")]), Scripted(says("second"))
        assert run(ask(chain(first, second))).text == "second"
        alone = run(ask(chain(Scripted([KeyError("oops")]))))
        assert isinstance(alone.error, BadResponseError)

    def test_a_question_refused_for_its_content_is_not_carried_on(self) -> None:
        error = ContentFilteredError("refused")
        second = Scripted(says("second"))
        heard = run(ask(chain(fails(error), second)))
        assert heard.error is error
        assert second.asked == []

    def test_nothing_is_seen_of_one_that_fails_before_its_first_text(self) -> None:
        first = fails(DEAD, Usage(9, 9), " ", "\n")
        heard = run(ask(chain(first, Scripted(says("second")))))
        assert heard.events == [TextDelta("second"), END]

    def test_thoughts_are_let_through_and_are_no_answer(self) -> None:
        first = fails(DEAD, ReasoningDelta("hm"))
        heard = run(ask(chain(first, Scripted(says("second")))))
        assert heard.events == [ReasoningDelta("hm"), TextDelta("second"), END]

    def test_what_came_before_the_first_text_comes_with_it(self) -> None:
        script = [Usage(1), "\n", "text", Usage(2), END]
        heard = run(ask(chain(Scripted(script))))
        assert heard.events == [Usage(1), TextDelta("\n"), TextDelta("text"), Usage(2), END]

    @pytest.mark.parametrize("broken", [[END], [" ", END], [], ["", Usage(1)]])
    def test_one_that_breaks_its_promises_has_failed(self, broken: list[Step]) -> None:
        heard = run(ask(chain(Scripted(broken), Scripted(says("second")))))
        assert heard.text == "second"

    def test_an_answer_without_an_end_is_truncated(self) -> None:
        heard = run(ask(chain(Scripted(["text"]))))
        assert heard.text == "text"
        assert isinstance(heard.error, TruncatedError)

    def test_after_some_text_nobody_else_is_asked(self) -> None:
        second = Scripted(says("second"))
        heard = run(ask(chain(fails(BUSY, "some "), second)))
        assert heard.text == "some "
        assert heard.error is BUSY
        assert second.asked == []

    def test_whoever_leaves_closes_the_connection(self) -> None:
        first, second = Scripted([BUSY]), Scripted(["text", 60.0, "more", END])

        async def leave() -> None:
            async with aclosing(chain(first, second).stream(QUESTION)) as events:
                async for _ in events:
                    assert second.open == 1
                    break
            assert second.open == 0

        run(leave())

    def test_a_cancelled_reader_closes_the_connection(self) -> None:
        silent = Scripted([60.0])

        async def cancel() -> None:
            asking = asyncio.create_task(ask(chain(silent)))
            await asyncio.sleep(1)
            assert silent.open == 1
            asking.cancel()
            await asyncio.wait({asking})
            assert asking.cancelled()
            assert silent.open == 0

        run(cancel())

    def test_closing_it_closes_all(self) -> None:
        first, *keys = [Scripted(says("x")) for _ in range(3)]
        run(chain(first, list(keys)).close())
        assert [one.closed for one in (first, *keys)] == [True] * 3


class TestRetries:
    def test_where_all_fail_they_are_asked_again_after_a_pause_that_grows(self) -> None:
        first, second = fails(BUSY), Scripted([DEAD], [DEAD], says("at last"))
        heard = run(ask(chain(first, second)))
        assert heard.text == "at last"
        assert len(first.asked) == len(second.asked) == 3
        assert first.times == second.times
        pauses = [late - early for early, late in zip(first.times, first.times[1:], strict=False)]
        assert 0.5 <= pauses[0] <= 1
        assert 1 <= pauses[1] <= 2

    def test_the_pauses_are_left_to_chance(self) -> None:
        def pause(seed: int) -> float:
            failing = fails(BUSY)
            run(ask(Chain({"a": [failing]}, resume=False, random=Random(seed))))  # noqa: S311
            return failing.times[1]

        assert len({pause(seed) for seed in range(5)}) == 5

    def test_in_the_end_the_failure_is_told(self) -> None:
        failing = fails(BUSY)
        heard = run(ask(chain(failing)))
        assert heard.error is BUSY
        assert len(failing.asked) == TRIES

    @pytest.mark.parametrize("error", [e for e in GOES_ON if not e.retryable], ids=repr)
    def test_what_does_not_pass_is_not_tried_again(self, error: ProviderError) -> None:
        failing = fails(error)
        heard = run(ask(chain(failing)))
        assert heard.error is error
        assert heard.at == 0
        assert len(failing.asked) == 1

    def test_only_those_are_asked_again_whose_trouble_may_pass(self) -> None:
        keys = [fails(BadRequestError("no")), Scripted(says("the same question"))]
        second = Scripted([BUSY], says("second"))
        assert run(ask(chain(keys, second))).text == "second"
        assert [len(key.asked) for key in keys] == [1, 0]

    def test_the_pause_is_no_longer_than_the_first_of_them_needs(self) -> None:
        resting, second = fails(RateLimitedError("x", 60.0)), Scripted([BUSY], says("second"))
        heard = run(ask(chain(resting, second)))
        assert heard.text == "second"
        assert heard.at <= 1

    def test_nobody_is_kept_waiting_for_a_retry_after_a_long_wait(self) -> None:
        slow = fails(ProviderTimeoutError("silent"), PATIENCE + 1)
        heard = run(ask(chain(slow)))
        assert len(slow.asked) == 1
        assert heard.at == PATIENCE + 1

    def test_another_provider_is_asked_however_long_the_first_took(self) -> None:
        slow = fails(ProviderTimeoutError("silent"), 2 * PATIENCE)
        assert run(ask(chain(slow, Scripted(says("second"))))).text == "second"


class TestTheFailureThatIsTold:
    @pytest.mark.parametrize(
        ("first", "second", "told"),
        [
            (DEAD, ContextTooLongError("x"), ContextTooLongError),
            (ContextTooLongError("x"), DEAD, ContextTooLongError),
            (WRONG_KEY, DEAD, ConnectionFailedError),
            (DEAD, WRONG_KEY, ConnectionFailedError),
            (DEAD, BUSY, ConnectionFailedError),
            (WRONG_KEY, BadRequestError("x"), AuthenticationError),
            (WRONG_KEY, RateLimitedError("x", 60.0), RateLimitedError),
        ],
    )
    def test_it_is_the_one_that_can_be_mended_soonest(
        self, first: ProviderError, second: ProviderError, told: type[ProviderError]
    ) -> None:
        heard = run(ask(chain(fails(first), fails(second))))
        assert type(heard.error) is told

    def test_messages_that_are_too_long_are_told_at_once(self) -> None:
        busy = fails(BUSY)
        assert run(ask(chain(fails(ContextTooLongError("x")), busy))).at == 0
        assert len(busy.asked) == 1

    def test_of_all_rate_limits_it_names_the_shortest_wait(self) -> None:
        waits = [RateLimitedError("x", seconds) for seconds in (90.0, 40.0, 60.0)]
        heard = run(ask(chain(fails(waits[0]), [fails(waits[1]), fails(waits[2])])))
        assert isinstance(heard.error, RateLimitedError)
        assert heard.error.retry_after == 40
        assert heard.at == 0


class TestKeys:
    def test_they_take_turns(self) -> None:
        keys = [Scripted(says("x")) for _ in range(3)]
        run(ask_often(chain(keys), 7))
        assert [len(key.asked) for key in keys] == [3, 2, 2]

    def test_one_that_is_not_accepted_is_set_aside(self) -> None:
        wrong, right = fails(WRONG_KEY), Scripted(says("x"))
        heard = run(ask_often(chain([wrong, right]), 5))
        assert [one.text for one in heard] == ["x"] * 5
        assert len(wrong.asked) == 1

    def test_after_a_time_it_is_tried_again(self) -> None:
        mended, right = Scripted([WRONG_KEY], says("mended")), Scripted(says("x"))

        async def later() -> list[Heard]:
            of = chain([mended, right])
            await ask(of)
            await asyncio.sleep(SET_ASIDE)
            return await ask_often(of, 4)

        assert sorted(one.text for one in run(later())) == ["mended", "mended", "x", "x"]

    def test_it_is_used_where_no_other_can_be(self) -> None:
        mended = Scripted([WRONG_KEY], says("mended"))
        first, second = run(ask_often(chain(mended), 2))
        assert first.error is WRONG_KEY
        assert second.text == "mended"

    def test_every_key_is_tried_before_another_provider(self) -> None:
        keys = [fails(WRONG_KEY), fails(RateLimitedError("x", 60.0)), Scripted(says("third"))]
        spare = Scripted(says("spare"))
        assert run(ask(chain(keys, spare))).text == "third"
        assert spare.asked == []

    def test_trouble_of_the_server_is_not_carried_from_key_to_key(self) -> None:
        keys = [fails(BUSY), Scripted(says("x"))]
        assert run(ask(chain(keys, Scripted(says("spare"))))).text == "spare"
        assert keys[1].asked == []

    def test_one_that_is_refused_rests_as_long_as_the_server_says(self) -> None:
        limited, other = Scripted([RateLimitedError("x", 20.0)], says("back")), Scripted(says("x"))

        async def minute() -> None:
            of = chain([limited, other])
            for _ in range(60):
                await ask(of)
                await asyncio.sleep(1)

        run(minute())
        assert limited.times[:2] == [0, 20]
        assert len(limited.times) == 1 + 20

    def test_a_short_rest_is_waited_for(self) -> None:
        limited = Scripted([RateLimitedError("x", 7.0)], says("back"))
        heard = run(ask(chain(limited)))
        assert heard.text == "back"
        assert 7 <= heard.at <= 8

    def test_the_next_question_waits_for_it_too(self) -> None:
        limited = Scripted([RateLimitedError("x", 20.0)], says("back"))

        async def two() -> Heard:
            of = chain(limited)
            await ask(of)
            await asyncio.sleep(10)
            return await ask(of)

        heard = run(two())
        assert heard.text == "back"
        assert limited.times[1] >= 20

    def test_a_long_rest_is_told_without_asking_again(self) -> None:
        limited = fails(RateLimitedError("x", 60.0))

        async def two() -> Heard:
            of = chain(limited)
            await ask(of)
            await asyncio.sleep(10)
            return await ask(of)

        heard = run(two())
        assert isinstance(heard.error, RateLimitedError)
        assert heard.error.retry_after == 50
        assert len(limited.asked) == 1

    def test_where_no_wait_is_named_it_grows(self) -> None:
        limited = fails(RateLimitedError("x"))
        run(ask(chain(limited)))
        first, second, third = limited.times
        assert 1 <= second - first <= 2
        assert 2 <= third - second <= 3

    def test_a_rest_that_is_over_soon_is_waited_for_though_another_keeps_failing(self) -> None:
        limited = Scripted([RateLimitedError("x", 10.0)], says("back"))
        assert run(ask(chain(limited, fails(DEAD)))).text == "back"


class TestBreaker:
    def test_one_that_keeps_failing_is_left_alone(self) -> None:
        dead, spare = fails(DEAD), Scripted(says("x"))
        heard = run(ask_often(chain(dead, spare), 10))
        assert [one.text for one in heard] == ["x"] * 10
        assert len(dead.asked) == FAILURES

    def test_whose_answers_break_off_keeps_failing_too(self) -> None:
        breaking, spare = fails(BUSY, "some text"), Scripted(says("x"))
        heard = run(ask_often(chain(breaking, spare), 10))
        assert [one.error for one in heard] == [BUSY] * FAILURES + [None] * (10 - FAILURES)

    def test_a_refusal_of_one_question_does_not_count(self) -> None:
        refusing = fails(BadRequestError("no such option"))
        run(ask_often(chain(refusing, Scripted(says("x"))), 10))
        assert len(refusing.asked) == 10

    def test_a_whole_answer_ends_the_row(self) -> None:
        flaky = Scripted([DEAD], [DEAD], says("x"), [DEAD], [DEAD], says("x"))
        run(ask_often(chain(flaky, Scripted(says("spare"))), 6))
        assert len(flaky.asked) == 6

    def test_after_a_while_one_question_at_a_time_probes_it(self) -> None:
        dead, spare = fails(DEAD, 5.0), Scripted([1.0, *says("x")])

        async def probed() -> list[Heard]:
            of = chain(dead, spare)
            await ask_often(of, FAILURES)
            await asyncio.sleep(OPEN_SECONDS)
            return await asyncio.gather(*(ask(of) for _ in range(10)))

        heard = run(probed())
        assert [one.text for one in heard] == ["x"] * 10
        assert len(dead.asked) == FAILURES + 1

    def test_a_probe_that_fails_opens_it_for_the_same_time(self) -> None:
        dead, spare = fails(DEAD), Scripted(says("x"))

        async def two_minutes() -> None:
            of = chain(dead, spare)
            for _ in range(120):
                await ask(of)
                await asyncio.sleep(1)

        run(two_minutes())
        assert dead.times == [0, 1, 2, 32, 62, 92]

    def test_a_probe_that_is_answered_closes_it_with_its_first_text(self) -> None:
        back = Scripted(*[[DEAD]] * FAILURES, ["I am ", 60.0, "back", END])

        async def returning() -> list[Heard]:
            of = chain(back, Scripted(says("x")))
            await ask_often(of, FAILURES)
            await asyncio.sleep(OPEN_SECONDS)
            probing = asyncio.create_task(ask(of))
            await asyncio.sleep(1)
            return await asyncio.gather(probing, ask(of))

        assert [one.text for one in run(returning())] == ["I am back"] * 2

    def test_a_probe_that_is_given_up_leaves_room_for_the_next(self) -> None:
        silent = Scripted(*[[DEAD]] * FAILURES, [60.0], says("back"))

        async def two_probes() -> Heard:
            of = chain(silent, Scripted(says("x")))
            await ask_often(of, FAILURES)
            await asyncio.sleep(OPEN_SECONDS)
            probing = asyncio.create_task(ask(of))
            await asyncio.sleep(1)
            probing.cancel()
            await asyncio.wait({probing})
            return await ask(of)

        assert run(two_probes()).text == "back"

    def test_it_is_asked_all_the_same_where_nobody_else_answers_and_once(self) -> None:
        dead = fails(DEAD)

        async def two() -> Heard:
            of = chain(dead)
            await ask(of)
            return await ask(of)

        heard = run(two())
        assert heard.error is DEAD
        assert len(dead.asked) == FAILURES + 1

    def test_all_keys_of_a_provider_share_it(self) -> None:
        keys = [fails(DEAD) for _ in range(4)]
        run(ask_often(chain(keys, Scripted(says("x"))), 10))
        assert sum(len(key.asked) for key in keys) == FAILURES


class TestResume:
    def test_the_next_one_goes_on_and_the_place_is_marked(self) -> None:
        first, second = fails(BUSY, "Once upon", " a ti"), Scripted(says("me there was"))
        heard = run(ask(chain(first, second, resume=True)))
        assert heard.error is None
        assert heard.events == [
            TextDelta("Once upon"),
            TextDelta(" a ti"),
            Resumed(),
            TextDelta("me there was"),
            END,
        ]
        _, messages = second.asked[0]
        assert messages == [
            *QUESTION,
            Message.of(Role.ASSISTANT, "Once upon a ti"),
            Message.of(Role.USER, GO_ON),
        ]

    def test_an_answer_that_broke_off_earlier_is_gone_on_with(self) -> None:
        providers = fails(BUSY), Scripted(["upon a", " time there was", END])
        heard = run(ask(chain(*providers, resume=True), "Once upon a time"))
        assert heard.events == [Resumed(), TextDelta(" there was"), END]
        asked = [messages for provider in providers for _, messages in provider.asked]
        begun = [Message.of(Role.ASSISTANT, "Once upon a time"), Message.of(Role.USER, GO_ON)]
        assert asked == [[*QUESTION, *begun]] * 2

    def test_what_it_repeats_is_left_out(self) -> None:
        first = fails(BUSY, "The quick brown fox jumps over")
        second = Scripted(["brown fox", " jumps", " over the", " lazy dog", END])
        heard = run(ask(chain(first, second, resume=True)))
        assert heard.text == "The quick brown fox jumps over the lazy dog"
        assert heard.events.count(Resumed()) == 1

    @pytest.mark.parametrize(
        "rest", [[END], ["last word", END], [BadResponseError("none", complete=True)]]
    )
    def test_what_broke_off_after_its_last_word_is_whole(self, rest: list[object]) -> None:
        first, second = fails(DEAD, "to the last word"), Scripted(rest)
        heard = run(ask(chain(first, second, resume=True)))
        assert heard.text == "to the last word"
        assert heard.error is None
        assert Resumed() not in heard.events
        assert len(second.times) == 1

    def test_the_usage_of_a_part_is_not_that_of_the_answer(self) -> None:
        second = Scripted(["more", Usage(1, 2), END])
        heard = run(ask(chain(fails(BUSY, "some "), second, resume=True)))
        assert not any(isinstance(event, Usage) for event in heard.events)

    def test_one_that_breaks_off_again_is_gone_on_with_again(self) -> None:
        providers = [fails(BUSY, "one "), fails(DEAD, "two "), Scripted(says("three"))]
        heard = run(ask(chain(*providers, resume=True)))
        assert heard.text == "one two three"
        assert [type(event) for event in heard.events].count(Resumed) == 2

    def test_a_held_repetition_is_not_lost_with_the_connection(self) -> None:
        second = fails(DEAD, "wor")
        heard = run(ask(chain(fails(BUSY, "a wor or"), second, resume=True)))
        assert heard.text.startswith("a wor orwor")

    def test_one_alone_goes_on_after_a_pause(self) -> None:
        alone = Scripted(["one ", 60.0, DEAD], says("two"))
        heard = run(ask(chain(alone, resume=True)))
        assert heard.text == "one two"
        assert alone.times[1] > 60

    def test_one_that_always_breaks_off_is_given_up(self) -> None:
        alone = fails(DEAD, "word ", "and more ")
        heard = run(ask(chain(alone, resume=True)))
        assert heard.error is DEAD
        assert len(alone.asked) == TRIES

    def test_where_nobody_goes_on_the_failure_that_broke_it_is_told(self) -> None:
        others = [fails(ContextTooLongError("x")), fails(WRONG_KEY)]
        breaking = fails(TruncatedError("cut"), "some")
        heard = run(ask(chain(breaking, *others, resume=True)))
        assert heard.text.startswith("some")
        assert isinstance(heard.error, TruncatedError)

    def test_an_answer_cut_for_its_content_stays_cut(self) -> None:
        second = Scripted(says("second"))
        heard = run(ask(chain(fails(ContentFilteredError("x"), "so"), second, resume=True)))
        assert heard.text == "so"
        assert isinstance(heard.error, ContentFilteredError)
        assert second.asked == []
