"""Conversations with the sandbox's strict model servers, over each protocol."""

from __future__ import annotations

import asyncio

import pytest
from wire import ask

from providers.base import (
    AuthenticationError,
    BadResponseError,
    ConnectionFailedError,
    ContentFilteredError,
    ContextTooLongError,
    Finish,
    FinishReason,
    ImagePart,
    Message,
    Provider,
    ProviderError,
    ProviderSettings,
    RateLimitedError,
    Role,
    TextDelta,
    TextPart,
    TruncatedError,
)
from providers.registry import create
from sandbox.llm.script import CleanEnd, Cut, HttpReply, Script, StreamError, TooLong
from sandbox.llm.server import DEFAULT_KEY, LlmSandbox

KEYED = ("openai", "responses", "anthropic", "gemini")
KINDS = (*KEYED, "ollama", "getgpt", "yqcloud", "aichat", "gptalk")
QUESTIONS = ("My name is Ada 😀.", "data: what is\nmy name?", "Und tschüß! 您")
ANSWER = "Some **Markdown** with 😀, ü and 您: data: [DONE]\n\n```py\nprint()\n```"


def provider_for(sandbox: LlmSandbox, kind: str) -> Provider:
    key = DEFAULT_KEY if kind in KEYED else None
    return create(ProviderSettings(kind, base_url=sandbox.urls[kind], api_key=key, model="sandbox"))


async def say(provider: Provider, messages: list[Message]) -> str:
    events = [event async for event in provider.stream(messages)]
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def failure(sandbox: LlmSandbox, kind: str) -> tuple[str, ProviderError]:
    outcome = await ask(provider_for(sandbox, kind))
    assert outcome.error is not None
    return outcome.text, outcome.error


@pytest.mark.parametrize("kind", KINDS)
async def test_a_conversation_reaches_the_server_whole_at_every_turn(kind: str) -> None:
    async with LlmSandbox() as sandbox:
        provider = provider_for(sandbox, kind)
        messages = [Message.of(Role.SYSTEM, "Be brief.")]
        for question in QUESTIONS:
            messages.append(Message.of(Role.USER, question))
            answer = await say(provider, messages)
            assert answer.startswith("You wrote:")
            seen = next(record for record in reversed(sandbox.requests) if record.messages)
            assert [(one.role, one.text) for one in seen.messages] == [
                (str(message.role), message.text) for message in messages
            ]
            messages.append(Message.of(Role.ASSISTANT, answer))
        await provider.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "script",
    [
        Script(ANSWER),
        Script(ANSWER, chunking="chars", write_size=1),
        Script(ANSWER, write_size=7, crlf=True, comment_every=2),
        Script(ANSWER, lone_surrogates=True, comment=":", comment_every=1),
    ],
    ids=["plain", "byte by byte", "CRLF and comments", "lone surrogates"],
)
async def test_the_answer_arrives_whole_however_it_is_sent(kind: str, script: Script) -> None:
    async with LlmSandbox(script) as sandbox:
        provider = provider_for(sandbox, kind)
        assert await say(provider, [Message.of(Role.USER, "hello")]) == ANSWER
        await provider.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_cut_connection_is_no_answer(kind: str) -> None:
    async with LlmSandbox(Script(ANSWER, fault=Cut(after=3))) as sandbox:
        text, error = await failure(sandbox, kind)
    assert isinstance(error, ConnectionFailedError | TruncatedError)
    assert ANSWER.startswith(text)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "yqcloud"])
async def test_a_clean_end_without_a_marker_is_no_answer(kind: str) -> None:
    async with LlmSandbox(Script(ANSWER, fault=CleanEnd(after=3))) as sandbox:
        _, error = await failure(sandbox, kind)
    assert type(error) is (BadResponseError if kind == "aichat" else TruncatedError)


@pytest.mark.parametrize("kind", KINDS)
async def test_an_error_inside_the_stream_is_an_error(kind: str) -> None:
    async with LlmSandbox(Script(ANSWER, fault=StreamError(after=3))) as sandbox:
        text, _ = await failure(sandbox, kind)
    assert ANSWER.startswith(text)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_rate_limit_tells_how_long_to_wait(kind: str) -> None:
    reply = HttpReply(429, retry_after="7")
    async with LlmSandbox(Script(fault=reply)) as sandbox:
        _, error = await failure(sandbox, kind)
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == 7


