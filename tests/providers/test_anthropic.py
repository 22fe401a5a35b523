"""Anthropic's Messages API and the servers that speak it, byte by byte."""

from __future__ import annotations

import asyncio

import orjson
import pytest
from wire import (
    Reader,
    Writer,
    answer_to,
    as_json,
    ask,
    error_of,
    events,
    head,
    in_chunks,
    response,
    serve,
    sse,
    user,
)

from providers.anthropic import Anthropic
from providers.base import (
    AuthenticationError,
    BadRequestError,
    BadResponseError,
    ConnectionFailedError,
    ContentFilteredError,
    ContextTooLongError,
    Finish,
    FinishReason,
    Message,
    OverloadedError,
    ProviderError,
    ProviderSettings,
    QuotaExceededError,
    RateLimitedError,
    ReasoningDelta,
    Role,
    TextDelta,
    TruncatedError,
    Usage,
)

STOP = Finish(FinishReason.STOP)
START = {
    "type": "message_start",
    "message": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "content": [],
        "stop_reason": None,
        "usage": {"input_tokens": 7, "output_tokens": 1},
    },
}
BLOCK = {
    "type": "content_block_start",
    "index": 0,
    "content_block": {"type": "text", "text": ""},
}
PING = {"type": "ping"}
BLOCK_STOP = {"type": "content_block_stop", "index": 0}
MESSAGE_STOP = {"type": "message_stop"}


def text(piece: str) -> dict:
    return {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": piece},
    }


def thinking(piece: str) -> dict:
    return {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "thinking_delta", "thinking": piece},
    }


def stop(reason: str = "end_turn", **delta: object) -> dict:
    return {
        "type": "message_delta",
        "delta": {"stop_reason": reason, "stop_sequence": None, **delta},
        "usage": {"output_tokens": 9},
    }


def error(kind: str, said: str = "it broke", **more: object) -> dict:
    return {"type": "error", "error": {"type": kind, "message": said, **more}}


def named(*data: dict) -> bytes:
    """Events as Anthropic sends them, each with its `event:` line."""
    return b"".join(b"event: " + one["type"].encode() + b"\n" + events(one) for one in data)


WHOLE = (START, BLOCK, PING, text("Hel"), text("lo"), BLOCK_STOP, stop(), MESSAGE_STOP)


def anthropic(url: str, **settings: object) -> Anthropic:
    return Anthropic(ProviderSettings("anthropic", base_url=url, **{"model": "m"} | settings))


async def test_the_request_is_the_messages_apis() -> None:
    said = [
        Message.of(Role.SYSTEM, "Be brief."),
        user("hello"),
        Message.of(Role.ASSISTANT, "Hi!"),
        user("again"),
    ]
    async with serve(sse(*WHOLE)) as wire:
        await ask(anthropic(wire.url, api_key="sk-ant-1", max_tokens=9, temperature=0.5), said)
    request = wire.received[0]
    assert (request.method, request.target) == ("POST", "/v1/messages")
    assert request.headers["x-api-key"] == "sk-ant-1"
    assert request.headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in request.headers
    assert request.json == {
        "model": "m",
        "max_tokens": 9,
        "system": "Be brief.",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "hello"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "Hi!"}]},
            {"role": "user", "content": [{"type": "text", "text": "again"}]},
        ],
        "temperature": 0.5,
        "stream": True,
    }


async def test_max_tokens_is_sent_though_it_was_not_set() -> None:
    async with serve(sse(*WHOLE)) as wire:
        await ask(anthropic(wire.url))
    assert wire.received[0].json.keys() == {"model", "max_tokens", "messages", "stream"}
    assert wire.received[0].json["max_tokens"] == 4096
    assert "x-api-key" not in wire.received[0].headers


async def test_a_server_of_ones_own_may_have_a_default_model() -> None:
    """As llama.cpp has."""
    async with serve(sse(*WHOLE)) as wire:
        outcome = await ask(anthropic(wire.url, model=None))
    assert outcome.text == "Hello"
    assert "model" not in wire.received[0].json


