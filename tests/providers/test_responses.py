"""OpenAI's Responses API and the servers that speak it, byte by byte."""

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

from providers.base import (
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
from providers.responses import Responses

STOP = Finish(FinishReason.STOP)
CREATED = {
    "type": "response.created",
    "sequence_number": 0,
    "response": {"id": "resp_1", "object": "response", "status": "in_progress", "error": None},
}
PART = {
    "type": "response.content_part.added",
    "output_index": 0,
    "part": {"type": "output_text", "text": ""},
}
KEEPALIVE = {"type": "keepalive", "sequence_number": 3}


def text(piece: str, index: int = 0) -> dict:
    return {
        "type": "response.output_text.delta",
        "item_id": f"msg_{index}",
        "output_index": index,
        "content_index": 0,
        "delta": piece,
        "obfuscation": "x8",
    }


def item(*said: str, kind: str = "output_text") -> dict:
    field = "refusal" if kind == "refusal" else "text"
    content = [{"type": kind, field: one} for one in said]
    return {"type": "message", "id": "msg_0", "role": "assistant", "content": content}


def last(status: str = "completed", **response: object) -> dict:
    usage = {"input_tokens": 7, "output_tokens": 2, "total_tokens": 9}
    whole = {"object": "response", "status": status, "error": None, "output": []}
    return {"type": f"response.{status}", "response": whole | {"usage": usage} | response}


def named(*data: dict) -> bytes:
    """Events as OpenAI sends them, each with its `event:` line."""
    return b"".join(b"event: " + one["type"].encode() + b"\n" + events(one) for one in data)


WHOLE = (CREATED, PART, text("Hel"), KEEPALIVE, text("lo"), last())


def responses(url: str, **settings: object) -> Responses:
    settings = {"model": "m"} | settings
    return Responses(ProviderSettings("responses", base_url=f"{url}/v1", **settings))


async def test_the_request_is_the_responses_apis() -> None:
    said = [
        Message.of(Role.SYSTEM, "Be brief."),
        user("hello"),
        Message.of(Role.ASSISTANT, "Hi!"),
        user("again"),
    ]
    async with serve(sse(*WHOLE)) as wire:
        await ask(responses(wire.url, api_key="sk-1", max_tokens=9, temperature=0.5), said)
    request = wire.received[0]
    assert (request.method, request.target) == ("POST", "/v1/responses")
    assert request.headers["authorization"] == "Bearer sk-1"
    assert request.json == {
        "model": "m",
        "instructions": "Be brief.",
        "input": [
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": "Hi!"},
            {"role": "user", "content": "again"},
        ],
        "max_output_tokens": 9,
        "temperature": 0.5,
        "stream": True,
        "store": False,
    }


async def test_nothing_is_sent_that_was_not_set() -> None:
    async with serve(sse(*WHOLE)) as wire:
        await ask(responses(wire.url))
    assert wire.received[0].json.keys() == {"model", "input", "stream", "store"}
    assert "authorization" not in wire.received[0].headers


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(head() + named(*WHOLE), id="plain"),
        pytest.param(sse(*WHOLE), id="a proxy left the event lines out"),
        pytest.param(head() + named(*WHOLE).replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(sse(*WHOLE, "[DONE]"), id="OpenRouter: DONE after the end"),
        pytest.param(sse(*WHOLE[:-1]) + events(last())[:-2], id="the last blank line is missing"),
        pytest.param(sse(CREATED, last(output=[item("Hel", "lo")])), id="no deltas, only the end"),
        pytest.param(
            as_json({"object": "response", "status": "completed", "output": [item("Hello")]}),
            id="answered without streaming",
        ),
        pytest.param(
            head(200, "Transfer-Encoding: chunked")
            + in_chunks(*(bytes([b]) for b in named(*WHOLE))),
            id="byte by byte",
        ),
        pytest.param(
            head(200, "Transfer-Encoding: chunked") + in_chunks(named(*WHOLE), end=False),
            id="connection dropped after the end",
        ),
    ],
)
async def test_the_answer_is_read(reply: bytes) -> None:
    got = await answer_to(responses, reply)
    assert "".join(event.text for event in got if isinstance(event, TextDelta)) == "Hello"
    assert got[-1] == STOP
    assert got.count(STOP) == 1


async def test_usage_comes_before_the_finish() -> None:
    assert (await answer_to(responses, sse(*WHOLE)))[-2:] == [Usage(7, 2), STOP]


