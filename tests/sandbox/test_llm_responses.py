"""The Responses server: what OpenAI's own client makes of it, and what it refuses."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import openai
import pytest

from sandbox.llm.script import ChatImage, HttpReply, Script, StreamError, TooLong
from sandbox.llm.server import LlmSandbox

PNG = b"\x89PNG\r\n\x1a\n0000"
PNG_URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
BODY = {"model": "sandbox", "input": "hello"}


@pytest.fixture
async def server() -> AsyncIterator[LlmSandbox]:
    async with LlmSandbox(Script("Hi there")) as running:
        yield running


@pytest.fixture
async def client(server: LlmSandbox) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bearer {server.key}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        yield session


@pytest.fixture
async def sdk(server: LlmSandbox) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        api_key=str(server.key), base_url=server.responses_url, max_retries=0
    ) as running:
        yield running


async def ask(
    server: LlmSandbox, client: aiohttp.ClientSession, **changes: object
) -> tuple[int, Any]:
    async with client.post(f"{server.responses_url}/responses", json=BODY | changes) as response:
        return response.status, await response.json()


async def events(
    server: LlmSandbox, client: aiohttp.ClientSession, **changes: object
) -> list[dict[str, Any]]:
    """The data of each event, whose type and place are checked."""
    url = f"{server.responses_url}/responses"
    async with client.post(url, json={**BODY, "stream": True, **changes}) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        text = await response.text()
    read: list[dict[str, Any]] = []
    for event in text.removesuffix("\n\n").split("\n\n"):
        name, data = event.split("\n")
        read.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {read[-1]['type']}"
    assert [event["sequence_number"] for event in read] == list(range(len(read)))
    return read


TEXT_EVENTS = [
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
]


async def test_a_stream_tells_each_step_of_the_response(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    got = await events(server, client)
    assert [event["type"] for event in got] == [
        "response.created",
        "response.in_progress",
        *TEXT_EVENTS,
        "response.completed",
    ]
    assert got[0]["response"]["status"] == "in_progress"
    assert got[0]["response"]["output"] == []
    deltas = [event for event in got if event["type"] == "response.output_text.delta"]
    assert [event["delta"] for event in deltas] == ["Hi", " there"]
    places = {(e["item_id"], e["output_index"], e["content_index"]) for e in deltas}
    assert places == {(got[2]["item"]["id"], 0, 0)}
    assert got[6]["text"] == "Hi there"
    final = got[-1]["response"]
    assert (final["status"], final["error"], final["incomplete_details"]) == (
        "completed",
        None,
        None,
    )
    assert final["output"] == [got[8]["item"]]
    assert (final["usage"]["input_tokens"], final["usage"]["output_tokens"]) == (1, 2)


async def test_short_deltas_are_padded_unless_that_is_declined(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    deltas = (await events(server, client))[4:6]
    assert len({len(e["delta"] + e["obfuscation"]) for e in deltas}) == 1
    plain = await events(server, client, stream_options={"include_obfuscation": False})
    assert not any("obfuscation" in event for event in plain)


async def test_openais_client_reads_the_stream(server: LlmSandbox, sdk: openai.AsyncOpenAI) -> None:
    server.script(Script("Hi there 😀", thinking="let me"))
    async with sdk.responses.stream(
        model="sandbox", input="hello", instructions="Be brief.", reasoning={"summary": "auto"}
    ) as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_response()
    assert kinds.count("response.reasoning_summary_text.delta") == 2
    assert [item.type for item in final.output] == ["reasoning", "message"]
    assert final.output_text == "Hi there 😀"
    assert final.usage is not None
    assert final.usage.total_tokens == 6


async def test_openais_client_reads_the_whole(server: LlmSandbox, sdk: openai.AsyncOpenAI) -> None:
    server.script(Script('Say "hi"\n', thinking="let me"))
    whole = await sdk.responses.create(
        model="sandbox", input="hello", reasoning={"summary": "auto"}
    )
    assert [item.type for item in whole.output] == ["reasoning", "message"]
    assert whole.output_text == 'Say "hi"\n'
    assert whole.status == "completed"
    assert [model.id async for model in sdk.models.list()] == ["sandbox", "sandbox-large"]


async def test_reasoning_is_summarized_only_when_asked_for(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    server.script(Script("Hi there", thinking="let me"))
    got = await events(server, client, reasoning={"effort": "low"})
    assert [event["type"] for event in got][2:-1] == TEXT_EVENTS


@pytest.mark.parametrize(
    ("reason", "end", "details", "error"),
    [
        ("length", "incomplete", {"reason": "max_output_tokens"}, None),
        ("content_filter", "incomplete", {"reason": "content_filter"}, None),
        ("failed", "failed", None, "server_error"),
    ],
)
async def test_other_ends(
    server: LlmSandbox,
    client: aiohttp.ClientSession,
    reason: str,
    end: str,
    details: object,
    error: str | None,
) -> None:
    server.script(Script("Hi", finish_reason=reason))
    last = (await events(server, client))[-1]
    assert last["type"] == f"response.{end}"
    _, whole = await ask(server, client)
    for response in (last["response"], whole):
        assert response["status"] == end
        assert response["incomplete_details"] == details
        assert (response["error"] or {}).get("code") == error
        assert response["output"][0]["status"] == "incomplete"


async def test_an_error_in_the_stream_is_flat(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    server.script(Script("one two", fault=StreamError(1, "broken")))
    assert (await events(server, client))[-1] == {
        "type": "error",
        "code": "server_error",
        "message": "broken",
        "param": None,
        "sequence_number": 5,
    }


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (401, "invalid_request_error", "invalid_api_key"),
        (403, "invalid_request_error", "unsupported_country_region_territory"),
        (404, "invalid_request_error", "model_not_found"),
        (429, "tokens", "rate_limit_exceeded"),
        (500, "server_error", "server_error"),
        (529, "server_error", "server_is_overloaded"),
    ],
)
async def test_http_errors(
    server: LlmSandbox, client: aiohttp.ClientSession, status: int, kind: str, code: str
) -> None:
    server.script(Script(fault=HttpReply(status)))
    got, error = await ask(server, client)
    assert got == status
    assert (error["error"]["type"], error["error"]["code"]) == (kind, code)


async def test_a_prompt_that_is_too_long(server: LlmSandbox, client: aiohttp.ClientSession) -> None:
    server.script(Script(fault=TooLong()))
    status, error = await ask(server, client)
    assert (status, error["error"]["code"]) == (400, "context_length_exceeded")


async def test_instructions_turns_and_images_are_recorded(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    turns = [
        {"role": "user", "content": "one"},
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "two"}],
        },
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "look"},
                {"type": "input_image", "image_url": PNG_URL},
                {"type": "input_image", "image_url": "https://example.com/a.png"},
            ],
        },
    ]
    status, _ = await ask(server, client, input=turns, instructions="Be brief.")
    assert status == 200
    recorded = server.requests[-1].messages
    assert [(m.role, m.text) for m in recorded] == [
        ("system", "Be brief."),
        ("user", "one"),
        ("assistant", "two"),
        ("user", "look"),
    ]
    assert recorded[3].images == (
        ChatImage("image/png", PNG),
        ChatImage(url="https://example.com/a.png"),
    )


def said_by(role: str, **part: object) -> dict[str, object]:
    return {"input": [{"role": role, "content": [part]}]}


BAD = [
    ({"model": "gpt-0"}, "model", "model_not_found"),
    ({"input": []}, "input", "invalid_value"),
    ({"input": 5}, "input", "invalid_value"),
    ({"input": [{"role": "bot", "content": "x"}]}, "input[0].role", "invalid_value"),
    ({"input": [{"role": "user"}]}, "input[0].content", "missing_required_parameter"),
    ({"input": [{"content": "x"}]}, "input[0].role", "missing_required_parameter"),
    (said_by("user", type="text", text="x"), "input[0].content[0]", "invalid_value"),
    (said_by("user", type="output_text", text="x"), "input[0].content[0]", "invalid_value"),
    (said_by("assistant", type="input_text", text="x"), "input[0].content[0]", "invalid_value"),
    (
        said_by("user", type="input_image", image_url={"url": PNG_URL}),
        "input[0].content[0].image_url",
        "invalid_value",
    ),
    (
        said_by("user", type="input_image", image_url="data:image/png;base64,!"),
        "input[0].content[0].image_url",
        "invalid_value",
    ),
    (
        said_by("user", type="input_image", image_url=PNG_URL, detail="max"),
        "input[0].content[0].detail",
        "invalid_value",
    ),
    ({"messages": []}, "messages", "unknown_parameter"),
    ({"max_tokens": 100}, "max_tokens", "unknown_parameter"),
    ({"max_output_tokens": 1}, "max_output_tokens", "invalid_value"),
    ({"stream_options": {"include_obfuscation": True}}, "stream_options", "invalid_value"),
    (
        {"stream": True, "stream_options": {"include_usage": True}},
        "stream_options.include_usage",
        "unknown_parameter",
    ),
    ({"reasoning": {"summary": "long"}}, "reasoning.summary", "invalid_value"),
    ({"temperature": 3}, "temperature", "invalid_value"),
]


@pytest.mark.parametrize(("changes", "param", "code"), BAD)
async def test_a_wrong_parameter_is_refused_by_name(
    server: LlmSandbox,
    client: aiohttp.ClientSession,
    changes: dict[str, object],
    param: str,
    code: str,
) -> None:
    status, error = await ask(server, client, **changes)
    assert status == 400
    assert error["error"]["type"] == "invalid_request_error"
    assert (error["error"]["param"], error["error"]["code"]) == (param, code)


@pytest.mark.parametrize("field", BODY)
async def test_a_missing_parameter_is_refused(
    server: LlmSandbox, client: aiohttp.ClientSession, field: str
) -> None:
    body = {name: value for name, value in BODY.items() if name != field}
    async with client.post(f"{server.responses_url}/responses", json=body) as response:
        error = (await response.json())["error"]
    assert error["message"] == f"Missing required parameter: '{field}'."
    assert error["code"] == "missing_required_parameter"


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer no"}, {"x-api-key": "k"}])
async def test_the_key_is_a_bearer_token(server: LlmSandbox, headers: dict[str, str]) -> None:
    async with aiohttp.ClientSession(headers=headers) as client:
        status, error = await ask(server, client)
    assert (status, error["error"]["code"]) == (401, "invalid_api_key")
