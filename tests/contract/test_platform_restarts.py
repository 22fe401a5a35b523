"""The bot's process ends, gently or not: each question is answered once, in the messages begun."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from words import numbered

from sandbox.llm.script import Script, Silence, Stall

if TYPE_CHECKING:
    from bot_process import BotProcess
    from venue import Place, Venue

    from sandbox.llm.server import LlmSandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")


def saved(bot: BotProcess) -> str:
    """What stands in the history of answers that are being written."""
    with closing(sqlite3.connect(bot.folder / "parlance.db")) as db:
        return "\n".join(text for (text,) in db.execute("SELECT partial FROM turns") if text)


def ids(venue: Venue, place: Place) -> list[int]:
    return [message.id for message in venue.replies(place)]


async def test_a_kill_leaves_every_chat_its_answers_whole_and_in_their_messages(
    venue: Venue, llm: LlmSandbox, own_bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(200), rate=60), when="one page")
    llm.script(Script(text=numbered(2000), rate=400), when="pages")
    llm.script(Script(fault=Silence()), times=1, when="waits")
    llm.script(Script(text=lambda ms: f"answer to {ms[-1].text}"), when="waits")
    ada, bob, eve = (venue.person(name) for name in ("Ada", "Bob", "Eve"))
    await own_bot.start()
    for n in range(3):
        await eve.say(f"waits {n}")
    await bob.say("pages")
    await venue.until(lambda: len(venue.replies(bob.chat)) > 1, within=20)
    await ada.say("one page")
    await venue.wait(ada.chat, "w5")
    begun = ids(venue, ada.chat), ids(venue, bob.chat)
    await own_bot.kill()
    assert not venue.has(ada.chat, 200)
    assert not venue.has(bob.chat, 2000)
    await own_bot.start()
    await venue.until(lambda: venue.has(ada.chat, 200), within=30)
    await venue.until(lambda: venue.has(bob.chat, 2000), within=30)
    await venue.wait(eve.chat, "answer to waits 2")
    assert ids(venue, ada.chat) == begun[0]
    assert ids(venue, bob.chat)[: len(begun[1])] == begun[1]
    answers = [message.text for message in venue.replies(eve.chat)]
    assert answers == [f"answer to waits {n}" for n in range(3)]
    assert "Traceback" not in own_bot.log


async def test_a_kill_between_the_platforms_taking_a_message_and_its_answer(
    venue: Venue, llm: LlmSandbox, own_bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(60), rate=30), when="taken")
    ada = venue.person("Ada")
    await own_bot.start()
    venue.lose_answers_to_creates(ada.chat, count=None)
    await ada.say("taken")
    await venue.wait(ada.chat, "w0")
    await own_bot.kill()
    venue.calm()
    await own_bot.start()
    whole = await venue.wait(ada.chat, "w59", within=20)
    await venue.until(lambda: len(whole.views) > 0 and venue.reads(ada.chat).count("w59") == 1)
    *orphans, kept = venue.replies(ada.chat)
    assert kept.id == whole.id
    assert len(orphans) == venue.orphans
    assert all(len(each.text) < len(whole.text) / 2 for each in orphans)


async def test_what_is_too_old_after_a_kill_is_told_so_and_retry_asks_it_again(
    venue: Venue, llm: LlmSandbox, own_bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(90), fault=Stall(after=60)), times=1, when="begun")
    llm.script(Script(fault=Silence()), times=1, when="not yet")
    ada, bob = venue.person("Ada"), venue.person("Bob")
    await own_bot.start()
    before = len(llm.requests)
    await ada.say("begun")
    await bob.say("not yet")
    begun = await venue.wait(ada.chat, "w59")
    await llm.until(lambda: len(llm.requests) == before + 2)
    await own_bot.until(lambda: "w59" in saved(own_bot))
    await own_bot.kill()
    own_bot.environment = {"PARLANCE__CHAT__RESUME_WITHIN": "0.001"}
    await own_bot.start()
    told = await venue.wait(ada.chat, "cut off here")
    assert told.id == begun.id
    assert venue.has(ada.chat, 60)
    assert "/retry" in told.text
    assert "/retry" in (await venue.wait(bob.chat, "was away")).text
    assert len(llm.requests) == before + 2
    for person, question in ((ada, "begun"), (bob, "not yet")):
        await person.command("retry")
        answer = await venue.wait(person.chat, "You wrote:")
        assert question in answer.text
        assert len(venue.replies(person.chat)) == 2
    assert "Traceback" not in own_bot.log


async def test_a_stop_loses_neither_the_answer_begun_nor_what_was_said(
    venue: Venue, llm: LlmSandbox, own_bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(150), rate=60), when="at length")
    ada, bob = venue.person("Ada"), venue.person("Bob")
    own_bot.environment = {"PARLANCE__SERVER__GRACE": "0"}
    await own_bot.start()
    await bob.say("my name is Bob")
    await venue.wait(bob.chat, "my name is Bob")
    await ada.say("at length")
    begun = await venue.wait(ada.chat, "w20")
    assert await own_bot.stop() == 0
    await own_bot.start()
    await venue.until(lambda: venue.has(ada.chat, 150), within=20)
    assert ids(venue, ada.chat) == [begun.id]
    await bob.say("what is it?")
    await venue.wait(bob.chat, "what is it?")
    assert [m.text for m in llm.requests[-1].messages if m.role == "user"] == [
        "my name is Bob",
        "what is it?",
    ]
    assert "Traceback" not in own_bot.log


async def test_within_the_grace_what_is_begun_ends_and_nothing_new_is_begun(
    venue: Venue, llm: LlmSandbox, own_bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(240), rate=60), when="in time")
    ada, bob = venue.person("Ada"), venue.person("Bob")
    await own_bot.start()
    await bob.say("hello")
    await venue.wait(bob.chat, "hello")
    await ada.say("in time")
    begun = await venue.wait(ada.chat, "w20")
    asked = len(llm.requests)
    own_bot.terminate()
    await own_bot.until(lambda: "stopping" in own_bot.log)
    await ada.say("behind it")
    await bob.say("too late")
    assert await own_bot.exited() == 0
    assert venue.has(ada.chat, 240)
    assert ids(venue, ada.chat) == [begun.id]
    assert len(llm.requests) == asked
    await own_bot.start()
    await venue.wait(ada.chat, "behind it")
    await venue.wait(bob.chat, "too late")
    assert "Traceback" not in own_bot.log


async def test_a_kill_within_the_grace_is_like_any_other(
    venue: Venue, llm: LlmSandbox, own_bot: BotProcess
) -> None:
    llm.script(Script(text=numbered(240), rate=60), when="not in time")
    ada = venue.person("Ada")
    await own_bot.start()
    await ada.say("not in time")
    begun = await venue.wait(ada.chat, "w20")
    own_bot.terminate()
    await own_bot.until(lambda: "stopping" in own_bot.log)
    await own_bot.kill()
    assert not venue.has(ada.chat, 240)
    await own_bot.start()
    await venue.until(lambda: venue.has(ada.chat, 240), within=20)
    assert ids(venue, ada.chat) == [begun.id]
    assert "Traceback" not in own_bot.log


async def test_a_stranger_is_told_once_and_the_model_is_not_asked(
    venue: Venue, llm: LlmSandbox, own_bot: BotProcess
) -> None:
    ada, bob = venue.person("Ada"), venue.person("Bob")
    users = str(ada.user.id)
    own_bot.environment = {"PARLANCE__ACCESS__OPEN": "false", "PARLANCE__ACCESS__USERS": users}
    await own_bot.start()
    before = len(llm.requests)
    await bob.say("let me in")
    await bob.say("please")
    await venue.wait(bob.chat, str(bob.user.id))
    await ada.say("hello")
    await venue.wait(ada.chat, "hello")
    assert len(venue.replies(bob.chat)) == 1
    assert len(llm.requests) == before + 1
