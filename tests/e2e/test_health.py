"""What the running bot tells of itself, and an address that it can't have."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from typing import TYPE_CHECKING

import aiohttp
import pytest
from posted import Posted, until

from sandbox.llm.script import HttpReply, Script

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bot_process import BotProcess

    from sandbox.llm.server import LlmSandbox
    from sandbox.telegram.server import TelegramSandbox


@pytest.fixture
async def watched(tg: TelegramSandbox, bot: BotProcess) -> AsyncIterator[Posted]:
    """Its updates are polled; the server is for health and metrics alone."""
    async with aiohttp.ClientSession() as http:
        made = Posted(tg, bot, http)
        del bot.environment["PARLANCE__TELEGRAM__WEBHOOK_URL"]
        yield made


async def missing(watched: Posted) -> list[str] | None:
    """What /readyz names; empty: it is ready; None: nobody listens."""
    try:
        status, text = await watched.get("/readyz")
    except aiohttp.ClientConnectorError:
        return None
    named: list[str] = json.loads(text)["missing"]
    assert (status == 200) is not named
    return named


async def until_missing(watched: Posted, expected: list[str]) -> None:
    async def so() -> bool:
        return await missing(watched) == expected

    await until(so)


async def test_it_is_ready_once_it_is_logged_in_and_no_more_when_it_stops(
    tg: TelegramSandbox, llm: LlmSandbox, watched: Posted
) -> None:
    tg.fault("hang", method="getMe")
    await watched.bot.start(ready=False)
    await until_missing(watched, ["telegram: not logged in yet"])
    await tg.until(lambda: tg.calls_of("getMe"))
    assert (await watched.get("/healthz"))[0] == 200
    tg.faults.clear()
    await until_missing(watched, [])
    # A call under way is waited for: meanwhile the process is alive and takes nothing.
    llm.script(Script(text="an answer"))
    tg.fault("hang", method="sendMessage")
    await tg.user("Ada").say("hello")
    await tg.until(lambda: tg.calls_of("sendMessage"))
    stopping = asyncio.create_task(watched.bot.stop())
    await until_missing(watched, ["the process is stopping"])
    assert (await watched.get("/healthz"))[0] == 200
    tg.faults.clear()
    assert await stopping == 0


async def test_what_happened_is_counted(
    tg: TelegramSandbox, llm: LlmSandbox, watched: Posted
) -> None:
    llm.script(Script(fault=HttpReply(401)), times=1)
    llm.script(Script(text="an answer"))
    await watched.bot.start()
    ada = tg.user("Ada")
    await ada.say("one")
    await tg.wait(lambda m: "401" in m.text or "key" in m.text)
    tg.fault("flood", method="sendMessage", seconds=1, penalty=False)
    await ada.say("hush-hush")
    await tg.wait(lambda m: m.text == "an answer")
    await ada.say("/help")
    await tg.wait(lambda m: "/retry" in m.text and "/new" in m.text)

    async def helped() -> bool:
        sample = 'parlance_turns_total{outcome="command",platform="telegram"}'
        return await watched.figure(sample) == 1

    await until(helped)
    platform = '{platform="telegram"}'
    assert {
        name: await watched.figure(f"parlance_{name}")
        for name in (
            'turns_total{outcome="failed",platform="telegram"}',
            'turns_total{outcome="whole",platform="telegram"}',
            f"turns_running{platform}",
            f"platform_refusals_total{platform}",
            f"platform_calls_total{platform}",
            f"queue_seconds_count{platform}",
            f"first_text_seconds_count{platform}",
            f"finish_lag_seconds_count{platform}",
            'provider_failures_total{kind="AuthenticationError",provider="main"}',
        )
    } == {
        'turns_total{outcome="failed",platform="telegram"}': 1,
        'turns_total{outcome="whole",platform="telegram"}': 1,
        f"turns_running{platform}": 0,
        f"platform_refusals_total{platform}": 1,
        f"platform_calls_total{platform}": len(tg.calls_of("sendMessage")),
        f"queue_seconds_count{platform}": 3,
        f"first_text_seconds_count{platform}": 2,
        f"finish_lag_seconds_count{platform}": 2,
        'provider_failures_total{kind="AuthenticationError",provider="main"}': 1,
    }
    _, text = await watched.get("/metrics")
    labels = set(re.findall(r'="(.*?)"[,}]', text))
    assert "telegram" in labels
    assert str(ada.id) not in labels
    assert "hush" not in text


async def test_a_port_that_is_in_use_is_one_line_and_exit_code_2(watched: Posted) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        watched.bot.environment["PARLANCE__SERVER__PORT"] = str(port)
        await watched.bot.start(ready=False)
        assert await watched.bot.exited() == 2
    (line,) = watched.bot.log.strip().splitlines()[-1:]
    assert f"server.port: 127.0.0.1:{port} is in use" in line
    assert "Traceback" not in watched.bot.log
