"""A call's way through the sandbox: the road there, faults, flood control, applying, the road back.

The call goes on when the client hangs up: what Telegram has received it also applies.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

from sandbox.calls import Calls, NoAnswerError, break_connection, hang, local_port
from sandbox.telegram import errors
from sandbox.telegram.api import METHODS, kind_of
from sandbox.telegram.faults import GET_UPDATES, Fault, FaultKind
from sandbox.telegram.flood import CallKind
from sandbox.telegram.params import Params, read_params
from sandbox.telegram.updates import MAX_LIMIT, MAX_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.telegram.api import BotApi
    from sandbox.telegram.faults import Faults
    from sandbox.telegram.flood import FloodControl
    from sandbox.telegram.scene import Scene
    from sandbox.telegram.settings import Settings

_TOKEN = re.compile(r"[1-9]\d*:[\w-]+")
_BAD_GATEWAY_PAGE = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
    b"<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx/1.18.0</center>\r\n"
    b"</body>\r\n</html>\r\n"
)


@dataclass(slots=True)
class Call:
    """One API call as it was received and answered; times are on the sandbox's clock."""

    at: float
    method: str
    chat_id: int | None
    params: dict[str, object] = field(default_factory=dict)
    port: int = 0
    """The sandbox's own, by which the call came in: see `TelegramSandbox.listen`."""
    message_id: int | None = None
    """The message that it posted or edited."""
    applied_at: float | None = None
    status: int | None = None
    """None while it is unanswered, and for good where the connection was broken."""
    retry_after: int | None = None
    answered_at: float | None = None


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    content_type: str = "application/json"
    retry_after: int | None = None


