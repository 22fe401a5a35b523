"""How a provider behaves towards its server, as the sandbox sees it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest
from model_servers import (
    KEY,
    KEYED,
    KINDS,
    OnSandbox,
    hear,
    playing_sandbox,
    provider_at,
    settings,
    user,
)
from provider_scenes import PLAIN

from providers.base import (
    AuthenticationError,
    Finish,
    ImagePart,
    Message,
    Role,
    TextDelta,
    TextPart,
)
from providers.images import IMAGE_NOTE
from providers.registry import capabilities, create
from sandbox.llm.script import Script, Stall
from sandbox.llm.server import LlmSandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

STREAMING = [kind for kind in KINDS if capabilities(kind).supports_stream]


@pytest.fixture
async def server() -> AsyncIterator[OnSandbox]:
    async with playing_sandbox() as running:
        yield running


@pytest.mark.parametrize("kind", STREAMING)
async def test_text_is_handed_out_while_the_rest_is_being_written(
    server: OnSandbox, kind: str
) -> None:
    sandbox = server.sandbox
    sandbox.script(Script(PLAIN.answer, fault=Stall(1)))
    async with (
        provider_at(server, kind) as provider,
        aclosing(provider.stream([user("hello")])) as events,
    ):
        assert await anext(events) == TextDelta("Some")
        await sandbox.until(lambda: sandbox.requests[-1].stalled)
        sandbox.release()
        rest = [event async for event in events]
    assert "".join(e.text for e in rest if isinstance(e, TextDelta)) == PLAIN.answer[len("Some") :]
    assert isinstance(rest[-1], Finish)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_reader_who_is_cancelled_leaves_the_server(server: OnSandbox, kind: str) -> None:
    sandbox = server.sandbox
    sandbox.script(Script(PLAIN.answer, fault=Stall(1)))
    async with provider_at(server, kind) as provider:
        reader = asyncio.create_task(hear(provider, [user("hello")]))
        await sandbox.until(lambda: bool(sandbox.requests) and sandbox.requests[-1].stalled)
        reader.cancel()
        await sandbox.until(lambda: sandbox.requests[-1].client_closed_at is not None)
        assert (await hear(provider, [user(PLAIN.question)])).text == PLAIN.answer
    assert reader.cancelled()


@pytest.mark.parametrize("kind", STREAMING)
async def test_an_answer_that_is_closed_is_no_longer_written(server: OnSandbox, kind: str) -> None:
    sandbox = server.sandbox
    sandbox.script(Script(PLAIN.answer, fault=Stall(1)))
    async with provider_at(server, kind) as provider:
        async with aclosing(provider.stream([user("hello")])) as events:
            await anext(events)
        await sandbox.until(lambda: sandbox.requests[-1].client_closed_at is not None)
    assert sandbox.requests[-1].tokens_sent == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_an_image_is_shown_or_its_place_is_noted(server: OnSandbox, kind: str) -> None:
    image = ImagePart(b"\x89PNG\r\n\x1a\n\x00\xff", "image/png")
    question = Message(Role.USER, (TextPart("What is this?"), image))
    async with provider_at(server, kind) as provider:
        assert (await hear(provider, [question])).finished
    (seen,) = server.asked.messages
    takes = capabilities(kind).takes_images
    assert [one.data for one in seen.images] == ([image.data] if takes else [])
    assert seen.text.replace("\n", " ") == f"What is this?{'' if takes else f' {IMAGE_NOTE}'}"


@pytest.mark.parametrize("kind", KEYED)
async def test_a_key_travels_in_a_header_and_nowhere_else(server: OnSandbox, kind: str) -> None:
    async with provider_at(server, kind) as provider:
        assert (await hear(provider, [user("hello")])).finished
    asked = server.asked
    assert len([value for value in asked.headers.values() if KEY in value]) == 1
    assert KEY not in f"{asked.path} {asked.body}"


@pytest.mark.parametrize("kind", KEYED)
async def test_a_key_that_the_server_does_not_know_is_told_apart(kind: str) -> None:
    async with (
        LlmSandbox(key="another") as sandbox,
        provider_at(OnSandbox(sandbox), kind) as provider,
    ):
        heard = await hear(provider, [user("hello")])
    assert type(heard.error) is AuthenticationError
    assert KEY not in str(heard.error)


@pytest.mark.parametrize("kind", KINDS)
async def test_nothing_can_be_asked_once_it_is_closed(server: OnSandbox, kind: str) -> None:
    provider = create(settings(kind, server.url(kind)))
    await provider.close()
    with pytest.raises(RuntimeError, match="closed"):
        await hear(provider, [user("hello")])
    assert server.sandbox.requests == []
