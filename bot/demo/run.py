"""The demo: the bot on its real adapters, a sandbox for each platform, a terminal for a phone.

Nothing of it leaves this machine, unless a real model is at hand or configured.
"""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import signal
import sys
from base64 import b64encode
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import aiohttp
import orjson
import structlog
from pydantic import SecretStr, ValidationError

from bot.app import App, SettingError, run_loop
from bot.chat.keys import ChatKey, TurnKey
from bot.demo.phone import PHONES
from bot.demo.terminal import Terminal
from bot.settings.sections import (
    AccessSettings,
    ChatSettings,
    DiscordSettings,
    ProviderSection,
    Settings,
    StorageSettings,
    TelegramSettings,
)
from providers.redact import learn
from providers.secret_forms import url_secrets

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from bot.demo.phone import Phone

log = structlog.get_logger(__name__)

OLLAMA = "http://localhost:11434"
PROBE = 1.0
"""Seconds an Ollama on this machine is given to answer."""
OPENAI_MODEL = "gpt-4o-mini"
SYSTEM_PROMPT = "You are a helpful assistant in a chat. Answer in Markdown."

_NOBODY_READS = {errno.EIO, errno.EPIPE}
"""A write fails so if the terminal is gone, or the other end of the pipe."""
_KILLED = 128
"""A shell adds this to a signal's number for the exit code of a program that the signal ended."""

Answering: TypeAlias = "tuple[str, Mapping[str, ProviderSection], ChatSettings]"
"""Who answers, in words; the sections that say so."""


def run(configured: Settings | None = None) -> int:
    """Talk to the bot in the terminal until the input ends; return the exit code.

    It answers with the providers and the [chat] of `configured`, else with the model at hand.
    """
    try:
        return run_loop(_until_told(configured))
    except SettingError as error:
        log.error(str(error))  # noqa: TRY400 - one line that names the mend, no traceback
        return 2
    except OSError as error:
        if error.errno not in _NOBODY_READS:
            raise
        return 0


async def _until_told(configured: Settings | None) -> int:
    """The demo until its end, or until its window is closed or it is told to stop."""
    told: list[int] = []
    demo = asyncio.current_task()
    assert demo is not None

    def end(number: int) -> None:
        if not told:  # A second cancellation would cut the clearing up.
            demo.cancel()
        told.append(number)

    for number in (signal.SIGHUP, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, end, number)
    try:
        return await _demo(configured)
    except asyncio.CancelledError:
        if not told:
            raise
        return _KILLED + told[0]


async def _demo(configured: Settings | None) -> int:
    bot_id = secrets.randbelow(10**9) + 10**9
    tokens = {
        # Each begins with the bot's id, in Discord's case as base64.
        "telegram": f"{bot_id}:{secrets.token_urlsafe(26)}",
        "discord": f"{b64encode(str(bot_id).encode()).decode()}.demo.{secrets.token_urlsafe(26)}",
    }
    async with AsyncExitStack() as stack:
        starting = (
            _sandbox("telegram", tokens["telegram"], "--scratch"),
            _sandbox("discord", tokens["discord"]),
        )
        telegram, discord = await asyncio.gather(*map(stack.enter_async_context, starting))
        about, providers, chat = _chosen(configured) if configured else await _at_hand()
        settings = Settings(
            telegram=TelegramSettings(token=SecretStr(tokens["telegram"]), api_url=telegram["url"]),
            discord=DiscordSettings(
                token=SecretStr(tokens["discord"]),
                api_url=discord["api_url"],
                gateway_url=discord["gateway_url"],
            ),
            providers=providers,
            chat=chat,
            storage=StorageSettings(url=f"sqlite:///{Path(telegram['scratch']) / 'demo.db'}"),
            access=AccessSettings(open=True),
        )
        app = App(settings)
        roots = {"telegram": telegram["url"], "discord": discord["api_url"].partition("/api")[0]}
        tasks = {
            asyncio.create_task(app.serve()),
            asyncio.create_task(_talk(app, roots, str(bot_id), about)),
        }
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await app.close()
    return 0


async def _talk(app: App, roots: Mapping[str, str], bot_id: str, about: str) -> None:
    async def answered(platform: str, chat: str, message: str) -> bool:
        turn = await app.history.turn(TurnKey(ChatKey(platform, bot_id, chat), message))
        return turn is not None and turn.settled

    async with AsyncExitStack() as stack:
        phones: dict[str, Phone] = {}
        for platform, url in roots.items():
            session = await stack.enter_async_context(aiohttp.ClientSession(url))
            phones[platform] = await PHONES[platform].pick_up(session, partial(answered, platform))
        await Terminal(phones).run(about)


@asynccontextmanager
async def _sandbox(server: str, token: str, *options: str) -> AsyncIterator[dict[str, str]]:
    """A platform of our own in a process of its own; yields where it is.

    It ends with this process, even if that is killed: then nobody holds its lifeline any more.
    """
    lifeline, ours = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "sandbox", server, "--token", token,
            "--lifeline", str(lifeline), *options, pass_fds=(lifeline,),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the bot alone.
        )  # fmt: skip
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(lifeline)
    assert process.stdout is not None
    try:
        ready = await process.stdout.readline()
        if not ready:
            raise RuntimeError("the sandbox did not start; its error stands above")
        yield orjson.loads(ready)
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        os.close(ours)
        await process.wait()


def _chosen(configured: Settings) -> Answering:
    return (
        f"{' and '.join(configured.fallback())}, as your settings say",
        configured.providers,
        configured.chat,
    )


async def _at_hand() -> Answering:
    about, provider = await _model()
    return about, {"demo": provider}, ChatSettings(system_prompt=SYSTEM_PROMPT)


async def _model() -> tuple[str, ProviderSection]:
    """The model at hand, in words and as a provider: a real one, or else the built-in demo."""
    if key := os.environ.get("OPENAI_API_KEY"):
        learn([key, *url_secrets(os.environ.get("OPENAI_BASE_URL"))])
        section = _openai(key)
        return f"{section.model}, with your OPENAI_API_KEY", section
    if local := await _ollama_model():
        section = ProviderSection(kind="openai", base_url=f"{OLLAMA}/v1", model=local)
        return f"{local}, from the Ollama on this machine", section
    return "the built-in demo, which is no language model", ProviderSection(kind="demo")


def _openai(key: str) -> ProviderSection:
    """Raises SettingError for a variable that can't be used."""
    try:
        return ProviderSection(
            kind="openai",
            api_key=SecretStr(key),
            model=os.environ.get("OPENAI_MODEL") or OPENAI_MODEL,
            base_url=os.environ.get("OPENAI_BASE_URL") or None,
        )
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
    variable = f"OPENAI_{problem['loc'][0]}".upper()
    wrong = problem["ctx"].get("error")
    raise SettingError(f"{variable}: " + (f"the value {wrong}" if wrong else problem["msg"]))


async def _ollama_model() -> str | None:
    """The first model of an Ollama on this machine."""
    timeout = aiohttp.ClientTimeout(total=PROBE)
    with suppress(aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError, IndexError):
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{OLLAMA}/api/tags") as response,
        ):
            name = orjson.loads(await response.read())["models"][0]["name"]
            return name if isinstance(name, str) else None
    return None
