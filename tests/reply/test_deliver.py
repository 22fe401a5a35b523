"""The reply engine on virtual time, on a platform that fails in every way it may."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from fake_surface import (
    AMPLE,
    FakeSurface,
    Fault,
    MemoryLedger,
    Shown,
    closed,
    not_applied,
    refused,
    slow_down,
    unknown,
)
from hypothesis import given
from hypothesis import strategies as st
from virtual import run

from bot.chat.keys import ChatKey
from bot.replicas.base import Alone
from bot.reply.deliver import Delivered, Reply
from bot.reply.gate import Gate
from bot.reply.pace import Pace, Priority
from bot.reply.surface import Budget, Rendered
from bot.reply.trouble import UNKNOWN_CREATES

PRIVATE = Budget(rate=1.0, burst=18.0, reserve=3.0)


def gate(bot: Budget = AMPLE) -> Gate:
    return Gate(Pace(bot, AMPLE, asyncio.get_running_loop().time()), Alone().lease)


def reply(
    surface: FakeSurface,
    way: Gate | None = None,
    ledger: MemoryLedger | None = None,
    stood: int = 0,
) -> Reply:
    ledger = ledger or MemoryLedger()
    posted = sorted(ledger.messages.items())
    return Reply(surface, way or gate(), ledger, nonce="n", posted=posted, stood=stood)


async def speak(speaker: Reply, text: str, per_second: float = 40.0) -> None:
    """Write `text` word by word and end it."""
    for word in text.split(" "):
        speaker.write(word + " ")
        await asyncio.sleep(1 / per_second)
    speaker.end()


def words(count: int) -> str:
    return " ".join(f"word{n}" for n in range(count))


def joined(texts: list[str]) -> str:
    return "".join("".join(texts).split())


async def say(surface: FakeSurface, text: str, way: Gate | None = None) -> tuple[Reply, Delivered]:
    speaker = reply(surface, way)
    delivering = asyncio.create_task(speaker.deliver())
    await speak(speaker, text)
    return speaker, await delivering


def test_an_answer_grows_in_one_message_and_ends_whole() -> None:
    surface = FakeSurface(page_size=4000, budget=PRIVATE)
    _, delivered = run(say(surface, words(100)))
    assert delivered is Delivered.WHOLE
    assert surface.texts() == [words(100)]
    lengths = [len(page.text) for _, page in surface.messages["1"].versions]
    assert lengths == sorted(lengths)
    assert len(lengths) > 5


def test_pages_follow_each_other_and_the_second_streams_too() -> None:
    surface = FakeSurface(page_size=400)
    run(say(surface, words(200)))
    assert joined(surface.texts()) == joined([words(200)])
    assert all(len(shown.versions) > 3 for shown in list(surface.messages.values())[:-1])


def test_nothing_is_sent_when_the_text_is_whole_already() -> None:
    async def main() -> tuple[int, int]:
        surface = FakeSurface()
        speaker = reply(surface)
        delivering = asyncio.create_task(speaker.deliver())
        speaker.write("done")
        await asyncio.sleep(5)
        before = surface.calls
        speaker.end()
        await delivering
        return before, surface.calls

    assert run(main()) == (1, 1)


def test_the_notice_stands_below_the_answer() -> None:
    async def main() -> list[str]:
        surface = FakeSurface(page_size=400)
        speaker = reply(surface)
        speaker.write("half an ans")
        speaker.end("It stopped here.")
        await speaker.deliver()
        return surface.texts()

    assert run(main()) == ["half an ans\n\nIt stopped here."]


def test_an_answer_of_nothing_but_a_notice_is_the_notice() -> None:
    async def main() -> list[str]:
        surface = FakeSurface()
        speaker = reply(surface)
        speaker.end("No answer came.")
        await speaker.deliver()
        return surface.texts()

    assert run(main()) == ["No answer came."]


def test_a_refusal_in_the_middle_and_at_the_end_are_waits() -> None:
    surface = FakeSurface(page_size=4000, budget=PRIVATE)
    surface.script = deque([Fault(), Fault(), slow_down(30), slow_down(30)])
    speaker, delivered = run(say(surface, words(60)))
    assert delivered is Delivered.WHOLE
    assert surface.texts() == [words(60)]
    assert speaker.counts.refusals == 2


def test_a_penalty_in_one_chat_leaves_the_others_alone() -> None:
    async def main() -> list[float]:
        way = gate()
        slow = FakeSurface(page_size=4000, script=deque([Fault(), slow_down(60)]))
        fast = FakeSurface(page_size=4000, chat=ChatKey("fake", "bot", "2"))
        await asyncio.gather(say(slow, words(40), way), say(fast, words(40), way))
        return [surface.messages["1"].versions[-1][0] for surface in (slow, fast)]

    slow_end, fast_end = run(main())
    assert fast_end < 3
    assert slow_end > 60


def test_finals_overtake_previews_under_the_bots_budget() -> None:
    async def main() -> float:
        way = gate(Budget(rate=2.0, burst=2.0, reserve=1.0))
        chats = [FakeSurface(4000, ChatKey("fake", "bot", str(n))) for n in range(10)]
        streams = [asyncio.create_task(say(chat, words(1200), way)) for chat in chats]
        await asyncio.sleep(10)
        short = FakeSurface(4000, ChatKey("fake", "bot", "short"))
        began = asyncio.get_running_loop().time()
        speaker = reply(short, way)
        speaker.write("brief")
        speaker.end()
        await speaker.deliver()
        took = asyncio.get_running_loop().time() - began
        await asyncio.gather(*streams)
        return took

    assert run(main()) <= 1.0


class JustPace(Pace):
    """Fails where it lets another reply through while a final could go."""

    finals = 0

    def pick(self, waiting, busy, now):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201 - as above it
        winner, again_at = super().pick(waiting, busy, now)
        if winner is not None and winner.priority is Priority.FINAL:
            self.finals += 1
        elif winner is not None:
            finals = [each for each in waiting if each.priority is Priority.FINAL]
            assert super().pick(finals, busy, now)[0] is None, "a permitted final waits"
        return winner, again_at


def test_nothing_is_let_through_while_a_permitted_final_waits() -> None:
    lengths = [20 + 17 * n % 400 for n in range(30)] + [1] * 60

    async def main() -> int:
        # Without a reserve, so that finals and previews want the same token.
        pace = JustPace(Budget(rate=10.0, burst=12.0), AMPLE, 0.0)
        way = Gate(pace, Alone().lease)
        surfaces = [
            FakeSurface(4000, ChatKey("fake", "bot", str(n)), PRIVATE) for n in range(len(lengths))
        ]

        async def answer(n: int) -> None:
            await asyncio.sleep(n * 0.13)
            await say(surfaces[n], words(lengths[n]), way)

        await asyncio.gather(*map(answer, range(len(lengths))))
        assert [each.texts() for each in surfaces] == [[words(n)] for n in lengths]
        return pace.finals

    assert run(main()) > len(lengths) / 2


def test_a_create_of_unknown_fate_is_sent_again_under_the_same_nonce_and_counted() -> None:
    surface = FakeSurface(page_size=4000, script=deque([unknown(applied=True)]))
    speaker, delivered = run(say(surface, words(50)))
    assert delivered is Delivered.WHOLE
    assert speaker.counts.ambiguous == 1
    assert len(set(surface.nonces)) == 1
    orphan, whole = surface.messages.values()
    assert len(orphan.versions) == 1
    assert whole.text == words(50)


def test_a_platform_that_swallows_every_create_is_given_up() -> None:
    surface = FakeSurface(script=deque([unknown(applied=False)] * 99))
    speaker, delivered = run(say(surface, "hello"))
    assert delivered is Delivered.CLOSED
    assert speaker.counts.calls == UNKNOWN_CREATES


@dataclass
class SlowLedger(MemoryLedger):
    """On a database that becomes busy."""

    async def posted(self, number: int, message: str) -> None:
        await asyncio.sleep(2.0 if number else 0.0)
        await super().posted(number, message)


def test_a_slow_database_is_not_taken_for_a_slow_platform() -> None:
    async def main() -> tuple[list[str], object]:
        way, surface = gate(), FakeSurface(page_size=40)
        speaker = reply(surface, way, SlowLedger())
        speaker.write(words(60))
        speaker.end()
        await speaker.deliver()
        return surface.texts(), way.pace.lessons()

    texts, learned = run(main())
    assert len(texts) > 5
    assert learned == {}


def test_an_edit_of_unknown_fate_is_repeated() -> None:
    surface = FakeSurface(page_size=4000, script=deque([Fault(), unknown(applied=True)]))
    _, delivered = run(say(surface, words(50)))
    assert delivered is Delivered.WHOLE
    assert surface.texts() == [words(50)]


def test_refused_formatting_goes_out_plain() -> None:
    class Bold(FakeSurface):
        """Takes no formatting."""

        async def create(self, page: Rendered[object], *, number: int, nonce: str) -> str:
            if page.entities:
                self.script.appendleft(refused())
            return await super().create(page, number=number, nonce=nonce)

    class BoldMarkup:
        def render(self, markdown: str) -> Rendered[object]:
            return Rendered(markdown.strip(), ("bold",))

        def size(self, rendered: Rendered[object]) -> int:
            return len(rendered.text)

    surface = Bold(page_size=4000)
    surface.markup = BoldMarkup()
    _, delivered = run(say(surface, words(30)))
    assert delivered is Delivered.WHOLE
    assert surface.texts() == [words(30)]
    assert not surface.messages["1"].versions[-1][1].entities


def test_text_that_is_refused_plain_ends_the_reply_and_is_not_sent_again() -> None:
    surface = FakeSurface(script=deque([refused(), refused()]))
    _, delivered = run(say(surface, "hello"))
    assert delivered is Delivered.CLOSED
    assert surface.calls == 1


def test_deleting_the_message_ends_the_reply_at_the_next_edit() -> None:
    async def main() -> tuple[Delivered, int]:
        surface = FakeSurface(page_size=4000)
        speaker = reply(surface)
        delivering = asyncio.create_task(speaker.deliver())
        for n in range(100):
            speaker.write(f"word{n} ")
            await asyncio.sleep(0.025)
            if n == 20:
                surface.messages["1"].deleted = True
            if delivering.done():
                return await delivering, n
        return await delivering, 100

    delivered, reached = run(main())
    assert delivered is Delivered.REMOVED
    assert reached < 60


def test_a_closed_chat_ends_the_reply_quietly() -> None:
    surface = FakeSurface(script=deque([closed()]))
    _, delivered = run(say(surface, "hello"))
    assert delivered is Delivered.CLOSED
    assert surface.calls == 1


def test_typing_is_shown_until_the_first_text_and_no_longer() -> None:
    async def main() -> tuple[int, int]:
        surface = FakeSurface()
        speaker = reply(surface)
        delivering = asyncio.create_task(speaker.deliver())
        await asyncio.sleep(10)
        before = surface.typed
        speaker.write("at last ")
        await asyncio.sleep(20)
        speaker.end()
        await delivering
        return before, surface.typed

    assert run(main()) == (3, 3)


def test_no_typing_is_shown_where_the_first_text_comes_soon() -> None:
    async def main() -> int:
        surface = FakeSurface()
        speaker = reply(surface)
        delivering = asyncio.create_task(speaker.deliver())
        await asyncio.sleep(0.2)
        speaker.write("here it is")
        await asyncio.sleep(5)
        speaker.end()
        await delivering
        return surface.typed

    assert run(main()) == 0


def test_no_typing_is_shown_for_a_text_that_is_there_already() -> None:
    async def main() -> int:
        surface = FakeSurface()
        speaker = reply(surface)
        speaker.write("here it is")
        speaker.end()
        await speaker.deliver()
        return surface.typed

    assert run(main()) == 0


def test_messages_of_an_earlier_run_are_edited_on_and_leftovers_removed() -> None:
    async def main() -> tuple[list[str], list[str]]:
        surface, ledger = FakeSurface(page_size=40), MemoryLedger()
        first = reply(surface, ledger=ledger)
        first.write(words(30))
        delivering = asyncio.create_task(first.deliver())
        await asyncio.sleep(60)
        delivering.cancel()
        posted = list(ledger.messages.values())
        surface.restarted = True
        again = reply(surface, ledger=ledger)
        again.write("short now")
        again.end()
        await again.deliver()
        return posted, surface.texts()

    posted, texts = run(main())
    assert len(posted) > 3
    assert texts == ["short now"]


async def taken_up(before: str, after: str, *, page_size: int = 4000) -> FakeSurface:
    """The course of an answer that reads `before` when its process dies, and then `after`."""
    surface, ledger = FakeSurface(page_size=page_size), MemoryLedger()
    first = reply(surface, ledger=ledger)
    first.write(before)
    dying = asyncio.create_task(first.deliver())
    await asyncio.sleep(10)
    dying.cancel()
    surface.restarted = True
    again = reply(surface, ledger=ledger, stood=len(before))
    delivering = asyncio.create_task(again.deliver())
    await speak(again, after)
    await delivering
    return surface


def test_what_stood_there_before_a_restart_is_never_seen_to_shrink() -> None:
    surface = run(taken_up(words(100), "Other " + words(200)))
    lengths = [len(page.text) for _, page in surface.messages["1"].versions]
    assert lengths == sorted(lengths)
    assert len(lengths) > 5
    assert surface.texts() == ["Other " + words(200)]


def test_what_stood_on_several_pages_is_not_seen_to_shrink() -> None:
    surface = run(taken_up(words(100), words(200), page_size=200))
    seen = [[len(p.text) for _, p in shown.versions] for shown in surface.messages.values()]
    assert len(seen) > 5
    assert all(lengths == sorted(lengths) for lengths in seen)
    assert joined(surface.texts()) == joined([words(200)])


def test_an_answer_that_is_shorter_than_what_stood_there_takes_its_place_when_it_ends() -> None:
    surface = run(taken_up(words(100), words(50)))
    assert [p.text for _, p in surface.messages["1"].versions] == [words(100), words(50)]


def test_what_stood_there_is_restored_unless_it_was_overtaken() -> None:
    async def main(written: str) -> tuple[bool, list[str]]:
        surface = FakeSurface(page_size=400)
        surface.messages["1"] = Shown([(0.0, Rendered("what stood there"))])
        surface.restarted = True
        speaker = reply(surface, ledger=MemoryLedger({0: "1"}), stood=16)
        delivering = asyncio.create_task(speaker.deliver())
        speaker.write(written)
        await asyncio.sleep(1)
        restored = speaker.restore("what stood there")
        speaker.end("It broke off.")
        await delivering
        return restored, surface.texts()

    assert run(main("another")) == (True, ["what stood there\n\nIt broke off."])
    longer = "another text that is longer"
    assert run(main(longer)) == (False, [f"{longer}\n\nIt broke off."])


def test_the_reader_sees_typing_while_an_answer_overtakes_what_stood_there() -> None:
    async def main() -> tuple[int, int]:
        surface, ledger = FakeSurface(), MemoryLedger({0: "1"})
        surface.messages["1"] = Shown([(0.0, Rendered(words(4)))])
        surface.restarted = True
        speaker = reply(surface, ledger=ledger, stood=len(words(4)))
        delivering = asyncio.create_task(speaker.deliver())
        speaker.write("a word")
        await asyncio.sleep(10)
        meanwhile = surface.calls, surface.typed
        speaker.end()
        await delivering
        return meanwhile

    assert run(main()) == (0, 3)


def test_the_model_is_never_held_up_by_a_platform_that_hangs() -> None:
    async def main() -> tuple[int, bool]:
        surface = FakeSurface(script=deque([Fault(takes=10**9)]))
        speaker = reply(surface)
        delivering = asyncio.create_task(speaker.deliver())
        await speak(speaker, words(500))
        delivering.cancel()
        return speaker.behind, delivering.done()

    behind, _ = run(main())
    assert behind > 2000


def test_of_a_long_answer_only_the_end_is_kept() -> None:
    async def main() -> tuple[int, int]:
        surface = FakeSurface(page_size=100)
        speaker = reply(surface)
        delivering = asyncio.create_task(speaker.deliver())
        for n in range(2_000):
            speaker.write(f"word{n} ")
            await asyncio.sleep(0.02)
        await asyncio.sleep(60)
        kept = sum(len(page.source) for page in speaker._plan._pages.view())
        speaker.end()
        await delivering
        return kept, len(surface.texts())

    kept, pages = run(main())
    assert pages > 150
    assert kept < 3 * 100


# Any stream, any pauses, any faults, any crashes.

FAULTS = st.one_of(
    st.builds(Fault, takes=st.floats(0.0, 12.0)),
    st.builds(slow_down, st.integers(1, 300)),
    st.builds(not_applied),
    st.booleans().map(lambda applied: unknown(applied=applied)),
)
DELTAS = st.lists(
    st.tuples(st.text("abc dé€😀\n", min_size=1, max_size=60), st.floats(0.0, 20.0)), max_size=25
)


@dataclass
class Course:
    """What a run is put through."""

    deltas: list[tuple[str, float]]
    faults: list[Fault]
    crashes: list[float]
    page_size: int
    budget: Budget
    creates: Budget | None
    honours_nonces: bool
    fresh_final: bool
    freezes: bool
    """What an earlier process posted can't be edited any more."""
    stood: int
    """What is believed to stand there after a crash."""


