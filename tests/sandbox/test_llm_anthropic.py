"""The Anthropic server: its events in their order, and what it refuses."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from yarl import URL

from sandbox.llm.script import ChatImage, HttpReply, Script, StreamError, TooLong
from sandbox.llm.server import LlmSandbox

PNG = b"\x89PNG\r\n\x1a\n0000"
HELLO = [{"role": "user", "content": "hello"}]
BODY = {"model": "sandbox", "max_tokens": 100, "messages": HELLO}


def image(media_type: str, data: bytes) -> dict[str, object]:
    encoded = base64.b64encode(data).decode()
    source = {"type": "base64", "media_type": media_type, "data": encoded}
    return {"type": "image", "source": source}


@pytest.fixture
async def server() -> AsyncIterator[LlmSandbox]:
    async with LlmSandbox(Script("Hi there")) as running:
        yield running


@pytest.fixture
async def client(server: LlmSandbox) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"x-api-key": str(server.key), "anthropic-version": "2023-06-01"}
    async with aiohttp.ClientSession(headers=headers) as session:
        yield session


async def ask(
    server: LlmSandbox, client: aiohttp.ClientSession, **changes: object
) -> tuple[int, Any]:
    url = f"{server.anthropic_url}/v1/messages"
    async with client.post(url, json={**BODY, **changes}) as response:
        return response.status, await response.json()


async def events(
    server: LlmSandbox, client: aiohttp.ClientSession, **changes: object
) -> list[dict[str, Any]]:
    """The data of each event, whose type is checked against its name."""
    url = f"{server.anthropic_url}/v1/messages"
    async with client.post(url, json={**BODY, "stream": True, **changes}) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        text = await response.text()
    read = []
    for event in text.removesuffix("\n\n").split("\n\n"):
        name, data = event.split("\n")
        read.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {read[-1]['type']}"
    return read


async def test_a_stream_is_message_start_block_delta_stop(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    got = await events(server, client)
    assert [event["type"] for event in got] == [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    message = got[0]["message"]
    assert (message["role"], message["model"], message["content"]) == ("assistant", "sandbox", [])
    assert message["stop_reason"] is None
    assert message["usage"]["input_tokens"] == 1
    assert got[1]["content_block"] == {"type": "text", "text": ""}
    assert [e["delta"] for e in got[3:5]] == [
        {"type": "text_delta", "text": "Hi"},
        {"type": "text_delta", "text": " there"},
    ]
    assert {event["index"] for event in got if "index" in event} == {0}
    assert got[6]["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}
    assert got[6]["usage"] == {"output_tokens": 2}


async def test_thinking_is_a_signed_block_before_the_text(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    server.script(Script("Hi", thinking="let me"))
    got = await events(server, client, thinking={"type": "adaptive"})
    blocks = [(e["type"], e["index"], e.get("delta")) for e in got if "index" in e]
    assert blocks == [
        ("content_block_start", 0, None),
        ("content_block_delta", 0, {"type": "thinking_delta", "thinking": "let"}),
        ("content_block_delta", 0, {"type": "thinking_delta", "thinking": " me"}),
        ("content_block_delta", 0, {"type": "signature_delta", "signature": "c2FuZGJveA=="}),
        ("content_block_stop", 0, None),
        ("content_block_start", 1, None),
        ("content_block_delta", 1, {"type": "text_delta", "text": "Hi"}),
        ("content_block_stop", 1, None),
    ]


async def test_thinking_is_not_shown_unasked(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    server.script(Script("Hi", thinking="let me"))
    assert "thinking" not in json.dumps(await events(server, client))


async def test_an_empty_answer_has_no_block(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    server.script(Script(""))
    got = await events(server, client)
    assert [event["type"] for event in got] == ["message_start", "message_delta", "message_stop"]
    assert (await ask(server, client))[1]["content"] == []


@pytest.mark.parametrize(
    ("reason", "sent"),
    [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("content_filter", "refusal"),
        ("pause_turn", "pause_turn"),
        (None, None),
    ],
)
async def test_stop_reasons(
    server: LlmSandbox, client: aiohttp.ClientSession, reason: str | None, sent: str | None
) -> None:
    server.script(Script("Hi", finish_reason=reason))
    got = await events(server, client)
    assert got[-2]["delta"]["stop_reason"] == sent
    assert (await ask(server, client))[1]["stop_reason"] == sent


async def test_without_stream_one_message(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    server.script(Script('Say "hi"\n😀', thinking="let me"))
    status, message = await ask(server, client, max_tokens=2000, thinking={"type": "adaptive"})
    assert status == 200
    assert message["content"] == [
        {"type": "thinking", "thinking": "let me", "signature": "c2FuZGJveA=="},
        {"type": "text", "text": 'Say "hi"\n😀'},
    ]
    assert (message["type"], message["role"]) == ("message", "assistant")
    assert message["usage"]["output_tokens"] == 3


async def test_an_error_in_the_stream_is_an_event(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    server.script(Script("one two", fault=StreamError(1, "Overloaded")))
    got = await events(server, client)
    error = {"type": "overloaded_error", "message": "Overloaded"}
    assert got[-1] == {"type": "error", "error": error}


@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        (401, "authentication_error", "invalid x-api-key"),
        (403, "permission_error", "Your API key does not have permission"),
        (404, "not_found_error", "model: "),
        (429, "rate_limit_error", "rate limit"),
        (500, "api_error", "Internal server error"),
        (529, "overloaded_error", "Overloaded"),
    ],
)
async def test_http_errors(
    server: LlmSandbox, client: aiohttp.ClientSession, status: int, kind: str, message: str
) -> None:
    server.script(Script(fault=HttpReply(status)))
    got, error = await ask(server, client)
    assert got == status
    assert (error["type"], error["error"]["type"]) == ("error", kind)
    assert message in error["error"]["message"]
    assert error["request_id"].startswith("req_")


async def test_a_prompt_that_is_too_long(server: LlmSandbox, client: aiohttp.ClientSession) -> None:
    server.script(Script(fault=TooLong()))
    status, error = await ask(server, client)
    assert status == 400
    assert error["error"] == {
        "type": "invalid_request_error",
        "message": "prompt is too long: 210000 tokens > 200000 maximum",
    }


async def test_system_turns_and_images_are_recorded(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    parts = [{"type": "text", "text": "look"}, image("image/png", PNG)]
    messages = [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": parts},
        {"role": "user", "content": "again"},
    ]
    system = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    status, _ = await ask(server, client, messages=messages, system=system)
    assert status == 200
    recorded = server.requests[-1].messages
    assert [(m.role, m.text) for m in recorded] == [
        ("system", "Be brief."),
        ("user", "one"),
        ("assistant", "two"),
        ("user", "look"),
        ("user", "again"),
    ]
    assert recorded[3].images == (ChatImage("image/png", PNG),)


def user(*blocks: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": list(blocks)}]}


BAD = [
    ({"model": ""}, "model"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": None}, "max_tokens"),
    ({"messages": []}, "messages: at least one message is required"),
    ({"messages": [{"role": "assistant", "content": "x"}]}, "first message must use the"),
    ({"messages": [*HELLO, {"role": "assistant", "content": "x"}]}, "must end with a user message"),
    ({"messages": [{"role": "system", "content": "x"}, *HELLO]}, 'Unexpected role "system"'),
    ({"messages": [{"role": "bot", "content": "x"}]}, "messages.0.role"),
    ({"messages": [{"role": "user", "content": ""}]}, "messages.0: all messages must have non-emp"),
    ({"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
    ({"messages": [{"role": "user", "content": "x", "name": "Ada"}]}, "messages.0.name: Extra inp"),
    ({"messages": [{"role": "user", "content": " \n"}]}, "must contain non-whitespace text"),
    (user({"type": "text", "text": ""}), "messages: text content blocks must be non-empty"),
    (user({"type": "image_url", "image_url": {"url": "x"}}), "messages.0.content.0.type"),
    (user(image("image/bmp", b"BM")), "messages.0.content.0.source.media_type"),
    (user(image("image/jpeg", PNG)), "image/jpeg media type, but the image appears to be a image/"),
    (user(image("image/png", b"nothing")), "Could not process image"),
    (user(image("image/png", PNG + b"0" * 5 * 2**20)), "image exceeds 5 MB maximum"),
    ({"system": [{"type": "text", "text": ""}]}, "system: text content blocks must be non-empty"),
    ({"temperature": 1.5}, "temperature"),
    ({"stream": "yes"}, "stream"),
    ({"max_completion_tokens": 5}, "max_completion_tokens: Extra inputs are not permitted"),
    ({"thinking": {"type": "on"}}, "thinking.type"),
    ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens: Field required"),
    ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "must be greater than"),
]


@pytest.mark.parametrize(("changes", "said"), BAD, ids=[said for _, said in BAD])
async def test_a_wrong_request_is_refused(
    server: LlmSandbox, client: aiohttp.ClientSession, changes: dict[str, object], said: str
) -> None:
    status, error = await ask(server, client, **changes)
    assert status == 400
    assert error["error"]["type"] == "invalid_request_error"
    assert said in error["error"]["message"]


@pytest.mark.parametrize("field", BODY)
async def test_a_missing_field_is_refused(
    server: LlmSandbox, client: aiohttp.ClientSession, field: str
) -> None:
    body = {name: value for name, value in BODY.items() if name != field}
    async with client.post(f"{server.anthropic_url}/v1/messages", json=body) as response:
        assert response.status == 400
        assert (await response.json())["error"]["message"] == f"{field}: Field required"


async def test_an_unknown_model_is_not_found(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    status, error = await ask(server, client, model="claude-1")
    assert (status, error["error"]["message"]) == (404, "model: claude-1")


@pytest.mark.parametrize(
    ("headers", "status", "said"),
    [
        ({"anthropic-version": "2023-06-01"}, 401, "x-api-key header is required"),
        ({"x-api-key": "k", "anthropic-version": "2023-06-01"}, 401, "invalid x-api-key"),
        ({"Authorization": "sandbox-key", "anthropic-version": "2023-06-01"}, 401, "is required"),
        ({"x-api-key": "sandbox-key"}, 400, "anthropic-version: header is required"),
        ({"x-api-key": "sandbox-key", "anthropic-version": "2020-01-01"}, 400, "not a valid versi"),
        ({"x-api-key": "sandbox-key", "anthropic-version": "2026-10-21"}, 200, ""),
        ({"Authorization": "Bearer sandbox-key", "anthropic-version": "2023-06-01"}, 200, ""),
    ],
)
@pytest.mark.parametrize("path", ["messages", "models"])
async def test_key_and_version_are_asked_for(
    server: LlmSandbox, headers: dict[str, str], status: int, said: str, path: str
) -> None:
    method = "POST" if path == "messages" else "GET"
    url = f"{server.anthropic_url}/v1/{path}"
    async with (
        aiohttp.ClientSession(headers=headers) as client,
        client.request(method, url, json=BODY if path == "messages" else None) as response,
    ):
        assert response.status == status
        assert said in await response.text()


async def test_the_latest_version_takes_no_temperature(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    url = f"{server.anthropic_url}/v1/messages"
    for version, status in (("2023-06-01", 200), ("2026-10-21", 400)):
        headers = {"anthropic-version": version}
        async with client.post(url, json={**BODY, "temperature": 1}, headers=headers) as response:
            assert response.status == status


async def test_models_are_listed_and_shown(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    url = f"{server.anthropic_url}/v1/models"
    async with client.get(url) as response:
        listed = await response.json()
    assert [model["id"] for model in listed["data"]] == ["sandbox", "sandbox-large"]
    assert listed["has_more"] is False
    async with client.get(f"{url}/sandbox") as response:
        assert (await response.json())["display_name"] == "Sandbox"
    async with client.get(f"{url}/other") as response:
        assert response.status == 404


async def test_the_control_shows_images_by_their_size_and_keys_not_at_all(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    messages = [{"role": "user", "content": [image("image/png", PNG)]}]
    assert (await ask(server, client, messages=messages))[0] == 200
    async with client.get(URL(server.anthropic_url).with_path("/control/requests")) as response:
        text = await response.text()
    message = json.loads(text)["requests"][0]["messages"][0]
    assert message["images"] == [{"media_type": "image/png", "size": len(PNG), "url": ""}]
    assert str(server.key) not in text
