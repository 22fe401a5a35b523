"""What the Gemini API sends: the same responses as events, as an array, or as one.

As documented on https://ai.google.dev/api/generate-content#generatecontentresponse.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, ClassVar

from sandbox.llm.wire import SseWire, WholeBlocks, Wire, dump

if TYPE_CHECKING:
    from sandbox.llm.checks import JsonObject
    from sandbox.llm.gemini_request import GenerateRequest
    from sandbox.llm.script import Script

FINISH_REASONS = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
"""A script's finish reason → the API's; any other is sent as written."""

STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""HTTP status → the API's name for it."""
MID_STREAM_STATUS = 503


class GeminiAnswer:
    """The responses of one answer, however they are sent."""

    def __init__(
        self, asked: GenerateRequest, model: str, number: int, finish_reason: str | None
    ) -> None:
        self.thoughts = asked.thoughts
        self._prompt_tokens = sum(len(message.text.split()) for message in asked.messages)
        self.thought_tokens = 0
        self._sent = 0
        self.rest: JsonObject = {"modelVersion": model, "responseId": f"response-{number}"}
        reason = None if finish_reason is None else FINISH_REASONS.get(finish_reason, finish_reason)
        self.finish: JsonObject = {"finishReason": reason} if reason else {}

    def thought(self, token: str) -> JsonObject:
        self.thought_tokens += 1
        return self._response({"text": token, "thought": True})

    def text(self, token: str) -> JsonObject:
        self._sent += 1
        return self._response({"text": token})

    def end(self) -> JsonObject:
        return self._response({"text": ""}, self.finish)

    def usage(self, tokens: int) -> JsonObject:
        thought = self.thought_tokens
        thoughts = {"thoughtsTokenCount": thought} if thought else {}
        return {
            "promptTokenCount": self._prompt_tokens,
            "candidatesTokenCount": tokens,
            "totalTokenCount": self._prompt_tokens + tokens + thought,
            **thoughts,
        }

    def _response(self, part: JsonObject, finish: JsonObject | None = None) -> JsonObject:
        content = {"parts": [part], "role": "model"}
        return {
            "candidates": [{"content": content, **(finish or {}), "index": 0}],
            "usageMetadata": self.usage(self._sent),
            **self.rest,
        }


class GeminiEvents(SseWire):
    """With `alt=sse`: events without a name and without an end marker, their lines ending in CRLF.

    An error in the stream is no event: it is bare JSON over several lines, as was seen in
    https://github.com/vercel/ai/issues/5217.
    """

    def __init__(self, script: Script, answer: GeminiAnswer) -> None:
        super().__init__(script)
        self.line_end = b"\r\n"
        self.event_end = 2 * self.line_end
        self._answer = answer

    def start(self) -> bytes:
        return b""

    def thought(self, token: str) -> bytes:
        return self.event(dump(self._answer.thought(token))) if self._answer.thoughts else b""

    def delta(self, token: str) -> bytes:
        return self.event(dump(self._answer.text(token)))

    def finish(self, tokens: int) -> bytes:  # noqa: ARG002 - the answer has counted them
        return self.event(dump(self._answer.end()))

    def error(self, message: str) -> bytes:
        return bare_error(message)

    def malformed(self) -> bytes:
        return self.event(b'{"candidates": [{"content": {"parts": [{"text": "oops')


class GeminiArray(Wire):
    """Without `alt=sse`: the same responses as the items of one JSON array."""

    content_type: ClassVar[str] = "application/json"

    def __init__(self, answer: GeminiAnswer) -> None:
        self._answer = answer
        self._before = b""

    def start(self) -> bytes:
        return b"["

    def thought(self, token: str) -> bytes:
        return self._item(dump(self._answer.thought(token))) if self._answer.thoughts else b""

    def delta(self, token: str) -> bytes:
        return self._item(dump(self._answer.text(token)))

    def finish(self, tokens: int) -> bytes:  # noqa: ARG002 - the answer has counted them
        return self._item(dump(self._answer.end())) + b"]\n"

    def error(self, message: str) -> bytes:
        return self._item(bare_error(message)) + b"]\n"

    def malformed(self) -> bytes:
        return self._item(b'{"candidates": [{"content": {"parts": [{"text": "oops')

    def _item(self, item: bytes) -> bytes:
        before, self._before = self._before, b",\r\n"
        return before + item


class WholeGemini(WholeBlocks):
    """The answer to generateContent; what was thought is a part of its own."""

    def __init__(self, answer: GeminiAnswer) -> None:
        super().__init__()
        self._answer = answer

    def start(self) -> bytes:
        return b'{"candidates":[{"content":{"role":"model","parts":['

    def thought(self, token: str) -> bytes:
        if not self._answer.thoughts:
            return b""
        self._answer.thought_tokens += 1
        return self.block(b'{"thought":true,"text":"', b'"}', token)

    def delta(self, token: str) -> bytes:
        return self.block(b'{"text":"', b'"}', token)

    def finish(self, tokens: int) -> bytes:
        candidate = dump({**self._answer.finish, "index": 0})
        rest = dump({"usageMetadata": self._answer.usage(tokens), **self._answer.rest})
        return self.close() + b"]}," + candidate[1:] + b"]," + rest[1:]

    def error(self, message: str) -> bytes:
        return bare_error(message)


def error_object(
    status: int, message: str, details: list[JsonObject] | None = None
) -> dict[str, object]:
    error: JsonObject = {
        "code": status,
        "message": message,
        "status": STATUSES.get(status, "UNKNOWN"),
    }
    return {"error": error | ({"details": details} if details else {})}


def bare_error(message: str) -> bytes:
    """An error after the status was sent, laid out as the API does it."""
    return json.dumps(error_object(MID_STREAM_STATUS, message), indent=2).encode() + b"\n"
