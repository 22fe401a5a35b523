"""kill -9 at any moment of a reply: every question is answered whole, in the messages begun."""

from __future__ import annotations

from itertools import chain
from random import Random
from typing import TYPE_CHECKING

import pytest
from bot_process import openai
from discord_venue import DiscordVenue
from telegram_venue import TelegramVenue
from words import numbered, numbers

from sandbox.llm.script import Script
from sandbox.llm.server import LlmSandbox

if TYPE_CHECKING:
    from pathlib import Path

    from venue import Person, Place, Venue

COUNT = 600
"""Words: about one and a half pages in Telegram, two in Discord."""


def is_whole(venue: Venue, place: Place) -> bool:
    """Whether the answer is there once, beside as many orphans as the platform makes inevitable."""
    shown = [numbers(message.text) for message in venue.replies(place)]
    choices = [shown]
    if venue.orphans:
        choices += [shown[:n] + shown[n + 1 :] for n in range(len(shown))]
    return any(list(chain.from_iterable(choice)) == list(range(COUNT)) for choice in choices)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("platform", [TelegramVenue, DiscordVenue], ids=["telegram", "discord"])
async def test_every_question_is_answered_whole_and_once(
    platform: type[Venue], seed: int, tmp_path: Path
) -> None:
    versions = Random(seed).randrange(24)  # noqa: S311 - a reproducible choice, no secret
    script = Script(text=numbered(COUNT), rate=150)
    async with platform() as venue, LlmSandbox(script) as llm:
        bot = venue.bot(tmp_path, openai(llm))
        try:
            await bot.start()
            people = [venue.person(f"P{n}") for n in range(3)]
            for person in people:
                await person.say("go")
            await venue.until(lambda: shown_so_far(venue, people) >= versions)
            begun = {m.id for person in people for m in venue.replies(person.chat)}
            await bot.kill()
            await bot.start()
            await venue.until(lambda: all(is_whole(venue, p.chat) for p in people), within=40)
        finally:
            await bot.discard()
        ended = {m.id for person in people for m in venue.replies(person.chat)}
        assert begun <= ended, "a message was posted anew"
        assert len(llm.requests) <= 2 * len(people)
        assert "Traceback" not in bot.log


def shown_so_far(venue: Venue, people: list[Person]) -> int:
    return sum(len(m.views) for person in people for m in venue.replies(person.chat))
