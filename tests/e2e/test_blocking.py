"""No call of ours blocks the event loop while people chat."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from blockbuster import BlockBuster
from chat import numbered, reads, words_in
from pydantic import SecretStr

from bot.app import App
from bot.settings import (
    AccessSettings,
    ProviderSection,
    Settings,
    StorageSettings,
    TelegramSettings,
)
from sandbox.llm.script import Script

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.llm.server import LlmSandbox
    from sandbox.telegram.server import TelegramSandbox


async def test_the_way_of_a_message_never_blocks(
    tg: TelegramSandbox, llm: LlmSandbox, tmp_path: Path
) -> None:
    llm.script(Script(text=numbered(60), rate=60))
    app = App(
        Settings(
            telegram=TelegramSettings(token=SecretStr(tg.token), api_url=tg.api_url),
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
    await tg.until(lambda: tg.calls_of("getUpdates"))
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
    finally:
        buster.deactivate()
        serving.cancel()
        await asyncio.wait({serving})
        await app.close()
