"""Ollama's own API, line by line."""

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
    head,
    in_chunks,
    response,
    serve,
    user,
)

from providers.base import (
    BadRequestError,
    BadResponseError,
    ConnectionFailedError,
    ContextTooLongError,
    Finish,
    FinishReason,
    Message,
    OverloadedError,
    ProviderError,
    ProviderSettings,
    ReasoningDelta,
    Role,
    TextDelta,
    TruncatedError,
    Usage,
)
from providers.describe import table
from providers.ollama import Ollama

STOP = Finish(FinishReason.STOP)


def line(content: str = "", **fields: object) -> dict:
    message = {"role": "assistant", "content": content} | fields
    return {"model": "m", "created_at": "2026-11-01T00:00:00Z", "message": message, "done": False}


def done(reason: str | None = "stop", content: str = "", **fields: object) -> dict:
    said = {} if reason is None else {"done_reason": reason}
    return line(content) | {"done": True, "total_duration": 5} | said | fields


def lines(*data: dict) -> bytes:
    return b"".join(orjson.dumps(one) + b"\n" for one in data)


def stream_head(*headers: str) -> bytes:
    return head(200, *headers, content_type="application/x-ndjson")


def ndjson(*data: dict) -> bytes:
    return stream_head() + lines(*data)


WHOLE = (line("Hel"), line("lo"), done())


def ollama(url: str, **settings: object) -> Ollama:
    return Ollama(ProviderSettings("ollama", base_url=url, **{"model": "m"} | settings))


async def test_the_request_is_ollamas() -> None:
    said = [
        Message.of(Role.SYSTEM, "Be brief."),
        user("hello"),
        Message.of(Role.ASSISTANT, "Hi!"),
        user("again"),
    ]
    async with serve(ndjson(*WHOLE)) as wire:
        await ask(ollama(wire.url, max_tokens=9, temperature=0.5), said)
    request = wire.received[0]
    assert (request.method, request.target) == ("POST", "/api/chat")
    assert "authorization" not in request.headers
    assert request.json == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": "Hi!"},
            {"role": "user", "content": "again"},
        ],
        "stream": True,
        "options": {"temperature": 0.5, "num_predict": 9},
    }


async def test_nothing_is_sent_that_was_not_set() -> None:
    async with serve(ndjson(*WHOLE)) as wire:
        await ask(ollama(wire.url))
    assert wire.received[0].json.keys() == {"model", "messages", "stream"}


async def test_a_key_is_optional_and_sent_as_a_bearer_token() -> None:
    """For ollama.com, or a proxy that guards a server of one's own."""
    async with serve(ndjson(*WHOLE)) as wire:
        await ask(ollama(wire.url, api_key="ollama-key"))
    assert wire.received[0].headers["authorization"] == "Bearer ollama-key"
    assert {row.kind: row.auth for row in table()}["ollama"] == "optional"


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(ndjson(*WHOLE), id="plain"),
        pytest.param(ndjson(line("Hel"), done(content="lo")), id="the last line has text"),
        pytest.param(ndjson(*WHOLE[:-1], done(None)), id="before 0.1.30: no done_reason"),
        pytest.param(ndjson(*WHOLE)[:-1], id="the last newline is missing"),
        pytest.param(stream_head() + lines(*WHOLE).replace(b"\n", b"\r\n\r\n"), id="CRLF"),
        pytest.param(as_json(done(content="Hello")), id="answered without streaming"),
        pytest.param(
            stream_head("Transfer-Encoding: chunked")
            + in_chunks(*(bytes([b]) for b in lines(*WHOLE))),
            id="byte by byte",
        ),
        pytest.param(
            stream_head("Transfer-Encoding: chunked") + in_chunks(lines(*WHOLE), end=False),
            id="connection dropped after done",
        ),
    ],
)
async def test_the_answer_is_read(reply: bytes) -> None:
    got = await answer_to(ollama, reply)
    assert "".join(event.text for event in got if isinstance(event, TextDelta)) == "Hello"
    assert got[-1] == STOP
    assert got.count(STOP) == 1


async def test_thinking_is_no_text() -> None:
    got = await answer_to(ollama, ndjson(line(thinking="hm"), line("yes"), done()))
    assert got == [ReasoningDelta("hm"), TextDelta("yes"), STOP]


async def test_think_tags_split_over_lines_are_reasoning() -> None:
    """Where a model's template is not known to think, its tags come as content."""
    pieces = ["<th", "ink>hm", "</thi", "nk>\n", "\nyes"]
    got = await answer_to(ollama, ndjson(*map(line, pieces), done()))
    assert got == [ReasoningDelta("hm"), TextDelta("yes"), STOP]


