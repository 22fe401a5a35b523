"""The getgpt server: it decrypts, verifies, and answers as OpenAI does."""

import json
import os
import uuid
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest
from Crypto.Cipher import AES
from Crypto.Util.Padding import pad

from sandbox.llm.script import Script
from sandbox.llm.server import LlmSandbox

INNER = {
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}],
    "frequency_penalty": 0,
    "max_tokens": 4000,
    "model": "gpt-3.5-turbo",
    "presence_penalty": 0,
    "temperature": 1,
    "top_p": 1,
    "stream": True,
    "uuid": str(uuid.uuid4()),
}


def encrypt(plain: bytes) -> tuple[str, str, str]:
    """Hex, key, iv."""
    key, iv = os.urandom(8).hex(), os.urandom(8).hex()
    cipher = AES.new(key.encode(), AES.MODE_CBC, iv.encode())
    return cipher.encrypt(plain).hex(), key, iv


def sign(inner: object) -> str:
    return "".join(encrypt(pad(json.dumps(inner).encode(), 16)))


@pytest.fixture
async def server() -> AsyncIterator[LlmSandbox]:
    async with LlmSandbox(Script("Hi there")) as running:
        yield running


async def post(server: LlmSandbox, body: object, **changed: str) -> tuple[int, str]:
    headers = {"Referer": f"{server.getgpt_url}/", "User-Agent": "Mozilla/5.0 (X11)", **changed}
    url = f"{server.getgpt_url}/api/chat/stream"
    data = json.dumps(body).encode()
    headers.setdefault("Content-Type", "application/json")
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=data, headers=headers) as response,
    ):
        return response.status, await response.text()


async def test_a_signed_request_is_answered_as_sse(server: LlmSandbox) -> None:
    status, text = await post(server, {"signature": sign(INNER)})
    assert status == 200
    data = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert data.pop() == "[DONE]"
    deltas = [json.loads(item)["choices"][0]["delta"].get("content") for item in data]
    assert deltas == ["", "Hi", " there", None]


async def test_the_record_holds_what_was_decrypted(server: LlmSandbox) -> None:
    await post(server, {"signature": sign(INNER)})
    record = server.requests[-1]
    assert record.body == INNER
    assert [(m.role, m.text) for m in record.messages] == [
        ("system", "Be brief."),
        ("user", "hello"),
    ]


def of_wrong_padding() -> str:
    return "".join(encrypt(json.dumps(INNER).encode().ljust(512, b"\0")))


def of_no_json() -> str:
    return "".join(encrypt(pad(b"hello", 16)))


def of_swapped_key_and_iv() -> str:
    text, key, iv = encrypt(pad(json.dumps(INNER).encode(), 16))
    return text + iv + key


def of_a_lost_character() -> str:
    return sign(INNER)[1:]


def of_base64() -> str:
    return "QUJD" * 40


@pytest.mark.parametrize(
    "make", [of_wrong_padding, of_no_json, of_swapped_key_and_iv, of_a_lost_character, of_base64]
)
async def test_a_wrong_signature_is_refused(server: LlmSandbox, make: Callable[[], str]) -> None:
    status, text = await post(server, {"signature": make()})
    assert status == 400
    assert json.loads(text)["error"]["field"] == "signature"


@pytest.mark.parametrize("body", [{}, {"signature": 5}, {"signature": None}])
async def test_no_signature_is_refused(server: LlmSandbox, body: object) -> None:
    status, text = await post(server, body)
    assert status == 400
    assert json.loads(text)["error"]["field"] == "signature"


@pytest.mark.parametrize("field", INNER)
async def test_each_inner_field_is_required(server: LlmSandbox, field: str) -> None:
    inner = {name: value for name, value in INNER.items() if name != field}
    status, text = await post(server, {"signature": sign(inner)})
    assert status == 400
    assert json.loads(text)["error"]["field"] == field


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("frequency_penalty", "0"),
        ("max_tokens", 0),
        ("model", ""),
        ("presence_penalty", 3),
        ("temperature", -1),
        ("top_p", 2),
        ("stream", False),
        ("uuid", "11111111-1111-1111-8111-111111111111"),
        ("messages", []),
        ("extra", 1),
    ],
)
async def test_each_inner_field_is_checked(server: LlmSandbox, field: str, value: object) -> None:
    status, text = await post(server, {"signature": sign({**INNER, field: value})})
    assert status == 400
    assert json.loads(text)["error"]["field"] == field


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("messages[0].role", {"role": "tool", "content": "x"}),
        ("messages[0].content", {"role": "user", "content": [{"type": "text", "text": "x"}]}),
        ("messages[0].content", {"role": "user"}),
        ("messages[0].name", {"role": "user", "content": "x", "name": "x"}),
    ],
)
async def test_each_message_is_checked(server: LlmSandbox, field: str, message: object) -> None:
    status, text = await post(server, {"signature": sign({**INNER, "messages": [message]})})
    assert status == 400
    assert json.loads(text)["error"]["field"] == field


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("Referer", "", 403),
        ("Referer", "http://elsewhere/", 403),
        ("User-Agent", "Python/3.11 aiohttp", 403),
        ("Content-Type", "text/plain", 400),
    ],
)
async def test_each_header_is_checked(
    server: LlmSandbox, header: str, value: str, status: int
) -> None:
    got, text = await post(server, {"signature": sign(INNER)}, **{header: value})
    assert got == status
    assert json.loads(text)["error"]["field"] == header


async def test_the_referer_needs_its_slash(server: LlmSandbox) -> None:
    status, _ = await post(server, {"signature": sign(INNER)}, Referer=server.getgpt_url)
    assert status == 403
