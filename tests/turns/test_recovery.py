"""What is saved of an answer while it is written, and what is too old to be answered."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import asked
import pytest
from virtual import run

from bot.replicas.base import Alone, Lease
from bot.turns.answer import Answer
from bot.turns.recovery import SAVE_EVERY, Partials, too_old

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.store.schema import Turn

ASKED = 1000.0
TURN = asked.turn(asked_at=ASKED)


@pytest.mark.parametrize(
    ("begun", "started_at", "now", "old"),
    [
        (True, ASKED + 500, ASKED + 600, False),
        (True, ASKED + 500, ASKED + 601, True),
        (True, ASKED - 500, ASKED + 601, True),
        (False, ASKED + 600, ASKED + 9999, False),
        (False, ASKED + 601, ASKED + 601, True),
        (False, ASKED - 1, ASKED + 9999, False),
    ],
)
def test_a_begun_answer_is_as_old_as_its_question_a_question_as_at_the_start(
    *, begun: bool, started_at: float, now: float, old: bool
) -> None:
    assert too_old(TURN, begun=begun, started_at=started_at, now=now, within=600) is old


@dataclass
class Saved:
    writes: list[dict[int, str]] = field(default_factory=list)

    async def save(self, texts: Mapping[int, str]) -> None:
        self.writes.append(dict(texts))


async def write(partials: Partials, turn: Turn, seconds: int, parts: list[str]) -> None:
    """Write a letter a second."""
    with partials.writing(turn, lambda: "".join(parts)):
        for _ in range(seconds):
            await asyncio.sleep(1)
            parts.append("x")


def test_answers_are_saved_together_while_they_grow() -> None:
    async def main() -> list[dict[int, str]]:
        saved = Saved()
        partials = Partials(saved.save, Alone().lease)
        second = replace(TURN, seq=2)
        await asyncio.gather(write(partials, TURN, 5, []), write(partials, second, 3, []))
        await asyncio.sleep(60)
        return saved.writes

    assert SAVE_EVERY == 2.0
    assert [sorted(write) for write in run(main())] == [[1, 2], [1]]


def test_an_answer_that_is_over_soon_is_not_saved() -> None:
    async def main() -> list[dict[int, str]]:
        saved = Saved()
        await write(Partials(saved.save, Alone().lease), TURN, 1, [])
        await asyncio.sleep(60)
        return saved.writes

    assert run(main()) == []


def test_an_answer_that_stands_still_is_not_saved_again() -> None:
    async def main() -> list[dict[int, str]]:
        saved = Saved()
        partials = Partials(saved.save, Alone().lease)
        with partials.writing(TURN, lambda: "the same"):
            await asyncio.sleep(60)
        return saved.writes

    assert run(main()) == [{1: "the same"}]


def test_the_text_of_an_answer_is_joined_when_it_grew_and_not_again() -> None:
    answer = Answer()
    assert answer.text == ""
    answer.parts += ["one ", "two "]
    joined = answer.text
    answer.parts.append("three")
    assert (joined, answer.text) == ("one two ", "one two three")
    assert answer.text is answer.text
    assert len(answer.parts) == 1


def test_a_new_answer_does_not_replace_a_longer_one_that_was_cut_off() -> None:
    async def main() -> list[dict[int, str]]:
        saved, parts = Saved(), ["another"]
        partials = Partials(saved.save, Alone().lease)
        with partials.writing(replace(TURN, partial="much longer"), lambda: "".join(parts)):
            await asyncio.sleep(60)
            parts.append(", and longer now")
            await asyncio.sleep(60)
        return saved.writes

    assert run(main()) == [{1: "another, and longer now"}]


def test_what_is_being_written_is_saved_at_the_end() -> None:
    async def main() -> list[dict[int, str]]:
        saved = Saved()
        partials = Partials(saved.save, Alone().lease)
        with partials.writing(TURN, lambda: "cut off"):
            await asyncio.sleep(1)
            await partials.close()
        await asyncio.sleep(60)
        return saved.writes

    assert run(main()) == [{1: "cut off"}]


def test_nothing_is_saved_while_another_replica_may_be_writing() -> None:
    async def main() -> None:
        saved = Saved()
        now = [100.0]
        lease = Lease(1.0, lambda: now[0])
        partials = Partials(saved.save, lease)
        text = ["a"]
        with partials.writing(TURN, lambda: "".join(text)):
            await asyncio.sleep(SAVE_EVERY + 1)
            assert not saved.writes
            lease.extend(100.0)
            await asyncio.sleep(SAVE_EVERY)
            assert saved.writes == [{TURN.seq: "a"}]

    run(main())
