"""200 times kill -9 within a reply: every question is answered whole, in the messages begun."""

from __future__ import annotations

import asyncio
from itertools import chain
from random import Random
from typing import TYPE_CHECKING, Literal

import pytest
from bot_process import openai
from discord_venue import DiscordVenue
from telegram_venue import TelegramVenue
from words import numbers

from sandbox.llm.script import Script
from sandbox.llm.server import LlmSandbox

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bot_process import BotProcess
    from venue import Person, Place, Shown, Venue

Moment = Literal["random", "create", "edit"]
COUNT = 120
ANSWER = " ".join(f"w{n} {'-' * 40}" for n in range(COUNT))
"""About one and a half pages in Telegram, three in Discord; only its words are looked at."""
RATE = 160
"""Tokens a second: an answer takes 1.5 s."""
KILLS = 10
"""Of one bot, one after another; each within the reply to a question of its own."""


def orphans(venue: Venue, place: Place) -> list[Shown] | None:
    """What stands beside the answer, whole and once; None: it does not stand there so."""
    shown = venue.replies(place)
    for left_out in [[], *([each] for each in shown if venue.orphans)]:
        answer = [numbers(message.text) for message in shown if message not in left_out]
        if list(chain.from_iterable(answer)) == list(range(COUNT)):
            return left_out
    return None


def is_whole(venue: Venue, place: Place, least: int) -> bool:
    """Whether the answer stands there, beside at `least` that many orphans."""
    left = orphans(venue, place)
    return left is not None and len(left) >= least


def is_first_text(orphan: Shown, shown: list[Shown]) -> bool:
    """Whether it never grew, and holds what the page that took its place begins with."""
    begins = numbers(orphan.text)
    pages = [numbers(message.text) for message in shown if message != orphan]
    return len(orphan.views) == 1 and any(page[: len(begins)] == begins for page in pages)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "moments", [("random",), ("create", "edit")], ids=["at-random", "before-an-answer"]
)
@pytest.mark.parametrize("platform", [TelegramVenue, DiscordVenue], ids=["telegram", "discord"])
async def test_every_question_is_answered_whole_and_once(
    platform: type[Venue],
    moments: tuple[Moment, ...],
    seed: int,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    random = Random(seed)  # noqa: S311 - a reproducible choice, no secret
    async with platform() as venue, LlmSandbox(Script(ANSWER, rate=RATE)) as llm:
        bot = venue.bot(tmp_path, openai(llm))
        people = []
        try:
            await bot.start()
            for n in range(KILLS):
                person = venue.person(f"P{n}")
                people.append(person)
                await kill_within_a_reply(venue, bot, person, moments[n % len(moments)], random)
        finally:
            await bot.discard()
        assert len(llm.requests) <= 2 * KILLS
    left = [orphans(venue, person.chat) for person in people]
    assert None not in left, "what was whole did not stay so"
    record_property("orphans", sum(map(len, filter(None, left))))
    assert "Traceback" not in bot.log


async def kill_within_a_reply(
    venue: Venue, bot: BotProcess, person: Person, moment: Moment, random: Random
) -> None:
    """Ask, kill the bot at `moment`, start it again, and see the answer whole."""
    place = person.chat
    if moment == "random":
        await person.say("go")
        await asyncio.sleep(random.uniform(0, 2))
    else:
        # A slow machine edits as seldom as twice.
        held = venue.hold_answer(place, moment, after=random.randrange(2))
        await person.say("go")
        await venue.until(held, within=30)
    begun = {message.id for message in venue.replies(place)}
    await bot.kill()
    await bot.start()
    # A create of unknown fate is repeated: where its message stays, so does an orphan.
    least = venue.orphans if moment == "create" else 0
    await venue.until(lambda: is_whole(venue, place, least), within=60)
    shown, left = venue.replies(place), orphans(venue, place)
    assert left is not None
    assert begun <= {message.id for message in shown}, "a message was posted anew"
    assert not left or moment != "edit", "an edit left a message behind"
    assert all(is_first_text(orphan, shown) for orphan in left)
