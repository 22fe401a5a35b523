"""What the tests of the platforms share: each runs on every platform, against its sandbox.

The tests of a file share one sandbox and, unless they end it, one bot: each has people, rooms and
questions of its own, and troubles only those.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from bot_process import openai
from discord_venue import DiscordVenue
from telegram_venue import TelegramVenue

from sandbox.llm.server import LlmSandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from bot_process import BotProcess
    from venue import Venue


on_module_loop = partial(pytest_asyncio.fixture, loop_scope="module")
"""A fixture on the event loop that the tests of a file share."""


@on_module_loop(scope="module", params=[TelegramVenue, DiscordVenue], ids=["telegram", "discord"])
async def shared_venue(request: pytest.FixtureRequest) -> AsyncIterator[Venue]:
    async with request.param() as venue:
        yield venue


@pytest.fixture
def venue(shared_venue: Venue) -> Iterator[Venue]:
    yield shared_venue
    shared_venue.calm()


@on_module_loop(scope="module")
async def llm(shared_venue: Venue) -> AsyncIterator[LlmSandbox]:
    async with LlmSandbox() as sandbox:
        yield sandbox


@on_module_loop(scope="module")
async def bot(
    shared_venue: Venue, llm: LlmSandbox, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[BotProcess]:
    """Running, and shared by the tests of a file."""
    folder = tmp_path_factory.mktemp("bot")
    process = shared_venue.bot(folder, openai(llm))
    await process.start()
    yield process
    await process.discard()
    assert "Traceback" not in process.log


@on_module_loop()
async def own_bot(venue: Venue, llm: LlmSandbox, tmp_path: Path) -> AsyncIterator[BotProcess]:
    """Not started yet, and the test's own."""
    process = venue.bot(tmp_path, openai(llm))
    yield process
    await process.discard()