async def test_an_emoji_cut_between_lines_is_whole() -> None:
    halves = [orjson.dumps(line("@")).replace(b"@", half) for half in (rb"a\ud83d", rb"\ude00b")]
    got = await answer_to(ollama, stream_head() + b"\n".join(halves) + b"\n" + lines(done()))
    assert got == [TextDelta("a😀b"), STOP]


async def test_a_line_longer_than_any_buffer_is_read() -> None:
    long = "x" * 2_000_000
    assert await answer_to(ollama, ndjson(line(long), done())) == [TextDelta(long), STOP]


async def test_usage_comes_before_the_finish() -> None:
    got = await answer_to(ollama, ndjson(line("hi"), done(prompt_eval_count=7, eval_count=2)))
    assert got == [TextDelta("hi"), Usage(7, 2), STOP]


async def test_length_is_a_finish_of_its_own() -> None:
    got = await answer_to(ollama, ndjson(line("cut"), done("length")))
    assert got[-1] == Finish(FinishReason.LENGTH)


async def test_an_error_line_at_http_200_keeps_the_text_before_it() -> None:
    said = {"error": "an error was encountered while running the model: CUDA error"}
    partial, failure = await error_of(ollama, ndjson(line("so far"), said))
    assert (partial, type(failure)) == ("so far", OverloadedError)
    assert "CUDA error" in str(failure)


@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize(
    "said",
    [
        "the input length exceeds the context length",
        "prompt too long; exceeded max context length by 4 tokens",
    ],
)
async def test_too_long_a_conversation_is_told_apart(said: str, status: int) -> None:
    _, failure = await error_of(ollama, as_json({"error": said}, status))
    assert type(failure) is ContextTooLongError


@pytest.mark.parametrize(
    ("status", "said", "expected"),
    [
        (400, "model is required", BadRequestError),
        (404, "model 'm' not found", BadRequestError),
        (500, "model requires more system memory (9 GiB) than is available", OverloadedError),
        (503, "server busy, please try again. maximum pending requests exceeded", OverloadedError),
    ],
)
async def test_a_status_has_its_error(
    status: int, said: str, expected: type[ProviderError]
) -> None:
    _, failure = await error_of(ollama, as_json({"error": said}, status))
    assert type(failure) is expected
    assert said in str(failure)


async def test_the_end_of_the_body_without_done_is_truncation() -> None:
    partial, failure = await error_of(ollama, ndjson(*WHOLE[:-1]))
    assert (partial, type(failure)) == ("Hello", TruncatedError)


async def test_a_cut_connection_is_no_answer() -> None:
    cut = stream_head("Transfer-Encoding: chunked") + in_chunks(lines(*WHOLE[:1]), end=False)
    partial, failure = await error_of(ollama, cut)
    assert (partial, type(failure)) == ("Hel", ConnectionFailedError)


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(response(b""), id="zero bytes"),
        pytest.param(ndjson(done("load")), id="the model was only loaded"),
        pytest.param(ndjson(line(thinking="hm"), done("length")), id="only thought"),
        pytest.param(stream_head() + b"Ollama is running", id="not JSON"),
        pytest.param(
            response(b"<html><title>Sign in</title></html>", content_type="text/html"),
            id="web page",
        ),
    ],
)
async def test_no_text_is_never_an_empty_answer(reply: bytes) -> None:
    _, failure = await error_of(ollama, reply)
    assert type(failure) is BadResponseError


async def test_text_is_given_as_it_arrives_and_done_ends_the_answer() -> None:
    go_on = asyncio.Event()

    async def paced(_: object, reader: Reader, writer: Writer) -> None:
        writer.write(ndjson(line("Hel")))
        await go_on.wait()
        writer.write(lines(line("lo"), done()))
        await wire.hold(reader)

    async with serve(paced) as wire:
        provider = ollama(wire.url)
        stream = provider.stream([user("hello")])
        assert await anext(stream) == TextDelta("Hel")
        go_on.set()
        assert [event async for event in stream] == [TextDelta("lo"), STOP]
        await asyncio.wait_for(wire.left.wait(), 10)
        await provider.close()


@pytest.mark.parametrize("base_url", [None, "http://127.0.0.1:9"])
def test_a_missing_model_is_named(base_url: str | None) -> None:
    with pytest.raises(ValueError, match="model is required"):
        Ollama(ProviderSettings("ollama", base_url=base_url))
