"""Logging in, however long the server can't be reached, and what is asked on the way."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import discord
import structlog

from bot.backoff import backoff
from bot.platforms.discord import errors
from bot.turns.platform import PlatformError
from providers.redact import redact

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.platforms.discord.client import Client
    from bot.settings.sections import DiscordSettings

C = TypeVar("C", bound="Client")

log = structlog.get_logger(__name__)

ATTEMPTS: Final = 3
"""To ask how many shards there should be: servers that are not Discord's may not know."""
MESSAGE_CONTENT_FLAGS: Final = 1 << 18 | 1 << 19
"""Of an application: it has the privileged intent, verified or (for up to 100 servers) limited."""


@dataclass(frozen=True, slots=True)
class StartAdvice:
    """What Discord says of how to begin sessions.

    https://discord.com/developers/docs/events/gateway#get-gateway-bot
    """

    shards: int = 1
    """How many it recommends."""
    max_concurrency: int = 1
    """How many sessions may begin in 5 s: one for each rest of a shard's number by this."""


async def log_in(make: Callable[[], C], settings: DiscordSettings) -> C:
    """A client that knows who it is. Raises PlatformError where the token is not known."""
    failures = 0
    while True:
        client = make()  # One that failed is of no more use.
        try:
            await client.login(settings.token.get_secret_value())
        except discord.LoginFailure as error:
            await client.close()
            raise _unknown_token(settings, error) from None
        except errors.FAILURES as error:
            await client.close()
            failures = await _pause(error, failures, settings)
        except BaseException:
            await client.close()
            raise
        else:
            return client


async def may_read_everything(settings: DiscordSettings) -> bool:
    """Whether the application has the privileged intent, unless the settings say it.

    Raises PlatformError where the token is not known.
    """
    if settings.message_content != "auto":
        return settings.message_content
    failures = 0
    while True:
        try:
            async with discord.Client(intents=discord.Intents.none()) as probe:
                await probe.login(settings.token.get_secret_value())
                application: dict[str, Any] = {**await probe.http.application_info()}
        except discord.LoginFailure as error:
            raise _unknown_token(settings, error) from None
        except errors.FAILURES as error:
            failures = await _pause(error, failures, settings)
        else:
            flags = application.get("flags")
            # Where it does not say, the gateway will.
            return flags is None or bool(flags & MESSAGE_CONTENT_FLAGS)


async def start_advice(client: Client) -> StartAdvice:
    """Of a client that is logged in; one shard where the server does not say."""
    for attempt in range(ATTEMPTS):
        try:
            shards, _, limit = await client.http.get_bot_gateway()
            return StartAdvice(max(1, shards), max(1, limit["max_concurrency"]))
        except errors.FAILURES as error:
            failed = error
            await asyncio.sleep(attempt)
    reason = errors.reason(failed.__cause__ or failed)
    log.warning("discord: the server does not say how many shards to use", reason=reason)
    return StartAdvice()


async def _pause(error: BaseException, failures: int, settings: DiscordSettings) -> int:
    """Wait, more and more slowly; return how often it failed."""
    wait = backoff(failures + 1)
    log.warning(
        "discord: the server can't be reached",
        api_url=settings.api_url,
        reason=errors.reason(error),
        again_in=wait,
    )
    await asyncio.sleep(wait)
    return failures + 1


def _unknown_token(settings: DiscordSettings, error: BaseException) -> PlatformError:
    return PlatformError(
        f"discord.token: {redact(settings.api_url)} does not know it; copy it anew "
        f"from the developer portal, or mend discord.api_url ({errors.reason(error)})"
    )
