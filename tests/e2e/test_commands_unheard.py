"""Commands whose words can't be said on Telegram: carried out all the same."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from chat import numbered, replies

from sandbox.llm.script import Script

if TYPE_CHECKING:
    from bot_process import BotProcess

    from sandbox.llm.server import LlmSandbox
    from sandbox.telegram.server import TelegramSandbox

REFUSALS = [
    {"status": 403, "description": "Forbidden: bot was blocked by the user"},
    {"status": 400, "description": "Bad Request: not enough rights to send text messages"},
]


def refused(tg: TelegramSandbox) -> int:
    return sum(call.status in (400, 403) for call in tg.calls_of("sendMessage"))


@pytest.mark.parametrize("refusal", REFUSALS, ids=str)
async def test_they_are_carried_out(
    tg: TelegramSandbox, llm: LlmSandbox, bot: BotProcess, refusal: dict[str, object]
) -> None:
    llm.script(Script(text=numbered(2000), rate=60), when="at length")
    ada = tg.user("Ada")
    await bot.start()
    await ada.say("walrus at length")
    await tg.wait(lambda m: "w20" in m.text)
    tg.fault("error", method="sendMessage", chat=ada, count=None, **refusal)
    await ada.say("/stop")
    await tg.until(lambda: "Stopped" in replies(tg, ada)[0].text)
    for count, command in enumerate(("/help", "/new"), 1):
        await ada.say(command)
        await tg.until(lambda n=count: refused(tg) == n)
    tg.faults.clear()
    await ada.say("and now?")
    await tg.wait(lambda m: "and now?" in m.text)
    assert [m.text for m in llm.requests[-1].messages][1:] == ["and now?"]
    tg.fault("error", method="sendMessage", chat=ada, count=None, **refusal)
    await ada.say("/forget")
    await tg.until(lambda: refused(tg) == 3)

    def left() -> int:
        with closing(sqlite3.connect(bot.folder / "parlance.db")) as db:
            return int(db.execute("SELECT count(*) FROM turns").fetchone()[0])

    await bot.until(lambda: left() == 0)
    assert "Traceback" not in bot.log
