"""OpenAI's Responses API: POST /v1/responses and GET /v1/models.

As documented on https://platform.openai.com/docs/api-reference/responses; what is sent is in
responses_events.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from aiohttp import web

from sandbox.llm.api import MODELS, Api
from sandbox.llm.checks import check_bearer, read_json
from sandbox.llm.responses_events import ResponseEvents, ResponseObject, WholeResponse
from sandbox.llm.responses_request import check_response_request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.llm.checks import RefusalError
    from sandbox.llm.journal import Journal, Record
    from sandbox.llm.playbook import Playbook
    from sandbox.llm.wire import Wire

ERROR_KINDS = {
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("tokens", "rate_limit_exceeded"),
    500: ("server_error", "server_error"),
    503: ("server_error", "server_is_overloaded"),
    529: ("server_error", "server_is_overloaded"),
}
"""HTTP status → type and code of the error object."""

PROBLEMS = {
    "missing": ("missing_required_parameter", "Missing required parameter: '{field}'."),
    "unknown": ("unknown_parameter", "Unknown parameter: '{field}'."),
    "invalid": ("invalid_value", "{message}"),
    "too_long": ("context_length_exceeded", "{message}"),
}
"""What is wrong with a parameter → code and message of the error object."""


class ResponsesApi(Api):
    name: ClassVar[str] = "responses"
    root: ClassVar[str] = "/responses/v1"
    failures: ClassVar[Mapping[int, str]] = {
        401: "Incorrect API key provided.",
        403: "Country, region, or territory not supported",
        404: "The model `sandbox` does not exist or you do not have access to it.",
        429: "Rate limit reached for sandbox on tokens per min (TPM).",
        500: "The server had an error while processing your request. Sorry about that!",
        503: "Our servers are currently overloaded. Please try again later.",
        529: "Our servers are currently overloaded. Please try again later.",
    }
    too_long: ClassVar[str] = (
        "Your input exceeds the context window of this model. Please adjust your input and try"
        " again."
    )

    def __init__(self, journal: Journal, playbook: Playbook, key: str | None) -> None:
        """`key` is the one accepted Bearer key; None accepts any, though not none."""
        super().__init__(journal, playbook)
        self._key = key

    def routes(self) -> Sequence[web.RouteDef]:
        return (
            web.post(f"{self.root}/responses", self.endpoint(self.respond)),
            web.get(f"{self.root}/models", self.endpoint(self.models)),
        )

    def error_body(self, refusal: RefusalError) -> dict[str, object]:
        kind, code = ERROR_KINDS.get(refusal.status, ("invalid_request_error", None))
        message = refusal.message
        if refusal.problem is not None:
            code, words = PROBLEMS[refusal.problem]
            message = words.format(field=refusal.field, message=message)
        elif refusal.field == "model":
            code = "model_not_found"
        error = {"message": message, "type": kind, "param": refusal.field, "code": code}
        return {"error": error}

    async def models(self, request: web.Request, record: Record) -> web.StreamResponse:
        check_bearer(request.headers, self._key)
        models = [
            {"id": model, "object": "model", "created": 0, "owned_by": "sandbox"}
            for model in MODELS
        ]
        return self.json(record, {"object": "list", "data": models})

    async def respond(self, request: web.Request, record: Record) -> web.StreamResponse:
        check_bearer(request.headers, self._key)
        record.body = await read_json(request)
        asked = check_response_request(record.body)
        record.messages = asked.messages
        script = self.playbook.choose(record)
        response = ResponseObject(asked, record.number, script.finish_reason)
        wire: Wire
        if asked.stream:
            wire = ResponseEvents(script, response, obfuscation=asked.obfuscation)
        else:
            wire = WholeResponse(response)
        return await self.answer(request, record, script, wire)
