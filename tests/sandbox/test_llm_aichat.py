"""The aichat server: one JSON for another."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import pytest

from sandbox.llm.script import HttpReply, Script, StreamError
from sandbox.llm.server import LlmSandbox

HEADERS = {
    "User-Agent": "Mozilla/5.0 (X11)",
    "Origin": "https://chat.example.com",
    "Referer": "https://chat.example.com/",
}
BODY = {
    "message": "system: Be brief.\nuser: hello\nassistant:",
    "temperature": 0.5,
    "presence_penalty": 0,
    "top_p": 1,
    "frequency_penalty": 0,
}


@pytest.fixture
async def server() -> AsyncIterator[LlmSandbox]:
    async with LlmSandbox(Script('Say "hi"\n😀')) as running:
        yield running


async def post(
    server: LlmSandbox, body: object = BODY, headers: Mapping[str, str] = HEADERS
) -> tuple[int, dict[str, Any]]:
    url = f"{server.aichat_url}/api/text"
    async with (
        aiohttp.ClientSession(skip_auto_headers=["User-Agent"]) as session,
        session.post(url, json=body, headers=headers) as response,
    ):
        return response.status, await response.json()


async def test_the_reply_is_one_json(server: LlmSandbox) -> None:
    assert await post(server) == (200, {"response": True, "message": 'Say "hi"\n😀'})


async def test_lone_surrogates_meet_in_the_one_string(server: LlmSandbox) -> None:
    server.script(Script("a 😀", lone_surrogates=True))
    assert (await post(server))[1]["message"] == "a 😀"


async def test_an_error_at_200_has_a_falsy_response(server: LlmSandbox) -> None:
    server.script(Script("one two", fault=StreamError(1, "too busy")))
    assert await post(server) == (200, {"response": False, "message": "too busy"})


async def test_a_reply_without_the_response_field(server: LlmSandbox) -> None:
    server.script(Script(fault=HttpReply(200, '{"message": "hi"}')))
    assert await post(server) == (200, {"message": "hi"})


async def test_the_prompt_is_recorded_as_messages(server: LlmSandbox) -> None:
    await post(server)
    messages = [(m.role, m.text) for m in server.requests[-1].messages]
    assert messages == [("system", "Be brief."), ("user", "hello")]


@pytest.mark.parametrize("field", BODY)
async def test_each_field_is_required(server: LlmSandbox, field: str) -> None:
    body = {name: value for name, value in BODY.items() if name != field}
    status, reply = await post(server, body)
    assert (status, reply["error"]["field"]) == (400, field)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("message", ""),
        ("message", [{"role": "user", "content": "hello"}]),
        ("temperature", "1"),
        ("temperature", 3),
        ("presence_penalty", 1),
        ("presence_penalty", False),
        ("top_p", 0.5),
        ("frequency_penalty", None),
        ("model", "gpt-4"),
    ],
)
async def test_each_field_is_checked(server: LlmSandbox, field: str, value: object) -> None:
    status, reply = await post(server, {**BODY, field: value})
    assert (status, reply["error"]["field"]) == (400, field)


@pytest.mark.parametrize("header", HEADERS)
async def test_a_browsers_headers_are_required(server: LlmSandbox, header: str) -> None:
    headers = {name: value for name, value in HEADERS.items() if name != header}
    status, reply = await post(server, headers=headers)
    assert (status, reply["error"]["field"]) == (403, header)
