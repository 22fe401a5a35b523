"""A call's way through the sandbox: the road there, faults, rate limits, applying, the road back.

The call goes on when the client hangs up: what Discord has received it also applies.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from sandbox.calls import Calls, NoAnswerError, break_connection, hang, local_port
from sandbox.discord.errors import ApiError, Code, not_found, refusal, unauthorized
from sandbox.discord.limits.faults import Fault, FaultKind
from sandbox.discord.limits.refusals import JSON_TYPE
from sandbox.discord.rest.api import CREATE_MESSAGE, OPEN
from sandbox.discord.rest.request import Reply, Request, read_body
from sandbox.discord.snowflake import snowflake

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sandbox.discord.limits.buckets import RateLimits
    from sandbox.discord.limits.faults import Faults
    from sandbox.discord.limits.refusals import Refusal
    from sandbox.discord.rest.api import RestApi
    from sandbox.discord.rest.routes import Match
    from sandbox.discord.settings import Settings

_VERSION = re.compile(r"/v(\d+)(?=/|$)")
_VERSIONS = ("9", "10")
_TOKEN = "interaction_token"  # noqa: S105 - the name of a part of the path


@dataclass(slots=True)
class Call:
    """One call as it was received and answered; times are on the sandbox's clock."""

    at: float
    method: str
    route: str
    """The method and the path's template, as in `sandbox.discord.rest.api.CREATE_MESSAGE`."""
    channel_id: int | None
    message_id: int | None = None
    """The message that the path names, or that the call posted."""
    body: object = None
    port: int = 0
    """The sandbox's own, by which the call came in: see `DiscordSandbox.listen`."""
    applied_at: float | None = None
    status: int | None = None
    """None while it is unanswered, and for good where the connection was broken."""
    remaining: int | None = None
    """What X-RateLimit-Remaining said."""
    retry_after: float | None = None
    answered_at: float | None = None


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    retry_after: float | None = None


