"""What all model servers share: records, refusals, faults and the client that goes away."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from http.client import responses
from typing import TYPE_CHECKING, ClassVar

from aiohttp import web

from sandbox.llm.answer import Answer
from sandbox.llm.checks import RefusalError
from sandbox.llm.script import HttpReply
from sandbox.llm.wire import dump

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.llm.journal import Journal, Record
    from sandbox.llm.playbook import Playbook
    from sandbox.llm.script import Script
    from sandbox.llm.wire import Wire

Handler = Callable[[web.Request, "Record"], Awaitable[web.StreamResponse]]
WebHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Api(ABC):
    """One protocol on the sandbox's server, below a path of its own."""

    name: ClassVar[str]
    root: ClassVar[str]
    """The path of the base URL that a client is given."""

    def __init__(self, journal: Journal, playbook: Playbook) -> None:
        self.journal = journal
        self.playbook = playbook

    @abstractmethod
    def routes(self) -> Sequence[web.RouteDef]: ...

    def error_body(self, status: int, message: str, field: str | None) -> dict[str, object]:
        return {"error": {"status": status, "message": message, "field": field}}

    def endpoint(self, handler: Handler) -> WebHandler:
        """`handler` with a record of each request; refusals become HTTP errors."""

        async def handle(request: web.Request) -> web.StreamResponse:
            record = self.journal.open(self.name, request.method, request.path, request.headers)
            try:
                return await handler(request, record)
            except RefusalError as refusal:
                body = self.error_body(refusal.status, refusal.message, refusal.field)
                return self.json(record, body, status=refusal.status)
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
        """Answer as scripted; returns or raises when the answer is sent or the client is gone."""
        if isinstance(script.fault, HttpReply):
            return self.fixed(record, script.fault)
        return await Answer(request, record, script, wire, self.journal).send()

    def json(
        self, record: Record, value: object, *, status: int = HTTPStatus.OK
    ) -> web.StreamResponse:
        record.finished = status == HTTPStatus.OK
        return self._respond(record, web.json_response(body=dump(value), status=status))

    def fixed(self, record: Record, reply: HttpReply) -> web.StreamResponse:
        if reply.body is None:
            message = responses.get(reply.status, "Overloaded")  # 529 is not a registered status
            body = dump(self.error_body(reply.status, message, None))
        else:
            body = reply.body.encode()
        headers = {"Content-Type": reply.content_type}
        if reply.retry_after is not None:
            headers["Retry-After"] = reply.retry_after
        return self._respond(record, web.Response(status=reply.status, body=body, headers=headers))

    def _respond(self, record: Record, response: web.Response) -> web.StreamResponse:
        record.status = response.status
        assert isinstance(response.body, bytes)
        record.bytes_sent = len(response.body)
        return response