async def test_roles_alternate_and_nothing_blank_is_sent() -> None:
    """Anthropic: "text content blocks must be non-empty", and the user speaks first."""
    said = [
        Message.of(Role.ASSISTANT, "an answer whose question is forgotten"),
        user("one"),
        user(" \n"),
        Message.of(Role.ASSISTANT, ""),
        user("two"),
        Message.of(Role.SYSTEM, "late"),
    ]
    async with serve(sse(*WHOLE)) as wire:
        await ask(anthropic(wire.url), said)
    body = wire.received[0].json
    assert body["system"] == "late"
    assert body["messages"] == [
        {
            "role": "user",
            "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}],
        }
    ]


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(head() + named(*WHOLE), id="plain"),
        pytest.param(sse(*WHOLE), id="a proxy left the event lines out"),
        pytest.param(head() + named(*WHOLE).replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(sse(*WHOLE, "[DONE]"), id="a proxy added DONE"),
        pytest.param(sse(*WHOLE[:-1]), id="message_stop is missing"),
        pytest.param(
            sse(START, {**BLOCK, "content_block": {"type": "text", "text": "Hello"}}, stop()),
            id="a proxy put the text into the block's start",
        ),
        pytest.param(
            sse(START, BLOCK, text("Hel"), {"type": "new_event"}, BLOCK_STOP, BLOCK, text("lo"))
            + events(stop()),
            id="two blocks and an event of the future",
        ),
        pytest.param(
            as_json(
                {
                    "type": "message",
                    "content": [{"type": "text", "text": "Hello"}],
                    "stop_reason": "end_turn",
                }
            ),
            id="answered without streaming",
        ),
        pytest.param(
            head(200, "Transfer-Encoding: chunked")
            + in_chunks(*(bytes([b]) for b in named(*WHOLE))),
            id="byte by byte",
        ),
        pytest.param(
            head(200, "Transfer-Encoding: chunked") + in_chunks(named(*WHOLE), end=False),
            id="connection dropped after message_stop",
        ),
        pytest.param(
            head(200, "Transfer-Encoding: chunked") + in_chunks(named(*WHOLE[:-1]), end=False),
            id="connection dropped after the stop reason",
        ),
    ],
)
async def test_the_answer_is_read(reply: bytes) -> None:
    got = await answer_to(anthropic, reply)
    assert "".join(event.text for event in got if isinstance(event, TextDelta)) == "Hello"
    assert got[-1] == STOP
    assert got.count(STOP) == 1


async def test_thinking_is_no_text_and_its_signature_is_nothing() -> None:
    signature = {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "signature_delta", "signature": "EqQBCg"},
    }
    block = {**BLOCK, "content_block": {"type": "thinking", "thinking": "", "signature": ""}}
    hidden = {**BLOCK, "content_block": {"type": "redacted_thinking", "data": "x"}}
    got = await answer_to(
        anthropic, sse(START, block, thinking("hm"), signature, hidden, BLOCK, text("yes"), stop())
    )
    assert got == [ReasoningDelta("hm"), TextDelta("yes"), Usage(7, 9), STOP]


async def test_think_tags_split_over_deltas_are_reasoning() -> None:
    """As llama.cpp sends them over this API, too."""
    pieces = ["<th", "ink>hm", "</thi", "nk>\n", "\nyes"]
    got = await answer_to(anthropic, sse(*map(text, pieces), stop()))
    assert got[:2] == [ReasoningDelta("hm"), TextDelta("yes")]


async def test_an_emoji_split_into_lone_surrogates_is_joined() -> None:
    halves = [orjson.dumps(text("@")).replace(b"@", half) for half in (rb"a\ud83d", rb"\ude00b")]
    body = b"".join(b"data: " + half + b"\n\n" for half in halves)
    got = await answer_to(anthropic, head() + body + events(stop()))
    assert got[0] == TextDelta("a😀b")


async def test_cached_tokens_are_input_tokens() -> None:
    usage = {
        "input_tokens": 3,
        "cache_creation_input_tokens": 20,
        "cache_read_input_tokens": 100,
        "output_tokens": 1,
    }
    start = {"type": "message_start", "message": {"usage": usage}}
    got = await answer_to(anthropic, sse(start, text("hi"), stop(), MESSAGE_STOP))
    assert got == [TextDelta("hi"), Usage(123, 9), STOP]


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", FinishReason.STOP),
        ("stop_sequence", FinishReason.STOP),
        ("max_tokens", FinishReason.LENGTH),
        ("pause_turn", FinishReason.LENGTH),
        ("model_context_window_exceeded", FinishReason.LENGTH),
    ],
)
async def test_a_stop_reason_tells_whether_the_text_is_cut(
    reason: str, finish: FinishReason
) -> None:
    got = await answer_to(anthropic, sse(text("so far"), stop(reason), MESSAGE_STOP))
    assert got[-1] == Finish(finish)


async def test_a_refusal_in_mid_stream_keeps_the_partial_text_and_gives_the_reason() -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "It could do harm."}
    refused = stop("refusal", stop_details=details)
    partial, failure = await error_of(anthropic, sse(text("so far"), refused, MESSAGE_STOP))
    assert (partial, type(failure)) == ("so far", ContentFilteredError)
    assert "It could do harm." in str(failure)


async def test_a_window_that_is_full_before_any_text_is_too_long_a_conversation() -> None:
    _, failure = await error_of(
        anthropic, sse(START, stop("model_context_window_exceeded"), MESSAGE_STOP)
    )
    assert type(failure) is ContextTooLongError


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("overloaded_error", OverloadedError),
        ("api_error", OverloadedError),
        ("timeout_error", OverloadedError),
        ("rate_limit_error", RateLimitedError),
        ("authentication_error", AuthenticationError),
        ("permission_error", AuthenticationError),
        ("billing_error", QuotaExceededError),
        ("invalid_request_error", BadRequestError),
        ("not_found_error", BadRequestError),
        ("request_too_large", ContextTooLongError),
    ],
)
async def test_an_error_event_keeps_the_text_before_it(
    kind: str, expected: type[ProviderError]
) -> None:
    partial, failure = await error_of(
        anthropic, head() + named(START, BLOCK, text("so far"), error(kind))
    )
    assert (partial, type(failure)) == ("so far", expected)
    assert "it broke" in str(failure)


