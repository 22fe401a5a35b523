"""Trouble that does not pass: a text the platform never takes, edits refused, rights withdrawn.

On virtual time. What matters: the chat is told, its next question is not kept waiting for ever, and
an outage, however long, is never taken for a fault of the text.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from fake_surface import AMPLE, CHAT, FakeSurface, MemoryLedger, PlainMarkup
from hypothesis import given
from hypothesis import strategies as st
from test_deliver import gate, joined, words
from virtual import run

from bot.chat.keys import ChatKey
from bot.replicas.base import Alone
from bot.reply.deliver import Delivered, Reply
from bot.reply.gate import Gate
from bot.reply.pace import Pace
from bot.reply.surface import (
    Budget,
    ChatClosedError,
    NotAllowedError,
    NotAppliedError,
    RefusedError,
    Rendered,
    SurfaceError,
    UneditableError,
    UnknownFateError,
)
from bot.reply.trouble import DOUBTED_AFTER, NOT_ALLOWED, UNEDITABLE

EXCUSE = "It can't be shown."
INSTEAD = "Nothing to see."


class StarredMarkup(PlainMarkup):
    """A star is formatting: plain text has none."""

    def render(self, markdown: str) -> Rendered[object]:
        plain = super().render(markdown)
        return Rendered(plain.text, ("bold",)) if "*" in plain.text else plain


Trouble = Callable[[Rendered[object] | None, float], SurfaceError | None]
"""What a call with this page (None: a typing action) meets at this time."""


@dataclass
class TroubledSurface(FakeSurface):
    page_size: int = 4000
    markup: PlainMarkup = field(default_factory=StarredMarkup)
    meets: Trouble = lambda _page, _at: None
    edits_meet: Trouble = lambda _page, _at: None
    tried: list[Rendered[object]] = field(default_factory=list)

    async def create(self, page: Rendered[object], *, number: int, nonce: str) -> str:
        self._look(self.meets, page)
        return await super().create(page, number=number, nonce=nonce)

    async def edit(self, message: str, page: Rendered[object]) -> None:
        self._look(self.edits_meet, page)
        self._look(self.meets, page)
        await super().edit(message, page)

    async def typing(self) -> None:
        if error := self.meets(None, self._now()):
            raise error
        await super().typing()

    def _look(self, meets: Trouble, page: Rendered[object]) -> None:
        if error := meets(page, self._now()):
            self.tried.append(page)
            self.faulted = True
            raise error


def poisoned(word: str, error: type[SurfaceError] = NotAppliedError) -> Trouble:
    return lambda page, _: error("500") if page and word in page.text else None


def outage(begin: float, end: float, error: type[SurfaceError] = NotAppliedError) -> Trouble:
    return lambda _, at: error("502") if begin <= at < end else None


def reply(surface: FakeSurface, ledger: MemoryLedger | None = None, stood: int = 0) -> Reply:
    ledger = ledger or MemoryLedger()
    posted = sorted(ledger.messages.items())
    return Reply(surface, gate(), ledger, nonce="n", posted=posted, stood=stood, excuse=EXCUSE)


async def say(surface: FakeSurface, *pieces: str, ledger: MemoryLedger | None = None) -> Delivered:
    """Each piece of the answer is shown, if it can be, before the next one comes."""
    speaker = reply(surface, ledger)
    delivering = asyncio.create_task(speaker.deliver())
    for piece in pieces:
        speaker.write(piece)
        await asyncio.sleep(3)
    speaker.end(instead=INSTEAD)
    return await delivering


@pytest.mark.parametrize("error", [NotAppliedError, RefusedError])
@pytest.mark.parametrize("fresh_final", [False, True])
def test_a_text_that_is_never_taken_ends_with_a_line(
    error: type[SurfaceError], *, fresh_final: bool
) -> None:
    surface = TroubledSurface(meets=poisoned("poison", error), fresh_final=fresh_final)
    ledger = MemoryLedger()
    assert run(say(surface, "good ", "poison", ledger=ledger)) is Delivered.CLOSED
    assert surface.texts() == ["good", EXCUSE]
    assert list(ledger.messages.values()) == [
        n for n, m in surface.messages.items() if not m.deleted
    ]


def test_a_first_text_that_is_never_taken_is_a_line() -> None:
    surface = TroubledSurface(meets=poisoned("poison"))
    assert run(say(surface, "poison")) is Delivered.CLOSED
    assert surface.texts() == [EXCUSE]


def test_with_nonces_an_unknown_fate_ends_so_too() -> None:
    surface = TroubledSurface(meets=poisoned("poison", UnknownFateError), honours_nonces=True)
    assert run(say(surface, "poison")) is Delivered.CLOSED
    assert surface.texts() == [EXCUSE]


def test_what_is_said_after_the_line_is_dropped() -> None:
    async def main() -> Delivered:
        speaker = reply(surface)
        delivering = asyncio.create_task(speaker.deliver())
        speaker.write("poison")
        delivered = await delivering
        speaker.write(" and more")
        speaker.cut("stopped")
        speaker.end("a notice")
        return delivered

    surface = TroubledSurface(meets=poisoned("poison"))
    assert run(main()) is Delivered.CLOSED
    assert surface.texts() == [EXCUSE]


def test_later_pages_of_an_earlier_run_go_and_the_earlier_ones_stay() -> None:
    async def main() -> Delivered:
        ledger = MemoryLedger()
        first = reply(surface, ledger)
        first.write(words(60))
        first.end()
        await first.deliver()
        assert len(surface.texts()) > 3
        surface.restarted = True
        surface.meets = poisoned("word20")
        second = reply(surface, ledger)
        second.write(words(59).replace("word20", "word20x"))
        second.end()
        return await second.deliver()

    surface = TroubledSurface(page_size=100)
    assert run(main()) is Delivered.CLOSED
    *before, last = surface.texts()
    assert last == EXCUSE
    assert joined(before).startswith(joined([words(10)]))


def test_formatting_that_is_never_taken_is_left_out() -> None:
    surface = TroubledSurface(
        meets=lambda page, _: NotAppliedError("500") if page and page.entities else None
    )
    assert run(say(surface, "a *star*", " and a *second*")) is Delivered.WHOLE
    assert surface.texts() == ["a *star* and a *second*"]
    assert surface.messages["1"].versions[-1][1].entities == ()


@given(
    error=st.sampled_from([NotAppliedError, UnknownFateError]),
    begin=st.floats(0, 8),
    lasts=st.floats(0.1, 4000),
    pieces=st.lists(st.sampled_from(["a *star* ", "plain ", "words "]), min_size=1, max_size=4),
)
def test_an_outage_is_never_taken_for_the_text(
    error: type[SurfaceError], begin: float, lasts: float, pieces: list[str]
) -> None:
    surface = TroubledSurface(meets=outage(begin, begin + lasts, error))
    assert run(say(surface, *pieces)) is Delivered.WHOLE
    assert surface.texts() == ["".join(pieces).strip()]
    (shown,) = surface.messages.values()
    assert bool(shown.versions[-1][1].entities) is ("*" in shown.text)
    assert all(page.text != EXCUSE for page in surface.tried)


@pytest.mark.parametrize("error", [NotAppliedError, UnknownFateError])
def test_an_outage_may_last_for_a_day(error: type[SurfaceError]) -> None:
    surface = TroubledSurface(meets=outage(0, 86_400, error))
    assert run(say(surface, "an answer")) is Delivered.WHOLE
    assert surface.texts() == ["an answer"]


def test_in_an_outage_of_unknown_fates_no_more_than_two_creates_are_risked() -> None:
    surface = TroubledSurface(meets=outage(0, 3600, UnknownFateError))
    assert run(say(surface, "an answer")) is Delivered.WHOLE
    assert len(surface.tried) == 2


def test_a_right_to_ask_is_waited_for_where_many_ask() -> None:
    """The budget of actions is used up by others: the text is doubted all the same."""

    async def main() -> list[Delivered]:
        now = asyncio.get_running_loop().time()
        way = Gate(Pace(AMPLE, Budget(rate=0.05, burst=1.0), now), Alone().lease)
        replies = [Reply(each, way, MemoryLedger(), nonce="n", excuse=EXCUSE) for each in surfaces]
        for each in replies:
            each.write("poison")
            each.end()
        return await asyncio.gather(*(each.deliver() for each in replies))

    surfaces = [
        TroubledSurface(chat=ChatKey("fake", "bot", str(n)), meets=poisoned("poison"))
        for n in range(5)
    ]
    assert run(main()) == [Delivered.CLOSED] * 5


def test_without_the_actions_an_outage_of_messages_alone_is_waited_out() -> None:
    """Typing works all the time; texts, the excuse too, fail for an hour."""

    def meets(page: Rendered[object] | None, at: float) -> SurfaceError | None:
        return NotAppliedError("500") if page and at < 3600 else None

    surface = TroubledSurface(meets=meets)
    assert run(say(surface, "a *star*")) is Delivered.WHOLE
    assert surface.texts() == ["a *star*"]
    assert EXCUSE in [page.text for page in surface.tried]


def test_a_text_is_not_doubted_before_it_has_failed_for_a_while() -> None:
    surface = TroubledSurface(meets=poisoned("poison"))
    run(say(surface, "poison"))
    assert len(surface.tried) == DOUBTED_AFTER + 1


# Messages that can't be edited.


def test_a_message_that_cannot_be_edited_is_posted_anew() -> None:
    refusals = iter([UneditableError("can't be edited")])
    surface = TroubledSurface(edits_meet=lambda _page, _at: next(refusals, None))
    assert run(say(surface, "one ", "two ", "three")) is Delivered.WHOLE
    assert surface.texts() == ["one two three"]


def test_if_nothing_can_be_edited_messages_are_not_posted_over_and_over() -> None:
    surface = TroubledSurface(edits_meet=lambda _page, _at: UneditableError("can't be edited"))
    pieces = [f"word{n} " for n in range(30)]
    assert run(say(surface, *pieces)) is Delivered.WHOLE
    assert surface.texts() == ["".join(pieces).strip()]
    assert len(surface.messages) <= 1 + UNEDITABLE + 1


# Rights.


def test_a_right_that_is_missing_for_a_while_delays_the_answer() -> None:
    def meets(page: Rendered[object] | None, at: float) -> SurfaceError | None:
        return NotAllowedError("TOPIC_CLOSED") if page and 2 < at < 30 else None

    surface = TroubledSurface(meets=meets)
    assert run(say(surface, "one ", "two ", "three")) is Delivered.WHOLE
    assert surface.texts() == ["one two three"]


def test_a_right_that_stays_missing_ends_the_answer() -> None:
    def meets(page: Rendered[object] | None, at: float) -> SurfaceError | None:
        return NotAllowedError("TOPIC_CLOSED") if page and at > 2 else None

    surface = TroubledSurface(meets=meets)
    assert run(say(surface, "one ", "two ", "three")) is Delivered.CLOSED
    assert surface.texts() == ["one"]
    assert len(surface.tried) == NOT_ALLOWED


@pytest.mark.parametrize("error", [NotAllowedError, ChatClosedError])
def test_where_nothing_was_shown_a_closed_chat_is_closed_at_once(
    error: type[SurfaceError],
) -> None:
    surface = TroubledSurface(meets=lambda page, _at: error("no") if page else None)
    assert run(say(surface, "one")) is Delivered.CLOSED
    assert len(surface.tried) == 1


# Nothing to see.


@pytest.mark.parametrize("text", ["\u200b", " \n\t", "\u2800\u3164\ufe0f", "\u200b" * 9000])
def test_an_answer_that_shows_nothing_is_a_line(text: str) -> None:
    surface = TroubledSurface()
    assert run(say(surface, text)) is Delivered.WHOLE
    assert surface.texts() == [INSTEAD]


def test_a_notice_is_enough_to_be_seen() -> None:
    async def main() -> Delivered:
        speaker = reply(surface)
        speaker.write("\u200b")
        speaker.end("A notice.", instead=INSTEAD)
        return await speaker.deliver()

    surface = TroubledSurface()
    assert run(main()) is Delivered.WHOLE
    assert [text.strip("\u200b\n") for text in surface.texts()] == ["A notice."]


def test_what_is_to_stay_silent_does() -> None:
    async def main() -> Delivered:
        speaker = reply(surface)
        speaker.end("")
        return await speaker.deliver()

    surface = TroubledSurface()
    assert run(main()) is Delivered.WHOLE
    assert surface.texts() == []
    assert surface.chat == CHAT
