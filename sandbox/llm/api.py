"""What all model servers share: records, refusals, faults and the client that goes away."""

from __future__ import annotations

import asyncio
import gzip
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from http.client import responses
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from aiohttp import web

from sandbox.llm.answer import Answer
from sandbox.llm.checks import RefusalError
from sandbox.llm.script import HttpReply, TooLong
from sandbox.llm.wire import dump

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.llm.journal import Journal, Record
    from sandbox.llm.playbook import Playbook
    from sandbox.llm.script import Script
    from sandbox.llm.wire import Wire

MODELS = ("sandbox", "sandbox-large")
"""What the servers list, and what those take that know their models."""

Handler = Callable[[web.Request, "Record"], Awaitable[web.StreamResponse]]
WebHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Api(ABC):
    """One protocol on the sandbox's server, below a path of its own."""

    name: ClassVar[str]
    root: ClassVar[str]
    """The path of the base URL that a client is given."""
    failures: ClassVar[Mapping[int, str]] = MappingProxyType({})
    """HTTP status → what the real server says with it, where that differs from HTTP's own words."""
    too_long: ClassVar[str] = "The prompt is too long."
    """What the real server says to a prompt that does not fit the model's context."""

    def __init__(self, journal: Journal, playbook: Playbook) -> None:
        self.journal = journal
        self.playbook = playbook

    @abstractmethod
    def routes(self) -> Sequence[web.RouteDef]: ...

    def error_body(self, refusal: RefusalError) -> dict[str, object]:
        error = {
            "status": refusal.status,
            "message": refusal.message,
            "field": refusal.field,
        }
        return {"error": error}

    def failure(self, reply: HttpReply) -> tuple[dict[str, object], dict[str, str]]:
        """The body and the headers with which the real server fails in this way."""
        reason = responses.get(reply.status, "Overloaded")  # 529 is not a registered status
        message = self.failures.get(reply.status, reason)
        return self.error_body(RefusalError(reply.status, None, message)), retry_header(reply)

    def endpoint(self, handler: Handler) -> WebHandler:
        """`handler` with a record of each request; refusals become HTTP errors."""

        async def handle(request: web.Request) -> web.StreamResponse:
            record = self.journal.open(self.name, request.method, request.path, request.headers)
            try:
                return await handler(request, record)
            except RefusalError as refusal:
                return self.json(record, self.error_body(refusal), status=refusal.status)
            except (asyncio.CancelledError, ConnectionError):
                # The server's runner cancels a handler as soon as its connection is lost.
                if not self.journal.closing:
                    record.client_closed_at = asyncio.get_running_loop().time()
                raise
            finally:
                record.ended_at = asyncio.get_running_loop().time()
                self.journal.changed()

        return handle

    async def answer(
        self, request: web.Request, record: Record, script: Script, wire: Wire
    ) -> web.StreamResponse:
        """Answer as scripted; returns or raises when the answer is sent or the client is gone.

        Raises RefusalError where the script says that the prompt is too long.
        """
        if isinstance(script.fault, TooLong):
            raise RefusalError(400, None, self.too_long, "too_long")
        if isinstance(script.fault, HttpReply):
            return self.fixed(record, script.fault, compress=script.gzip)
        return await Answer(request, record, script, wire, self.journal).send()

    def json(
        self, record: Record, value: object, *, status: int = HTTPStatus.OK
    ) -> web.StreamResponse:
        record.finished = status == HTTPStatus.OK
        return self._respond(record, web.json_response(body=dump(value), status=status))

    def fixed(
        self, record: Record, reply: HttpReply, *, compress: bool = False
    ) -> web.StreamResponse:
        if reply.body is None:
            failure, headers = self.failure(reply)
            body = dump(failure)
        else:
            body, headers = reply.body.encode(), retry_header(reply)
        headers["Content-Type"] = reply.content_type
        if compress:
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body)
        return self._respond(record, web.Response(status=reply.status, body=body, headers=headers))

    def _respond(self, record: Record, response: web.Response) -> web.StreamResponse:
        record.status = response.status
        assert isinstance(response.body, bytes)
        record.bytes_sent = len(response.body)
        return response


def retry_header(reply: HttpReply) -> dict[str, str]:
    return {} if reply.retry_after is None else {"Retry-After": reply.retry_after}