@pytest.mark.parametrize(
    ("status", "headers", "said", "expected"),
    [
        (400, (), error("invalid_request_error"), BadRequestError),
        (401, (), error("authentication_error"), AuthenticationError),
        (402, (), error("billing_error"), QuotaExceededError),
        (413, (), error("request_too_large"), ContextTooLongError),
        (429, ("Retry-After: 12",), error("rate_limit_error"), RateLimitedError),
        (429, (), error("rate_limit_error"), QuotaExceededError),
        (
            429,
            ("Retry-After: 12",),
            error("rate_limit_error", details={"error_code": "enforced_spend_limit_reached"}),
            QuotaExceededError,
        ),
        (
            400,
            (),
            error(
                "invalid_request_error",
                "Your credit balance is too low to access the Anthropic API.",
            ),
            QuotaExceededError,
        ),
        (
            400,
            (),
            error(
                "invalid_request_error",
                "You have reached your specified API usage limits. "
                "You will regain access on 2026-12-01 at 00:00 UTC.",
            ),
            QuotaExceededError,
        ),
        (
            400,
            (),
            error(
                "invalid_request_error",
                "prompt is too long: 210000 tokens > 200000 maximum",
            ),
            ContextTooLongError,
        ),
        (
            400,
            (),
            error(
                "invalid_request_error",
                "input length and `max_tokens` exceed context limit: 199059 + 8192 > 200000",
            ),
            ContextTooLongError,
        ),
        (500, (), error("api_error"), OverloadedError),
        (529, (), error("overloaded_error"), OverloadedError),
    ],
)
async def test_a_status_has_its_error(
    status: int, headers: tuple[str, ...], said: dict, expected: type[ProviderError]
) -> None:
    _, failure = await error_of(anthropic, as_json(said, status, *headers))
    assert type(failure) is expected


async def test_a_rate_limit_tells_how_long_to_wait_and_a_spent_budget_is_not_retryable() -> None:
    _, limited = await error_of(
        anthropic, as_json(error("rate_limit_error"), 429, "Retry-After: 12")
    )
    assert isinstance(limited, RateLimitedError)
    assert (limited.retry_after, limited.retryable) == (12, True)
    _, spent = await error_of(anthropic, as_json(error("rate_limit_error"), 429))
    assert not spent.retryable


@pytest.mark.parametrize("given", [WHOLE[:3], WHOLE[:4], WHOLE[:6]])
async def test_the_end_of_the_body_without_a_stop_reason_is_truncation(given: tuple) -> None:
    _, failure = await error_of(anthropic, sse(*given))
    assert type(failure) is TruncatedError


async def test_a_cut_connection_is_no_answer() -> None:
    cut = head(200, "Transfer-Encoding: chunked") + in_chunks(named(*WHOLE[:4]), end=False)
    partial, failure = await error_of(anthropic, cut)
    assert (partial, type(failure)) == ("Hel", ConnectionFailedError)


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(response(b"", content_type="text/event-stream"), id="zero bytes"),
        pytest.param(sse(START, stop(), MESSAGE_STOP), id="no block"),
        pytest.param(sse(START, thinking("hm"), stop("max_tokens")), id="only thought"),
        pytest.param(as_json({"type": "message", "content": []}), id="empty document"),
        pytest.param(sse("{not json"), id="malformed JSON"),
        pytest.param(
            response(b"<html><title>Sign in</title></html>", content_type="text/html"),
            id="web page",
        ),
    ],
)
async def test_no_text_is_never_an_empty_answer(reply: bytes) -> None:
    _, failure = await error_of(anthropic, reply)
    assert type(failure) is BadResponseError


async def test_text_is_given_as_it_arrives_and_message_stop_ends_the_answer() -> None:
    go_on = asyncio.Event()

    async def paced(_: object, reader: Reader, writer: Writer) -> None:
        writer.write(sse(*WHOLE[:4]))
        await go_on.wait()
        writer.write(events(*WHOLE[4:]))
        await wire.hold(reader)

    async with serve(paced) as wire:
        provider = anthropic(wire.url)
        stream = provider.stream([user("hello")])
        assert await anext(stream) == TextDelta("Hel")
        go_on.set()
        assert [event async for event in stream] == [TextDelta("lo"), Usage(7, 9), STOP]
        await asyncio.wait_for(wire.left.wait(), 10)
        await provider.close()


@pytest.mark.parametrize(
    ("settings", "mend"),
    [
        ({"model": "m"}, "api_key is required for https://api.anthropic.com"),
        ({"api_key": "sk-ant-x"}, "model is required"),
        ({"api_key": "sk ant", "model": "m"}, "api_key holds characters"),
        ({"base_url": "localhost", "model": "m"}, "base_url must be a URL"),
    ],
)
def test_settings_that_cannot_work_are_named(settings: dict, mend: str) -> None:
    with pytest.raises(ValueError, match=mend) as caught:
        Anthropic(ProviderSettings("anthropic", **settings))
    assert "sk ant" not in str(caught.value)
