"""The built-in demo: what it says, what it remembers, how it streams."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.base import Finish, FinishReason, Message, ProviderSettings, Role, TextDelta
from providers.demo import Demo, words
from providers.demo_script import reply


def talk(*questions: str) -> str:
    """The answer to the last question of a conversation in which each was answered."""
    messages: list[Message] = [Message.of(Role.SYSTEM, "My name is System.")]
    answer = ""
    for question in questions:
        messages.append(Message.of(Role.USER, question))
        answer = reply(messages)
        messages.append(Message.of(Role.ASSISTANT, answer))
    return answer


@pytest.mark.parametrize(
    "question",
    ["hello", "what are you?", "Are you ChatGPT?", "tell me about cats", "2+2?", "", "write code"],
)
def test_it_says_that_it_is_no_language_model(question: str) -> None:
    assert "not a language model" in talk(question)


@pytest.mark.parametrize(
    ("question", "holds"),
    [
        ("How do I connect a real model?", "[providers.main]"),
        ("where do I put the token", "@BotFather"),
        ("help", "`/stop`"),
        ("which commands are there?", "`/new`"),
        ("show me something", "```python"),
        ("what is this?", "self-hosted"),
    ],
)
def test_it_answers_what_is_asked_about_the_bot(question: str, holds: str) -> None:
    assert holds in talk(question)


def test_the_showcase_has_every_kind_of_markdown() -> None:
    shown = talk("show me what you can do")
    for markup in ("\n### ", "\n1. ", "\n   - ", "```python", "|---|", "**bold**", "> ", "🪐"):
        assert markup in shown


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ("my name is Ada", "Ada"),
        ("Hi! My name's Ada Lovelace and I like numbers", "Ada Lovelace"),
        ("my name is Ada, and you?", "Ada"),
        ("My name is Zoë-Ann.", "Zoë-Ann"),
        ("my name is Bob. No: my name is Ada", "Ada"),
    ],
)
def test_it_remembers_a_name(told: str, name: str) -> None:
    assert f"**{name}**" in talk(told)
    assert f"Your name is **{name}**." in talk(told, "nice weather", "What\u2019s my name?")


def test_it_does_not_know_a_name_it_was_not_told() -> None:
    assert "have not told me" in talk("what is my name?")


def test_it_recalls_what_was_said() -> None:
    recap = talk("I like tea", "my name is Ada", "what did I say?")
    assert "1. I like tea\n2. my name is Ada" in recap
    assert "first thing" in talk("what did I say?")


@given(st.text())
def test_anything_else_is_quoted_and_declined(question: str) -> None:
    answer = talk(f"qqq {question}")
    assert answer.strip()


@given(st.text())
def test_words_join_to_the_text(text: str) -> None:
    assert "".join(words(text)) == text


async def test_it_streams_word_by_word_and_finishes() -> None:
    question = Message.of(Role.USER, "show me")
    provider = Demo(ProviderSettings("demo", rate=0))
    events = [event async for event in provider.stream([question])]
    await provider.close()
    assert events.pop() == Finish(FinishReason.STOP)
    assert len(events) > 50
    assert all(isinstance(event, TextDelta) and event.text for event in events)
    assert "".join(event.text for event in events) == reply([question])


def test_a_negative_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="rate"):
        Demo(ProviderSettings("demo", rate=-1))
