"""OpenAI-compatible servers as they really are, byte by byte."""

from __future__ import annotations

import asyncio

import pytest
from wire import (
    Reader,
    Writer,
    answer_to,
    as_json,
    ask,
    delta,
    error_of,
    events,
    head,
    in_chunks,
    response,
    serve,
    sse,
    user,
)

from providers.base import (
    BadRequestError,
    BadResponseError,
    ConnectionFailedError,
    ContentFilteredError,
    ContextTooLongError,
    Finish,
    FinishReason,
    OverloadedError,
    ProviderError,
    ProviderSettings,
    RateLimitedError,
    ReasoningDelta,
    TextDelta,
    TruncatedError,
    Usage,
)
from providers.openai import OpenAI

STOP = Finish(FinishReason.STOP)
USAGE = {"prompt_tokens": 7, "completion_tokens": 2}


def openai(url: str, **settings: object) -> OpenAI:
    return OpenAI(ProviderSettings("openai", base_url=f"{url}/v1", **settings))


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(sse(delta("Hel"), delta("lo"), delta(finish="stop"), "[DONE]"), id="plain"),
        pytest.param(
            sse(delta("Hel"), delta("lo", "stop"), "[DONE]"), id="finish chunk carries content"
        ),
        pytest.param(sse(delta("Hello", "stop")), id="no DONE"),
        pytest.param(sse(delta("Hello"), "[DONE]"), id="no finish_reason"),
        pytest.param(sse(delta("Hello"), ending=b"data: [DONE]"), id="DONE without blank line"),
        pytest.param(sse(delta("Hel", ""), delta("lo", "stop")), id="finish_reason empty"),
        pytest.param(
            head() + events(delta("Hello", "stop"), "[DONE]").replace(b"\n", b"\r\n"), id="CRLF"
        ),
        pytest.param(
            head()
            + b": OPENROUTER PROCESSING\n\n:\n\n"
            + events(delta("Hello"))
            + b": keep-alive\n\n"
            + events(delta(finish="stop")),
            id="comments",
        ),
        pytest.param(
            sse(
                delta(None, role="assistant", content=None),
                delta("Hello", obfuscation="x8", logprobs=None),
                {"choices": [], "prompt_filter_results": []},
                {"id": "1", "object": "chat.completion.chunk", "error": None, "choices": None},
                delta(None, "stop"),
            ),
            id="null and unknown fields",
        ),
        pytest.param(
            head() + b'data: {"choices": [{"delta":\ndata: {"content": "Hello"}}]}\n\n'
            b"data: [DONE]\n\n",
            id="an event of several data lines",
        ),
        pytest.param(
            sse(delta([{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}], "stop")),
            id="content is a list of parts",
        ),
        pytest.param(
            as_json({"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}),
            id="answered without streaming",
        ),
        pytest.param(
            head() + b'\n\n {"choices": [{"message": {"content": "Hello"}}]}',
            id="blank lines before a JSON body called event-stream",
        ),
        pytest.param(
            head(200, "Transfer-Encoding: chunked")
            + in_chunks(*(bytes([b]) for b in events(delta("Hello", "stop"), "[DONE]"))),
            id="byte by byte",
        ),
        pytest.param(
            head(200, "Transfer-Encoding: chunked")
            + in_chunks(events(delta("Hello", "stop"), "[DONE]"), end=False),
            id="connection dropped after DONE",
        ),
        pytest.param(
            head(200, "Transfer-Encoding: chunked")
            + in_chunks(events(delta("Hello", "stop")), end=False),
            id="connection dropped after finish_reason",
        ),
    ],
)
async def test_the_answer_is_read(reply: bytes) -> None:
    got = await answer_to(openai, reply)
    assert "".join(event.text for event in got if isinstance(event, TextDelta)) == "Hello"
    assert got[-1] == STOP
    assert got.count(STOP) == 1


async def test_length_is_a_finish_of_its_own() -> None:
    assert (await answer_to(openai, sse(delta("cut", "length"))))[-1] == Finish(FinishReason.LENGTH)