BUDGETS = st.builds(
    Budget, rate=st.floats(0.05, 50), burst=st.floats(1, 30), reserve=st.floats(0.0, 5.0)
)
COURSES = st.builds(
    Course,
    DELTAS,
    st.lists(FAULTS, max_size=12),
    st.lists(st.floats(0.0, 60.0), max_size=3),
    st.integers(20, 200),
    BUDGETS,
    st.none() | BUDGETS,
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2000),
)


async def live_through(course: Course) -> tuple[FakeSurface, MemoryLedger, Delivered]:
    script = deque(spread(course.faults))
    surface = FakeSurface(
        course.page_size,
        budget=course.budget,
        creates=course.creates,
        script=script,
        honours_nonces=course.honours_nonces,
        fresh_final=course.fresh_final,
    )
    ledger = MemoryLedger()
    for crash_after in course.crashes:
        attempt = asyncio.create_task(one_run(surface, ledger, course))
        done, _ = await asyncio.wait({attempt}, timeout=crash_after)
        if done:
            return surface, ledger, attempt.result()
        attempt.cancel()
        await asyncio.wait({attempt})
        # A call that was under way is over when the next process starts.
        surface.restarted, surface.in_flight = True, 0
        if course.freezes:
            surface.frozen.update(surface.messages)
        await asyncio.sleep(max(0.0, surface.penalty_until - asyncio.get_running_loop().time()))
    return surface, ledger, await one_run(surface, ledger, course)


