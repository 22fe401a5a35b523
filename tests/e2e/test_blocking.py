"""No call of ours blocks the event loop while people chat."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import pytest
from blockbuster import BlockBuster
from chat import numbered, reads, words_in
from posted import PATH, free_port
from pydantic import SecretStr

from bot.app import App
from bot.settings.sections import (
    AccessSettings,
    ProviderSection,
    ServerSettings,
    Settings,
    StorageSettings,
    TelegramSettings,
)
from sandbox.llm.script import Script

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.llm.server import LlmSandbox
    from sandbox.telegram.server import TelegramSandbox


@pytest.mark.parametrize("posted", [False, True])
async def test_the_way_of_a_message_never_blocks(
    tg: TelegramSandbox, llm: LlmSandbox, tmp_path: Path, *, posted: bool
) -> None:
    llm.script(Script(text=numbered(60), rate=60))
    root = f"http://127.0.0.1:{free_port()}"
    app = App(
        Settings(
            telegram=TelegramSettings(
                token=SecretStr(tg.token),
                api_url=tg.api_url,
                webhook_url=root + PATH if posted else None,
            ),
            server=ServerSettings(port=int(root.rpartition(":")[2])),
            providers={
                "main": ProviderSection(
                    kind="openai",
                    base_url=llm.openai_url,
                    api_key=SecretStr(str(llm.key)),
                    model="test",
                )
            },
            storage=StorageSettings(url=f"sqlite:///{tmp_path}/parlance.db"),
            access=AccessSettings(open=True),
        )
    )
    serving = asyncio.create_task(app.serve())
    people = [tg.user(f"P{n}") for n in range(5)]
    await tg.until(lambda: tg.updates.webhook if posted else tg.calls_of("getUpdates"))
    http = aiohttp.ClientSession()
    buster = BlockBuster()
    buster.activate()
    try:
        for person in people:
            await person.say("go")
        await people[0].say("/help")
        await people[0].say("/stop")
        await people[0].say("/new")
        await tg.until(lambda: all(words_in(tg, person, 60) for person in people[1:]))
        await tg.until(lambda: "new conversation" in reads(tg, people[0]))
        for path in ("/healthz", "/readyz", "/metrics"):
            async with http.get(root + path) as answer:
                assert answer.status == 200
    finally:
        buster.deactivate()
        await http.close()
        serving.cancel()
        await asyncio.wait({serving})
        await app.close()
