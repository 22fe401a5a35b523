"""Ollama's own API: POST /api/chat and /api/show, GET /api/tags and /api/version.

As documented on https://github.com/ollama/ollama/blob/main/docs/api.md; where that is silent, as
server/routes.go and api/types.go have it: there is no key, no content type is asked for, unknown
fields are passed over and roles are not checked.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from aiohttp import web

from sandbox.llm.api import MODELS, Api
from sandbox.llm.checks import RefusalError, parse_json
from sandbox.llm.ollama_request import check_chat_request, check_show_request
from sandbox.llm.wire import WholeBlocks, Wire, dump

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.llm.checks import JsonObject
    from sandbox.llm.journal import Record
    from sandbox.llm.ollama_request import OllamaRequest
    from sandbox.llm.script import Script

MODIFIED_AT = "2026-01-01T00:00:00Z"
DETAILS: JsonObject = {
    "parent_model": "",
    "format": "gguf",
    "family": "llama",
    "families": ["llama"],
    "parameter_size": "3.2B",
    "quantization_level": "Q4_K_M",
}
CAPABILITIES = ["completion", "vision", "thinking"]
CONTEXT_LENGTH = 131_072
"""Tokens."""


class OllamaApi(Api):
    name: ClassVar[str] = "ollama"
    root: ClassVar[str] = "/ollama"
    failures: ClassVar[Mapping[int, str]] = {
        401: "unauthorized",
        404: "model 'sandbox' not found",
        429: "you've reached your usage limit, please try again later",
        500: "llama runner process has terminated: exit status 2",
        503: "server busy, please try again.  maximum pending requests exceeded",
    }
    too_long: ClassVar[str] = "the input length exceeds the context length"

    def routes(self) -> Sequence[web.RouteDef]:
        return (
            web.post(f"{self.root}/api/chat", self.endpoint(self.chat)),
            web.post(f"{self.root}/api/show", self.endpoint(self.show)),
            web.get(f"{self.root}/api/tags", self.endpoint(self.tags)),
            web.get(f"{self.root}/api/version", self.endpoint(self.version)),
        )

    def error_body(self, refusal: RefusalError) -> dict[str, object]:
        return {"error": refusal.message}

    async def version(self, _request: web.Request, record: Record) -> web.StreamResponse:
        return self.json(record, {"version": "0.40.0"})

    async def tags(self, _request: web.Request, record: Record) -> web.StreamResponse:
        models = [
            {
                "name": f"{model}:latest",
                "model": f"{model}:latest",
                "modified_at": MODIFIED_AT,
                "size": 2_019_393_189,
                "digest": f"{index:064x}",
                "details": DETAILS,
                "capabilities": CAPABILITIES,
            }
            for index, model in enumerate(MODELS, 1)
        ]
        return self.json(record, {"models": models})

    async def show(self, request: web.Request, record: Record) -> web.StreamResponse:
        record.body = await read_body(request)
        check_show_request(record.body)
        shown = {
            "modelfile": "",
            "parameters": "",
            "template": "{{ .Prompt }}",
            "details": DETAILS,
            "model_info": {
                "general.architecture": "llama",
                "llama.context_length": CONTEXT_LENGTH,
            },
            "capabilities": CAPABILITIES,
            "modified_at": MODIFIED_AT,
        }
        return self.json(record, shown)

    async def chat(self, request: web.Request, record: Record) -> web.StreamResponse:
        record.body = await read_body(request)
        asked = check_chat_request(record.body)
        if not asked.messages:
            return self.json(record, loaded(asked))
        record.messages = asked.messages
        script = self.playbook.choose(record)
        wire: Wire = OllamaLines(script, asked) if asked.stream else WholeOllama(script, asked)
        return await self.answer(request, record, script, wire)


async def read_body(request: web.Request) -> object:
    """The JSON of a request, whatever its content type says. Raises RefusalError (400)."""
    body = await request.read()
    if not body:
        raise RefusalError(400, None, "missing request body")
    return parse_json(body)


def loaded(asked: OllamaRequest) -> JsonObject:
    """The answer to a request without messages, which loads the model or frees its memory."""
    return {
        **head(asked),
        "message": {"role": "assistant", "content": ""},
        "done": True,
        "done_reason": "unload" if asked.unload else "load",
    }


def head(asked: OllamaRequest) -> JsonObject:
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return {"model": asked.model, "created_at": now}


def end(script: Script, asked: OllamaRequest, tokens: int) -> JsonObject:
    """The last fields of the last object. Durations are in nanoseconds."""
    reason = {} if script.finish_reason is None else {"done_reason": script.finish_reason}
    return {
        "done": True,
        **reason,
        "total_duration": 2_000_000_000,
        "load_duration": 1_000_000,
        "prompt_eval_count": sum(len(message.text.split()) for message in asked.messages),
        "prompt_eval_duration": 500_000_000,
        "eval_count": tokens,
        "eval_duration": 1_499_000_000,
    }


class OllamaLines(Wire):
    """An object a line, without a name or a type; the last one is `done`."""

    content_type: ClassVar[str] = "application/x-ndjson"

    def __init__(self, script: Script, asked: OllamaRequest) -> None:
        self._script = script
        self._asked = asked
        self._line_end = b"\r\n" if script.crlf else b"\n"

    def start(self) -> bytes:
        return b""

    def thought(self, token: str) -> bytes:
        if not self._asked.think:
            return b""
        return self._message({"content": "", "thinking": token}, {"done": False})

    def delta(self, token: str) -> bytes:
        return self._message({"content": token}, {"done": False})

    def finish(self, tokens: int) -> bytes:
        return self._message({"content": ""}, end(self._script, self._asked, tokens))

    def error(self, message: str) -> bytes:
        return dump({"error": message}) + self._line_end

    def malformed(self) -> bytes:
        return b'{"message":{"role":"assistant","content":"oops' + self._line_end

    def _message(self, message: JsonObject, rest: JsonObject) -> bytes:
        line = {**head(self._asked), "message": {"role": "assistant", **message}, **rest}
        return dump(line) + self._line_end


class WholeOllama(WholeBlocks):
    """The answer to a request with `stream` false."""

    def __init__(self, script: Script, asked: OllamaRequest) -> None:
        super().__init__()
        self._script = script
        self._asked = asked

    def start(self) -> bytes:
        return dump(head(self._asked))[:-1] + b',"message":{"role":"assistant",'

    def thought(self, token: str) -> bytes:
        return self.block(b'"thinking":"', b'"', token) if self._asked.think else b""

    def delta(self, token: str) -> bytes:
        return self.block(b'"content":"', b'"', token)

    def finish(self, tokens: int) -> bytes:
        content = self.delta("")  # the field is there although nothing was said
        return content + self.close() + b"}," + dump(end(self._script, self._asked, tokens))[1:]

    def error(self, message: str) -> bytes:
        return dump({"error": message})