def spread(faults: list[Fault]) -> list[Fault]:
    """Faults follow each other, but not so many unknown fates that the reply is given up."""
    spread: list[Fault] = []
    for fault in faults:
        recent = spread[-UNKNOWN_CREATES + 2 :]
        if len(recent) == UNKNOWN_CREATES - 2 and all(one.error for one in recent):
            spread.append(Fault())
        spread.append(fault)
    return spread


async def one_run(surface: FakeSurface, ledger: MemoryLedger, course: Course) -> Delivered:
    speaker = reply(surface, ledger=ledger, stood=course.stood if surface.restarted else 0)
    delivering = asyncio.create_task(speaker.deliver())
    try:
        for text, pause in course.deltas:
            speaker.write(text)
            await asyncio.sleep(pause)
        speaker.end("The end.")
        return await delivering
    finally:
        delivering.cancel()


@given(COURSES)
def test_every_run_ends_with_the_whole_text_shown_once_and_in_order(course: Course) -> None:
    surface, ledger, delivered = run(live_through(course))
    assert delivered is Delivered.WHOLE
    shown = [surface.messages[message].text for _, message in sorted(ledger.messages.items())]
    assert joined(shown) == joined([*(text for text, _ in course.deltas), "The end."])
    known = set(ledger.messages.values())
    assert [int(message) for _, message in sorted(ledger.messages.items())] == sorted(
        map(int, known)
    )
    orphans = [m for m, s in surface.messages.items() if m not in known and not s.deleted]
    assert all(len(surface.messages[m].versions) == 1 for m in orphans)
    unknown_creates = sum(fault.applied and fault.error is not None for fault in course.faults)
    most = 0 if course.honours_nonces else unknown_creates + len(course.crashes)
    assert len(orphans) <= most


