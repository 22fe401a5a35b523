"""The yqcloud (aichatos) protocol: one prompt, answered as raw UTF-8 text."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from aiohttp import web

from sandbox.llm.api import Api
from sandbox.llm.checks import (
    BOOLEAN,
    BROWSER,
    FALSE,
    NON_EMPTY_TEXT,
    TEXT,
    TRUE,
    URL,
    Rules,
    check_headers,
    check_object,
    exactly,
    matching,
    read_json,
)
from sandbox.llm.prompt import messages_of
from sandbox.llm.script import ChatMessage
from sandbox.llm.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.llm.journal import Record

ABUSE_NOTICE = "sorry, 您的ip已由于触发防滥用检测而被封禁"
"""Comes with HTTP 200 in place of an answer: the address was blocked for abuse."""

HEADERS: Rules = {
    "authority": matching(r"[^/\s]+", "a host"),
    "origin": matching(r"https?://[^/]+", "a URL without a path"),
    "referer": URL,
    "user-agent": BROWSER,
}
BODY: Rules = {
    "prompt": NON_EMPTY_TEXT,
    "userId": matching(r"#/chat/\d{13}", "#/chat/ and a time in milliseconds"),
    "network": TRUE,
    "apikey": exactly(""),
    "system": TEXT,
    "withoutContext": FALSE,
}


class YqcloudApi(Api):
    name: ClassVar[str] = "yqcloud"
    root: ClassVar[str] = "/yqcloud"

    def routes(self) -> Sequence[web.RouteDef]:
        return (web.post(f"{self.root}/api/generateStream", self.endpoint(self.generate)),)

    async def generate(self, request: web.Request, record: Record) -> web.StreamResponse:
        check_headers(request.headers, HEADERS)
        record.body = await read_json(request)
        fields = check_object(record.body, BODY, {"stream": BOOLEAN})
        system = str(fields["system"])
        before = (ChatMessage("system", system),) if system else ()
        record.messages = before + messages_of(str(fields["prompt"]))
        return await self.answer(request, record, self.playbook.choose(record), RawText())


class RawText(Wire):
    """The text and nothing else: its end is the end of the body."""

    content_type: ClassVar[str] = "application/octet-stream"
    escapes: ClassVar[bool] = False

    def start(self) -> bytes:
        return b""

    def delta(self, token: str) -> bytes:
        return token.encode()

    def finish(self, tokens: int) -> bytes:  # noqa: ARG002 - there is no end marker
        return b""

    def error(self, message: str) -> bytes:
        return f"{ABUSE_NOTICE}: {message}".encode()

    def malformed(self) -> bytes:
        return b"\xff\xfe"
