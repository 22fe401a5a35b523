"""The gptalk protocol: a login token for a few uses, a ticket per answer, cumulative SSE."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from aiohttp import web

from sandbox.llm.api import Api
from sandbox.llm.checks import (
    BROWSER,
    NON_EMPTY_TEXT,
    RefusalError,
    Rules,
    bearer,
    check_headers,
    check_object,
    exactly,
    integer,
    matching,
    read_json,
)
from sandbox.llm.prompt import messages_of
from sandbox.llm.script import ChatMessage, HttpReply, Script
from sandbox.llm.wire import SseWire, dump

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sandbox.llm.journal import Journal, Record
    from sandbox.llm.playbook import Playbook

USES_PER_TOKEN = 5
TOKEN_LIFETIME = 3600
"""Seconds."""

SESSION: Rules = {
    "User-Agent": BROWSER,
    "x-auth-appid": exactly("2229"),
    "x-auth-openid": exactly(""),
    "x-auth-platform": exactly(""),
    "x-auth-timestamp": matching(r"\d+", "a Unix time"),
}
"""Headers of all three calls."""
LOGIN: Rules = {
    "fingerprint": matching(r"[0-9a-f]{32}", "32 hex characters"),
    "platform": exactly("fingerprint"),
}
TEXT_CALL: Rules = {
    "content": NON_EMPTY_TEXT,
    "accept": exactly("stream"),
    "from": exactly(1),
    "model": NON_EMPTY_TEXT,
    "is_mobile": exactly(0),
    "user_agent": BROWSER,
    "is_open_ctx": exactly(0),
    "prompt": exactly(""),
    "roid": exactly(111),
    "temperature": exactly(0),
    "ctx_msg_count": exactly(3),
    "created_at": integer(1),
}

Call = Literal["login", "text", "stream"]


@dataclass(slots=True)
class Token:
    """A login."""

    expires_at: int
    """Unix time."""
    uses: int = 0


@dataclass(frozen=True, slots=True)
class Ticket:
    """The answer that a text call asked for and a stream call fetches, once."""

    messages: tuple[ChatMessage, ...]
    script: Script


class GptalkApi(Api):
    name: ClassVar[str] = "gptalk"
    root: ClassVar[str] = "/gptalk"

    def __init__(
        self, journal: Journal, playbook: Playbook, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(journal, playbook)
        self.token_lifetime = TOKEN_LIFETIME
        """Seconds a new token is good for; what login reports."""
        self.tokens: dict[str, Token] = {}
        """Every token given out, oldest first: one for each login."""
        self._tickets: dict[str, Ticket] = {}
        self._refusals: dict[Call, list[int]] = {}
        self._clock = clock

    @property
    def logins(self) -> int:
        return len(self.tokens)

    @property
    def uses(self) -> list[int]:
        """Text calls accepted with each token, in the order of the logins."""
        return [token.uses for token in self.tokens.values()]

    def expire_tokens(self) -> None:
        """Refuse all tokens from now on, whatever their logins said."""
        for token in self.tokens.values():
            token.expires_at = 0

    def refuse_next(self, call: Call, status: int = 401) -> None:
        """Answer the next call of this kind with `status`; further ones queue up behind it."""
        self._refusals.setdefault(call, []).append(status)

    def routes(self) -> Sequence[web.RouteDef]:
        base = f"{self.root}/api/chatgpt"
        return (
            web.post(f"{base}/user/login", self.endpoint(self.login)),
            web.post(f"{base}/chatapi/text", self.endpoint(self.text)),
            web.get(f"{base}/chatapi/stream", self.endpoint(self.stream), allow_head=False),
        )

    async def login(self, request: web.Request, record: Record) -> web.StreamResponse:
        self._check_call("login", request)
        record.body = await read_json(request)
        check_object(record.body, LOGIN)
        token = secrets.token_hex(16)
        self.tokens[token] = Token(int(self._clock()) + self.token_lifetime)
        expires_at = self.tokens[token].expires_at
        return self.json(record, {"data": {"token": token, "expires_at": expires_at}})

    async def text(self, request: web.Request, record: Record) -> web.StreamResponse:
        self._check_call("text", request)
        token = self._check_token(bearer(request.headers))
        record.body = await read_json(request)
        fields = check_object(record.body, TEXT_CALL)
        record.messages = messages_of(str(fields["content"]))
        token.uses += 1
        script = self.playbook.choose(record)
        if isinstance(script.fault, HttpReply):
            return self.fixed(record, script.fault, compress=script.gzip)
        ticket = secrets.token_hex(16)
        self._tickets[ticket] = Ticket(record.messages, script)
        return self.json(record, {"data": {"token": ticket}})

    async def stream(self, request: web.Request, record: Record) -> web.StreamResponse:
        self._check_call("stream", request)
        if "Authorization" in request.headers:
            raise RefusalError(400, "Authorization", "Unexpected header Authorization.")
        ticket = self._tickets.pop(request.query.get("token", ""), None)
        if ticket is None:
            raise RefusalError(404, "token", "Invalid token: unknown, or used before.")
        record.messages = ticket.messages
        wire = CumulativeText(ticket.script)
        return await self.answer(request, record, ticket.script, wire)

    def _check_call(self, call: Call, request: web.Request) -> None:
        check_headers(request.headers, SESSION)
        refusals = self._refusals.get(call)
        if refusals:
            raise RefusalError(refusals.pop(0), None, f"The {call} call is refused, as scripted.")

    def _check_token(self, key: str | None) -> Token:
        token = self.tokens.get(key or "")
        if token is None:
            raise RefusalError(401, "Authorization", "Invalid token: log in first.")
        if token.expires_at <= self._clock():
            raise RefusalError(401, "Authorization", "The token has expired.")
        if token.uses >= USES_PER_TOKEN:
            raise RefusalError(401, "Authorization", "The token is used up.")
        return token


class CumulativeText(SseWire):
    """Each event holds the whole text so far."""

    def __init__(self, script: Script) -> None:
        super().__init__(script)
        self._text = ""

    def start(self) -> bytes:
        return b""

    def delta(self, token: str) -> bytes:
        self._text += token
        return self.event(dump({"content": self._text}))

    def finish(self, tokens: int) -> bytes:  # noqa: ARG002 - the end marker counts nothing
        return self.event(b"[DONE]")

    def error(self, message: str) -> bytes:
        return self.event(dump({"error": {"message": message}}))

    def malformed(self) -> bytes:
        return self.event(b'{"content": "oops')
