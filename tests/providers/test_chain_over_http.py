"""The chain over providers that ask loopback servers."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING

import pytest
from wire import Reader, Received, Wire, Writer, as_json, delta, serve, sse, user

from providers.base import (
    AuthenticationError,
    ContextTooLongError,
    ProviderSettings,
    TextDelta,
    Timeouts,
)
from providers.chain import Chain, Resumed
from providers.registry import create
from sandbox.llm.script import Cut, HttpReply, Script, Silence, TooLong
from sandbox.llm.server import LlmSandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from providers.base import Provider

ANSWER = sse(delta("an "), delta("answer"), delta(finish="stop"), "[DONE]")


def openai(url: str, key: str | None = None, **more: object) -> Provider:
    return create(ProviderSettings("openai", base_url=url, api_key=key, model="m", **more))


@asynccontextmanager
async def chained(*providers: Provider | list[Provider], resume: bool) -> AsyncIterator[Chain]:
    keys = [one if isinstance(one, list) else [one] for one in providers]
    chain = Chain(dict(zip("abc", keys, strict=False)), resume=resume, random=Random(1))  # noqa: S311
    try:
        yield chain
    finally:
        await chain.close()


async def answer(*providers: Provider | list[Provider], resume: bool = False) -> str:
    async with chained(*providers, resume=resume) as chain:
        return await text_of(chain)


async def text_of(chain: Chain) -> str:
    """The answer, with a mark where somebody else goes on."""
    said = []
    async for event in chain.stream([user("why?")]):
        match event:
            case TextDelta(text):
                said.append(text)
            case Resumed():
                said.append("|")
    return "".join(said)


def closed_port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


async def test_where_nobody_listens_the_next_one_answers() -> None:
    async with LlmSandbox(Script("here I am")) as llm:
        assert await answer(openai(closed_port()), openai(llm.openai_url, llm.key)) == "here I am"
        assert len(llm.requests) == 1


@pytest.mark.parametrize(
    "fault",
    [HttpReply(500), HttpReply(429, retry_after="60"), HttpReply(404), Silence(), TooLong(), Cut()],
    ids=lambda fault: type(fault).__name__ + str(getattr(fault, "status", "")),
)
async def test_whatever_fails_before_the_text_the_next_one_answers(
    fault: HttpReply | Silence | TooLong | Cut,
) -> None:
    async with LlmSandbox(Script(fault=fault)) as ill, LlmSandbox(Script("well")) as well:
        impatient = openai(ill.openai_url, ill.key, timeouts=Timeouts(first_byte=0.2))
        assert await answer(impatient, openai(well.openai_url, well.key)) == "well"
        assert len(ill.requests) == len(well.requests) == 1


async def test_a_provider_that_can_not_stream_answers_whole() -> None:
    async with LlmSandbox(Script("all at once")) as llm:
        whole = create(ProviderSettings("aichat", base_url=llm.aichat_url))
        assert await answer(openai(closed_port()), whole) == "all at once"


async def test_an_answer_that_breaks_off_is_gone_on_with_in_another_protocol() -> None:
    text = "one two three four five six"
    async with LlmSandbox(Script(text, fault=Cut(3))) as first, LlmSandbox() as second:
        second.script(Script(lambda _: "two three four five six"))
        anthropic = ProviderSettings(
            "anthropic", base_url=second.anthropic_url, api_key=second.key, model="sandbox"
        )
        told = await answer(openai(first.openai_url, first.key), create(anthropic), resume=True)
        assert told == "one two three| four five six"
        roles = [message.role for message in second.requests[0].messages]
        assert roles == ["user", "assistant", "user"]
        assert second.requests[0].messages[1].text == "one two three"


@asynccontextmanager
async def key_server(**replies: bytes) -> AsyncIterator[Wire]:
    """Each key gets its own reply."""

    async def reply(request: Received, _reader: Reader, writer: Writer) -> None:
        writer.write(replies[request.headers["authorization"].removeprefix("Bearer ")])

    async with serve(reply) as wire:
        yield wire


def keys_used(wire: Wire) -> list[str]:
    return [one.headers["authorization"].removeprefix("Bearer ") for one in wire.received]


async def test_a_wrong_key_and_an_exhausted_one_are_passed_over() -> None:
    wrong = as_json({"error": {"message": "wrong", "code": "invalid_api_key"}}, 401)
    limited = as_json({"error": {"message": "slow down"}}, 429, "Retry-After: 60")
    async with key_server(wrong=wrong, limited=limited, good=ANSWER) as wire:
        keys = [openai(wire.url, key) for key in ("wrong", "limited", "good")]
        async with chained(keys, resume=False) as chain:
            assert [await text_of(chain) for _ in range(3)] == ["an answer"] * 3
        assert keys_used(wire) == ["wrong", "limited", "good", "good", "good"]


async def test_the_error_in_the_end_holds_no_key() -> None:
    wrong = as_json({"error": {"message": "wrong key sk-secret-1", "code": "x"}}, 401)
    async with serve(wrong) as wire:
        keys = [openai(wire.url, f"sk-secret-{number}") for number in (1, 2)]
        with pytest.raises(AuthenticationError) as caught:
            await answer(keys)
        assert "sk-secret" not in str(caught.value)
        assert len(wire.received) == 2


async def test_too_long_everywhere_is_told_as_that() -> None:
    async with LlmSandbox(Script(fault=TooLong())) as llm:
        with pytest.raises(ContextTooLongError):
            await answer(openai(llm.openai_url, llm.key), openai(closed_port()))


async def test_leaving_closes_the_connection_under_way() -> None:
    async with (
        LlmSandbox(Script("word " * 1000, rate=50)) as llm,
        chained(openai(llm.openai_url, llm.key), resume=False) as chain,
    ):
        events = chain.stream([user("why?")])
        await anext(events)
        await events.aclose()
        await llm.until(lambda: llm.requests[0].client_closed_at is not None)
