"""What the Responses API sends: its events, and the response they add up to.

As documented on https://platform.openai.com/docs/api-reference/responses-streaming.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sandbox.llm.wire import SseWire, WholeBlocks, dump, server_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.llm.checks import JsonObject
    from sandbox.llm.responses_request import ResponseRequest
    from sandbox.llm.script import Script

ENDS: dict[str | None, tuple[str, str | None]] = {
    "stop": ("completed", None),
    "length": ("incomplete", "max_output_tokens"),
    "content_filter": ("incomplete", "content_filter"),
    "failed": ("failed", None),
}
"""A script's finish reason → the response's status, and why it is incomplete. Any other reason is
sent as that of an incomplete response."""

OBFUSCATION = "obfuscated as bytes"
"""Pads short deltas to one length, so that sizes on the wire do not tell what is said."""


class ResponseObject:
    """The response as it grows: reasoning, if it is to be shown, then one message."""

    def __init__(self, asked: ResponseRequest, number: int, finish_reason: str | None) -> None:
        self.summary = asked.summary
        self.status, self._reason = ENDS.get(finish_reason, ("incomplete", finish_reason))
        self.message_id = f"msg_{number}"
        self.reasoning_id = f"rs_{number}"
        self._input_tokens = sum(len(message.text.split()) for message in asked.messages)
        self.head: JsonObject = {
            "id": f"resp_{number}",
            "object": "response",
            "created_at": int(time.time()),
            "model": asked.model,
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "metadata": {},
            **asked.echo,
        }
        """The fields that do not change."""

    def begun(self) -> JsonObject:
        """The other fields, `output` apart, while the answer is written."""
        return {"status": "in_progress", "error": None, "incomplete_details": None, "usage": None}

    def ended(self, tokens: int) -> JsonObject:
        """The other fields, `output` apart, at the end."""
        error = {"code": "server_error", "message": "The model failed to answer."}
        usage = {
            "input_tokens": self._input_tokens,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": self._input_tokens + tokens,
        }
        return {
            "status": self.status,
            "error": error if self.status == "failed" else None,
            "incomplete_details": {"reason": self._reason} if self.status == "incomplete" else None,
            "usage": usage,
        }

    def message(self, content: list[JsonObject], status: str) -> JsonObject:
        item = {"id": self.message_id, "type": "message", "status": status}
        return {**item, "role": "assistant", "content": content}

    def reasoning(self, summary: list[JsonObject]) -> JsonObject:
        return {"id": self.reasoning_id, "type": "reasoning", "summary": summary}


def output_text(text: str) -> JsonObject:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def summary_text(text: str) -> JsonObject:
    return {"type": "summary_text", "text": text}


class ResponseEvents(SseWire):
    """Every event has its type twice, as SSE's and in its data, and a sequence number."""

    def __init__(self, script: Script, response: ResponseObject, *, obfuscation: bool) -> None:
        super().__init__(script)
        self._response = response
        self._obfuscation = obfuscation
        self._sequence = 0
        self._output: list[JsonObject] = []
        """Finished items."""
        self._thoughts: list[str] = []
        self._tokens: list[str] = []
        self._place: JsonObject = {}
        """Where the part that is being written belongs; empty before the message began."""

    def start(self) -> bytes:
        begun = {"response": {**self._response.head, **self._response.begun(), "output": []}}
        return self._event("response.created", begun) + self._event("response.in_progress", begun)

    def thought(self, token: str) -> bytes:
        if not self._response.summary:
            return b""
        place = {"item_id": self._response.reasoning_id, "output_index": 0}
        before = b""
        if not self._thoughts:
            part = {**place, "summary_index": 0, "part": summary_text("")}
            item = {"output_index": 0, "item": self._response.reasoning([])}
            before = self._event("response.output_item.added", item)
            before += self._event("response.reasoning_summary_part.added", part)
        self._thoughts.append(token)
        delta = {**place, "summary_index": 0, "delta": token, **self._padding(token)}
        return before + self._event("response.reasoning_summary_text.delta", delta)

    def delta(self, token: str) -> bytes:
        before = b"" if self._place else self._begin_message()
        self._tokens.append(token)
        delta = {**self._place, "delta": token, "logprobs": [], **self._padding(token)}
        return before + self._event("response.output_text.delta", delta)

    def finish(self, tokens: int) -> bytes:
        done = self._end_message() if self._place else self._end_reasoning()
        ended = {**self._response.head, **self._response.ended(tokens), "output": self._output}
        return done + self._event(f"response.{self._response.status}", {"response": ended})

    def error(self, message: str) -> bytes:
        fields = {"code": "server_error", "message": message, "param": None}
        return self._event("error", fields)

    def malformed(self) -> bytes:
        broken = b'{"type":"response.output_text.delta","delta":"oops'
        return self.named(b"response.output_text.delta", broken)

    def _begin_message(self) -> bytes:
        before = self._end_reasoning()
        index = len(self._output)
        item = {"output_index": index, "item": self._response.message([], "in_progress")}
        added = self._event("response.output_item.added", item)
        place = {"item_id": self._response.message_id, "output_index": index}
        self._place = {**place, "content_index": 0}
        part = {**self._place, "part": output_text("")}
        return before + added + self._event("response.content_part.added", part)

    def _end_reasoning(self) -> bytes:
        if not self._thoughts:
            return b""
        text = "".join(self._thoughts)
        item = self._response.reasoning([summary_text(text)])
        self._output.append(item)
        place = {"item_id": self._response.reasoning_id, "output_index": 0, "summary_index": 0}
        part = {**place, "part": summary_text(text)}
        return (
            self._event("response.reasoning_summary_text.done", {**place, "text": text})
            + self._event("response.reasoning_summary_part.done", part)
            + self._event("response.output_item.done", {"output_index": 0, "item": item})
        )

    def _end_message(self) -> bytes:
        text = "".join(self._tokens)
        status = item_status(self._response.status)
        item = self._response.message([output_text(text)], status)
        index = len(self._output)
        self._output.append(item)
        done = {**self._place, "text": text, "logprobs": []}
        part = {**self._place, "part": output_text(text)}
        return (
            self._event("response.output_text.done", done)
            + self._event("response.content_part.done", part)
            + self._event("response.output_item.done", {"output_index": index, "item": item})
        )

    def _padding(self, token: str) -> JsonObject:
        return {"obfuscation": OBFUSCATION[len(token) :]} if self._obfuscation else {}

    def _event(self, kind: str, fields: Mapping[str, object]) -> bytes:
        data = dump({"type": kind, "sequence_number": self._sequence, **fields})
        self._sequence += 1
        return self.named(kind.encode(), data)


class WholeResponse(WholeBlocks):
    """The answer to a request without `stream`."""

    def __init__(self, response: ResponseObject) -> None:
        super().__init__()
        self._response = response
        reasoning = {"id": response.reasoning_id, "type": "reasoning"}
        message = {"id": response.message_id, "type": "message", "role": "assistant"}
        self._reasoning = dump(reasoning)[:-1] + b',"summary":[{"type":"summary_text","text":"'
        self._message = (
            dump(message | {"status": item_status(response.status)})[:-1]
            + b',"content":[{"type":"output_text","annotations":[],"logprobs":[],"text":"'
        )

    def start(self) -> bytes:
        return dump(self._response.head)[:-1] + b',"output":['

    def thought(self, token: str) -> bytes:
        return self.block(self._reasoning, b'"}]}', token) if self._response.summary else b""

    def delta(self, token: str) -> bytes:
        return self.block(self._message, b'"}]}', token)

    def finish(self, tokens: int) -> bytes:
        return self.close() + b"]," + dump(self._response.ended(tokens))[1:]

    def error(self, message: str) -> bytes:
        return dump(server_error(message))


def item_status(response_status: str) -> str:
    """A message is complete or is not; only the response can fail."""
    return "completed" if response_status == "completed" else "incomplete"