class Rest:
    """The HTTP side of the API."""

    def __init__(
        self,
        settings: Settings,
        api: RestApi,
        limits: RateLimits,
        faults: Faults,
        clock: Callable[[], float],
    ) -> None:
        self.calls: list[Call] = []
        self.on_call: Callable[[], None] = lambda: None
        self._running = Calls[_Answer](self._ended)
        self._settings = settings
        self._api = api
        self._limits = limits
        self._faults = faults
        self._clock = clock

    async def handle(self, request: web.Request) -> web.Response:
        """Answer /api/<version>/<path>; the version may be left out."""
        try:
            match = self._api.match(request.method, _path(request))
            self._check_token(request, match)
        except ApiError as error:
            return self._turn_away(error)
        try:
            body, uploads = await read_body(request)
        except ApiError as error:
            return self._turn_away(error, self._record(request, match, None))
        call = self._record(request, match, body)
        parsed = Request(match.ids, match.words, request.query, body, uploads)
        try:
            answer = await self._running.outlive_client(partial(self._run, call, parsed))
        except NoAnswerError as broken:
            break_connection(request, reset=broken.reset)
            return web.Response()
        self._note_answer(call, answer)
        return _response(answer)

    async def close(self) -> None:
        await self._running.close()

    def _ended(self) -> None:
        self.on_call()

    def _check_token(self, request: web.Request, match: Match) -> None:
        if match.route in OPEN or _TOKEN in match.words:
            return
        if request.headers.get("Authorization") != f"Bot {self._settings.token}":
            raise unauthorized()

    def _turn_away(self, error: ApiError, call: Call | None = None) -> web.Response:
        """Answer what is no call that could be applied."""
        self._limits.answered(error.status, self._clock())
        answer = _error(error, {})
        if call is not None:
            self._note_answer(call, answer)
        return _response(answer)

    def _note_answer(self, call: Call, answer: _Answer) -> None:
        call.status, call.retry_after = int(answer.status), answer.retry_after
        call.answered_at = self._clock()
        self.on_call()

    def _record(self, request: web.Request, match: Match, body: object) -> Call:
        call = Call(
            self._clock(),
            request.method,
            match.route,
            match.ids.get("channel_id"),
            match.ids.get("message_id"),
            body,
            local_port(request),
        )
        self.calls.append(call)
        self.on_call()
        return call

    async def _run(self, call: Call, request: Request, gone: asyncio.Event) -> _Answer:
        await self._travel()
        answer = await self._meet(self._faults.take(call.route, call.channel_id), gone)
        if answer is None:
            answer = self._apply(call, request)
            late = None
            if call.applied_at is not None:
                late = self._faults.take_accepted(call.route, call.channel_id)
            answer = await self._meet(late, gone) or answer
        await self._travel()
        return answer

    async def _travel(self) -> None:
        if self._settings.latency > 0:
            await asyncio.sleep(self._settings.latency)

    async def _meet(self, fault: Fault | None, gone: asyncio.Event) -> _Answer | None:
        """What the fault does to a call; None: it goes on."""
        if fault is None:
            return None
        match fault.kind:
            case FaultKind.RESET:
                raise NoAnswerError(reset=True)
            case FaultKind.DROP_AFTER_ACCEPT:
                raise NoAnswerError
            case FaultKind.HANG | FaultKind.HOLD_AFTER_ACCEPT:
                await hang(self._faults.released(), gone)
            case FaultKind.SLOW | FaultKind.SLOW_ANSWER:
                await asyncio.sleep(fault.seconds)
            case _:
                refused = fault.answer()
                shared = fault.scope == "shared"
                self._limits.answered(refused.status, self._clock(), shared=shared)
                return _refused(refused)
        return None

    def _apply(self, call: Call, request: Request) -> _Answer:
        """Take the rate limit's token and apply the call."""
        now = self._clock()
        exempt = _TOKEN in request.words
        verdict = self._limits.take(call.route, _major(request), now, exempt=exempt)
        remaining = verdict.headers.get("X-RateLimit-Remaining")
        call.remaining = None if remaining is None else int(remaining)
        if verdict.refusal is not None:
            self._limits.answered(verdict.refusal.status, now)
            return _refused(verdict.refusal)
        try:
            reply = self._api.call(call.route, request)
        except ApiError as error:
            self._limits.answered(error.status, now)
            return _error(error, verdict.headers)
        call.applied_at = now
        if call.route == CREATE_MESSAGE and isinstance(reply.body, dict):
            call.message_id = snowflake(reply.body["id"])
        return _success(reply, verdict.headers)


def _path(request: web.Request) -> str:
    """The path after /api and the version; raises ApiError where there is no such version."""
    if not request.path.startswith("/api/"):
        raise not_found()
    path = request.path.removeprefix("/api")
    version = _VERSION.match(path)
    if version is None:
        return path
    if version[1] not in _VERSIONS:
        raise refusal(Code.INVALID_API_VERSION)
    return path[version.end() :]


def _major(request: Request) -> int | str | None:
    """What a route's rate limit is counted by."""
    for name in ("channel_id", "guild_id"):
        if name in request.ids:
            return request.ids[name]
    return request.words.get(_TOKEN)


def _success(reply: Reply, headers: Mapping[str, str]) -> _Answer:
    if reply.body is None:
        return _Answer(reply.status, headers=headers)
    return _Answer(
        reply.status, json.dumps(reply.body).encode(), {"Content-Type": JSON_TYPE, **headers}
    )


def _error(error: ApiError, headers: Mapping[str, str]) -> _Answer:
    sent = {"Content-Type": JSON_TYPE, **headers}
    wait = error.details.get("retry_after")
    retry_after = wait if isinstance(wait, float) else None
    if retry_after is not None:
        sent |= {"Retry-After": str(math.ceil(retry_after)), "X-RateLimit-Scope": "user"}
    return _Answer(error.status, json.dumps(error.answer()).encode(), sent, retry_after)


def _refused(refused: Refusal) -> _Answer:
    wait = refused.body.get("retry_after") if isinstance(refused.body, dict) else None
    retry_after = wait if isinstance(wait, float) else None
    return _Answer(refused.status, refused.encoded(), refused.headers, retry_after)


def _response(answer: _Answer) -> web.Response:
    return web.Response(body=answer.body or None, status=answer.status, headers=answer.headers)
