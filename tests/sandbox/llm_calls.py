"""How each of the nine protocols asks a model server for an answer, and what comes back."""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp
from Crypto.Cipher import AES
from Crypto.Util.Padding import pad

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.llm.server import LlmSandbox

HELLO = [{"role": "user", "content": "hello"}]
BROWSER = {"User-Agent": "Mozilla/5.0 (X11)"}
PAGE = {"Origin": "https://chat.example.com", "Referer": "https://chat.example.com/"}


@dataclass(frozen=True)
class Call:
    """How a protocol asks for an answer, and how its own looks."""

    path: str
    body: dict[str, object] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    end: bytes = b""
    """What only a complete answer holds."""
    streams: bool = True
    in_json: bool = True


GPTALK = {
    **BROWSER,
    "x-auth-appid": "2229",
    "x-auth-openid": "",
    "x-auth-platform": "",
    "x-auth-timestamp": "1",
}
CALLS: Mapping[str, Call] = {
    "openai": Call(
        "/chat/completions",
        {"model": "m", "messages": HELLO, "stream": True},
        {"Authorization": "Bearer sandbox-key"},
        b"[DONE]",
    ),
    "responses": Call(
        "/responses",
        {"model": "sandbox", "input": HELLO, "stream": True},
        {"Authorization": "Bearer sandbox-key"},
        b"response.completed",
    ),
    "anthropic": Call(
        "/v1/messages",
        {"model": "sandbox", "max_tokens": 100, "messages": HELLO, "stream": True},
        {"x-api-key": "sandbox-key", "anthropic-version": "2023-06-01"},
        b"message_stop",
    ),
    "gemini": Call(
        "/v1beta/models/sandbox:streamGenerateContent?alt=sse",
        {"contents": [{"parts": [{"text": "hello"}]}]},
        {"x-goog-api-key": "sandbox-key"},
        b"finishReason",
    ),
    "ollama": Call("/api/chat", {"model": "sandbox", "messages": HELLO}, {}, b'"done":true'),
    "getgpt": Call("/api/chat/stream", {}, BROWSER, b"[DONE]"),
    "yqcloud": Call(
        "/api/generateStream",
        {
            "prompt": "hello",
            "userId": "#/chat/1690000544336",
            "network": True,
            "apikey": "",
            "system": "",
            "withoutContext": False,
        },
        {**BROWSER, "authority": "a", "origin": "https://a", "referer": "https://a/"},
        in_json=False,
    ),
    "aichat": Call(
        "/api/text",
        {
            "message": "hello",
            "temperature": 1,
            "presence_penalty": 0,
            "top_p": 1,
            "frequency_penalty": 0,
        },
        {**BROWSER, **PAGE},
        b"}",
        streams=False,
    ),
    "gptalk": Call("/api/chatgpt/chatapi/stream", {}, GPTALK, b"[DONE]"),
}


@dataclass(frozen=True)
class Raw:
    status: int
    headers: Mapping[str, str]
    body: bytes
    complete: bool
    """The body ended as HTTP wants it."""


async def ask(server: LlmSandbox, client: aiohttp.ClientSession, api: str) -> Raw:
    call, base = CALLS[api], server.urls[api]
    method, url, body, headers = "POST", base + call.path, call.body, call.headers
    if api == "getgpt":
        body, headers = {"signature": sign()}, {**headers, "Referer": f"{base}/"}
    if api == "gptalk":
        method, body, refused = "GET", {}, await ticket(client, base)
        if refused.status != 200:
            return refused
        url += f"?token={json.loads(refused.body)['data']['token']}"
    return await send(client, method, url, body, headers)


async def send(
    client: aiohttp.ClientSession,
    method: str,
    url: str,
    body: Mapping[str, object],
    headers: Mapping[str, str],
) -> Raw:
    async with client.request(method, url, json=body or None, headers=headers) as response:
        received, complete = b"", True
        try:
            async for data in response.content.iter_any():
                received += data
        except aiohttp.ClientPayloadError:
            complete = False
        return Raw(response.status, response.headers, received, complete)


def sign() -> str:
    inner = {
        "messages": HELLO,
        "frequency_penalty": 0,
        "max_tokens": 4000,
        "model": "gpt-3.5-turbo",
        "presence_penalty": 0,
        "temperature": 1,
        "top_p": 1,
        "stream": True,
        "uuid": str(uuid.uuid4()),
    }
    key, iv = os.urandom(8).hex(), os.urandom(8).hex()
    cipher = AES.new(key.encode(), AES.MODE_CBC, iv.encode())
    return cipher.encrypt(pad(json.dumps(inner).encode(), 16)).hex() + key + iv


async def ticket(client: aiohttp.ClientSession, base: str) -> Raw:
    """The reply to gptalk's second call, which names the third's token or fails."""
    login = {"fingerprint": "0" * 32, "platform": "fingerprint"}
    raw = await send(client, "POST", f"{base}/api/chatgpt/user/login", login, GPTALK)
    token = json.loads(raw.body)["data"]["token"]
    text = {
        "content": "hello",
        "accept": "stream",
        "from": 1,
        "model": "m",
        "is_mobile": 0,
        "user_agent": "Mozilla/5.0 (X11)",
        "is_open_ctx": 0,
        "prompt": "",
        "roid": 111,
        "temperature": 0,
        "ctx_msg_count": 3,
        "created_at": 1,
    }
    headers = {**GPTALK, "Authorization": f"Bearer {token}"}
    return await send(client, "POST", f"{base}/api/chatgpt/chatapi/text", text, headers)
