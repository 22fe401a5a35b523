"""What the model is given of a conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asked
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.content import Quote, Text
from bot.conversation import prompt
from bot.conversation.tokens import TokenCount
from bot.store.schema import Outcome
from providers.base import Role

if TYPE_CHECKING:
    from bot.store.schema import Turn


def turn(question: str, answer: str | None = None, outcome: Outcome | None = None) -> Turn:
    ended = outcome or (Outcome.WHOLE if answer else None)
    return asked.turn(question, answer=answer, outcome=ended, notice="", settled=True)


def spoken(past: list[Turn], now: Turn, system: str = "") -> list[tuple[str, str]]:
    return [(m.role.value, m.text) for m in prompt.messages(system, past, now)]


def test_a_question_is_put_into_words_when_it_is_asked() -> None:
    now = asked.turn(content=(Quote("it is flat"), Text("true?")), speaker="Ada")
    assert spoken([], now) == [("user", "> it is flat\n\nAda: true?")]


def test_a_conversation_is_system_then_turns_then_the_question() -> None:
    assert spoken([turn("q1", "a1")], turn("q2"), "be kind") == [
        ("system", "be kind"),
        ("user", "q1"),
        ("assistant", "a1"),
        ("user", "q2"),
    ]


@pytest.mark.parametrize("outcome", [Outcome.PARTIAL, Outcome.STOPPED, Outcome.ABANDONED])
def test_an_answer_that_was_cut_off_is_marked(outcome: Outcome) -> None:
    (_, (_, answer), _) = spoken([turn("q1", "half", outcome)], turn("q2"))
    assert answer.startswith("half")
    assert prompt.CUT_OFF in answer


def test_an_answer_that_the_reader_removed_is_not_remembered() -> None:
    assert spoken([turn("q1", "gone", Outcome.REMOVED)], turn("q2")) == [("user", "q1\n\nq2")]


TURNS = st.lists(
    st.builds(
        turn,
        st.text(min_size=1),
        st.one_of(st.none(), st.text()),
        st.sampled_from([None, *Outcome]),
    )
)


@given(TURNS, st.text())
def test_roles_always_alternate_and_the_question_is_last(past: list[Turn], system: str) -> None:
    made = prompt.messages(system, past, turn("the question"))
    roles = [message.role for message in made if message.role is not Role.SYSTEM]
    assert roles[::2] == [Role.USER] * len(roles[::2])
    assert roles[1::2] == [Role.ASSISTANT] * len(roles[1::2])
    assert made[-1].text.endswith("the question")
    assert all(message.text for message in made)


def test_tokens_grow_with_the_text_and_count_every_message() -> None:
    count = TokenCount()
    assert count.message("") > 0
    assert count.message("word " * 100) > count.message("word " * 50)
    assert count.message("中" * 100) > count.message("a" * 100)


def test_an_answer_costs_what_the_provider_counted_and_nothing_where_none_is_sent() -> None:
    count = TokenCount()
    question, answer = count.message("why?"), count.message("so")
    assert count.exchange("why?", "so", None) == question + answer
    assert count.exchange("why?", "so", 900) == question + 900
    assert count.exchange("why?", "", 900) == question


def test_the_count_moves_to_what_the_provider_counts() -> None:
    count, texts = TokenCount(), ["word " * 100]
    for _ in range(30):
        count.learn(texts, counted=258)
    assert abs(count.message(texts[0]) - 258) <= 2


def test_a_count_that_cannot_be_is_not_believed() -> None:
    count = TokenCount()
    before = count.message("word " * 100)
    for _ in range(30):
        count.learn(["word " * 100], counted=10**9)
    assert count.message("word " * 100) <= 4 * before + 1
