"""What was said in a chat, on a real SQLite file and on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from asked import said as spoken
from kept import CHAT, ask, exchange, opened, window

from bot.chat.content import Text
from bot.chat.keys import BotKey, ChatKey, TurnKey
from bot.conversation.prompt import question
from bot.store.history import History
from bot.store.messages import Messages
from bot.store.schema import After, Kind, Outcome, Turn

if TYPE_CHECKING:
    import sqlalchemy as sa


async def test_the_same_message_twice_is_one_turn(history: History) -> None:
    first = await ask(history, 1, "as it was first")
    again = await ask(history, 1, "as it came again")
    assert again == first


async def test_a_turn_outlives_the_process(database_url: sa.URL) -> None:
    async with opened(database_url) as database:
        first = History(database)
        turn = await exchange(first, 1)
        await Messages(database).add(turn, 0, "100")
        await first.settle(turn)
    async with opened(database_url) as database:
        second = History(database)
        read = await second.turn(turn.key)
        assert read is not None
        assert (question(read), read.answer, read.outcome) == ("q1", "a1", Outcome.WHOLE)
        assert read.settled
        assert await second.progress(turn.key) == (read, [(0, "100")])


async def test_an_unknown_turn_is_none(history: History) -> None:
    assert await history.turn(TurnKey(CHAT, "404")) is None
    assert await history.progress(TurnKey(CHAT, "404")) is None


async def test_the_window_is_the_newest_that_fits_oldest_first(history: History) -> None:
    for message in range(1, 6):
        await exchange(history, message)
    now = await ask(history, 6)
    assert await window(history, now, budget=30) == [("q3", "a3"), ("q4", "a4"), ("q5", "a5")]
    assert await window(history, now, budget=9) == []


async def test_the_window_ends_before_its_own_turn(history: History) -> None:
    await exchange(history, 1)
    second = await ask(history, 2)
    await ask(history, 3)
    assert await window(history, second) == [("q1", "a1")]


async def test_other_chats_and_topics_are_not_in_the_window(history: History) -> None:
    await exchange(history, 1)
    topic = TurnKey(ChatKey("telegram", "7", "1", "5"), "2")
    turn = await history.ask(topic, spoken("in the topic", sender="9"))
    assert await window(history, turn) == []


async def test_new_forgets_what_was_before(history: History) -> None:
    await exchange(history, 1)
    await ask(history, 2, command="new")
    await exchange(history, 3)
    assert await window(history, await ask(history, 4)) == [("q3", "a3")]


async def test_other_commands_are_no_part_of_the_conversation(history: History) -> None:
    await exchange(history, 1)
    await ask(history, 2, command="help")
    assert await window(history, await ask(history, 3)) == [("q1", "a1")]


async def test_retry_takes_the_question_over_and_hides_its_answer(history: History) -> None:
    await exchange(history, 1)
    await exchange(history, 2, Outcome.PARTIAL)
    retry = await ask(history, 3, command="retry")
    assert question(retry) == "q2"
    assert await window(history, retry) == [("q1", "a1")]
    await history.end(retry, "a3", Outcome.WHOLE, notice="", tokens=None)
    assert await window(history, await ask(history, 4)) == [("q1", "a1"), ("q2", "a3")]


async def test_retry_of_a_retry_leaves_the_question_once(history: History) -> None:
    await exchange(history, 1)
    await exchange(history, 2)
    for message in (3, 4):
        again = await ask(history, message, command="retry")
        await history.end(again, f"a{message}", Outcome.WHOLE, notice="", tokens=None)
    assert await window(history, await ask(history, 5)) == [("q1", "a1"), ("q2", "a4")]


async def test_retry_with_nothing_before_it_has_no_question(history: History) -> None:
    assert not (await ask(history, 1, command="retry")).content
    await exchange(history, 2)
    await ask(history, 3, command="new")
    assert not (await ask(history, 4, command="retry")).content


async def test_posted_messages_are_kept_by_page(history: History, messages: Messages) -> None:
    turn = await ask(history, 1)
    for page, message in ((0, "10"), (1, "11"), (1, "12")):
        await messages.add(turn, page, message)
    assert await history.progress(turn.key) == (turn, [(0, "10"), (1, "12")])
    await messages.remove(turn, "12")
    assert await history.progress(turn.key) == (turn, [(0, "10")])


async def test_the_answer_so_far_is_kept_until_it_has_ended(history: History) -> None:
    first, second = await ask(history, 1), await ask(history, 2)
    await history.save_partials({first.seq: "so far", second.seq: "half"})
    await history.end(second, "the whole", Outcome.WHOLE, notice="", tokens=None)
    await history.save_partials({second.seq: "too late"})
    kept = [await history.turn(turn.key) for turn in (first, second)]
    assert [turn and (turn.partial, turn.answer) for turn in kept] == [
        ("so far", None),
        (None, "the whole"),
    ]


async def test_many_at_once_are_all_kept(history: History) -> None:
    turns = await asyncio.gather(*(ask(history, message) for message in range(200)))
    assert len({turn.seq for turn in turns}) == 200


async def test_what_a_database_can_not_hold_is_kept_as_a_sign_for_it(history: History) -> None:
    turn = await ask(history, 1, "a\0b")
    read = await history.turn(turn.key)
    assert read is not None
    assert question(read) == "a\ufffdb"


async def branch(history: History, message: int, after: After | None) -> Turn:
    key = TurnKey(CHAT, str(message))
    turn = await history.ask(key, spoken(f"q{message}", sender="9"), after=after)
    await history.end(turn, f"a{message}", Outcome.WHOLE, notice="", tokens=None)
    return turn


async def test_a_branch_goes_on_from_an_answer_and_what_led_to_it(
    history: History, messages: Messages
) -> None:
    for message in (1, 2, 3):
        turn = await exchange(history, message)
        await messages.add(turn, 0, f"{message}00")
    after = await history.locate([CHAT], "200")
    branched = await branch(history, 4, after)
    assert await window(history, branched) == [("q1", "a1"), ("q2", "a2")]
    later = [("q1", "a1"), ("q2", "a2"), ("q4", "a4")]
    assert await window(history, await ask(history, 5)) == later


async def test_a_branch_from_a_question_leaves_its_answer_out(history: History) -> None:
    for message in (1, 2):
        await exchange(history, message)
    after = await history.locate([CHAT], "1")
    assert await window(history, await branch(history, 3, after)) == [("q1", None)]


async def test_an_answer_that_is_left_out_takes_no_room(history: History) -> None:
    for message in (1, 2):
        turn = await ask(history, message)
        await history.end(turn, "a", Outcome.WHOLE, notice="", tokens=90)
    branched = await branch(history, 3, await history.locate([CHAT], "2"))
    past = await history.window(branched, 100, lambda turn: 5 + (turn.answer_tokens or 0))
    assert [(question(turn), turn.answer) for turn in past] == [("q1", "a"), ("q2", None)]


async def test_a_branch_may_go_on_from_what_was_said_in_another_chat(
    history: History, messages: Messages
) -> None:
    turn = await exchange(history, 1)
    await messages.add(turn, 0, "100")
    thread = TurnKey(ChatKey("telegram", "7", "1", "100"), "2")
    after = await history.locate([thread.chat, CHAT], "100")
    asked = await history.ask(thread, spoken("q2", sender="9"), after=after)
    assert await window(history, asked) == [("q1", "a1")]


async def test_what_others_said_is_part_of_the_branch_it_led_to_and_of_no_other(
    history: History,
) -> None:
    await exchange(history, 1)
    said = await history.hear(
        TurnKey(CHAT, "2"), spoken("Bo: look", Kind.HEARD, sender="8"), after=After(0)
    )
    said = await history.hear(
        TurnKey(CHAT, "3"), spoken("Cy: and here", Kind.HEARD, sender="7"), after=said
    )
    assert await window(history, await branch(history, 4, said)) == [
        ("Bo: look", None),
        ("Cy: and here", None),
    ]
    assert await history.locate([CHAT], "3") == said
    fresh = TurnKey(ChatKey("telegram", "7", "2"), "5")
    assert await window(history, await history.ask(fresh, spoken("q5", sender="9"))) == []


async def test_what_was_edited_or_taken_back_is_remembered_so(history: History) -> None:
    await exchange(history, 1)
    await exchange(history, 2)
    await history.reword([CHAT], "1", (Text("as it reads now"),))
    await history.reword([CHAT], "2", ())
    assert await window(history, await ask(history, 3)) == [("as it reads now", "a1")]


async def test_a_retry_of_what_was_edited_is_edited_too(history: History) -> None:
    await exchange(history, 1)
    for message in (2, 3):
        again = await ask(history, message, command="retry")
        await history.end(again, f"a{message}", Outcome.WHOLE, notice="", tokens=None)
    await history.reword([CHAT], "1", (Text("as it reads now"),))
    assert await window(history, await ask(history, 4)) == [("as it reads now", "a3")]


async def test_a_question_that_is_being_answered_is_not_told_to_another(history: History) -> None:
    await exchange(history, 1)
    await ask(history, 2)
    assert await window(history, await ask(history, 3)) == [("q1", "a1")]


async def test_ones_own_last_question_is_repeated_where_many_ask(history: History) -> None:
    for message, sender in ((1, "8"), (2, "9"), (3, "8")):
        key = TurnKey(CHAT, str(message))
        turn = await history.ask(key, spoken(f"q{message}", sender=sender))
        await history.end(turn, f"a{message}", Outcome.WHOLE, notice="", tokens=None)
    key = TurnKey(CHAT, "4")
    retry = await history.ask(key, spoken("", Kind.RETRY, sender="9"), own=True)
    assert question(retry) == "q2"
    assert await window(history, retry) == [("q1", "a1"), ("q3", "a3")]


async def test_a_retry_of_a_branch_is_on_that_branch(history: History, messages: Messages) -> None:
    for message in (1, 2):
        turn = await exchange(history, message)
        await messages.add(turn, 0, f"{message}00")
    await branch(history, 3, await history.locate([CHAT], "100"))
    retry = await ask(history, 4, command="retry")
    assert await window(history, retry) == [("q1", "a1")]


async def test_the_latest_turn_of_each_chat_is_told_by_bot(history: History) -> None:
    elsewhere = ChatKey("discord", "7", "5", "6")
    await ask(history, 1)
    for chat in (elsewhere, replace(elsewhere, bot="77"), replace(elsewhere, bot="6")):
        for message in ("11", "12"):
            await history.ask(TurnKey(chat, message), spoken("q", sender="9"))
    bot = BotKey("discord", "7")
    assert await history.latest(bot, 0.0) == [TurnKey(elsewhere, "12")]
    assert await history.latest(bot, 1e12) == []
    assert await history.has_turns(elsewhere)
    assert not await history.has_turns(ChatKey("discord", "7", "5"))
