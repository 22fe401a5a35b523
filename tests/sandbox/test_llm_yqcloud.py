"""The yqcloud server: strict headers and body, raw UTF-8 back."""

import json
from collections.abc import AsyncIterator, Mapping

import aiohttp
import pytest

from sandbox.llm.script import Cut, HttpReply, Malformed, Script, StreamError
from sandbox.llm.server import LlmSandbox
from sandbox.llm.yqcloud import ABUSE_NOTICE

HEADERS = {
    "authority": "api.example.com",
    "origin": "https://chat.example.com",
    "referer": "https://chat.example.com/",
    "user-agent": "Mozilla/5.0 (X11)",
}
BODY = {
    "prompt": "always respond in english | hello",
    "userId": "#/chat/1690000544336",
    "network": True,
    "apikey": "",
    "system": "",
    "withoutContext": False,
}


@pytest.fixture
async def server() -> AsyncIterator[LlmSandbox]:
    async with LlmSandbox(Script("Grüße 😀 世界")) as running:
        yield running


async def post(
    server: LlmSandbox, body: object = BODY, headers: Mapping[str, str] = HEADERS
) -> tuple[int, list[bytes]]:
    """Status, and the body in the pieces the server wrote it in."""
    url = f"{server.yqcloud_url}/api/generateStream"
    async with (
        aiohttp.ClientSession(skip_auto_headers=["User-Agent"]) as session,
        session.post(url, json=body, headers=headers) as response,
    ):
        chunks = [data async for data, _ in response.content.iter_chunks() if data]
        return response.status, chunks


async def test_the_answer_is_raw_utf8(server: LlmSandbox) -> None:
    status, chunks = await post(server)
    assert status == 200
    assert b"".join(chunks).decode() == "Grüße 😀 世界"


async def test_a_character_can_be_split_over_writes(server: LlmSandbox) -> None:
    server.script(Script("😀世", write_size=3))
    _, chunks = await post(server)
    assert chunks == ["😀世".encode()[i : i + 3] for i in (0, 3, 6)]
    with pytest.raises(UnicodeDecodeError):
        chunks[0].decode()


async def test_lone_surrogates_do_not_exist_in_raw_text(server: LlmSandbox) -> None:
    server.script(Script("😀", lone_surrogates=True))
    assert b"".join((await post(server))[1]).decode() == "😀"


async def test_the_abuse_notice_comes_as_a_success(server: LlmSandbox) -> None:
    server.script(Script(ABUSE_NOTICE))
    status, chunks = await post(server)
    assert status == 200
    assert b"".join(chunks).decode() == ABUSE_NOTICE


async def test_an_error_in_the_stream_is_the_notice(server: LlmSandbox) -> None:
    server.script(Script("one two", fault=StreamError(1)))
    _, chunks = await post(server)
    assert b"".join(chunks).decode().startswith(f"one{ABUSE_NOTICE}")


async def test_malformed_text_is_not_utf8(server: LlmSandbox) -> None:
    server.script(Script("one two", fault=Malformed(1)))
    _, chunks = await post(server)
    assert b"".join(chunks) == b"one\xff\xfe two"


async def test_a_cut_breaks_the_body(server: LlmSandbox) -> None:
    server.script(Script("one two", fault=Cut(1)))
    with pytest.raises(aiohttp.ClientPayloadError):
        await post(server)


async def test_an_http_error_is_json(server: LlmSandbox) -> None:
    server.script(Script(fault=HttpReply(500)))
    status, chunks = await post(server)
    assert status == 500
    assert json.loads(b"".join(chunks))["error"]["status"] == 500


async def test_system_and_a_formatted_prompt_are_recorded_as_messages(server: LlmSandbox) -> None:
    prompt = "User: one\nAssistant: two\nUser: three\nAssistant:"
    await post(server, {**BODY, "prompt": prompt, "system": "Be brief.", "stream": True})
    messages = [(m.role, m.text) for m in server.requests[-1].messages]
    assert messages == [
        ("system", "Be brief."),
        ("user", "one"),
        ("assistant", "two"),
        ("user", "three"),
    ]


@pytest.mark.parametrize("field", BODY)
async def test_each_field_is_required(server: LlmSandbox, field: str) -> None:
    body = {name: value for name, value in BODY.items() if name != field}
    status, chunks = await post(server, body)
    assert status == 400
    assert json.loads(b"".join(chunks))["error"]["field"] == field


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", ""),
        ("prompt", ["hello"]),
        ("userId", "#/chat/1690000544"),
        ("userId", 1690000544336),
        ("network", False),
        ("network", 1),
        ("apikey", "key"),
        ("system", None),
        ("withoutContext", True),
        ("withoutContext", 0),
        ("stream", "true"),
        ("model", "gpt-4"),
    ],
)
async def test_each_field_is_checked(server: LlmSandbox, field: str, value: object) -> None:
    status, chunks = await post(server, {**BODY, field: value})
    assert status == 400
    assert json.loads(b"".join(chunks))["error"]["field"] == field


@pytest.mark.parametrize("header", HEADERS)
async def test_each_header_is_required(server: LlmSandbox, header: str) -> None:
    headers = {name: value for name, value in HEADERS.items() if name != header}
    status, chunks = await post(server, headers=headers)
    assert status == 403
    assert json.loads(b"".join(chunks))["error"]["field"] == header


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("authority", "https://api.example.com"),
        ("origin", "https://chat.example.com/"),
        ("referer", "chat.example.com"),
        ("user-agent", "curl/8"),
    ],
)
async def test_each_header_is_checked(server: LlmSandbox, header: str, value: str) -> None:
    status, chunks = await post(server, headers={**HEADERS, header: value})
    assert status == 403
    assert json.loads(b"".join(chunks))["error"]["field"] == header
