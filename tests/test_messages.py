"""Keys that are stored must come back as they were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.messages import ChatKey, TurnKey

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
CHATS = st.builds(ChatKey, TEXT, TEXT, TEXT, st.one_of(st.just(""), TEXT))


@given(CHATS)
def test_a_chat_key_reads_back(key: ChatKey) -> None:
    assert ChatKey.parse(str(key)) == key


@given(CHATS, TEXT, st.integers(0, 2**40))
def test_a_turn_key_reads_back(chat: ChatKey, message: str, revision: int) -> None:
    key = TurnKey(chat, message, revision)
    assert TurnKey.parse(str(key)) == key


@given(CHATS, CHATS)
def test_two_chats_are_never_written_alike(one: ChatKey, other: ChatKey) -> None:
    assert (str(one) == str(other)) == (one == other)


def test_a_usual_key_is_readable() -> None:
    key = TurnKey(ChatKey("telegram", "7", "-100123", "5"), "42")
    assert str(key) == "telegram:7:-100123/5:42:0"


def test_what_is_no_key_is_refused() -> None:
    with pytest.raises(ValueError, match="unpack"):
        ChatKey.parse("nonsense")
