"""How the bot starts, and what it says when it can't."""

from __future__ import annotations

import asyncio

import pytest
from bot_process import BotProcess

from sandbox.telegram.server import TelegramSandbox
from sandbox.telegram.settings import Settings


@pytest.fixture(autouse=True)
def cold(bot: BotProcess) -> None:
    """Started as a user starts it, imports and all."""
    bot.cold = True


async def test_a_wrong_token_is_one_line_and_exit_code_2(
    tg: TelegramSandbox, bot: BotProcess
) -> None:
    bot.environment = {"PARLANCE__TELEGRAM__TOKEN": "123:wrong"}
    await bot.start(ready=False)
    assert await bot.exited() == 2
    (line,) = bot.log.strip().splitlines()[-1:]
    assert "telegram.token" in line
    assert "BotFather" in line
    assert "Traceback" not in bot.log
    assert "123:wrong" not in bot.log


async def test_a_server_that_comes_late_is_waited_for(bot: BotProcess) -> None:
    turned_away = asyncio.Event()

    async def turn_away(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        turned_away.set()

    early = await asyncio.start_server(turn_away, "127.0.0.1", 0)
    port = early.sockets[0].getsockname()[1]
    bot.environment = {"PARLANCE__TELEGRAM__API_URL": f"http://127.0.0.1:{port}"}
    await bot.start(ready=False)
    async with asyncio.timeout(20):
        await turned_away.wait()
    early.close()
    await early.wait_closed()
    async with TelegramSandbox(Settings(), port=port) as late:
        await late.user("Ada").say("hello")
        await late.wait(lambda m: "hello" in m.text, within=30)
    assert "can't be reached" in bot.log
    assert "Traceback" not in bot.log


async def test_a_second_poller_is_told_of_and_both_go_on(
    tg: TelegramSandbox, bot: BotProcess
) -> None:
    await bot.start()
    tg.fault(
        "error",
        method="getUpdates",
        count=2,
        status=409,
        description="Conflict: terminated by other getUpdates request; make sure that only one "
        "bot instance is running",
    )
    ada = tg.user("Ada")
    await ada.say("first")
    await tg.wait(lambda m: "first" in m.text)
    await ada.say("second")
    await tg.wait(lambda m: "second" in m.text, within=20)
    assert "another program takes this bot's updates" in bot.log
    assert "Traceback" not in bot.log


async def test_a_webhook_left_behind_is_removed(tg: TelegramSandbox, bot: BotProcess) -> None:
    tg.updates.set_webhook("https://example.org/hook")
    await bot.start()
    ada = tg.user("Ada")
    await ada.say("hello")
    await tg.wait(lambda m: "hello" in m.text, within=20)


async def test_a_second_bot_on_the_same_files_is_refused(
    tg: TelegramSandbox, bot: BotProcess
) -> None:
    await bot.start()
    second = BotProcess(bot.folder, tg, bot.provider)
    await second.start(ready=False)
    assert await second.exited() == 2
    assert "in use by another parlance" in bot.log


async def test_a_folder_that_cannot_be_written_is_one_line(
    tg: TelegramSandbox, bot: BotProcess
) -> None:
    (bot.folder / "file").write_text("in the way")
    bot.environment = {"PARLANCE__STORAGE__URL": f"sqlite:///{bot.folder}/file/x.db"}
    await bot.start(ready=False)
    assert await bot.exited() == 2
    assert "storage.url" in bot.log
    assert "Traceback" not in bot.log
