"""The pure parts of the model servers: scripts, their choice, and prompts."""

import asyncio
from typing import Literal

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from sandbox.llm.journal import Record
from sandbox.llm.playbook import Playbook
from sandbox.llm.prompt import messages_of
from sandbox.llm.script import ChatMessage, Script, echo, split_surrogates

USER = ChatMessage("user", "What is\n*that*?")


def record_of(*messages: ChatMessage, api: str = "openai") -> Record:
    request = make_mocked_request("POST", "/v1/chat/completions")
    released = asyncio.Event()
    return Record(
        1, api, "POST", request.path, request.headers, 0.0, None, messages, released=released
    )


@given(st.text(), st.sampled_from(["words", "chars"]))
def test_tokens_join_to_the_text(text: str, chunking: Literal["words", "chars"]) -> None:
    tokens = Script(chunking=chunking).tokens(text)
    assert "".join(tokens) == text
    assert all(tokens)


def test_a_word_carries_the_space_before_it() -> None:
    assert Script().tokens("one two\n\nthree ") == ["one", " two", "\n\nthree", " "]


@given(st.lists(st.text(min_size=1)))
def test_split_surrogates_lose_nothing(tokens: list[str]) -> None:
    joined = "".join(split_surrogates(tokens))
    assert joined.encode("utf-16", "surrogatepass").decode("utf-16") == "".join(tokens)


def test_an_emoji_is_split_over_two_tokens() -> None:
    assert list(split_surrogates(["a😀b"])) == ["a\ud83d", "\ude00b"]


def test_echo_quotes_the_last_user_message_and_counts() -> None:
    history = (ChatMessage("system", "Be brief."), USER, ChatMessage("assistant", "It."), USER)
    answer = echo(history)
    assert "> What is\n> *that*?" in answer
    assert "**4 messages**: `system`, `user`, `assistant`, `user`" in answer
    assert echo(history) == answer


def test_a_script_computes_its_text_from_the_messages() -> None:
    script = Script(text=lambda messages: messages[-1].text.upper())
    assert script.answer([USER]) == "WHAT IS\n*THAT*?"


def test_conditions_come_before_the_queue_and_the_queue_before_the_default() -> None:
    default, queued, special = Script("default"), Script("queued"), Script("special")
    book = Playbook(default)
    book.add(queued, times=2, when=None)
    book.add(special, times=None, when="that")
    plain = record_of(ChatMessage("user", "hello"))
    assert book.choose(plain) is queued
    assert book.choose(record_of(USER)) is special
    assert book.choose(plain) is queued
    assert book.choose(plain) is default
    assert book.choose(record_of(USER)) is special


def test_a_counted_condition_wears_out() -> None:
    book = Playbook(Script("default"))
    book.add(Script("once"), times=1, when=lambda record: record.api == "getgpt")
    record = record_of(USER, api="getgpt")
    assert [book.choose(record).text for _ in range(2)] == ["once", "default"]


def test_a_needle_is_looked_for_in_the_last_user_message_only() -> None:
    book = Playbook(Script("default"))
    book.add(Script("found"), times=None, when="that")
    later = record_of(USER, ChatMessage("user", "and now?"), ChatMessage("assistant", "that"))
    assert book.choose(later).text == "default"


def test_a_script_for_no_request_is_refused() -> None:
    with pytest.raises(ValueError, match="times must be at least 1"):
        Playbook(Script()).add(Script(), times=0, when=None)


def test_a_formatted_prompt_is_read_as_its_messages() -> None:
    prompt = "System: Be brief.\nUser: one\ntwo\nAssistant: three\nUser: four\nAssistant:"
    assert messages_of(prompt) == (
        ChatMessage("system", "Be brief."),
        ChatMessage("user", "one\ntwo"),
        ChatMessage("assistant", "three"),
        ChatMessage("user", "four"),
    )


@pytest.mark.parametrize("prompt", ["hello", "User: hello", "hello\nAssistant:", "Re: user: x"])
def test_any_other_prompt_is_one_user_message(prompt: str) -> None:
    assert messages_of(prompt) == (ChatMessage("user", prompt),)