@pytest.mark.parametrize("kind", ["reasoning_text", "reasoning_summary_text"])
async def test_reasoning_is_no_text(kind: str) -> None:
    thought = {"type": f"response.{kind}.delta", "output_index": 0, "delta": "hm"}
    got = await answer_to(responses, sse(thought, text("yes", 1), last()))
    assert got == [ReasoningDelta("hm"), TextDelta("yes"), Usage(7, 2), STOP]


async def test_parts_of_a_reasoning_summary_are_told_apart() -> None:
    def part(index: int) -> dict:
        return {"type": "response.reasoning_summary_part.added", "summary_index": index}

    thought = {"type": "response.reasoning_summary_text.delta", "delta": "hm"}
    got = await answer_to(responses, sse(part(0), thought, part(1), thought, text("yes"), last()))
    thoughts = "".join(event.text for event in got if isinstance(event, ReasoningDelta))
    assert thoughts == "hm\n\nhm"


async def test_reasoning_of_a_whole_response_is_no_text() -> None:
    reasoning = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}
    got = await answer_to(
        responses,
        as_json({"object": "response", "status": "completed", "output": [reasoning, item("yes")]}),
    )
    assert got == [ReasoningDelta("hm"), TextDelta("yes"), STOP]


async def test_think_tags_split_over_deltas_are_reasoning() -> None:
    """As vLLM and LM Studio send them over this API, too."""
    pieces = ["<th", "ink>hm", "</thi", "nk>\n", "\nyes"]
    got = await answer_to(responses, sse(*map(text, pieces), last()))
    assert got[:2] == [ReasoningDelta("hm"), TextDelta("yes")]


async def test_two_messages_of_one_answer_are_two_paragraphs() -> None:
    """GPT-5 Codex: a comment first, then the final answer, each an output item."""
    got = await answer_to(
        responses, sse(text("Let me see."), text("It", 2), text(" is 4.", 2), last())
    )
    said = "".join(event.text for event in got if isinstance(event, TextDelta))
    assert said == "Let me see.\n\nIt is 4."


async def test_an_emoji_split_into_lone_surrogates_is_joined() -> None:
    halves = [orjson.dumps(text("@")).replace(b"@", half) for half in (rb"a\ud83d", rb"\ude00b")]
    body = b"".join(b"data: " + half + b"\n\n" for half in halves)
    got = await answer_to(responses, head() + body + events(last()))
    assert got[0] == TextDelta("a😀b")


@pytest.mark.parametrize(
    "reply",
    [
        sse({"type": "response.refusal.delta", "output_index": 0, "delta": "I can't."}, last()),
        sse(last(output=[item("I can't.", kind="refusal")])),
    ],
)
async def test_a_refusal_is_what_the_model_says(reply: bytes) -> None:
    assert await answer_to(responses, reply) == [TextDelta("I can't."), Usage(7, 2), STOP]


@pytest.mark.parametrize("reason", ["max_output_tokens", "max_messages", None])
async def test_an_incomplete_response_is_cut_by_length(reason: str | None) -> None:
    cut = last("incomplete", incomplete_details={"reason": reason})
    assert (await answer_to(responses, sse(text("so far"), cut)))[-1] == Finish(FinishReason.LENGTH)


async def test_a_content_filter_keeps_the_partial_text() -> None:
    cut = last("incomplete", incomplete_details={"reason": "content_filter"})
    partial, failure = await error_of(responses, sse(text("so far"), cut))
    assert (partial, type(failure)) == ("so far", ContentFilteredError)


def flat(code: str, said: str = "it broke") -> dict:
    return {"type": "error", "code": code, "message": said, "param": None, "sequence_number": 2}


def nested(code: str, said: str = "it broke") -> dict:
    inner = {"type": "service_unavailable_error", "code": code, "message": said}
    return {"type": "error", "error": inner}


def failed(code: str, said: str = "it broke") -> dict:
    return last("failed", error={"code": code, "message": said})


@pytest.mark.parametrize("shape", [flat, nested, failed])
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("server_is_overloaded", OverloadedError),
        ("server_error", OverloadedError),
        ("rate_limit_exceeded", RateLimitedError),
        ("slow_down", RateLimitedError),
        ("insufficient_quota", QuotaExceededError),
        ("context_length_exceeded", ContextTooLongError),
        ("invalid_prompt", BadRequestError),
        ("misalignment_policy_violation", ContentFilteredError),
    ],
)
async def test_an_error_at_http_200_keeps_the_text_before_it(
    shape: object, code: str, expected: type[ProviderError]
) -> None:
    partial, failure = await error_of(
        responses, head() + named(CREATED, text("so far"), shape(code))
    )
    assert (partial, type(failure)) == ("so far", expected)
    assert "it broke" in str(failure)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("Rate limit reached for m. Please try again in 1.5s. Visit …", 1.5),
        ("Rate limit reached for m. Please try again in 20ms.", 0.02),
        ("Rate limit reached for m. Please try again in 6m0s.", 360),
        ("Rate limit reached for m.", None),
    ],
)
async def test_an_error_in_the_stream_tells_how_long_to_wait(
    said: str, seconds: float | None
) -> None:
    _, failure = await error_of(responses, sse(failed("rate_limit_exceeded", said)))
    assert isinstance(failure, RateLimitedError)
    assert failure.retry_after == (pytest.approx(seconds) if seconds else None)


