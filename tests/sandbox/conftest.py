"""A Telegram and a Discord without limits, and bots on the real libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import telegram
from discord_client import Client, Http, connected

from sandbox.discord.limits.buckets import LIMIT_PRESETS
from sandbox.discord.server import DiscordSandbox
from sandbox.discord.settings import Settings as DiscordSettings
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


@pytest.fixture
async def dc() -> AsyncIterator[DiscordSandbox]:
    async with DiscordSandbox(DiscordSettings(limits=LIMIT_PRESETS["off"])) as sandbox:
        yield sandbox


@pytest.fixture
async def client(dc: DiscordSandbox) -> AsyncIterator[Client]:
    async with connected(dc) as client:
        yield client


@pytest.fixture
async def http(dc: DiscordSandbox) -> AsyncIterator[Http]:
    async with Http(dc) as http:
        yield http
