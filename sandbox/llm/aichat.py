"""The aichat protocol: one prompt, one JSON reply."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from aiohttp import web

from sandbox.llm.api import Api
from sandbox.llm.checks import (
    BROWSER,
    NON_EMPTY_TEXT,
    URL,
    Rules,
    check_headers,
    check_object,
    exactly,
    number,
    read_json,
)
from sandbox.llm.prompt import messages_of
from sandbox.llm.wire import WholeJson, dump

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.llm.journal import Record

HEADERS: Rules = {"User-Agent": BROWSER, "Origin": URL, "Referer": URL}
"""What a browser sends with a page's POST."""

BODY: Rules = {
    "message": NON_EMPTY_TEXT,
    "temperature": number(0, 2),
    "presence_penalty": exactly(0),
    "top_p": exactly(1),
    "frequency_penalty": exactly(0),
}


class AichatApi(Api):
    name: ClassVar[str] = "aichat"
    root: ClassVar[str] = "/aichat"

    def routes(self) -> Sequence[web.RouteDef]:
        return (web.post(f"{self.root}/api/text", self.endpoint(self.text)),)

    async def text(self, request: web.Request, record: Record) -> web.StreamResponse:
        check_headers(request.headers, HEADERS)
        record.body = await read_json(request)
        fields = check_object(record.body, BODY)
        record.messages = messages_of(str(fields["message"]))
        return await self.answer(request, record, self.playbook.choose(record), TextReply())


class TextReply(WholeJson):
    """`response` tells success; its falsy form is an error at HTTP 200."""

    def start(self) -> bytes:
        return b'{"response":true,"message":"'

    def finish(self, tokens: int) -> bytes:  # noqa: ARG002 - the reply counts nothing
        return b'"}'

    def error(self, message: str) -> bytes:
        return dump({"response": False, "message": message})
