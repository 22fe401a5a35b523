"""Google's Gemini API, byte by byte."""

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
    RateLimitedError,
    ReasoningDelta,
    Role,
    TextDelta,
    TruncatedError,
    Usage,
)
from providers.gemini import Gemini

STOP = Finish(FinishReason.STOP)
KEY = "AIzaSyA-secret-secret-secret"


def chunk(*parts: str | dict, finish: str | None = None, **fields: object) -> dict:
    made = [{"text": part} if isinstance(part, str) else part for part in parts]
    candidate: dict = {"index": 0, "content": {"role": "model", "parts": made}}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "modelVersion": "m", "responseId": "r"} | fields


def error(code: int, status: str, said: str = "it broke", details: object = ()) -> dict:
    return {"error": {"code": code, "message": said, "status": status, "details": list(details)}}


LAST = {"candidates": [{"index": 0, "finishReason": "STOP"}]}
WHOLE = (chunk("Hel"), chunk("lo"), LAST)


def gemini(url: str, **settings: object) -> Gemini:
    settings = {"model": "gemini-m"} | settings
    return Gemini(ProviderSettings("gemini", base_url=url, **settings))


async def test_the_request_is_the_gemini_apis() -> None:
    said = [
        Message.of(Role.SYSTEM, "Be brief."),
        user("hello"),
        Message.of(Role.ASSISTANT, "Hi!"),
        user("again"),
    ]
    async with serve(sse(*WHOLE)) as wire:
        await ask(gemini(wire.url, api_key=KEY, max_tokens=9, temperature=0.5), said)
    request = wire.received[0]
    assert request.method == "POST"
    assert request.target == "/v1beta/models/gemini-m:streamGenerateContent?alt=sse"
    assert request.headers["x-goog-api-key"] == KEY
    assert request.json == {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "hello"}]},
            {"role": "model", "parts": [{"text": "Hi!"}]},
            {"role": "user", "parts": [{"text": "again"}]},
        ],
        "generationConfig": {"temperature": 0.5, "maxOutputTokens": 9},
    }


async def test_nothing_is_sent_that_was_not_set() -> None:
    async with serve(sse(*WHOLE)) as wire:
        await ask(gemini(wire.url))
    assert wire.received[0].json.keys() == {"contents"}
    assert "x-goog-api-key" not in wire.received[0].headers


@pytest.mark.parametrize(
    ("base", "model", "target"),
    [
        ("", "models/m", "/v1beta/models/m:streamGenerateContent?alt=sse"),
        ("", "tunedModels/m", "/v1beta/tunedModels/m:streamGenerateContent?alt=sse"),
        (
            "/proxy/?region=eu",
            "m",
            "/proxy/v1beta/models/m:streamGenerateContent?region=eu&alt=sse",
        ),
        ("", "m?x#y", "/v1beta/models/m%3Fx%23y:streamGenerateContent?alt=sse"),
    ],
)
async def test_the_model_is_part_of_the_path(base: str, model: str, target: str) -> None:
    async with serve(sse(*WHOLE)) as wire:
        await ask(gemini(f"{wire.url}{base}", model=model))
    assert wire.received[0].target == target


async def test_neighbours_of_one_role_become_one_turn() -> None:
    async with serve(sse(*WHOLE)) as wire:
        await ask(gemini(wire.url), [user("one"), user(""), user("two")])
    assert wire.received[0].json["contents"] == [
        {"role": "user", "parts": [{"text": "one"}, {"text": "two"}]}
    ]


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(sse(*WHOLE), id="plain"),
        pytest.param(sse(chunk("Hel"), chunk("lo", finish="STOP")), id="the last chunk has text"),
        pytest.param(
            sse(chunk("Hel", "lo"), chunk("", finish="STOP")), id="several parts in a chunk"
        ),
        pytest.param(head() + events(*WHOLE).replace(b"\n", b"\r\n"), id="CRLF, as Google sends"),
        pytest.param(sse(*WHOLE, "[DONE]"), id="a proxy added DONE"),
        pytest.param(
            sse(chunk("Hel", finish="STOP"), chunk("lo", finish="STOP")),
            id="Gemini 1.0: every chunk has a finish reason",
        ),
        pytest.param(sse(*WHOLE, {"usageMetadata": {"promptTokenCount": 1}}), id="usage last"),
        pytest.param(as_json(list(WHOLE)), id="a proxy lost alt=sse: an array of chunks"),
        pytest.param(as_json(chunk("Hello", finish="STOP")), id="answered without streaming"),
        pytest.param(
            head(200, "Transfer-Encoding: chunked")
            + in_chunks(*(bytes([b]) for b in events(*WHOLE))),
            id="byte by byte",
        ),
        pytest.param(
            head(200, "Transfer-Encoding: chunked") + in_chunks(events(*WHOLE), end=False),
            id="connection dropped after the finish reason",
        ),
    ],
)
async def test_the_answer_is_read(reply: bytes) -> None:
    got = await answer_to(gemini, reply)
    assert "".join(event.text for event in got if isinstance(event, TextDelta)) == "Hello"
    assert got[-1] == STOP
    assert got.count(STOP) == 1


