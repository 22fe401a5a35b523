"""The Ollama server: its lines, its models, and the little it refuses."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from sandbox.llm.script import ChatImage, HttpReply, Script, StreamError, TooLong
from sandbox.llm.server import LlmSandbox

PNG = b"\x89PNG\r\n\x1a\n0000"
HELLO = [{"role": "user", "content": "hello"}]
BODY = {"model": "sandbox", "messages": HELLO}


@pytest.fixture
async def server() -> AsyncIterator[LlmSandbox]:
    async with LlmSandbox(Script("Hi there")) as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def post(
    server: LlmSandbox, client: aiohttp.ClientSession, path: str, body: object
) -> tuple[int, str, list[Any]]:
    """Status, content type, and the lines of JSON."""
    async with client.post(f"{server.ollama_url}/api/{path}", json=body) as response:
        lines = (await response.text()).splitlines()
        return response.status, response.content_type, [json.loads(line) for line in lines]


async def ask(
    server: LlmSandbox, client: aiohttp.ClientSession, **changes: object
) -> tuple[int, list[Any]]:
    status, _, lines = await post(server, client, "chat", BODY | changes)
    return status, lines


async def test_it_streams_lines_unless_told_otherwise(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    status, content_type, lines = await post(server, client, "chat", BODY)
    assert (status, content_type) == (200, "application/x-ndjson")
    assert [line["message"] for line in lines] == [
        {"role": "assistant", "content": "Hi"},
        {"role": "assistant", "content": " there"},
        {"role": "assistant", "content": ""},
    ]
    assert [line["done"] for line in lines] == [False, False, True]
    assert {line["model"] for line in lines} == {"sandbox"}
    assert all(line["created_at"].endswith("Z") for line in lines)
    last = lines[-1]
    assert last["done_reason"] == "stop"
    assert (last["prompt_eval_count"], last["eval_count"]) == (1, 2)
    assert last["total_duration"] > last["eval_duration"]
    assert "done_reason" not in lines[0]


async def test_without_stream_one_object(server: LlmSandbox, client: aiohttp.ClientSession) -> None:
    server.script(Script('Say "hi"\n', thinking="let me"))
    status, content_type, lines = await post(server, client, "chat", {**BODY, "stream": False})
    assert (status, content_type) == (200, "application/json")
    assert len(lines) == 1
    message = {"role": "assistant", "thinking": "let me", "content": 'Say "hi"\n'}
    assert lines[0]["message"] == message
    assert (lines[0]["done"], lines[0]["done_reason"]) == (True, "stop")


async def test_an_empty_answer_still_has_content(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    server.script(Script("", thinking="hm"))
    _, lines = await ask(server, client, stream=False)
    assert lines[0]["message"] == {"role": "assistant", "thinking": "hm", "content": ""}


@pytest.mark.parametrize(
    ("think", "thoughts"),
    [(None, ["let", " me"]), (True, ["let", " me"]), ("low", ["let", " me"]), (False, [])],
)
async def test_it_thinks_unless_told_otherwise(
    server: LlmSandbox, client: aiohttp.ClientSession, think: object, thoughts: list[str]
) -> None:
    server.script(Script("Hi", thinking="let me"))
    _, lines = await ask(server, client, think=think)
    messages = [line["message"] for line in lines]
    assert [m["thinking"] for m in messages if "thinking" in m] == thoughts
    assert "".join(m["content"] for m in messages) == "Hi"


async def test_lines_can_end_in_crlf(server: LlmSandbox, client: aiohttp.ClientSession) -> None:
    server.script(Script("Hi", crlf=True))
    async with client.post(f"{server.ollama_url}/api/chat", json=BODY) as response:
        body = await response.read()
    assert body.count(b"\n") == body.count(b"\r\n") == 2


@pytest.mark.parametrize(("reason", "sent"), [("length", "length"), (None, None)])
async def test_done_reasons(
    server: LlmSandbox, client: aiohttp.ClientSession, reason: str | None, sent: str | None
) -> None:
    server.script(Script("Hi", finish_reason=reason))
    _, lines = await ask(server, client)
    assert lines[-1].get("done_reason") == sent
    assert lines[-1]["done"] is True


async def test_an_error_in_the_stream_is_a_line(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    server.script(Script("one two", fault=StreamError(1, "broken")))
    status, lines = await ask(server, client)
    assert status == 200
    assert lines[0]["message"]["content"] == "one"
    assert lines[1:] == [{"error": "broken"}]


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503, 529])
async def test_http_errors(server: LlmSandbox, client: aiohttp.ClientSession, status: int) -> None:
    server.script(Script(fault=HttpReply(status)))
    got, lines = await ask(server, client)
    assert got == status
    assert list(lines[0]) == ["error"]
    assert isinstance(lines[0]["error"], str)


async def test_a_prompt_that_is_too_long(server: LlmSandbox, client: aiohttp.ClientSession) -> None:
    server.script(Script(fault=TooLong()))
    error = {"error": "the input length exceeds the context length"}
    assert await ask(server, client) == (400, [error])


async def test_turns_and_images_are_recorded(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    encoded = base64.b64encode(PNG).decode()
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "one"},
        {"role": "Assistant", "content": "two"},
        {"role": "user", "content": "look", "images": [encoded]},
    ]
    status, _ = await ask(server, client, messages=messages)
    assert status == 200
    recorded = server.requests[-1].messages
    assert [(m.role, m.text) for m in recorded] == [
        ("system", "Be brief."),
        ("user", "one"),
        ("assistant", "two"),
        ("user", "look"),
    ]
    assert recorded[3].images == (ChatImage(data=PNG),)


@pytest.mark.parametrize("messages", [[], None])
@pytest.mark.parametrize(("keep_alive", "reason"), [("5m", "load"), (0, "unload")])
async def test_without_messages_the_model_is_only_loaded(
    server: LlmSandbox,
    client: aiohttp.ClientSession,
    messages: object,
    keep_alive: object,
    reason: str,
) -> None:
    status, lines = await ask(server, client, messages=messages, keep_alive=keep_alive)
    assert status == 200
    assert (lines[0]["message"]["content"], lines[0]["done"]) == ("", True)
    assert lines[0]["done_reason"] == reason


async def test_unknown_fields_are_passed_over(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    options = {"num_ctx": 8192, "mirostat": 1, "nonsense": "x"}
    assert (await ask(server, client, max_tokens=5, options=options))[0] == 200


async def test_no_content_type_and_no_key_are_asked_for(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    url = f"{server.ollama_url}/api/chat"
    headers = {"Content-Type": "text/plain", "Authorization": "Bearer any"}
    async with client.post(url, data=json.dumps(BODY), headers=headers) as response:
        assert response.status == 200


def image(text: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": "look", "images": [text]}]}


BAD = [
    ({"model": ""}, 400, "model is required"),
    ({"model": None}, 400, "model is required"),
    ({"model": "llama0"}, 404, "model 'llama0' not found"),
    ({"messages": "hello"}, 400, "messages"),
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, 400, "messages[0].content"),
    ({"stream": "yes"}, 400, "stream"),
    ({"think": "hard"}, 400, "think"),
    ({"options": {"temperature": "hot"}}, 500, "options.temperature"),
    (image("data:image/png;base64,AAAA"), 400, "messages[0].images[0]"),
    (image(base64.b64encode(b"nothing").decode()), 400, "Could not process image"),
]


@pytest.mark.parametrize(("changes", "status", "said"), BAD, ids=[said for *_, said in BAD])
async def test_a_wrong_request_is_refused(
    server: LlmSandbox,
    client: aiohttp.ClientSession,
    changes: dict[str, object],
    status: int,
    said: str,
) -> None:
    got, lines = await ask(server, client, **changes)
    assert got == status
    assert said in lines[0]["error"]


async def test_an_empty_body_is_refused(server: LlmSandbox, client: aiohttp.ClientSession) -> None:
    async with client.post(f"{server.ollama_url}/api/chat") as response:
        assert response.status == 400
        assert await response.json() == {"error": "missing request body"}


async def test_models_are_listed_and_shown(
    server: LlmSandbox, client: aiohttp.ClientSession
) -> None:
    async with client.get(f"{server.ollama_url}/api/tags") as response:
        models = (await response.json())["models"]
    names = [model["name"] for model in models]
    assert names == ["sandbox:latest", "sandbox-large:latest"]
    for name in (names[0], "sandbox"):
        status, _, shown = await post(server, client, "show", {"model": name})
        assert status == 200
        assert shown[0]["capabilities"] == ["completion", "vision", "thinking"]
        assert shown[0]["model_info"]["llama.context_length"] == 131_072
        assert (await ask(server, client, model=name))[0] == 200
    assert (await post(server, client, "show", {"model": "llama0"}))[0] == 404
    async with client.get(f"{server.ollama_url}/api/version") as response:
        assert (await response.json())["version"]
