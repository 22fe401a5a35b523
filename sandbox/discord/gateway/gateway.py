"""Discord's gateway: sessions, what is dispatched to them, and troubles on demand.

https://discord.com/developers/docs/events/gateway
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal, Protocol

from aiohttp import web

from sandbox.calls import break_connection
from sandbox.discord.gateway.connection import Connection
from sandbox.discord.gateway.handshake import read_identify, read_resume
from sandbox.discord.gateway.intents import Intent
from sandbox.discord.gateway.members import members_chunk, wants_all
from sandbox.discord.gateway.protocol import (
    SESSION_ENDING,
    VERSION,
    CloseCode,
    GatewayCloseError,
    GatewaySettings,
    Opcode,
)
from sandbox.discord.gateway.session import Session, Sessions, shard_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.discord.errors import Json
    from sandbox.discord.gateway.handshake import Identify


_PATIENCE = 2.0
"""Seconds the clients have to close their sockets when the gateway shuts down."""

Kind = Literal["connected", "refused", "identified", "resumed", "invalidated", "closed", "presence"]


class Hello(Protocol):
    """What a client is told about the world when its session begins."""

    def ready(self) -> Json:
        """READY's data without guilds, session_id, resume_gateway_url, shard and v."""

    def guilds(self) -> list[Json]:
        """The data of a GUILD_CREATE for each guild the bot is in."""


@dataclass(frozen=True, slots=True)
class Record:
    """One thing that happened between the gateway and its clients."""

    kind: Kind
    at: float
    session: str | None = None
    """None where there is no session, or none yet."""
    details: Json = field(default_factory=dict)
    """refused: what, code or status. identified: intents, shard. resumed: seq, replayed.
    invalidated: resumable. closed: code, by "server" or "client". presence: what was sent.
    """


@dataclass(slots=True)
class _Refusals:
    """How many of the next attempts are refused, and with what."""

    left: int | None = 0
    """None: all of them."""
    code: int = 0

    def take(self) -> bool:
        if self.left == 0:
            return False
        if self.left is not None:
            self.left -= 1
        return True


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