@pytest.mark.parametrize("kind", KINDS)
async def test_an_empty_reply_is_an_error(kind: str) -> None:
    async with LlmSandbox(Script(fault=HttpReply(200, ""))) as sandbox:
        _, error = await failure(sandbox, kind)
    assert type(error) is BadResponseError


@pytest.mark.parametrize("kind", [*KEYED, "ollama"])
async def test_too_long_a_conversation_is_told_apart(kind: str) -> None:
    async with LlmSandbox(Script(fault=TooLong())) as sandbox:
        _, error = await failure(sandbox, kind)
    assert type(error) is ContextTooLongError


@pytest.mark.parametrize("kind", KEYED)
async def test_a_wrong_key_is_told_apart(kind: str) -> None:
    async with LlmSandbox(key="another") as sandbox:
        _, error = await failure(sandbox, kind)
    assert type(error) is AuthenticationError
    assert DEFAULT_KEY not in str(error)


@pytest.mark.parametrize("kind", [*KEYED, "ollama"])
@pytest.mark.parametrize(
    ("reason", "ends"), [("stop", FinishReason.STOP), ("length", FinishReason.LENGTH)]
)
async def test_the_finish_tells_whether_the_text_is_cut(
    kind: str, reason: str, ends: FinishReason
) -> None:
    async with LlmSandbox(Script(ANSWER, finish_reason=reason)) as sandbox:
        outcome = await ask(provider_for(sandbox, kind))
    assert outcome.text == ANSWER
    assert outcome.events[-1] == Finish(ends)


@pytest.mark.parametrize("kind", KEYED)
async def test_a_content_filter_keeps_the_partial_text(kind: str) -> None:
    async with LlmSandbox(Script(ANSWER, finish_reason="content_filter")) as sandbox:
        text, error = await failure(sandbox, kind)
    assert (text, type(error)) == (ANSWER, ContentFilteredError)


@pytest.mark.parametrize("reason", ["LENGTH", "MAX_TOKENS", "model_context_window_exceeded"])
async def test_an_end_for_length_has_many_names(reason: str) -> None:
    async with LlmSandbox(Script(ANSWER, finish_reason=reason)) as sandbox:
        outcome = await ask(provider_for(sandbox, "openai"))
    assert outcome.events[-1] == Finish(FinishReason.LENGTH)


@pytest.mark.parametrize("reason", ["CONTENT_FILTER", "SAFETY", "content_filter: hate"])
async def test_so_has_an_end_for_its_content(reason: str) -> None:
    async with LlmSandbox(Script(ANSWER, finish_reason=reason)) as sandbox:
        text, error = await failure(sandbox, "openai")
    assert (text, type(error)) == (ANSWER, ContentFilteredError)


@pytest.mark.parametrize("kind", [*KEYED, "ollama"])
async def test_an_image_reaches_the_server_whole(kind: str) -> None:
    image = ImagePart(b"\x89PNG\r\n\x1a\n\x00\xff", "image/png")
    async with LlmSandbox() as sandbox:
        provider = provider_for(sandbox, kind)
        await say(provider, [Message(Role.USER, (TextPart("What is this?"), image))])
        await provider.close()
        (message,) = sandbox.requests[-1].messages
    assert message.text == "What is this?"
    assert [one.data for one in message.images] == [image.data]


async def test_a_hundred_gptalk_conversations_need_twenty_logins() -> None:
    async with LlmSandbox() as sandbox:
        provider = provider_for(sandbox, "gptalk")
        hello = [Message.of(Role.USER, "hello")]
        answers = await asyncio.gather(*(say(provider, hello) for _ in range(100)))
        sandbox.gptalk.expire_tokens()
        answers += [await say(provider, hello)]
        await provider.close()
        assert sandbox.gptalk.uses == [5] * 20 + [1]
    assert all(answer.startswith("You wrote:") for answer in answers)
