"""The getgpt protocol: an encrypted request, answered as OpenAI-style SSE."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

import orjson
from aiohttp import web
from Crypto.Cipher import AES
from Crypto.Util.Padding import unpad

from sandbox.llm.api import Api
from sandbox.llm.checks import (
    BROWSER,
    NON_EMPTY_LIST,
    NON_EMPTY_TEXT,
    TEXT,
    TRUE,
    RefusalError,
    Rules,
    check_headers,
    check_object,
    exactly,
    integer,
    matching,
    number,
    one_of,
    read_json,
)
from sandbox.llm.script import ChatMessage
from sandbox.llm.wire import ChatChunks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.llm.journal import Record

SIGNATURE = re.compile(r"((?:[0-9a-f]{32})+)([0-9a-f]{16})([0-9a-f]{16})")
"""Whole AES blocks in hex, then key and iv as the 16 ASCII characters that are their bytes."""

INNER: Rules = {
    "messages": NON_EMPTY_LIST,
    "frequency_penalty": number(-2, 2),
    "max_tokens": integer(1),
    "model": NON_EMPTY_TEXT,
    "presence_penalty": number(-2, 2),
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "stream": TRUE,
    "uuid": matching(
        r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", "a uuid4"
    ),
}
MESSAGE: Rules = {"role": one_of("system", "user", "assistant"), "content": TEXT}


class GetGptApi(Api):
    name: ClassVar[str] = "getgpt"
    root: ClassVar[str] = "/getgpt"

    def routes(self) -> Sequence[web.RouteDef]:
        return (web.post(f"{self.root}/api/chat/stream", self.endpoint(self.chat)),)

    async def chat(self, request: web.Request, record: Record) -> web.StreamResponse:
        referer = f"{request.scheme}://{request.host}{self.root}/"
        check_headers(request.headers, {"User-Agent": BROWSER, "Referer": exactly(referer)})
        signed = check_object(await read_json(request), {"signature": TEXT})
        record.body = inner = decrypt(str(signed["signature"]))
        fields = check_object(inner, INNER)
        messages = fields["messages"]
        assert isinstance(messages, list)
        record.messages = tuple(
            _message(message, f"messages[{index}].") for index, message in enumerate(messages)
        )
        script = self.playbook.choose(record)
        head = {"id": f"chatcmpl-{record.number}", "object": "chat.completion.chunk"}
        wire = ChatChunks(script, {**head, "model": fields["model"]})
        return await self.answer(request, record, script, wire)


def decrypt(signature: str) -> object:
    """The JSON inside a signature. Raises RefusalError (400) where it is not made as it must be."""
    match = SIGNATURE.fullmatch(signature)
    if match is None:
        message = (
            "Invalid signature: expected hex of whole blocks, then 16 characters of key and of iv."
        )
        raise RefusalError(400, "signature", message)
    cipher = AES.new(match[2].encode(), AES.MODE_CBC, match[3].encode())
    try:
        plain = unpad(cipher.decrypt(bytes.fromhex(match[1])), AES.block_size)
        parsed: object = orjson.loads(plain)
    except ValueError:  # wrong padding, or no JSON
        message = "Invalid signature: it does not decrypt to padded JSON."
        raise RefusalError(400, "signature", message) from None
    return parsed


def _message(value: object, path: str) -> ChatMessage:
    fields = check_object(value, MESSAGE, within=path)
    return ChatMessage(str(fields["role"]), str(fields["content"]))