class Gateway:
    """The WebSocket side of the API. Its methods are called on the event loop it serves on."""

    def __init__(
        self,
        settings: GatewaySettings,
        *,
        token: str,
        hello: Hello,
        clock: Callable[[], float] = _loop_time,
    ) -> None:
        """`clock` gives seconds that never go back."""
        self.log: list[Record] = []
        self.on_log: Callable[[], None] = lambda: None
        self._settings = settings
        self._token = token
        self._hello = hello
        self._clock = clock
        self._sessions = Sessions(settings, clock)
        self._connections: list[Connection] = []
        self._refused_connections = _Refusals()
        self._refused_identifies = _Refusals()
        self._acking = True

    @property
    def sessions(self) -> list[Session]:
        """The sessions whose client is there, or may come back."""
        return self._sessions.current()

    def start_advice(self) -> Json:
        """What GET /gateway/bot says of how to begin sessions."""
        limit = self._sessions.start_limit()
        return {"shards": self._settings.shards, "session_start_limit": limit}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request to open a WebSocket, and speak on it until it is closed."""
        if self._refused_connections.take():
            return self._refuse_connection(request, self._refused_connections.code)
        connection = Connection(request, self._settings, self._clock)
        await connection.open()
        self._connections.append(connection)
        self._note("connected", None)
        query = request.query
        if query.get("v") != VERSION or query.get("encoding", "json") != "json":
            connection.close(CloseCode.INVALID_API_VERSION)
        try:
            await connection.run(self._receive)
        finally:
            self._leave(connection)
        return connection.response

    def dispatch(
        self,
        event: str,
        data: Json,
        *,
        intent: Intent | None = None,
        redacted: Json | None = None,
    ) -> None:
        """Send an event to every session, also to those whose client is away.

        Args:
            event: Its name, as MESSAGE_CREATE.
            data: Taken as it is now; an event of a guild has `guild_id`.
            intent: Without it, a session does not get the event.
            redacted: What a session without MESSAGE_CONTENT gets instead of `data`.
        """
        for session in self.sessions:
            if not session.wants(event, data, intent):
                continue
            content = redacted is None or Intent.MESSAGE_CONTENT in session.intents
            session.record(event, data if content else redacted)
            self._sessions.deliver(session)

    async def shutdown(self) -> None:
        """Close every socket; those of clients that don't let go are reset."""
        leaving = list(self._connections)
        self.close(CloseCode.GOING_AWAY)
        try:
            async with asyncio.timeout(_PATIENCE):
                await asyncio.gather(*(connection.finished.wait() for connection in leaving))
        except TimeoutError:
            self.drop()

    # Troubles on demand

    def close(self, code: int = CloseCode.UNKNOWN_ERROR) -> None:
        """Close the sockets that are open; some codes end the sessions (`SESSION_ENDING`)."""
        for connection in self._connections:
            connection.close(code)
            if connection.session is not None and code in SESSION_ENDING:
                self._sessions.end(connection.session)

    def drop(self) -> None:
        """Reset the connections that are open, without a close frame."""
        for connection in self._connections:
            connection.abort()

    def reconnect(self) -> None:
        """Ask the clients to connect again and resume: opcode 7."""
        for connection in self._connections:
            connection.send(Opcode.RECONNECT)

    def invalidate(self, *, resumable: bool = False) -> None:
        """Tell the clients that their sessions are invalid: opcode 9. Not `resumable`: they end."""
        for connection in self._connections:
            if connection.session is not None:
                self._invalidate(connection, resumable=resumable)

    def forget(self) -> None:
        """Let no session be resumed any more; clients that are there notice when they leave."""
        self._sessions.forget()

    def send_raw(self, event: str, data: object) -> None:
        """Dispatch anything to every session: an unknown event, or data no client can read."""
        for session in self.sessions:
            session.record(event, data)
            self._sessions.deliver(session)

    def send_text(self, text: str) -> None:
        """Send a frame as it is, JSON or not, on the sockets that are open; it is not replayed."""
        for connection in self._connections:
            connection.send_text(text)

    def stop_acking(self) -> None:
        """Leave heartbeats unanswered, as a connection that is dead on the way back."""
        self._acking = False

    def start_acking(self) -> None:
        self._acking = True

    def pause(self) -> None:
        """Keep what is dispatched until `resume`; everything else is answered."""
        self._sessions.pause()

    def resume(self) -> None:
        """Deliver what was kept, and dispatch at once again."""
        self._sessions.resume()

    def refuse_connections(
        self, count: int | None = 1, *, status: int | None = HTTPStatus.SERVICE_UNAVAILABLE
    ) -> None:
        """Answer the next `count` upgrades with an HTTP status; None: reset the connection.

        With a `count` of None, until `accept`. A client on aiohttp does not notice a single reset:
        it repeats the request once by itself.
        """
        self._refused_connections = _Refusals(count, status or 0)

    def refuse_identifies(self, count: int | None = 1, *, code: int) -> None:
        """Close the sockets of the next `count` identifies with a code; None: until `accept`."""
        self._refused_identifies = _Refusals(count, code)

    def accept(self) -> None:
        """Refuse nothing any more."""
        self._refused_connections = _Refusals()
        self._refused_identifies = _Refusals()

    # What clients send

    def _receive(self, connection: Connection, opcode: Opcode, data: object) -> None:
        match opcode:
            case Opcode.HEARTBEAT:
                connection.heard_heartbeat()
                if self._acking:
                    connection.send(Opcode.HEARTBEAT_ACK)
            case Opcode.IDENTIFY:
                self._identify(connection, data)
            case Opcode.RESUME:
                self._resume(connection, data)
            case _ if connection.session is None:
                raise GatewayCloseError(CloseCode.NOT_AUTHENTICATED)
            case Opcode.REQUEST_GUILD_MEMBERS:
                self._send_members(connection.session, data)
            case Opcode.PRESENCE_UPDATE:
                self._note("presence", connection.session, sent=data)

    def _identify(self, connection: Connection, data: object) -> None:
        if connection.session is not None:
            raise GatewayCloseError(CloseCode.ALREADY_AUTHENTICATED)
        if self._refused_identifies.take():
            code = self._refused_identifies.code
            self._note("refused", None, what="identify", code=code)
            connection.close(code)
            return
        identify = read_identify(data, self._token, self._settings.privileged)
        number, shards = identify.shard or (0, 1)
        if self._guilds_of(number, shards) > self._settings.guilds_per_shard:
            raise GatewayCloseError(CloseCode.SHARDING_REQUIRED)
        if self._sessions.starts_left == 0:  # Discord ends all sessions and resets the token
            self.forget()
            self.close(CloseCode.AUTHENTICATION_FAILED)
            return
        session = self._sessions.start(identify)
        if session is None:
            self._invalidate(connection, resumable=False)
            return
        self._note("identified", session, intents=session.intents.value, shard=list(session.shard))
        self._attach(connection, session)
        self._greet(session, identify, connection.resume_url)

    def _guilds_of(self, shard: int, shards: int) -> int:
        return sum(shard_of(guild["id"], shards) == shard for guild in self._hello.guilds())

    def _greet(self, session: Session, identify: Identify, resume_url: str) -> None:
        guilds = [guild for guild in self._hello.guilds() if session.has_guild(guild["id"])]
        later = self._settings.guilds_unavailable_first
        unavailable = [{"id": guild["id"], "unavailable": True} for guild in guilds]
        ready = {
            **self._hello.ready(),
            "v": int(VERSION),
            "session_id": session.id,
            "session_type": "normal",
            "resume_gateway_url": resume_url,
            "guilds": unavailable if later else guilds,
        }
        if identify.shard is not None:
            ready["shard"] = list(identify.shard)
        session.record("READY", ready)
        if later and Intent.GUILDS in session.intents:
            for guild in guilds:
                session.record("GUILD_CREATE", guild)
        self._sessions.deliver(session)

    def _resume(self, connection: Connection, data: object) -> None:
        if connection.session is not None:
            raise GatewayCloseError(CloseCode.ALREADY_AUTHENTICATED)
        wanted = read_resume(data, self._token)
        session = self._sessions.find(wanted)
        if session is None:
            self._invalidate(connection, resumable=False)
            return
        self._note("resumed", session, seq=wanted.seq, replayed=session.seq - wanted.seq)
        self._attach(connection, session)
        session.record("RESUMED", {})
        self._sessions.deliver(session)

    def _send_members(self, session: Session, data: object) -> None:
        if not isinstance(data, dict):
            raise GatewayCloseError(CloseCode.DECODE_ERROR)
        if wants_all(data) and Intent.GUILD_MEMBERS not in session.intents:
            return
        for guild in self._hello.guilds():
            if str(guild["id"]) == str(data.get("guild_id")):
                session.record("GUILD_MEMBERS_CHUNK", members_chunk(guild, data))
                self._sessions.deliver(session)

    # Connections

    def _attach(self, connection: Connection, session: Session) -> None:
        for other in self._connections:
            if other.session is session:  # its client is gone, and nobody has noticed yet
                other.detach()
                other.close(CloseCode.UNKNOWN_ERROR)
        connection.session = session
        session.line = connection

    def _invalidate(self, connection: Connection, *, resumable: bool) -> None:
        session = connection.session
        self._note("invalidated", session, resumable=resumable)
        connection.send(Opcode.INVALID_SESSION, resumable)
        if session is not None and not resumable:
            self._sessions.end(session)
            connection.detach()

    def _leave(self, connection: Connection) -> None:
        self._connections.remove(connection)
        by = "client" if connection.sent_code is None else "server"
        if connection.session is not None:
            self._sessions.leave(connection.session, connection.close_code)
        self._note("closed", connection.session, code=connection.close_code, by=by)

    def _refuse_connection(self, request: web.Request, status: int) -> web.Response:
        self._note("refused", None, what="connection", status=status or None)
        if status:
            return web.Response(status=status)
        break_connection(request, reset=True)
        return web.Response()

    def _note(self, kind: Kind, session: Session | None, **details: object) -> None:
        self.log.append(Record(kind, self._clock(), session.id if session else None, details))
        self.on_log()