async def test_a_cut_among_chunks_that_all_finish_is_no_answer() -> None:
    """Gemini 1.0: a finish reason that is not the last one ends nothing."""
    said = events(chunk("Hel", finish="STOP"), chunk("lo", finish="STOP"))
    cut = head(200, "Transfer-Encoding: chunked") + in_chunks(said, end=False)
    partial, failure = await error_of(gemini, cut)
    assert (partial, type(failure)) == ("Hello", ConnectionFailedError)


async def test_thought_parts_are_no_text() -> None:
    thought = {"text": "hm", "thought": True, "thoughtSignature": "x"}
    got = await answer_to(gemini, sse(chunk(thought), chunk("yes", finish="STOP")))
    assert got == [ReasoningDelta("hm"), TextDelta("yes"), STOP]


async def test_think_tags_split_over_chunks_are_reasoning() -> None:
    """As Gemma models write them behind this API."""
    pieces = ["<th", "ink>hm", "</thi", "nk>\n", "\nyes"]
    got = await answer_to(gemini, sse(*map(chunk, pieces), LAST))
    assert got == [ReasoningDelta("hm"), TextDelta("yes"), STOP]


async def test_parts_that_are_no_text_are_skipped() -> None:
    call = {"functionCall": {"name": "f", "args": {}}}
    got = await answer_to(gemini, sse(chunk(call, "yes", {"inlineData": {}}), LAST))
    assert got == [TextDelta("yes"), STOP]


async def test_an_emoji_split_into_lone_surrogates_is_joined() -> None:
    halves = [orjson.dumps(chunk("@")).replace(b"@", half) for half in (rb"a\ud83d", rb"\ude00b")]
    body = b"".join(b"data: " + half + b"\n\n" for half in halves)
    got = await answer_to(gemini, head() + body + events(LAST))
    assert got == [TextDelta("a😀b"), STOP]


async def test_thoughts_are_counted_as_output_and_the_last_count_is_given_once() -> None:
    first = {"promptTokenCount": 7}
    final = {"promptTokenCount": 7, "candidatesTokenCount": 2, "thoughtsTokenCount": 30}
    got = await answer_to(
        gemini,
        sse(chunk("hi", usageMetadata=first), chunk("!", finish="STOP", usageMetadata=final)),
    )
    assert got == [TextDelta("hi!"), Usage(7, 32), STOP]


async def test_length_is_a_finish_of_its_own() -> None:
    got = await answer_to(gemini, sse(chunk("cut", finish="MAX_TOKENS")))
    assert got[-1] == Finish(FinishReason.LENGTH)


@pytest.mark.parametrize("reason", ["SAFETY", "RECITATION", "PROHIBITED_CONTENT", "BLOCKLIST"])
async def test_a_content_filter_keeps_the_partial_text(reason: str) -> None:
    partial, failure = await error_of(gemini, sse(chunk("so far"), chunk(finish=reason)))
    assert (partial, type(failure)) == ("so far", ContentFilteredError)
    assert reason in str(failure)


@pytest.mark.parametrize("reason", ["OTHER", "MALFORMED_FUNCTION_CALL", "A_NEW_ONE"])
async def test_an_answer_given_up_is_an_error(reason: str) -> None:
    partial, failure = await error_of(gemini, sse(chunk("so far"), chunk(finish=reason)))
    assert (partial, type(failure)) == ("so far", OverloadedError)


@pytest.mark.parametrize("reply", [sse, as_json])
async def test_a_blocked_question_is_told_apart(reply: object) -> None:
    blocked = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {}}
    _, failure = await error_of(gemini, reply(blocked))
    assert type(failure) is ContentFilteredError
    assert "PROHIBITED_CONTENT" in str(failure)


STATUSES = [
    (400, "INVALID_ARGUMENT", "it broke", BadRequestError),
    (
        400,
        "INVALID_ARGUMENT",
        "The input token count (3475108) exceeds the maximum number of tokens allowed (1048576).",
        ContextTooLongError,
    ),
    (401, "UNAUTHENTICATED", "it broke", AuthenticationError),
    (403, "PERMISSION_DENIED", "it broke", AuthenticationError),
    (404, "NOT_FOUND", "it broke", BadRequestError),
    (429, "RESOURCE_EXHAUSTED", "it broke", RateLimitedError),
    (500, "INTERNAL", "it broke", OverloadedError),
    (503, "UNAVAILABLE", "it broke", OverloadedError),
]


