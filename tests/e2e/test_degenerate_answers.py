"""A model that repeats a scrap of markup for ever: nobody else waits for it, nor does a start."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import discord_chat
import pytest
from chat import reads, replies

from sandbox.llm.script import Script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot_process import BotProcess

    from sandbox.discord.server import DiscordSandbox
    from sandbox.llm.script import ChatMessage
    from sandbox.llm.server import LlmSandbox
    from sandbox.telegram.server import TelegramSandbox

LENGTH = 16_000
UNITS = ["[ ] ", "<", "[0][1]", "\\"]


def degenerate(unit: str) -> str:
    return (unit * LENGTH)[:LENGTH]


def streamed(unit: str) -> Script:
    """Who asks for a loop is given one, and everybody else an answer."""

    def answer(messages: Sequence[ChatMessage]) -> str:
        return degenerate(unit) if messages[-1].text == "loop" else "an answer"

    return Script(text=answer, rate=2_000, chunking="chars")


def is_whole(tg: TelegramSandbox, chat: int, unit: str) -> bool:
    """Whether all can be read; of a pair of backslashes one is shown, unless a page parts them."""
    letters = "".join(reads(tg, chat).split())
    expected = "".join(degenerate(unit).split())
    if unit == "\\":
        return len(letters) >= len(expected) / 2 and set(letters) == {"\\"}
    return letters == expected


@pytest.mark.parametrize("unit", UNITS)
async def test_others_are_answered_while_a_degenerate_text_is_written(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess, unit: str
) -> None:
    llm.script(streamed(unit))
    ada, bob = tg.user("Ada"), tg.user("Bob")
    await bot.start()
    await ada.say("loop")
    await tg.wait(lambda m: m.text.strip(), chat=ada)
    await bob.say("hi")
    await tg.until(lambda: [m.text for m in replies(tg, bob)] == ["an answer"])
    assert len(reads(tg, ada)) < LENGTH / 2, "the other answer had ended before"
    await tg.until(lambda: is_whole(tg, ada.id, unit), within=40)


@pytest.mark.parametrize("unit", UNITS)
async def test_a_degenerate_answer_that_was_stored_holds_up_no_start(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess, unit: str
) -> None:
    def is_stored() -> bool:
        with closing(sqlite3.connect(bot.folder / "parlance.db")) as db:
            return db.execute("SELECT answer FROM turns").fetchall() == [(degenerate(unit),)]

    llm.script(Script(text=degenerate(unit)), times=1)
    llm.script(Script(text="an answer"))
    ada, bob = tg.user("Ada"), tg.user("Bob")
    await bot.start()
    tg.fault("reset", method="sendMessage", count=None)
    await ada.say("loop")
    await tg.until(is_stored, within=20)
    await bot.kill()
    tg.faults.clear()
    await bot.start()
    await bob.say("hi")
    await tg.until(lambda: [m.text for m in replies(tg, bob)] == ["an answer"])
    await tg.until(lambda: is_whole(tg, ada.id, unit), within=40)
    assert len(llm.requests) == 2


@pytest.mark.parametrize("unit", UNITS)
async def test_others_are_answered_on_discord_too(
    dc: DiscordSandbox, llm: LlmSandbox, discord_bot: BotProcess, unit: str
) -> None:
    llm.script(streamed(unit))
    ada, bob = dc.user("Ada"), dc.user("Bob")
    await discord_bot.start()
    await ada.say("loop")
    await dc.wait(lambda m: m.text.strip(), channel=ada.dm)
    await bob.say("hi")
    await dc.wait(lambda m: m.text == "an answer", channel=bob.dm)
    assert len(discord_chat.reads(dc, ada.dm)) < LENGTH / 2, "the other answer had ended before"
