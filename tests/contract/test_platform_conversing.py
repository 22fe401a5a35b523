"""Who is answered, in which order, and what of it is remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from words import numbered, numbers

from sandbox.llm.script import Script

if TYPE_CHECKING:
    from venue import Venue

    from sandbox.llm.journal import Record
    from sandbox.llm.server import LlmSandbox

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("bot")]


def asked(llm: LlmSandbox, text: str) -> list[Record]:
    """The requests whose question holds `text`."""
    return [record for record in llm.requests if text in record.messages[-1].text]


def conversation(record: Record) -> list[str]:
    return [message.text for message in record.messages if message.role != "system"]


async def test_new_forgets_what_was_said(venue: Venue, llm: LlmSandbox) -> None:
    ada = venue.person("Ada")
    llm.script(Script(text="hello Ada"), when="my name is Ada")
    await ada.say("my name is Ada")
    await venue.wait(ada.chat, "hello Ada")
    await ada.say("name before?")
    await venue.wait(ada.chat, "name before?")
    await ada.command("new")
    await venue.wait(ada.chat, "new conversation")
    await ada.say("name after?")
    await venue.wait(ada.chat, "name after?")
    (before,), (after,) = asked(llm, "name before?"), asked(llm, "name after?")
    assert conversation(before) == ["my name is Ada", "hello Ada", "name before?"]
    assert conversation(after) == ["name after?"]
    assert [m.text for m in after.messages if m.role == "system"] == ["You are the test's model."]


async def test_retry_asks_again_without_the_first_answer(venue: Venue, llm: LlmSandbox) -> None:
    ada = venue.person("Ada")
    await ada.command("retry")
    await venue.wait(ada.chat, "nothing to ask again")
    llm.script(Script(text="the first answer"), times=1, when="why so?")
    llm.script(Script(text="the second answer"), times=1, when="why so?")
    await ada.say("why so?")
    await venue.wait(ada.chat, "the first answer")
    await ada.command("retry")
    await venue.wait(ada.chat, "the second answer")
    await ada.say("and then?")
    await venue.wait(ada.chat, "and then?")
    assert [conversation(record) for record in asked(llm, "why so?")] == [["why so?"]] * 2
    (then,) = asked(llm, "and then?")
    assert conversation(then) == ["why so?", "the second answer", "and then?"]


async def test_a_forwarded_command_is_told_and_not_carried_out(
    venue: Venue, llm: LlmSandbox
) -> None:
    ada = venue.person("Ada")
    await ada.say("my cat is Tom")
    await venue.wait(ada.chat, "my cat is Tom")
    told = []
    for command in ("/forget", "/new", "/stop", "/retry", "/start"):
        name = await venue.forward(ada, command)
        await venue.wait(ada.chat, command)
        told.append(f"[Forwarded from {name}]\n{command}")
    await ada.say("cat still?")
    await venue.wait(ada.chat, "cat still?")
    (record,) = asked(llm, "cat still?")
    assert conversation(record)[::2] == ["my cat is Tom", *told, "cat still?"]


async def test_stop_ends_the_answer_and_says_so(venue: Venue, llm: LlmSandbox) -> None:
    llm.script(Script(text=numbered(4000), rate=40), when="without end")
    ada = venue.person("Ada")
    await ada.command("stop")
    await venue.wait(ada.chat, "nothing to stop")
    await ada.say("without end")
    await venue.wait(ada.chat, "w20")
    await ada.command("stop")
    stopped = await venue.wait(ada.chat, "Stopped")
    await llm.until(lambda: asked(llm, "without end")[0].client_closed_at is not None)
    shown = numbers(stopped.text)
    assert shown == list(range(len(shown)))
    await ada.say("go on, briefly")
    await venue.wait(ada.chat, "go on, briefly")
    assert "cut off" in conversation(asked(llm, "go on, briefly")[0])[1]


async def test_help_names_every_command(venue: Venue) -> None:
    ada = venue.person("Ada")
    await ada.command("start")
    await venue.wait(ada.chat, "/help")
    await ada.command("help")
    said = await venue.wait(ada.chat, "/retry")
    for command in ("start", "help", "new", "stop", "retry"):
        assert f"/{command}" in said.text


async def test_questions_of_a_chat_are_answered_in_order_and_other_chats_beside_them(
    venue: Venue, llm: LlmSandbox
) -> None:
    script = Script(text=lambda ms: f"answer to {ms[-1].text}", first_token=0.3)
    llm.script(script, when="in order")
    ada, bob = venue.person("Ada"), venue.person("Bob")
    for n in range(4):
        await ada.say(f"in order {n}")
    await bob.say("in order too")
    await venue.wait(ada.chat, "answer to in order 3")
    answers = [message.text for message in venue.replies(ada.chat)]
    assert answers == [f"answer to in order {n}" for n in range(4)]
    records = asked(llm, "in order")
    assert [record.messages[-1].text for record in records].index("in order too") <= 1
    own = [record for record in records if "too" not in record.messages[-1].text]
    assert [len(conversation(record)) for record in own] == [1, 3, 5, 7]


async def test_a_room_is_answered_when_the_bot_is_meant(venue: Venue, llm: LlmSandbox) -> None:
    llm.script(Script(text=lambda ms: f"heard {ms[-1].text}"), when="room:")
    ada, bob = venue.person("Ada"), venue.person("Bob")
    room = venue.room("Team", [ada, bob])
    await bob.say("room: not for you", room, to_bot=False)
    question = await ada.say("room: hello there", room)
    answer = await venue.wait(room, "heard Ada: room: hello there")
    assert answer.reply_to == question
    await venue.reply(bob, "room: and me?", room, answer.id)
    second = await venue.wait(room, "heard Bob: room: and me?")
    assert conversation(asked(llm, "room: and me?")[0]) == [
        "Ada: room: hello there",
        "heard Ada: room: hello there",
        "Bob: room: and me?",
    ]
    assert [answer.id, second.id] == [message.id for message in venue.replies(room)]
    assert not asked(llm, "not for you")


async def test_the_parts_of_a_room_are_conversations_of_their_own(
    venue: Venue, llm: LlmSandbox
) -> None:
    ada = venue.person("Ada")
    parts = await venue.parts_of_room(ada, ["one", "two"])
    for n, part in enumerate(parts):
        await ada.say(f"part {n}: first", part)
        await venue.wait(part, f"part {n}: first")
        await ada.say(f"part {n}: second", part)
        await venue.wait(part, f"part {n}: second")
    for n, part in enumerate(parts):
        assert len(venue.replies(part)) == 2
        known = "".join(conversation(asked(llm, f"part {n}: second")[0]))
        assert f"part {n}: first" in known
        assert f"part {1 - n}" not in known


async def test_the_same_person_is_apart_in_a_room_and_in_the_direct_chat(
    venue: Venue, llm: LlmSandbox
) -> None:
    ada = venue.person("Ada")
    room = venue.room("Office", [ada])
    await ada.say("my secret is 4711")
    await venue.wait(ada.chat, "4711")
    await ada.say("which secret?", room)
    await venue.wait(room, "which secret?")
    (record,) = asked(llm, "which secret?")
    assert "4711" not in "".join(conversation(record))


async def test_it_is_shown_that_an_answer_is_being_written(venue: Venue, llm: LlmSandbox) -> None:
    llm.script(Script(text="slow to start", first_token=2.0), when="slow")
    ada = venue.person("Ada")
    await ada.say("slow")
    message = await venue.wait(ada.chat, "slow to start")
    assert venue.typed_before(ada.chat, message)