@pytest.mark.parametrize(
    "last",
    [
        {"choices": [], "usage": USAGE},
        {"choices": [], "x_groq": {"id": "r", "usage": USAGE}},
    ],
)
async def test_usage_comes_once_before_the_finish(last: dict) -> None:
    got = await answer_to(openai, sse(delta("hi"), delta(finish="stop"), last, last, "[DONE]"))
    assert got == [TextDelta("hi"), Usage(7, 2), STOP]


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
async def test_reasoning_fields_are_no_text(name: str) -> None:
    got = await answer_to(openai, sse(delta("", **{name: "hm"}), delta("yes", "stop")))
    assert got == [ReasoningDelta("hm"), TextDelta("yes"), STOP]


async def test_mistrals_thinking_parts_are_no_text() -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    got = await answer_to(openai, sse(delta([thinking]), delta("yes", "stop")))
    assert got == [ReasoningDelta("hm"), TextDelta("yes"), STOP]


async def test_think_tags_split_over_deltas_are_reasoning() -> None:
    pieces = ["<th", "ink>hm", "</thi", "nk>\n", "\nyes"]
    got = await answer_to(openai, sse(*map(delta, pieces), delta(finish="stop")))
    assert got == [ReasoningDelta("hm"), TextDelta("yes"), STOP]


async def test_an_emoji_split_into_lone_surrogates_is_joined() -> None:
    halves = [
        rb'{"choices":[{"delta":{"content":"a\ud83d"}}]}',
        rb'{"choices":[{"delta":{"content":"\ude00b"}}]}',
    ]
    body = b"".join(b"data: " + half + b"\n\n" for half in halves)
    got = await answer_to(openai, head() + body + events("[DONE]"))
    assert got == [TextDelta("a😀b"), STOP]


async def test_a_surrogate_without_its_partner_is_replaced() -> None:
    body = rb'data: {"choices":[{"delta":{"content":"a\ud83d"},"finish_reason":"stop"}]}'
    assert await answer_to(openai, head() + body) == [TextDelta("a"), TextDelta("\ufffd"), STOP]


async def test_a_line_longer_than_any_buffer_is_read() -> None:
    long = "x" * 2_000_000
    assert await answer_to(openai, sse(delta(long, "stop"))) == [TextDelta(long), STOP]


ERROR = {"message": "it broke", "type": "server_error", "code": None}


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        pytest.param(sse({"error": ERROR}), OverloadedError, id="error object"),
        pytest.param(sse({"error": "it broke"}), OverloadedError, id="error string"),
        pytest.param(
            sse({"error": {"message": "it broke", "code": 429}}), RateLimitedError, id="429"
        ),
        pytest.param(
            sse({"object": "error", "message": "it broke", "code": 400}),
            BadRequestError,
            id="vLLM",
        ),
        pytest.param(
            sse({"code": "server_is_overloaded", "message": "it broke"}), OverloadedError, id="flat"
        ),
        pytest.param(
            head() + b'error: {"code":500,"message":"it broke"}\n\n',
            OverloadedError,
            id="old llama.cpp",
        ),
        pytest.param(
            head() + b'event: error\ndata: {"message":"it broke"}\n\n', OverloadedError, id="event"
        ),
        pytest.param(
            head() + b'{"error": {"message": "it broke"}}', OverloadedError, id="raw JSON"
        ),
        pytest.param(as_json([{"error": {"message": "it broke"}}]), OverloadedError, id="array"),
        pytest.param(
            response(b"<html><title>it broke</title></html>", content_type="text/html"),
            BadResponseError,
            id="web page",
        ),
    ],
)
async def test_an_error_at_http_200_is_an_error(reply: bytes, kind: type[ProviderError]) -> None:
    text, error = await error_of(openai, reply)
    assert text == ""
    assert type(error) is kind
    assert "it broke" in str(error)


async def test_an_error_in_mid_stream_keeps_the_text_before_it() -> None:
    text, error = await error_of(openai, sse(delta("some <th"), delta("i"), {"error": ERROR}))
    assert text == "some <thi"
    assert type(error) is OverloadedError


@pytest.mark.parametrize(
    "said",
    [
        {"code": "context_length_exceeded", "message": "too much"},
        {"type": "exceed_context_size_error", "message": "no", "n_prompt_tokens": 9, "n_ctx": 4},
        {"message": "prompt is too long: 9 tokens > 4 maximum"},
        {"message": "the input length exceeds the context length"},
        {"message": "This model's maximum context length is 4096 tokens."},
        {"message": "Requested tokens (9) exceed context window of 4"},
    ],
)
@pytest.mark.parametrize("status", [200, 400, 500])
async def test_too_long_a_conversation_is_told_apart(said: dict, status: int) -> None:
    _, error = await error_of(openai, as_json({"error": said}, status))
    assert type(error) is ContextTooLongError


