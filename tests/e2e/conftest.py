from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from bot_process import BotProcess, openai

from sandbox.discord.server import DiscordSandbox
from sandbox.llm.server import LlmSandbox
from sandbox.telegram.server import TelegramSandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def tg() -> AsyncIterator[TelegramSandbox]:
    async with TelegramSandbox() as sandbox:
        yield sandbox


@pytest.fixture
async def dc(request: pytest.FixtureRequest) -> AsyncIterator[DiscordSandbox]:
    """A test may choose its settings by indirect parametrization."""
    async with DiscordSandbox(getattr(request, "param", None)) as sandbox:
        yield sandbox


@pytest.fixture
async def llm() -> AsyncIterator[LlmSandbox]:
    async with LlmSandbox() as sandbox:
        yield sandbox


@pytest.fixture
async def bot(tg: TelegramSandbox, llm: LlmSandbox, tmp_path: Path) -> AsyncIterator[BotProcess]:
    """Not started yet, so that a test can change what it is started with."""
    process = BotProcess(tmp_path, tg, openai(llm))
    yield process
    await process.discard()


@pytest.fixture
async def discord_bot(
    dc: DiscordSandbox, llm: LlmSandbox, tmp_path: Path
) -> AsyncIterator[BotProcess]:
    """As `bot`, on Discord."""
    process = BotProcess(tmp_path, None, openai(llm), discord=dc)
    yield process
    await process.discard()
