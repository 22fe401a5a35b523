"""The Gemini server: its responses as events, as an array and as one, and what it refuses."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from sandbox.llm.script import ChatImage, HttpReply, Script, StreamError, TooLong
from sandbox.llm.server import LlmSandbox

PNG = b"\x89PNG\r\n\x1a\n\xfb\xff\xfe"
HELLO = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
THINKING = {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}}


def blob(data: str, mime_type: str = "image/png") -> dict[str, object]:
    return {"inlineData": {"mimeType": mime_type, "data": data}}


@pytest.fixture
async def server() -> AsyncIterator[LlmSandbox]:
    async with LlmSandbox(Script("Hi there")) as running:
        yield running


@pytest.fixture
async def client(server: LlmSandbox) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers={"x-goog-api-key": str(server.key)}) as session:
        yield session


def url(server: LlmSandbox, method: str, model: str = "sandbox") -> str:
    return f"{server.gemini_url}/v1beta/models/{model}:{method}"


async def ask(
    server: LlmSandbox, client: aiohttp.ClientSession, body: object = HELLO, model: str = "sandbox"
) -> tuple[int, Any]:
    async with client.post(url(server, "generateContent", model), json=body) as response:
        return response.status, await response.json()


async def stream(
    server: LlmSandbox, client: aiohttp.ClientSession, body: object = HELLO, query: str = "?alt=sse"
) -> str:
    address = url(server, "streamGenerateContent") + query
    async with client.post(address, json=body) as response:
        assert response.status == 200
        return await response.text()


def chunks(text: str) -> list[dict[str, Any]]:
    """The responses in a stream of events, whose lines end in CRLF."""
    *read, rest = text.split("\r\n\r\n")
    assert rest == ""
    return [json.loads(event.removeprefix("data: ")) for event in read]


def parts(responses: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [part for r in responses for part in r["candidates"][0]["content"]["parts"]]


async def test_a_stream_of_responses_ends_with_a_finish_reason(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    got = chunks(await stream(server, client))
    assert parts(got) == [{"text": "Hi"}, {"text": " there"}, {"text": ""}]
    reasons = [response["candidates"][0].get("finishReason") for response in got]
    assert reasons == [None, None, "STOP"]
    counts = [response["usageMetadata"]["candidatesTokenCount"] for response in got]
    assert counts == [1, 2, 2]
    assert got[-1]["usageMetadata"]["totalTokenCount"] == 3
    assert {response["modelVersion"] for response in got} == {"sandbox"}
    assert len({response["responseId"] for response in got}) == 1


async def test_without_alt_sse_the_stream_is_one_json_array(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    got = json.loads(await stream(server, client, query=""))
    assert parts(got) == [{"text": "Hi"}, {"text": " there"}, {"text": ""}]
    assert got[-1]["candidates"][0]["finishReason"] == "STOP"


async def test_thoughts_are_parts_of_their_own_when_asked_for(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    server.script(Script("Hi", thinking="let me"))
    thought = [{"text": "let", "thought": True}, {"text": " me", "thought": True}]
    got = chunks(await stream(server, client, {**HELLO, **THINKING}))
    assert parts(got) == [*thought, {"text": "Hi"}, {"text": ""}]
    assert got[-1]["usageMetadata"]["thoughtsTokenCount"] == 2
    assert parts(chunks(await stream(server, client))) == [{"text": "Hi"}, {"text": ""}]


async def test_generate_content_is_one_response(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    server.script(Script('Say "hi"\n', thinking="let me"))
    status, got = await ask(server, client, {**HELLO, **THINKING})
    assert status == 200
    assert parts([got]) == [{"text": "let me", "thought": True}, {"text": 'Say "hi"\n'}]
    assert got["candidates"][0]["finishReason"] == "STOP"
    assert got["usageMetadata"] == {
        "promptTokenCount": 1,
        "candidatesTokenCount": 3,
        "totalTokenCount": 6,
        "thoughtsTokenCount": 2,
    }


@pytest.mark.parametrize(
    ("reason", "sent"),
    [("length", "MAX_TOKENS"), ("content_filter", "SAFETY"), ("RECITATION", "RECITATION")],
)
async def test_finish_reasons(
    server: LlmSandbox, client: aiohttp.ClientSession, reason: str, sent: str
) -> None:
    server.script(Script("Hi", finish_reason=reason))
    got = chunks(await stream(server, client))
    assert got[-1]["candidates"][0]["finishReason"] == sent


async def test_a_missing_finish_reason(server: LlmSandbox, client: aiohttp.ClientSession) -> None:
    server.script(Script("Hi", finish_reason=None))
    assert "finishReason" not in await stream(server, client)


async def test_an_error_in_the_stream_is_bare_json(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    server.script(Script("one two", fault=StreamError(1, "Overloaded")))
    event, _, error = (await stream(server, client)).partition("\r\n\r\n")
    assert event.startswith("data: {")
    assert error.startswith("{\n")
    assert json.loads(error) == {
        "error": {"code": 503, "message": "Overloaded", "status": "UNAVAILABLE"}
    }
    items = json.loads(await stream(server, client, query=""))
    assert items[-1] == json.loads(error)


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
        (429, "RESOURCE_EXHAUSTED"),
        (500, "INTERNAL"),
        (503, "UNAVAILABLE"),
    ],
)
async def test_http_errors(
    server: LlmSandbox, client: aiohttp.ClientSession, status: int, name: str
) -> None:
    server.script(Script(fault=HttpReply(status)))
    got, error = await ask(server, client)
    assert got == status
    assert (error["error"]["code"], error["error"]["status"]) == (status, name)
    assert error["error"]["message"]


@pytest.mark.parametrize(("retry_after", "delays"), [("17", ["17s"]), (None, [])])
async def test_when_to_come_back_stands_in_the_body(
    server: LlmSandbox,
    client: aiohttp.ClientSession,
    retry_after: str | None,
    delays: list[str],
) -> None:
    server.script(Script(fault=HttpReply(429, retry_after=retry_after)))
    async with client.post(url(server, "generateContent"), json=HELLO) as response:
        assert "Retry-After" not in response.headers
        details = (await response.json())["error"]["details"]
    kinds = {detail["@type"].rpartition(".")[2]: detail for detail in details}
    assert "QuotaFailure" in kinds
    assert [d["retryDelay"] for d in details if "retryDelay" in d] == delays


async def test_a_prompt_that_is_too_long(server: LlmSandbox, client: aiohttp.ClientSession) -> None:
    server.script(Script(fault=TooLong()))
    status, error = await ask(server, client)
    assert (status, error["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert "exceeds the maximum number of tokens allowed" in error["error"]["message"]


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
async def test_system_turns_and_images_are_recorded(
    server: LlmSandbox, client: aiohttp.ClientSession, encode: Callable[[bytes], bytes]
) -> None:
    body = {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "one"}]},
            {"role": "model", "parts": [{"text": "hm", "thought": True}, {"text": "two"}]},
            {"parts": [{"text": "look"}, blob(encode(PNG).decode())]},
        ],
    }
    status, _ = await ask(server, client, body)
    assert status == 200
    recorded = server.requests[-1].messages
    assert [(m.role, m.text) for m in recorded] == [
        ("system", "Be brief."),
        ("user", "one"),
        ("assistant", "two"),
        ("user", "look"),
    ]
    assert recorded[3].images == (ChatImage("image/png", PNG),)


async def test_names_can_be_written_in_snake_case(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    data = base64.b64encode(PNG).decode()
    body = {
        "system_instruction": {"parts": [{"text": "Be brief."}]},
        "contents": [{"parts": [{"inline_data": {"mime_type": "image/png", "data": data}}]}],
        "generation_config": {"max_output_tokens": 5},
    }
    status, _ = await ask(server, client, body)
    assert status == 200
    assert server.requests[-1].messages[0].text == "Be brief."


def part(value: object) -> dict[str, object]:
    return {"contents": [{"parts": [value]}]}


BAD = [
    ({}, "GenerateContentRequest.contents: contents is not specified"),
    ({"contents": []}, "contents is not specified"),
    ({"contents": [{"role": "user", "parts": []}]}, "contents[0].parts: contents.parts must not"),
    ({"contents": [{"role": "user"}]}, "contents.parts must not be empty"),
    ({"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]}, "a valid role: user, model"),
    ({"contents": [{"role": "system", "parts": [{"text": "x"}]}]}, "a valid role: user, model"),
    ({"contents": [{"role": "user", "content": "x"}]}, "Unknown name \"content\" at 'contents[0]'"),
    ({**HELLO, "messages": []}, 'Unknown name "messages": Cannot find field.'),
    (
        {**HELLO, "generationConfig": {"maxTokens": 5}},
        "Unknown name \"maxTokens\" at 'generation_config'",
    ),
    ({**HELLO, "generationConfig": {"temperature": 3}}, "generation_config.temperature"),
    (part({"text": ""}), "contents[0].parts[0].data: required oneof field 'data' must have one"),
    (part({}), "required oneof field 'data' must have one initialized field"),
    (part({"text": "x", **blob("AAAA")}), "oneof field 'data' is already set"),
    (part({"type": "text", "text": "x"}), "Unknown name \"type\" at 'contents[0].parts[0]'"),
    (part(blob("AAAA", "image/bmp")), "contents[0].parts[0].inline_data.mimeType"),
    (part(blob("AAAA")), "Could not process image"),
    (part(blob("!")), "contents[0].parts[0].inline_data.data"),
]


@pytest.mark.parametrize(("body", "said"), BAD, ids=[said for _, said in BAD])
async def test_a_wrong_request_is_refused(
    server: LlmSandbox, client: aiohttp.ClientSession, body: object, said: str
) -> None:
    status, error = await ask(server, client, body)
    assert (status, error["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert said in error["error"]["message"]


async def test_an_unknown_model_is_not_found(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    status, error = await ask(server, client, model="gemini-0")
    assert (status, error["error"]["status"]) == (404, "NOT_FOUND")
    assert error["error"]["message"].startswith("models/gemini-0 is not found for API version v1b")


async def test_an_unknown_method_is_not_found(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    async with client.post(url(server, "chat"), json=HELLO) as response:
        assert response.status == 404


@pytest.mark.parametrize(
    ("headers", "query", "status", "said"),
    [
        ({}, "", 403, "PERMISSION_DENIED"),
        ({"x-goog-api-key": "no"}, "", 400, "API_KEY_INVALID"),
        ({"Authorization": "Bearer sandbox-key"}, "", 401, "UNAUTHENTICATED"),
        ({"x-api-key": "sandbox-key"}, "", 403, "PERMISSION_DENIED"),
        ({}, "?key=sandbox-key", 200, "candidates"),
    ],
)
async def test_the_key_stands_in_its_header_or_the_query(
    server: LlmSandbox, headers: dict[str, str], query: str, status: int, said: str
) -> None:
    async with (
        aiohttp.ClientSession(headers=headers) as client,
        client.post(url(server, "generateContent") + query, json=HELLO) as response,
    ):
        assert response.status == status
        assert said in await response.text()


@pytest.mark.parametrize("version", ["v1", "v1beta"])
async def test_models_are_listed_and_shown(
    server: LlmSandbox, client: aiohttp.ClientSession, version: str
) -> None:
    models = f"{server.gemini_url}/{version}/models"
    async with client.get(models) as response:
        listed = (await response.json())["models"]
    assert [model["name"] for model in listed] == ["models/sandbox", "models/sandbox-large"]
    assert "streamGenerateContent" in listed[0]["supportedGenerationMethods"]
    async with client.get(f"{models}/sandbox") as response:
        assert await response.json() == listed[0]
    async with client.get(f"{models}/other") as response:
        assert response.status == 404
