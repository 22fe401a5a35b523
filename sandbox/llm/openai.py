"""OpenAI-compatible chat: POST /v1/chat/completions and GET /v1/models.

As documented on https://platform.openai.com/docs/api-reference/chat.
A request may name any model, as most compatible servers have it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from aiohttp import web

from sandbox.llm.api import MODELS, Api
from sandbox.llm.checks import check_bearer, read_json
from sandbox.llm.openai_request import check_chat_request
from sandbox.llm.wire import ChatChunks, WholeJson, dump, server_error, usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.llm.checks import RefusalError
    from sandbox.llm.journal import Journal, Record
    from sandbox.llm.playbook import Playbook
    from sandbox.llm.script import Script
    from sandbox.llm.wire import Wire

ERROR_KINDS = {
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
    500: ("server_error", None),
    503: ("server_error", "server_overloaded"),
    529: ("server_error", "server_overloaded"),
}
"""HTTP status → type and code of the error object."""


class OpenAiApi(Api):
    name: ClassVar[str] = "openai"
    root: ClassVar[str] = "/v1"
    too_long: ClassVar[str] = (
        "This model's maximum context length is 128000 tokens. However, your messages resulted in"
        " 130000 tokens. Please reduce the length of the messages."
    )

    def __init__(self, journal: Journal, playbook: Playbook, key: str | None) -> None:
        """`key` is the one accepted Bearer key; None accepts any, though not none."""
        super().__init__(journal, playbook)
        self._key = key

    def routes(self) -> Sequence[web.RouteDef]:
        return (
            web.post(f"{self.root}/chat/completions", self.endpoint(self.chat)),
            web.get(f"{self.root}/models", self.endpoint(self.models)),
        )

    def error_body(self, refusal: RefusalError) -> dict[str, object]:
        kind, code = ERROR_KINDS.get(refusal.status, ("invalid_request_error", None))
        if refusal.problem == "too_long":
            code = "context_length_exceeded"
        error = {"message": refusal.message, "type": kind, "param": refusal.field, "code": code}
        return {"error": error}

    async def models(self, request: web.Request, record: Record) -> web.StreamResponse:
        check_bearer(request.headers, self._key)
        models = [
            {"id": model, "object": "model", "created": 0, "owned_by": "sandbox"}
            for model in MODELS
        ]
        return self.json(record, {"object": "list", "data": models})

    async def chat(self, request: web.Request, record: Record) -> web.StreamResponse:
        check_bearer(request.headers, self._key)
        record.body = await read_json(request)
        chat = check_chat_request(record.body)
        record.messages = chat.messages
        script = self.playbook.choose(record)
        prompt_tokens = sum(len(message.text.split()) for message in chat.messages)
        head: dict[str, object] = {
            "id": f"chatcmpl-{record.number}",
            "created": int(time.time()),
            "model": chat.model,
        }
        wire: Wire
        if chat.stream:
            head["object"] = "chat.completion.chunk"
            wire = ChatChunks(script, head, prompt_tokens if chat.include_usage else None)
        else:
            head["object"] = "chat.completion"
            wire = ChatCompletion(script, head, prompt_tokens)
        return await self.answer(request, record, script, wire)


class ChatCompletion(WholeJson):
    """The answer to a request without `stream`."""

    def __init__(self, script: Script, head: dict[str, object], prompt_tokens: int) -> None:
        self._head = head
        self._finish_reason = script.finish_reason
        self._prompt_tokens = prompt_tokens

    def start(self) -> bytes:
        message = b',"choices":[{"index":0,"message":{"role":"assistant","content":"'
        return dump(self._head)[:-1] + message

    def finish(self, tokens: int) -> bytes:
        reason = dump(self._finish_reason)
        counts = dump(usage(self._prompt_tokens, tokens))
        return b'"},"finish_reason":' + reason + b'}],"usage":' + counts + b"}"

    def error(self, message: str) -> bytes:
        return dump(server_error(message))
