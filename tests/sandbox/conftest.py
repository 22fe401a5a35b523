"""A Telegram without flood control, a bot on the real library, and a person who has written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import telegram

from sandbox.telegram.server import TelegramSandbox
from sandbox.telegram.settings import FLOOD_PRESETS, Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sandbox.telegram.users import ScriptedUser


@pytest.fixture
async def tg() -> AsyncIterator[TelegramSandbox]:
    async with TelegramSandbox(Settings(flood=FLOOD_PRESETS["off"])) as sandbox:
        yield sandbox


@pytest.fixture
async def bot(tg: TelegramSandbox) -> AsyncIterator[telegram.Bot]:
    async with telegram.Bot(tg.token, base_url=f"{tg.api_url}/bot") as bot:
        yield bot


@pytest.fixture
async def ada(tg: TelegramSandbox) -> ScriptedUser:
    ada = tg.user("Ada")
    await ada.say("hi")
    return ada
