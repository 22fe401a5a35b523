"""Anthropic's Messages API: POST /v1/messages, GET /v1/models, GET /v1/models/{model}.

As documented on https://platform.claude.com/docs/en/api/messages and, for the events,
https://platform.claude.com/docs/en/build-with-claude/streaming.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, ClassVar

from aiohttp import web

from sandbox.llm.anthropic_request import VERSIONS, check_messages_request
from sandbox.llm.api import MODELS, Api
from sandbox.llm.checks import RefusalError, bearer, read_json
from sandbox.llm.wire import SseWire, WholeBlocks, dump

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.llm.anthropic_request import MessagesRequest
    from sandbox.llm.checks import JsonObject
    from sandbox.llm.journal import Journal, Record
    from sandbox.llm.playbook import Playbook
    from sandbox.llm.script import Script
    from sandbox.llm.wire import Wire

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}

STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}
"""A script's finish reason → the API's; any other is sent as written."""


class AnthropicApi(Api):
    name: ClassVar[str] = "anthropic"
    root: ClassVar[str] = "/anthropic"
    failures: ClassVar[Mapping[int, str]] = {
        401: "invalid x-api-key",
        403: "Your API key does not have permission to use the specified resource.",
        404: "model: sandbox",
        429: "This request would exceed your organization's rate limit of 50 requests per minute.",
        500: "Internal server error",
        529: "Overloaded",
    }
    too_long: ClassVar[str] = "prompt is too long: 210000 tokens > 200000 maximum"

    def __init__(self, journal: Journal, playbook: Playbook, key: str | None) -> None:
        """`key` is the one accepted API key; None accepts any, though not none."""
        super().__init__(journal, playbook)
        self._key = key

    def routes(self) -> Sequence[web.RouteDef]:
        return (
            web.post(f"{self.root}/v1/messages", self.endpoint(self.messages)),
            web.get(f"{self.root}/v1/models", self.endpoint(self.models)),
            web.get(f"{self.root}/v1/models/{{model}}", self.endpoint(self.model)),
        )

    def error_body(self, refusal: RefusalError) -> dict[str, object]:
        kind = ERROR_TYPES.get(refusal.status, "api_error")
        message = refusal.message
        if refusal.problem == "missing":
            message = f"{refusal.field}: Field required"
        elif refusal.problem == "unknown":
            message = f"{refusal.field}: Extra inputs are not permitted"
        elif refusal.problem == "invalid":
            message = f"{refusal.field}: {message}"
        return error_object(kind, message) | {"request_id": f"req_{secrets.token_hex(12)}"}

    async def models(self, request: web.Request, record: Record) -> web.StreamResponse:
        self._check_headers(request)
        page = {"has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]}
        return self.json(record, {"data": [model_info(model) for model in MODELS], **page})

    async def model(self, request: web.Request, record: Record) -> web.StreamResponse:
        self._check_headers(request)
        model = request.match_info["model"]
        if model not in MODELS:
            raise RefusalError(404, None, f"model: {model}")
        return self.json(record, model_info(model))

    async def messages(self, request: web.Request, record: Record) -> web.StreamResponse:
        version = self._check_headers(request)
        record.body = await read_json(request)
        asked = check_messages_request(record.body, version)
        record.messages = asked.messages
        script = self.playbook.choose(record)
        message = Message(asked, record)
        wire: Wire = (MessageEvents if asked.stream else WholeMessage)(script, message)
        return await self.answer(request, record, script, wire)

    def _check_headers(self, request: web.Request) -> str:
        """The version of the API that is asked for. The key may stand in either header.

        https://platform.claude.com/docs/en/manage-claude/authentication and .../api/versioning.
        """
        key = request.headers.get("x-api-key") or bearer(request.headers)
        if not key:
            raise RefusalError(401, "x-api-key", "x-api-key header is required")
        if self._key is not None and key != self._key:
            raise RefusalError(401, "x-api-key", "invalid x-api-key")
        version = request.headers.get("anthropic-version")
        if version is None:
            message = "anthropic-version: header is required"
            raise RefusalError(400, "anthropic-version", message)
        if version not in VERSIONS:
            message = f'anthropic-version: "{version}" is not a valid version'
            raise RefusalError(400, "anthropic-version", message)
        return version


class Message:
    """What the stream and the whole answer have in common: the message object and its blocks."""

    def __init__(self, asked: MessagesRequest, record: Record) -> None:
        self.thinking = asked.thinking
        self._id = f"msg_{record.number}"
        self._model = asked.model
        self._input_tokens = sum(len(message.text.split()) for message in asked.messages)

    def head(self) -> JsonObject:
        """The fields before `content`."""
        return {"id": self._id, "type": "message", "role": "assistant", "model": self._model}

    def usage(self, output_tokens: int) -> JsonObject:
        return {
            "input_tokens": self._input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": output_tokens,
            "service_tier": "standard",
        }


class MessageEvents(SseWire):
    """message_start, then each block's start, deltas and stop, then message_delta and _stop."""

    def __init__(self, script: Script, message: Message) -> None:
        super().__init__(script)
        self._stop_reason = stop_reason(script)
        self._message = message
        self._blocks = 0
        self._open: str | None = None
        """The type of the block that is being written: thinking or text."""

    def start(self) -> bytes:
        message = {
            **self._message.head(),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": self._message.usage(1),
        }
        return self._event("message_start", {"message": message})

    def thought(self, token: str) -> bytes:
        if not self._message.thinking:
            return b""
        return self._begin("thinking") + self._delta("thinking_delta", "thinking", token)

    def delta(self, token: str) -> bytes:
        return self._begin("text") + self._delta("text_delta", "text", token)

    def finish(self, tokens: int) -> bytes:
        delta = {"stop_reason": self._stop_reason, "stop_sequence": None}
        end = {"delta": delta, "usage": {"output_tokens": tokens}}
        return self._end() + self._event("message_delta", end) + self._event("message_stop", {})

    def error(self, message: str) -> bytes:
        return self.named(b"error", dump(error_object("overloaded_error", message)))

    def malformed(self) -> bytes:
        broken = (
            b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"oops'
        )
        return self.named(b"content_block_delta", broken)

    def _begin(self, kind: str) -> bytes:
        """Open a block of this type, unless one is open; the API pings after the first start."""
        if self._open == kind:
            return b""
        before = self._end()
        self._open = kind
        empty = {"type": kind, kind: ""} | ({"signature": ""} if kind == "thinking" else {})
        started = self._event(
            "content_block_start", {"index": self._blocks, "content_block": empty}
        )
        return before + started + (self._event("ping", {}) if self._blocks == 0 else b"")

    def _end(self) -> bytes:
        """Close the open block, if any."""
        if self._open is None:
            return b""
        signed = (
            self._delta("signature_delta", "signature", SIGNATURE)
            if self._open == "thinking"
            else b""
        )
        stopped = self._event("content_block_stop", {"index": self._blocks})
        self._blocks += 1
        self._open = None
        return signed + stopped

    def _delta(self, kind: str, field: str, text: str) -> bytes:
        delta = {"type": kind, field: text}
        return self._event("content_block_delta", {"index": self._blocks, "delta": delta})

    def _event(self, kind: str, fields: Mapping[str, object]) -> bytes:
        return self.named(kind.encode(), dump({"type": kind, **fields}))