async def test_text_held_back_is_not_lost_when_the_stream_is_truncated() -> None:
    text, error = await error_of(openai, sse(delta("<thi")))
    assert (text, type(error)) == ("<thi", TruncatedError)


async def test_eof_without_a_finish_marker_is_truncation() -> None:
    text, error = await error_of(openai, sse(delta("half an ans")))
    assert (text, type(error)) == ("half an ans", TruncatedError)


async def test_a_connection_cut_in_mid_body_is_no_truncation_but_a_broken_connection() -> None:
    cut = head(200, "Transfer-Encoding: chunked") + in_chunks(events(delta("half")), end=False)
    text, error = await error_of(openai, cut)
    assert (text, type(error)) == ("half", ConnectionFailedError)


async def test_content_filter_keeps_the_partial_text() -> None:
    text, error = await error_of(
        openai, sse(delta("so far"), delta(finish="content_filter"), "[DONE]")
    )
    assert (text, type(error)) == ("so far", ContentFilteredError)


async def test_a_finish_reason_of_error_is_an_error() -> None:
    text, error = await error_of(openai, sse(delta("so far"), delta(finish="error"), "[DONE]"))
    assert (text, type(error)) == ("so far", OverloadedError)


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(response(b"", content_type="text/event-stream"), id="zero bytes"),
        pytest.param(head(), id="zero bytes, closed"),
        pytest.param(response(b"\n\n"), id="blank"),
        pytest.param(sse("[DONE]"), id="DONE only"),
        pytest.param(sse(delta(finish="stop"), "[DONE]"), id="finish only"),
        pytest.param(sse(delta(" \n", "stop"), "[DONE]"), id="white space"),
        pytest.param(sse(delta("", reasoning="hm"), delta(finish="length")), id="only thought"),
        pytest.param(as_json({"choices": [{"message": {"content": ""}}]}), id="empty document"),
        pytest.param(sse("{not json"), id="malformed JSON"),
        pytest.param(sse("17"), id="JSON that is no object"),
    ],
)
async def test_no_text_is_never_an_empty_answer(reply: bytes) -> None:
    _, error = await error_of(openai, reply)
    assert type(error) is BadResponseError


async def test_an_error_status_with_an_sse_body_is_read() -> None:
    body = events({"error": {"message": "slow down", "code": "429"}}, "[DONE]")
    _, error = await error_of(openai, response(body, 500, content_type="text/event-stream"))
    assert type(error) is RateLimitedError
    assert "slow down" in str(error)


async def test_closing_the_generator_closes_the_connection() -> None:
    async def endless(_: object, reader: Reader, writer: Writer) -> None:
        writer.write(sse(delta("first")))
        await wire.hold(reader)

    async with serve(endless) as wire:
        provider = openai(wire.url)
        stream = provider.stream([user("hello")])
        assert await anext(stream) == TextDelta("first")
        await stream.aclose()
        await asyncio.wait_for(wire.left.wait(), 10)
        await provider.close()


async def test_text_is_given_as_it_arrives() -> None:
    go_on = asyncio.Event()

    async def paced(_: object, reader: Reader, writer: Writer) -> None:
        writer.write(sse(delta("first")))
        await go_on.wait()
        writer.write(events(delta("second", "stop"), "[DONE]"))

    async with serve(paced) as wire:
        provider = openai(wire.url)
        stream = provider.stream([user("hello")])
        assert await anext(stream) == TextDelta("first")
        go_on.set()
        assert [event async for event in stream] == [TextDelta("second"), STOP]
        await provider.close()


async def test_the_answer_ends_at_done_though_the_server_keeps_the_connection_open() -> None:
    async def lingering(_: object, reader: Reader, writer: Writer) -> None:
        writer.write(sse(delta("hi", "stop"), "[DONE]"))
        await wire.hold(reader)

    async with serve(lingering) as wire:
        outcome = await ask(openai(wire.url))
        await asyncio.wait_for(wire.left.wait(), 10)
    assert outcome.events == [TextDelta("hi"), STOP]
