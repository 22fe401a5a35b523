"""The OpenAI-compatible server: what it answers, and what it refuses."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from sandbox.llm.script import ChatImage, Script, TooLong
from sandbox.llm.server import LlmSandbox

HELLO = [{"role": "user", "content": "hello"}]
PNG = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


@pytest.fixture
async def server() -> AsyncIterator[LlmSandbox]:
    async with LlmSandbox() as running:
        yield running


@pytest.fixture
async def client(server: LlmSandbox) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bearer {server.key}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        yield session


async def ask(server: LlmSandbox, client: aiohttp.ClientSession, body: object) -> tuple[int, str]:
    url = f"{server.openai_url}/chat/completions"
    async with client.post(url, json=body) as response:
        return response.status, await response.text()


async def events(
    server: LlmSandbox, client: aiohttp.ClientSession, **body: object
) -> list[dict[str, Any]]:
    asked = {"model": "m", "messages": HELLO, "stream": True, **body}
    status, text = await ask(server, client, asked)
    assert status == 200
    data = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert data.pop() == "[DONE]"
    return [json.loads(item) for item in data]


async def test_the_stream_is_role_deltas_finish(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    server.script(Script("Hi there"))
    chunks = await events(server, client)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas == [
        {"role": "assistant", "content": ""},
        {"content": "Hi"},
        {"content": " there"},
        {},
    ]
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert reasons == [None, None, None, "stop"]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert {chunk["model"] for chunk in chunks} == {"m"}
    assert not any("usage" in chunk for chunk in chunks)


async def test_usage_comes_last_without_choices_when_asked_for(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    server.script(Script("Hi there"))
    chunks = await events(server, client, stream_options={"include_usage": True})
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    assert all(chunk["usage"] is None for chunk in chunks[:-1])


async def test_without_stream_one_json_with_usage(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    server.script(Script('Say "hi"\n'))
    status, text = await ask(server, client, {"model": "m", "messages": HELLO})
    answer = json.loads(text)
    assert status == 200
    assert answer["object"] == "chat.completion"
    assert answer["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": 'Say "hi"\n'},
            "finish_reason": "stop",
        }
    ]
    assert answer["usage"]["total_tokens"] == 4


async def test_the_default_answer_shows_the_history(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    history = [{"role": "system", "content": "Be brief."}, *HELLO]
    _, text = await ask(server, client, {"model": "m", "messages": history})
    content = json.loads(text)["choices"][0]["message"]["content"]
    assert "> hello" in content
    assert "**2 messages**" in content


async def test_text_parts_are_read_and_images_taken(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    parts = [{"type": "text", "text": "look"}, PNG]
    body = {"model": "m", "messages": [{"role": "user", "content": parts}]}
    status, text = await ask(server, client, body)
    assert status == 200
    assert "> look" in json.loads(text)["choices"][0]["message"]["content"]
    assert server.requests[-1].body == body
    assert server.requests[-1].messages[0].images == (ChatImage("image/png", bytes(3)),)


async def test_models_are_listed(server: LlmSandbox, client: aiohttp.ClientSession) -> None:
    async with client.get(f"{server.openai_url}/models") as response:
        listed = await response.json()
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == ["sandbox", "sandbox-large"]


@pytest.mark.parametrize("authorization", ["Bearer wrong", "Basic sandbox-key", "Bearer "])
@pytest.mark.parametrize("path", ["chat/completions", "models"])
async def test_a_wrong_key_is_a_401(
    server: LlmSandbox, client: aiohttp.ClientSession, authorization: str, path: str
) -> None:
    method = "GET" if path == "models" else "POST"
    headers = {"Authorization": authorization}
    url = f"{server.openai_url}/{path}"
    async with client.request(method, url, headers=headers) as response:
        assert response.status == 401
        error = (await response.json())["error"]
    assert error["code"] == "invalid_api_key"
    assert server.key not in error["message"]


async def test_key_none_takes_any_key_but_not_none() -> None:
    async with LlmSandbox(key=None) as server, aiohttp.ClientSession() as session:
        url = f"{server.openai_url}/models"
        async with session.get(url, headers={"Authorization": "Bearer whatever"}) as response:
            assert response.status == 200
        async with session.get(url) as response:
            assert response.status == 401


async def test_what_is_thought_comes_before_the_text(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    server.script(Script("Hi", thinking="let me"))
    deltas = [chunk["choices"][0]["delta"] for chunk in await events(server, client)]
    thoughts = [{"reasoning_content": "let"}, {"reasoning_content": " me"}]
    assert deltas[1:-1] == [*thoughts, {"content": "Hi"}]


async def test_a_prompt_that_is_too_long(server: LlmSandbox, client: aiohttp.ClientSession) -> None:
    server.script(Script(fault=TooLong()))
    status, text = await ask(server, client, {"model": "m", "messages": HELLO})
    assert (status, json.loads(text)["error"]["code"]) == (400, "context_length_exceeded")


GOOD = {
    "temperature": 0.5,
    "max_tokens": 10,
    "max_completion_tokens": 10,
    "top_p": 1,
    "stop": ["\n"],
    "seed": 1,
    "user": "u",
    "n": 1,
    "response_format": {"type": "text"},
    "reasoning_effort": "low",
}


@pytest.mark.parametrize("field", GOOD)
async def test_known_fields_are_taken(
    server: LlmSandbox, client: aiohttp.ClientSession, field: str
) -> None:
    status, _ = await ask(server, client, {"model": "m", "messages": HELLO, field: GOOD[field]})
    assert status == 200


BAD = [
    ("model", {"model": None}),
    ("model", {"model": ""}),
    ("messages", {"messages": []}),
    ("messages", {"messages": "hello"}),
    ("messages[0]", {"messages": ["hello"]}),
    ("messages[0].role", {"messages": [{"content": "x"}]}),
    ("messages[0].role", {"messages": [{"role": "bot", "content": "x"}]}),
    ("messages[0].content", {"messages": [{"role": "user"}]}),
    ("messages[0].content", {"messages": [{"role": "user", "content": None}]}),
    ("messages[0].content", {"messages": [{"role": "user", "content": []}]}),
    ("messages[0].content", {"messages": [{"role": "user", "content": 5}]}),
    ("messages[1].text", {"messages": [*HELLO, {"role": "user", "content": "x", "text": "x"}]}),
    ("messages[0].content[0].type", {"messages": [{"role": "user", "content": [{"text": "x"}]}]}),
    ("messages[0].content[0].type", {"messages": [{"role": "assistant", "content": [PNG]}]}),
    (
        "messages[0].content[0].text",
        {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
    ),
    (
        "messages[0].content[0].image_url.url",
        {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}
            ]
        },
    ),
    ("stream", {"stream": "yes"}),
    ("stream_options", {"stream_options": {"include_usage": True}}),
    ("stream_options.usage", {"stream": True, "stream_options": {"usage": True}}),
    ("stream_options.include_usage", {"stream": True, "stream_options": {"include_usage": 1}}),
    ("temperature", {"temperature": 2.1}),
    ("temperature", {"temperature": True}),
    ("max_tokens", {"max_tokens": 0}),
    ("max_tokens", {"max_tokens": 1.5}),
    ("system", {"system": "Be brief."}),
]


@pytest.mark.parametrize(("field", "change"), BAD)
async def test_a_wrong_field_is_refused_by_name(
    server: LlmSandbox, client: aiohttp.ClientSession, field: str, change: dict[str, object]
) -> None:
    status, text = await ask(server, client, {"model": "m", "messages": HELLO, **change})
    error = json.loads(text)["error"]
    assert status == 400
    assert error["param"] == field
    assert error["type"] == "invalid_request_error"
    assert field in error["message"]


@pytest.mark.parametrize("field", ["model", "messages"])
async def test_a_missing_field_is_refused_by_name(
    server: LlmSandbox, client: aiohttp.ClientSession, field: str
) -> None:
    body = {"model": "m", "messages": HELLO}
    del body[field]
    status, text = await ask(server, client, body)
    assert status == 400
    assert json.loads(text)["error"]["param"] == field


async def test_what_is_not_json_is_refused(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    url = f"{server.openai_url}/chat/completions"
    headers = {"Content-Type": "application/json"}
    async with client.post(url, data=b"{", headers=headers) as response:
        assert response.status == 400
        assert (await response.json())["error"]["param"] == "body"
    async with client.post(url, data=b"{}", headers={"Content-Type": "text/plain"}) as response:
        assert response.status == 400
        assert (await response.json())["error"]["param"] == "Content-Type"


async def test_a_refused_request_uses_no_script_up(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    server.script(Script("queued"), times=1)
    await ask(server, client, {"model": "m"})
    _, text = await ask(server, client, {"model": "m", "messages": HELLO})
    assert json.loads(text)["choices"][0]["message"]["content"] == "queued"