async def test_the_milliseconds_header_is_more_exact() -> None:
    """OpenAI and Azure send it beside Retry-After."""
    reply = as_json({"error": {"message": "slow"}}, 429, "retry-after-ms: 1500", "Retry-After: 2")
    _, failure = await error_of(responses, reply)
    assert isinstance(failure, RateLimitedError)
    assert failure.retry_after == 1.5


@pytest.mark.parametrize(
    ("status", "said", "expected"),
    [
        (400, {"code": "context_length_exceeded", "message": "Your input"}, ContextTooLongError),
        (400, {"message": "Unsupported parameter: 'temperature'"}, BadRequestError),
        (429, {"code": "credit_balance_exhausted", "message": "no credit"}, QuotaExceededError),
        (429, {"code": "rate_limit_exceeded", "message": "slow"}, RateLimitedError),
        (503, {"code": "server_is_overloaded", "message": "busy"}, OverloadedError),
    ],
)
async def test_a_status_has_its_error(
    status: int, said: dict, expected: type[ProviderError]
) -> None:
    _, failure = await error_of(responses, as_json({"error": said}, status))
    assert type(failure) is expected


async def test_a_document_that_failed_is_an_error() -> None:
    said = {"code": "server_error", "message": "it broke"}
    _, failure = await error_of(
        responses, as_json({"object": "response", "status": "failed", "error": said, "output": []})
    )
    assert type(failure) is OverloadedError
    assert "it broke" in str(failure)


async def test_a_cancelled_document_is_no_answer() -> None:
    _, failure = await error_of(
        responses, as_json({"status": "cancelled", "output": [item("so far")]})
    )
    assert type(failure) is OverloadedError


@pytest.mark.parametrize("ending", [(), ("[DONE]",)])
async def test_the_end_of_the_body_without_a_last_event_is_truncation(ending: tuple) -> None:
    partial, failure = await error_of(responses, sse(*WHOLE[:-1], *ending))
    assert (partial, type(failure)) == ("Hello", TruncatedError)


async def test_a_cut_connection_is_no_answer() -> None:
    cut = head(200, "Transfer-Encoding: chunked") + in_chunks(named(*WHOLE[:3]), end=False)
    partial, failure = await error_of(responses, cut)
    assert (partial, type(failure)) == ("Hel", ConnectionFailedError)


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(response(b"", content_type="text/event-stream"), id="zero bytes"),
        pytest.param(sse(CREATED, last()), id="no text"),
        pytest.param(
            sse(last("incomplete", incomplete_details={"reason": "max_output_tokens"})),
            id="the limit was spent on reasoning",
        ),
        pytest.param(sse("{not json"), id="malformed JSON"),
        pytest.param(
            response(b"<html><title>Sign in</title></html>", content_type="text/html"),
            id="web page",
        ),
    ],
)
async def test_no_text_is_never_an_empty_answer(reply: bytes) -> None:
    _, failure = await error_of(responses, reply)
    assert type(failure) is BadResponseError


async def test_text_is_given_as_it_arrives_and_the_last_event_ends_the_answer() -> None:
    go_on = asyncio.Event()

    async def paced(_: object, reader: Reader, writer: Writer) -> None:
        writer.write(sse(*WHOLE[:3]))
        await go_on.wait()
        writer.write(events(*WHOLE[3:]))
        await wire.hold(reader)

    async with serve(paced) as wire:
        provider = responses(wire.url)
        stream = provider.stream([user("hello")])
        assert await anext(stream) == TextDelta("Hel")
        go_on.set()
        assert [event async for event in stream] == [TextDelta("lo"), Usage(7, 2), STOP]
        await asyncio.wait_for(wire.left.wait(), 10)
        await provider.close()


@pytest.mark.parametrize(
    ("settings", "mend"),
    [
        ({"model": "m"}, "api_key is required for https://api.openai.com/v1"),
        ({"api_key": "sk-x"}, "model is required"),
    ],
)
def test_settings_that_cannot_work_are_named(settings: dict, mend: str) -> None:
    with pytest.raises(ValueError, match=mend):
        Responses(ProviderSettings("responses", **settings))
