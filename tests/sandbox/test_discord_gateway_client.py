"""The gateway's troubles as discord.py lives through them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import discord
import pytest
from discord_client import Client, connected, pointed_at

from sandbox.discord.gateway.intents import Intent
from sandbox.discord.limits.buckets import LIMIT_PRESETS
from sandbox.discord.server import DiscordSandbox
from sandbox.discord.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from sandbox.discord.gateway.gateway import Gateway, Record


class Hasty(Client):
    """A client that does not wait before it identifies anew."""

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        return


@pytest.fixture
async def sandbox() -> AsyncIterator[DiscordSandbox]:
    async with DiscordSandbox(Settings(limits=LIMIT_PRESETS["off"])) as sandbox:
        yield sandbox


def noted(sandbox: DiscordSandbox, kind: str) -> list[Record]:
    return [record for record in sandbox.gateway.log if record.kind == kind]


async def start(sandbox: DiscordSandbox, client: Client) -> None:
    """Log in and stay connected; raises what ends the client."""
    with pointed_at(sandbox):
        async with client:
            await client.start(sandbox.token)


@pytest.mark.parametrize(
    "trouble",
    [
        lambda gateway: gateway.drop(),
        lambda gateway: gateway.close(),
        lambda gateway: gateway.close(4009),
        lambda gateway: gateway.reconnect(),
        lambda gateway: gateway.invalidate(resumable=True),
    ],
    ids=["drop", "4000", "4009", "reconnect", "invalid but resumable"],
)
async def test_a_client_resumes_and_misses_nothing(
    sandbox: DiscordSandbox, trouble: Callable[[Gateway], None]
) -> None:
    ada = sandbox.user("Ada")
    async with connected(sandbox) as client:
        trouble(sandbox.gateway)
        await ada.say("are you there?")
        await client.until_event("resumed")
        await ada.say("good")
        await client.hear("good")
    assert [message.content for message in client.heard] == ["are you there?", "good"]
    assert len(noted(sandbox, "identified")) == 1


async def test_a_client_whose_session_is_invalid_identifies_anew(sandbox: DiscordSandbox) -> None:
    ada = sandbox.user("Ada")
    async with connected(sandbox, Hasty()) as client:
        sandbox.gateway.invalidate()
        await sandbox.until(lambda: len(noted(sandbox, "identified")) == 2)
        await ada.say("hello again")
        await client.hear("hello again")
    assert "resumed" not in client.events


async def test_a_client_that_is_forgotten_misses_what_was_said_meanwhile(
    sandbox: DiscordSandbox,
) -> None:
    ada = sandbox.user("Ada")
    async with connected(sandbox, Hasty()) as client:
        sandbox.gateway.forget()
        sandbox.gateway.drop()
        await ada.say("lost")
        await sandbox.until(lambda: len(noted(sandbox, "identified")) == 2)
        await ada.say("found")
        await client.hear("found")
    assert [message.content for message in client.heard] == ["found"]
    assert [record.details for record in noted(sandbox, "invalidated")] == [{"resumable": False}]


@pytest.mark.parametrize(
    "harm",
    [
        lambda gateway: gateway.send_raw("MESSAGE_CREATE", {"id": "1"}),
        lambda gateway: gateway.send_text("{no JSON"),
    ],
    ids=["an event without its fields", "no JSON"],
)
async def test_one_malformed_event_ends_a_client(
    sandbox: DiscordSandbox, harm: Callable[[Gateway], None]
) -> None:
    client = Client()
    running = asyncio.create_task(start(sandbox, client))
    await sandbox.until(lambda: noted(sandbox, "identified"))
    await client.until_event("ready")
    harm(sandbox.gateway)
    with pytest.raises((KeyError, ValueError)):
        await running


async def test_an_unknown_event_disturbs_nobody(sandbox: DiscordSandbox) -> None:
    async with connected(sandbox) as client:
        sandbox.gateway.send_raw("NO_SUCH_EVENT", {"x": 1})
        await sandbox.user("Ada").say("still there?")
        await client.hear("still there?")


@pytest.mark.parametrize(
    ("code", "error"),
    [(4004, discord.ConnectionClosed), (4014, discord.PrivilegedIntentsRequired)],
)
async def test_a_refused_identify_ends_a_client(
    sandbox: DiscordSandbox, code: int, error: type[Exception]
) -> None:
    sandbox.gateway.refuse_identifies(code=code)
    with pytest.raises(error):
        await start(sandbox, Client())


async def test_the_message_content_intent_must_be_enabled() -> None:
    async with DiscordSandbox(Settings(message_content=False)) as sandbox:
        with pytest.raises(discord.PrivilegedIntentsRequired):
            await start(sandbox, Client())
        async with connected(sandbox, Client(intents=discord.Intents.default())):
            (session,) = sandbox.gateway.sessions
            assert Intent.MESSAGE_CONTENT not in session.intents


async def test_a_pause_delays_what_is_said_and_loses_none_of_it(sandbox: DiscordSandbox) -> None:
    ada = sandbox.user("Ada")
    async with connected(sandbox) as client:
        sandbox.gateway.pause()
        for text in ("one", "two", "three"):
            await ada.say(text)
        assert client.heard == []
        sandbox.gateway.resume()
        await client.hear("three")
    assert [message.content for message in client.heard] == ["one", "two", "three"]


async def test_a_client_that_asks_for_all_members_becomes_ready(sandbox: DiscordSandbox) -> None:
    guild = sandbox.guild("Guild", members=[sandbox.user("Ada")])
    async with connected(sandbox, Client(intents=discord.Intents.all())) as client:
        assert client.get_guild(guild.id).get_member(client.user.id) is not None