def test_a_fresh_final_takes_the_place_of_the_message_that_grew() -> None:
    surface = FakeSurface(page_size=400, fresh_final=True)
    run(say(surface, words(100)))
    first, *others, last = surface.messages.values()
    assert joined(surface.texts()) == joined([words(100)])
    assert not first.deleted
    assert [shown.deleted for shown in others] == [False] * (len(others) - 1) + [True]
    assert len(last.versions) == 1


def test_a_fresh_final_is_not_posted_twice_when_the_answer_came_at_once() -> None:
    async def main() -> tuple[int, int]:
        surface = FakeSurface(fresh_final=True)
        speaker = reply(surface)
        speaker.write("done")
        speaker.end()
        await speaker.deliver()
        return surface.calls, len(surface.messages)

    assert run(main()) == (1, 1)


def test_what_an_earlier_attempt_posted_is_edited_to_the_text_of_now() -> None:
    async def main() -> tuple[list[str], int]:
        surface = FakeSurface(honours_nonces=True, script=deque([unknown(applied=True)] * 2))
        before, after = reply(surface), reply(surface)
        before.write("An answer")
        cut = asyncio.create_task(before.deliver())
        await asyncio.sleep(0.05)
        cut.cancel()
        after.write("Another answer")
        after.end()
        await after.deliver()
        return surface.texts(), after.counts.ambiguous

    assert run(main()) == (["Another answer"], 0)


