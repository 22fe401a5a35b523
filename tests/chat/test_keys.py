"""Keys that are stored must come back as they were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.keys import BotKey, ChatKey, TurnKey
from bot.store.queues import queue_of

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
BOTS = st.builds(BotKey, TEXT, TEXT)
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


@given(CHATS, BOTS)
def test_a_chat_belongs_to_its_own_bot_alone(chat: ChatKey, bot: BotKey) -> None:
    assert BotKey.parse(str(bot)) == bot
    for key in (str(chat), str(TurnKey(chat, "1"))):
        assert key.startswith(chat.account.prefix)
        assert key.startswith(bot.prefix) == (chat.account == bot)
        # As an index finds them.
        assert (bot.prefix < key < f"{bot};") == (chat.account == bot)


@given(BOTS, BOTS)
def test_each_bot_has_a_queue_of_its_own(one: BotKey, other: BotKey) -> None:
    assert (queue_of(one) == queue_of(other)) == (one == other)


@given(TEXT, st.text("0123456789", min_size=1), st.text("0123456789", min_size=1))
def test_a_bot_whose_id_begins_as_anothers_is_another(platform: str, bot: str, more: str) -> None:
    one, other = BotKey(platform, bot), BotKey(platform, bot + more)
    assert queue_of(one) != queue_of(other)
    assert not str(ChatKey(platform, other.bot, "1")).startswith(one.prefix)


def test_a_usual_key_is_readable() -> None:
    key = TurnKey(ChatKey("telegram", "7", "-100123", "5"), "42")
    assert str(key) == "telegram:7:-100123/5:42:0"


def test_what_is_no_key_is_refused() -> None:
    with pytest.raises(ValueError, match="unpack"):
        ChatKey.parse("nonsense")