class Gateway:
    """The HTTP side of the Bot API."""

    def __init__(
        self,
        settings: Settings,
        scene: Scene,
        api: BotApi,
        flood: FloodControl,
        faults: Faults,
    ) -> None:
        self.calls: list[Call] = []
        self.on_call: Callable[[], None] = lambda: None
        self._settings = settings
        self._scene = scene
        self._api = api
        self._flood = flood
        self._faults = faults
        self._clock = scene.world.clock
        self._running = Calls[_Answer](self._ended)

    async def handle(self, request: web.Request) -> web.Response:
        """Answer /bot<token>/<method>."""
        try:
            self._check_token(request.match_info["token"])
            params = await read_params(request)
        except errors.ApiError as error:
            return _response(_error(error))
        except web.HTTPRequestEntityTooLarge:
            too_large = errors.ApiError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Request Entity Too Large"
            )
            return _response(_error(too_large))
        call = self._record(request.match_info["method"], params, local_port(request))
        try:
            answer = await self._running.outlive_client(
                partial(self._run, call, params),
                # It changes nothing, and its answer would find no one.
                dropped=call.method.lower() == GET_UPDATES,
            )
        except NoAnswerError as broken:
            break_connection(request, reset=broken.reset)
            return web.Response()
        call.status, call.retry_after = answer.status, answer.retry_after
        call.answered_at = self._clock()
        self.on_call()
        return _response(answer)

    async def not_found(self, _request: web.Request) -> web.Response:
        """Answer every other path."""
        return _response(_error(errors.not_found()))

    @property
    def running(self) -> bool:
        """Whether calls are not finished yet; those whose client has gone are among them."""
        return bool(self._running)

    async def close(self) -> None:
        await self._running.close()

    def _ended(self) -> None:
        self.on_call()

    def _check_token(self, token: str) -> None:
        if token == self._settings.token:
            return
        raise errors.unauthorized() if _TOKEN.fullmatch(token) else errors.not_found()

    def _record(self, method: str, params: Params, port: int) -> Call:
        chat_id = params.integer("chat_id") or None
        call = Call(self._clock(), method, chat_id, params.decoded(), port)
        self.calls.append(call)
        self.on_call()
        return call

    async def _run(self, call: Call, params: Params, gone: asyncio.Event) -> _Answer:
        method = call.method.lower()
        await self._travel()
        text = params.text("text")
        fault = self._faults.take(method, call.chat_id, text, has_entities=_has_entities(params))
        try:
            answer = await self._trouble(fault, call, gone)
            if answer is None:
                result = await self._apply(method, call, params)
                answer = _Answer(HTTPStatus.OK, _encode({"ok": True, "result": result}))
                call.applied_at = self._clock()
                if isinstance(result, dict):
                    call.message_id = result.get("message_id")
                late = self._faults.take_accepted(method, call.chat_id, text)
                answer = await self._lose_answer(late, answer, gone)
        except errors.ApiError as error:
            answer = _error(error)
        await self._travel()
        return answer

    async def _travel(self) -> None:
        if self._settings.latency > 0:
            await asyncio.sleep(self._settings.latency)

    async def _trouble(
        self, fault: Fault | None, call: Call, gone: asyncio.Event
    ) -> _Answer | None:
        """What the fault does to a call; None: it goes on."""
        if fault is None:
            return None
        match fault.kind:
            case FaultKind.FLOOD:
                if fault.penalty and call.chat_id is not None:
                    self._flood.penalize(self._clock(), call.chat_id, fault.seconds)
                raise errors.too_many_requests(math.ceil(fault.seconds))
            case FaultKind.ERROR:
                return _forced(fault)
            case FaultKind.REFUSE_ENTITIES:
                reason = fault.description or "can't parse entities: unsupported start tag"
                raise errors.bad_request(reason)
            case FaultKind.RESET:
                raise NoAnswerError(reset=True)
            case FaultKind.HANG:
                await hang(self._faults.released(), gone)
            case FaultKind.SLOW:
                await asyncio.sleep(fault.seconds)
        return None

    async def _lose_answer(
        self, fault: Fault | None, answer: _Answer, gone: asyncio.Event
    ) -> _Answer:
        """What the fault makes of the answer to a call that is applied; raises NoAnswerError."""
        match fault.kind if fault else None:
            case FaultKind.DROP_AFTER_ACCEPT:
                raise NoAnswerError
            case FaultKind.HOLD_AFTER_ACCEPT:
                await hang(self._faults.released(), gone)
            case FaultKind.WRONG_ANSWER:
                assert fault is not None
                return _Answer(HTTPStatus.OK, fault.body.encode())
        return answer

    async def _apply(self, method: str, call: Call, params: Params) -> object:
        if method == GET_UPDATES:
            return await self._get_updates(params)
        if method not in METHODS:
            raise errors.not_found("method not found")
        await self._pass_flood_control(method, call)
        return self._api.call(method, params)

    async def _pass_flood_control(self, method: str, call: Call) -> None:
        kind = kind_of(method)
        if kind is not CallKind.OTHER and call.chat_id not in self._scene.world.chats:
            return
        verdict = self._flood.request(self._clock(), call.chat_id or 0, kind)
        if verdict.retry_after:
            raise errors.too_many_requests(verdict.retry_after)
        if verdict.wait > 0:
            await asyncio.sleep(verdict.wait)

    async def _get_updates(self, params: Params) -> object:
        queue = self._scene.updates
        queue.allow(params.json("allowed_updates"))
        limit = min(max(params.integer("limit", MAX_LIMIT), 1), MAX_LIMIT)
        seconds = min(max(params.number("timeout"), 0.0), MAX_TIMEOUT)
        return await queue.poll(params.integer("offset"), limit, seconds)


def _has_entities(params: Params) -> bool:
    return bool(params.json("entities"))


def _encode(body: object) -> bytes:
    return json.dumps(body).encode()


def _error(error: errors.ApiError) -> _Answer:
    return _Answer(
        error.code, _encode(error.answer()), retry_after=error.parameters.get("retry_after")
    )


def _forced(fault: Fault) -> _Answer:
    if fault.body:
        return _Answer(fault.status, fault.body.encode(), "text/html")
    if fault.status == HTTPStatus.BAD_GATEWAY:
        return _Answer(fault.status, _BAD_GATEWAY_PAGE, "text/html")
    description = fault.description or HTTPStatus(fault.status).phrase
    return _error(errors.ApiError(fault.status, description))


def _response(answer: _Answer) -> web.Response:
    response = web.Response(
        body=answer.body, status=answer.status, content_type=answer.content_type
    )
    if answer.retry_after is not None:
        response.headers["Retry-After"] = str(answer.retry_after)
    return response