@pytest.mark.parametrize(("code", "status", "said", "expected"), STATUSES)
@pytest.mark.parametrize("wrap", [lambda one: one, lambda one: [one]], ids=["bare", "in an array"])
async def test_a_status_has_its_error(
    code: int, status: str, said: str, expected: type[ProviderError], wrap: object
) -> None:
    _, failure = await error_of(gemini, as_json(wrap(error(code, status, said)), code))
    assert type(failure) is expected
    assert said in str(failure)


@pytest.mark.parametrize(("code", "status", "said", "expected"), STATUSES)
async def test_an_error_in_mid_stream_keeps_the_text_before_it(
    code: int, status: str, said: str, expected: type[ProviderError]
) -> None:
    partial, failure = await error_of(gemini, sse(chunk("so far"), error(code, status, said)))
    assert (partial, type(failure)) == ("so far", expected)


async def test_a_bare_json_error_amid_the_events_is_an_error_though_a_finish_came_before() -> None:
    """As in https://github.com/vercel/ai/issues/5217."""
    bare = orjson.dumps(error(503, "UNAVAILABLE"), option=orjson.OPT_INDENT_2)
    partial, failure = await error_of(
        gemini, sse(chunk("Okay"), chunk("", finish="STOP"), ending=bare)
    )
    assert (partial, type(failure)) == ("Okay", OverloadedError)
    assert "it broke" in str(failure)


async def test_a_wrong_key_is_no_bad_request_though_its_status_says_so() -> None:
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
    said = error(400, "INVALID_ARGUMENT", "API key not valid.", [info])
    _, failure = await error_of(gemini, as_json(said, 400))
    assert type(failure) is AuthenticationError


async def test_a_rate_limit_tells_in_its_body_how_long_to_wait() -> None:
    info = [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": []},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37.5s"},
    ]
    _, failure = await error_of(
        gemini, as_json(error(429, "RESOURCE_EXHAUSTED", details=info), 429)
    )
    assert isinstance(failure, RateLimitedError)
    assert failure.retry_after == 37.5


async def test_the_end_of_the_body_without_a_finish_reason_is_truncation() -> None:
    partial, failure = await error_of(gemini, sse(*WHOLE[:-1]))
    assert (partial, type(failure)) == ("Hello", TruncatedError)


async def test_an_array_that_breaks_off_is_no_answer() -> None:
    _, failure = await error_of(gemini, response(orjson.dumps(list(WHOLE))[:-1]))
    assert type(failure) is BadResponseError


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(response(b"", content_type="text/event-stream"), id="zero bytes"),
        pytest.param(sse(LAST), id="Gemini 2.5: STOP and no content"),
        pytest.param(sse(chunk(finish="MAX_TOKENS")), id="the limit was spent on thoughts"),
        pytest.param(sse({"candidates": []}, LAST), id="no candidates"),
        pytest.param(as_json([]), id="an empty array"),
        pytest.param(sse("{not json"), id="malformed JSON"),
        pytest.param(
            response(b"<html><title>Error 404</title></html>", content_type="text/html"),
            id="web page",
        ),
    ],
)
async def test_no_text_is_never_an_empty_answer(reply: bytes) -> None:
    _, failure = await error_of(gemini, reply)
    assert type(failure) is BadResponseError


async def test_text_is_given_as_it_arrives() -> None:
    go_on = asyncio.Event()

    async def paced(_: object, reader: Reader, writer: Writer) -> None:
        writer.write(sse(chunk("Hel")))
        await go_on.wait()
        writer.write(events(chunk("lo", finish="STOP")))

    async with serve(paced) as wire:
        provider = gemini(wire.url)
        stream = provider.stream([user("hello")])
        assert await anext(stream) == TextDelta("Hel")
        go_on.set()
        assert [event async for event in stream] == [TextDelta("lo"), STOP]
        await provider.close()


@pytest.mark.parametrize(
    ("settings", "mend"),
    [
        ({"model": "m"}, "api_key is required for https://generativelanguage"),
        ({"api_key": KEY}, "model is required"),
        ({"base_url": "http://127.0.0.1:9"}, "model is required for gemini"),
    ],
)
def test_settings_that_cannot_work_are_named(settings: dict, mend: str) -> None:
    with pytest.raises(ValueError, match=mend):
        Gemini(ProviderSettings("gemini", **settings))
