"""What Discord's errors mean for the reply."""

from __future__ import annotations

from dataclasses import dataclass, field

import aiohttp
import discord
import pytest

from bot.platforms.discord.calls import allowance
from bot.platforms.discord.errors import LONG_WAIT, translate
from bot.reply.surface import (
    Allowance,
    ChatClosedError,
    MessageGoneError,
    NotAllowedError,
    NotAppliedError,
    RefusedError,
    SlowDownError,
    SurfaceError,
    UneditableError,
    UnknownFateError,
)


@dataclass
class Response:
    """As much of an answer as discord.py's errors look at."""

    status: int
    reason: str = "no reason"
    headers: dict[str, str] = field(default_factory=dict)


def refusal(status: int, code: int = 0, **headers: str) -> discord.HTTPException:
    body = {"code": code, "message": "It says so"}
    kinds = {403: discord.Forbidden, 404: discord.NotFound}
    kind = kinds.get(status, discord.HTTPException)
    return kind(Response(status, headers=headers), body)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (refusal(404, 10008), MessageGoneError),
        (refusal(404, 10003), ChatClosedError),
        (refusal(403, 50013), NotAllowedError),
        (refusal(403, 50001), NotAllowedError),
        (refusal(403), NotAppliedError),
        (refusal(404), NotAppliedError),
        (refusal(403, 50007), ChatClosedError),
        (refusal(400, 50083), UneditableError),
        (refusal(429, 30046), UneditableError),
        (refusal(400, 30046), UneditableError),
        (refusal(400, 50035), RefusedError),
        (refusal(400, 50006), RefusedError),
        (refusal(401), NotAppliedError),
        (refusal(429), SlowDownError),
        (refusal(400, 20028), SlowDownError),
        (discord.RateLimited(31.0), SlowDownError),
        (discord.DiscordServerError(Response(503), "<html>"), UnknownFateError),  # type: ignore[arg-type]
        (ConnectionResetError(104, "reset"), UnknownFateError),
        (aiohttp.ServerDisconnectedError(), UnknownFateError),
        (TimeoutError(), UnknownFateError),
        (KeyError("id"), UnknownFateError),
        (RuntimeError("Session is closed"), NotAppliedError),
    ],
)
def test_each_is_told_by_what_it_means(error: Exception, meaning: type[SurfaceError]) -> None:
    assert type(translate(error)) is meaning


async def test_a_connection_that_was_never_made_applied_nothing() -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            await session.get("http://127.0.0.1:1")
    assert type(translate(caught.value)) is NotAppliedError


def test_the_wait_is_the_one_that_is_named() -> None:
    named = translate(refusal(429, **{"Retry-After": "2.5"}))
    assert isinstance(named, SlowDownError)
    assert named.retry_after == 2.5
    unnamed = translate(refusal(429, **{"Retry-After": "soon"}))
    assert isinstance(unnamed, SlowDownError)
    assert unnamed.retry_after == LONG_WAIT


def test_a_missing_permission_names_the_mend() -> None:
    assert "permission to send messages" in str(translate(refusal(403, 50013)))


def test_a_token_that_is_not_taken_is_named() -> None:
    assert "discord.token" in str(translate(refusal(401)))


def test_limits_are_read_from_headers_and_from_nothing_else() -> None:
    headers = {
        "X-RateLimit-Limit": "5",
        "X-RateLimit-Remaining": "3",
        "X-RateLimit-Reset-After": "1.25",
    }
    assert allowance(headers) == Allowance(5, 3, 1.25)
    assert allowance({**headers, "X-RateLimit-Limit": "many"}) is None
    assert allowance({}) is None
