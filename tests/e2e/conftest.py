from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from bot_process import BotProcess, openai

from sandbox.llm.server import LlmSandbox
from sandbox.telegram.server import TelegramSandbox
from sandbox.telegram.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def tg() -> AsyncIterator[TelegramSandbox]:
    async with TelegramSandbox(Settings()) as sandbox:
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
    if process.process is not None and process.process.returncode is None:
        await process.kill()