def test_a_message_that_takes_no_more_edits_is_posted_anew_with_what_follows() -> None:
    async def main() -> FakeSurface:
        surface = FakeSurface(page_size=20)
        before = reply(surface, ledger=(ledger := MemoryLedger()))
        before.write("one two three four five six seven eight nine")
        before.end()
        await before.deliver()
        surface.restarted, surface.frozen = True, set(surface.messages)
        after = reply(surface, ledger=ledger)
        after.write("ten eleven twelve thirteen fourteen fifteen")
        after.end()
        await after.deliver()
        return surface

    surface = run(main())
    assert joined(surface.texts()) == "teneleventwelvethirteenfourteenfifteen"


def test_creates_and_edits_spend_budgets_of_their_own() -> None:
    scarce = Budget(rate=0.001, burst=1.0)
    surface = FakeSurface(page_size=4000, budget=AMPLE, creates=scarce)
    run(say(surface, words(100)))
    assert len(surface.messages["1"].versions) > 5


def test_one_call_at_a_time_is_made_in_a_chat_and_none_of_its_replies_starves() -> None:
    async def main() -> list[FakeSurface]:
        way = gate()
        slow = Budget(rate=1.0, burst=5.0, reserve=1.0, floor=1.0)
        surfaces = [FakeSurface(page_size=4000, budget=slow) for _ in range(3)]
        for surface in surfaces[1:]:
            surface.shared = surfaces[0]
        await asyncio.gather(*(say(surface, words(400), way) for surface in surfaces))
        return surfaces

    surfaces = run(main())
    assert [surface.texts() for surface in surfaces] == [[words(400)]] * 3
    assert all(len(surface.messages["1"].versions) >= 4 for surface in surfaces)


def test_a_reply_that_is_cut_off_while_it_waits_holds_up_nobody() -> None:
    async def main() -> list[str]:
        way, surface = gate(), FakeSurface()
        cut = asyncio.create_task(way.admit(reply(FakeSurface(), way)))
        await asyncio.sleep(0)
        cut.cancel()
        speaker = reply(surface, way)
        speaker.write("hello")
        speaker.end()
        await speaker.deliver()
        return surface.texts()

    assert run(main()) == ["hello"]
