"""Google's Gemini API: generateContent, streamGenerateContent and models, of v1 and v1beta.

As documented on https://ai.google.dev/api/generate-content and https://ai.google.dev/api/models.
Errors have the form of https://cloud.google.com/apis/design/errors.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar

from aiohttp import web

from sandbox.llm.api import MODELS, Api
from sandbox.llm.checks import RefusalError, read_json
from sandbox.llm.gemini_request import check_generate_request
from sandbox.llm.gemini_wire import (
    GeminiAnswer,
    GeminiArray,
    GeminiEvents,
    WholeGemini,
    error_object,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.llm.checks import JsonObject
    from sandbox.llm.journal import Journal, Record
    from sandbox.llm.playbook import Playbook
    from sandbox.llm.script import HttpReply
    from sandbox.llm.wire import Wire

METHODS = ("generateContent", "streamGenerateContent")
TYPE = "type.googleapis.com/google.rpc."
SERVICE = "generativelanguage.googleapis.com"
QUOTA: JsonObject = {
    "@type": f"{TYPE}QuotaFailure",
    "violations": [
        {
            "quotaMetric": f"{SERVICE}/generate_content_free_tier_requests",
            "quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
        }
    ],
}
DETAILS: Mapping[str | None, JsonObject] = {
    header: {
        "@type": f"{TYPE}ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": {"service": SERVICE},
    }
    for header, reason in (
        ("x-goog-api-key", "API_KEY_INVALID"),
        ("Authorization", "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
    )
}
"""A refused header → what the error says of it."""


class GeminiApi(Api):
    name: ClassVar[str] = "gemini"
    root: ClassVar[str] = "/gemini"
    failures: ClassVar[Mapping[int, str]] = {
        400: "Request contains an invalid argument.",
        401: "Request had invalid authentication credentials.",
        403: "The caller does not have permission",
        404: "models/sandbox is not found for API version v1beta.",
        429: "You exceeded your current quota, please check your plan and billing details.",
        500: "An internal error has occurred. Please retry.",
        503: "The model is overloaded. Please try again later.",
        529: "The model is overloaded. Please try again later.",
    }
    too_long: ClassVar[str] = (
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
    )

    def __init__(self, journal: Journal, playbook: Playbook, key: str | None) -> None:
        """`key` is the one accepted API key; None accepts any, though not none."""
        super().__init__(journal, playbook)
        self._key = key

    def routes(self) -> Sequence[web.RouteDef]:
        models = f"{self.root}/{{version:v1|v1beta}}/models"
        return (
            web.get(models, self.endpoint(self.models)),
            web.get(f"{models}/{{model}}", self.endpoint(self.model)),
            web.post(f"{models}/{{model}}:{{method}}", self.endpoint(self.generate)),
        )

    def error_body(self, refusal: RefusalError) -> dict[str, object]:
        if refusal.problem == "unknown":
            path, _, name = str(refusal.field).rpartition(".")
            at = f" at '{path}'" if path else ""
            message = (
                f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.'
            )
            return error_object(refusal.status, message, [bad_request(path, message)])
        if refusal.field in DETAILS:
            return error_object(refusal.status, refusal.message, [DETAILS[refusal.field]])
        details = [] if refusal.field is None else [bad_request(refusal.field, refusal.message)]
        return error_object(refusal.status, refusal.message, details)

    def failure(self, reply: HttpReply) -> tuple[dict[str, object], dict[str, str]]:
        """Gemini says in the body when to come back, not in a header."""
        if reply.status != HTTPStatus.TOO_MANY_REQUESTS:
            return super().failure(reply)
        details = [QUOTA]
        if reply.retry_after is not None:
            details.append({"@type": f"{TYPE}RetryInfo", "retryDelay": f"{reply.retry_after}s"})
        return error_object(reply.status, self.failures[reply.status], details), {}

    async def models(self, request: web.Request, record: Record) -> web.StreamResponse:
        self._check_key(request)
        return self.json(record, {"models": [model_info(model) for model in MODELS]})

    async def model(self, request: web.Request, record: Record) -> web.StreamResponse:
        self._check_key(request)
        return self.json(record, model_info(self._model(request)))

    async def generate(self, request: web.Request, record: Record) -> web.StreamResponse:
        method = request.match_info["method"]
        if method not in METHODS:
            raise RefusalError(404, None, f"Method not found: {method}")
        self._check_key(request)
        record.body = await read_json(request)
        asked = check_generate_request(record.body)
        model = self._model(request)
        record.messages = asked.messages
        script = self.playbook.choose(record)
        answer = GeminiAnswer(asked, model, record.number, script.finish_reason)
        wire: Wire
        if method == "generateContent":
            wire = WholeGemini(answer)
        elif request.query.get("alt") == "sse":
            wire = GeminiEvents(script, answer)
        else:
            wire = GeminiArray(answer)
        return await self.answer(request, record, script, wire)

    def _model(self, request: web.Request) -> str:
        model = request.match_info["model"]
        if model not in MODELS:
            message = (
                f"models/{model} is not found for API version {request.match_info['version']}, or"
                " is not supported for generateContent. Call ListModels to see the list of"
                " available models and their supported methods."
            )
            raise RefusalError(404, None, message)
        return model

    def _check_key(self, request: web.Request) -> None:
        """The API takes the key in a header or, as old clients have it, in the query."""
        key = request.headers.get("x-goog-api-key") or request.query.get("key")
        if not key and "Authorization" in request.headers:
            message = (
                "Request had invalid authentication credentials. Expected OAuth 2 access token,"
                " login cookie or other valid authentication credential."
            )
            raise RefusalError(401, "Authorization", message)
        if not key:
            message = (
                "Method doesn't allow unregistered callers (callers without established identity)."
                " Please use API Key or other form of API consumer identity to call this API."
            )
            raise RefusalError(403, None, message)
        if self._key is not None and key != self._key:
            message = "API key not valid. Please pass a valid API key."
            raise RefusalError(400, "x-goog-api-key", message)


def bad_request(field: str, description: str) -> JsonObject:
    violation = {"field": field, "description": description}
    return {"@type": f"{TYPE}BadRequest", "fieldViolations": [violation]}


def model_info(model: str) -> JsonObject:
    return {
        "name": f"models/{model}",
        "version": "001",
        "displayName": model.replace("-", " ").title(),
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": list(METHODS),
        "thinking": True,
    }
