"""The model's server or the platform fails, or the reader goes away: what the reader sees then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from words import numbered, numbers

from sandbox.llm.script import Cut, HttpReply, Script

if TYPE_CHECKING:
    from bot_process import BotProcess
    from venue import Venue

    from sandbox.llm.journal import Record
    from sandbox.llm.server import LlmSandbox

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("bot")]

PENALTY = 3.0
"""Seconds; the engine's own tests wait through minutes on virtual time."""


def requests(llm: LlmSandbox, question: str) -> list[Record]:
    return [r for r in llm.requests if r.messages and r.messages[-1].text == question]


async def test_what_came_stays_with_a_line_below_and_retry_answers(
    venue: Venue, llm: LlmSandbox
) -> None:
    llm.script(Script(text=numbered(50), fault=Cut(30)), times=1, when="breaks off")
    llm.script(Script(text="whole at last"), when="breaks off")
    ada = venue.person("Ada")
    await ada.say("breaks off")
    message = await venue.wait(ada.chat, "⚠️")
    text, _, notice = message.text.partition("⚠️")
    assert numbers(text) == list(range(30))
    assert "\n" not in notice.strip()
    assert "/retry" in notice
    await ada.command("retry")
    await venue.wait(ada.chat, "whole at last")
    assert len(venue.replies(ada.chat)) == 2


async def test_without_any_text_the_line_is_the_answer(
    venue: Venue, llm: LlmSandbox, bot: BotProcess
) -> None:
    llm.script(Script(fault=HttpReply(400)), when="refused by the model")
    ada = venue.person("Ada")
    await ada.say("refused by the model")
    message = await venue.wait(ada.chat, "⚠️")
    assert message.text.startswith("⚠️")
    assert "\n" not in message.text.strip()
    for leak in ("Traceback", "Error", "http", str(llm.key)):
        assert leak not in message.text
    assert str(llm.key) not in bot.log


async def test_a_code_block_that_breaks_off_is_closed_before_the_line(
    venue: Venue, llm: LlmSandbox
) -> None:
    text = "Look:\n\n```py\nx = 1\ny = 2\n```\n"
    llm.script(Script(text=text, fault=Cut(5)), when="broken code")
    ada = venue.person("Ada")
    await ada.say("broken code")
    message = await venue.wait(ada.chat, "⚠️")
    assert "x = 1" in message.now.code
    assert "⚠️" in message.now.prose


async def test_edits_that_fail_in_any_way_are_made_good(venue: Venue, llm: LlmSandbox) -> None:
    llm.script(Script(text=numbered(120), rate=60), when="bad edits")
    ada = venue.person("Ada")
    venue.trouble_edits(ada.chat)
    await ada.say("bad edits")
    await venue.until(lambda: venue.has(ada.chat, 120), within=30)
    assert len(venue.replies(ada.chat)) == 1


async def test_a_create_whose_answer_is_lost_leaves_one_whole_answer(
    venue: Venue, llm: LlmSandbox
) -> None:
    llm.script(Script(text=numbered(60), rate=60), when="lost create")
    ada = venue.person("Ada")
    venue.lose_answers_to_creates(ada.chat, count=1)
    await ada.say("lost create")
    whole = await venue.wait(ada.chat, "w59", within=20)
    assert numbers(whole.text) == list(range(60))
    *orphans, last = venue.replies(ada.chat)
    assert last.id == whole.id
    assert len(orphans) == venue.orphans
    assert all(len(each.text) < len(whole.text) / 2 for each in orphans), "more than a first text"


async def test_a_refusal_in_the_middle_is_a_wait_and_other_chats_go_on(
    venue: Venue, llm: LlmSandbox
) -> None:
    llm.script(Script(text=numbered(100), rate=80), when="slow down")
    ada, bob = venue.person("Ada"), venue.person("Bob")
    before = venue.refusals
    await ada.say("slow down")
    await venue.wait(ada.chat, "w10")
    venue.refuse(ada.chat, PENALTY)
    await bob.say("do not slow down")
    await venue.until(lambda: venue.has(bob.chat, 100))
    assert not venue.has(ada.chat, 100)
    await venue.until(lambda: venue.has(ada.chat, 100))
    assert len(venue.replies(ada.chat)) == 1
    assert venue.refusals == before + 1


async def test_a_refusal_at_the_very_end_is_a_wait_too(venue: Venue, llm: LlmSandbox) -> None:
    llm.script(Script(text=numbered(40), rate=40), when="the end")
    ada = venue.person("Ada")
    before = venue.refusals
    await ada.say("the end")
    await llm.until(lambda: any(r.tokens_sent >= 38 for r in requests(llm, "the end")))
    venue.refuse(ada.chat, PENALTY)
    await venue.until(lambda: venue.has(ada.chat, 40))
    assert len(venue.replies(ada.chat)) == 1
    assert venue.refusals <= before + 1


async def test_deleting_the_answer_ends_it(venue: Venue, llm: LlmSandbox) -> None:
    llm.script(Script(text=numbered(100_000), rate=40), times=1, when="unwanted")
    ada = venue.person("Ada")
    room = venue.room("Hall", [ada])
    await ada.say("unwanted", room)
    message = await venue.wait(room, "w5")
    await venue.delete(ada, message, room)
    await llm.until(lambda: requests(llm, "Ada: unwanted")[0].client_closed_at is not None)
    await ada.say("still there?", room)
    await venue.wait(room, "still there?")
    assert len(venue.replies(room)) == 1


async def test_a_person_who_turns_the_bot_away_ends_their_answer_and_nothing_else(
    venue: Venue, llm: LlmSandbox
) -> None:
    llm.script(Script(text=numbered(100_000), rate=40), times=1, when="lonely")
    ada, bob = venue.person("Ada"), venue.person("Bob")
    await ada.say("lonely")
    await venue.wait(ada.chat, "w5")
    await venue.turn_away(ada)
    await llm.until(lambda: requests(llm, "lonely")[0].client_closed_at is not None)
    await bob.say("hello")
    await venue.wait(bob.chat, "hello")
    await venue.welcome(ada)
    await ada.say("I am back")
    await venue.wait(ada.chat, "I am back")