SIGNATURE = "c2FuZGJveA=="
"""What proves to the API that it thought a thinking block itself; opaque to clients."""


class WholeMessage(WholeBlocks):
    """The answer to a request without `stream`."""

    def __init__(self, script: Script, message: Message) -> None:
        super().__init__()
        self._stop_reason = stop_reason(script)
        self._message = message

    def start(self) -> bytes:
        return dump(self._message.head())[:-1] + b',"content":['

    def thought(self, token: str) -> bytes:
        if not self._message.thinking:
            return b""
        end = b'","signature":' + dump(SIGNATURE) + b"}"
        return self.block(b'{"type":"thinking","thinking":"', end, token)

    def delta(self, token: str) -> bytes:
        return self.block(b'{"type":"text","text":"', b'"}', token)

    def finish(self, tokens: int) -> bytes:
        rest = {
            "stop_reason": self._stop_reason,
            "stop_sequence": None,
            "usage": self._message.usage(tokens),
        }
        return self.close() + b"]," + dump(rest)[1:]

    def error(self, message: str) -> bytes:
        return dump(error_object("overloaded_error", message))


def error_object(kind: str, message: str) -> JsonObject:
    return {"type": "error", "error": {"type": kind, "message": message}}


def model_info(model: str) -> JsonObject:
    return {
        "type": "model",
        "id": model,
        "display_name": model.replace("-", " ").title(),
        "created_at": "2026-01-01T00:00:00Z",
    }


def stop_reason(script: Script) -> str | None:
    reason = script.finish_reason
    return None if reason is None else STOP_REASONS.get(reason, reason)
