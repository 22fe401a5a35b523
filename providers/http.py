"""HTTP for every provider: the one place that opens a session, sends and reads.

Time-outs are separate for connecting, for the first byte and for the silence between chunks;
there is none for a whole answer. Messages of the errors raised here hold no secret.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from providers.base import (
    BadRequestError,
    BadResponseError,
    ConnectionFailedError,
    ProviderError,
    ProviderTimeoutError,
)
from providers.errors import error_from_response
from providers.redact import one_line, redact, shorten
from providers.rhythm import Rhythm
from providers.secret_forms import url_secrets

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from types import SimpleNamespace

    from providers.base import Capabilities, ProviderSettings, Timeouts

USER_AGENT = "parlance"
BROWSER_USER_AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 Safari/537.36"
)

_REASON_PATIENCE = 5.0
"""Seconds for the body of an error."""
_KEEP_ALIVE = 4.0
"""Seconds for which an unused connection is kept: many servers close theirs after 5, and a request
that is sent on one at that moment fails."""
_rhythm = Rhythm()
_ERROR_BODY_LIMIT = 65_536
"""Bytes read of an error's body: more than any error object, less than a hostile one."""


def endpoint(base_url: str, path: str) -> str:
    """Return `path` below `base_url`; a trailing slash and a query of the base are fine."""
    base = URL(base_url)
    joined = base.with_path(f"{base.raw_path.rstrip('/')}/{path}", encoded=True)
    return str(joined.with_query(base.query))


def check_url(name: str, url: str) -> str:
    """Return `url` if it is an HTTP URL; else raise ValueError that names the setting."""
    try:
        parsed = URL(url)
    except ValueError:
        parsed = URL()
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ValueError(f"{name} must be a URL that begins with http:// or https://")
    return url


def own_server(settings: ProviderSettings) -> str:
    """Return base_url without its trailing slash, for a protocol whose public site is gone."""
    if not settings.base_url:
        raise ValueError(
            f"base_url is required for {settings.kind}: its public site is gone, "
            "give the address of a compatible server"
        )
    return check_url("base_url", settings.base_url).rstrip("/")


def server(settings: ProviderSettings, has: Capabilities) -> str:
    """Return base_url, or the kind's own server.

    Raises ValueError where the key or the model that this one needs is missing.
    """
    if settings.base_url is None and has.needs_auth and not settings.api_key:
        raise ValueError(f"api_key is required for {has.url}")
    if settings.base_url is None and not settings.model:
        raise ValueError(f"model is required for {has.url}")
    return check_url("base_url", settings.base_url or has.url)


def named_model(settings: ProviderSettings) -> str:
    """Return the model; ValueError where none is set, for kinds that `needs_model`."""
    if not settings.model:
        raise ValueError(f"model is required for {settings.kind}")
    return settings.model


def header_safe(key: str) -> str:
    """Return `key` if a header can hold it; else raise ValueError."""
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError("api_key holds characters that no key has; was it copied whole?")
    return key


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it goes out. `secrets` are masked in every error message."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def host(self) -> str:
        """The server's host and port, for messages."""
        return URL(self.url).authority.rpartition("@")[2]


class Body:
    """The body of a successful response, chunk by chunk as the network delivers it."""

    def __init__(
        self, response: aiohttp.ClientResponse, timeouts: Timeouts, first_byte_at: float | None
    ) -> None:
        self._response = response
        self._content = response.content
        self._timeouts = timeouts
        self._deadline = first_byte_at
        """Loop time by which the first byte must be here; None once it is."""
        self._failure: ProviderError | None = None
        """Raised by the next read: what had arrived before it was handed out first."""
        self._read_at = float("-inf")
        """Loop time of the last read."""

    @property
    def idle(self) -> float:
        """Seconds of silence after which the answer is taken to have stopped."""
        return self._timeouts.idle

    async def read_chunk(self, patience: float | None = None) -> bytes:
        """Return the bytes that have arrived, waiting for some; b"" at the end of the body.

        `patience` (seconds) shortens the idle time-out. Raises ConnectionFailedError where the
        connection breaks before the body's end, ProviderTimeoutError after too long a silence;
        bytes that had arrived by then are returned first.
        """
        if self._failure:
            raise self._failure
        idle = min(self._timeouts.idle, patience or self._timeouts.idle)
        loop = asyncio.get_running_loop()
        if (wait := self._read_at + _rhythm.gap - loop.time()) > 0:
            await self._rest(wait)
        if chunk := self._arrived():
            self._deadline, self._read_at = None, loop.time()
            return chunk
        now = loop.time()
        deadline = now + idle if self._deadline is None else self._deadline
        try:
            async with asyncio.timeout_at(deadline):
                chunk = await self._content.readany()
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            # A TimeoutError is an OSError; of a connection that was closed from here, aiohttp says
            # so by a RuntimeError. It hides the buffered bytes once the connection is
            # broken; a finished answer may be among them, and only this private call reads them.
            self._failure = self._read_failure(error, idle)
            chunk = self._content._read_nowait(-1)  # noqa: SLF001 (see above; a test guards it)
            if not chunk:
                raise self._failure from None
        self._deadline = None
        self._read_at = loop.time()
        return chunk

    async def _rest(self, seconds: float) -> None:
        """Let what arrives gather; without TLS in the system, from which it is taken all at once.

        uvloop's TLS reads on while it is paused, and drops what it has when the server closes.
        """
        connection = self._response.connection
        transport = connection.transport if connection else None
        if transport is None or transport.is_closing():
            return  # All of it has arrived.
        if transport.get_extra_info("ssl_object") is not None:
            await asyncio.sleep(seconds)
            return
        transport.pause_reading()
        try:
            await asyncio.sleep(seconds)
        finally:
            transport.resume_reading()

    def _arrived(self) -> bytes:
        """What is here already, without the cost of a time-out; b"" where that can't be told."""
        if self._content.exception() is not None:
            return b""
        return self._content.read_nowait()

    async def read(self, limit: int) -> bytes:
        """Return the body up to `limit` bytes."""
        pieces: list[bytes] = []
        size = 0
        while size < limit and (chunk := await self.read_chunk()):
            pieces.append(chunk)
            size += len(chunk)
        return b"".join(pieces)[:limit]

    def _read_failure(self, error: Exception, idle: float) -> ProviderError:
        if not isinstance(error, TimeoutError):
            return ConnectionFailedError("the connection broke before the end of the answer")
        if self._deadline is None:
            return ProviderTimeoutError(f"the answer stopped: nothing came for {idle:g} s")
        return _no_first_byte(self._timeouts)


class HttpClient:
    """A connection pool with a provider's proxy, user agent and time-outs.

    Opened by the first request, in the event loop that runs then. `error_of` tells what a
    response with an error status stands for, where that is special to a server.
    """

    def __init__(
        self,
        settings: ProviderSettings,
        *,
        user_agent: str = USER_AGENT,
        error_of: Callable[
            [int, Mapping[str, str], bytes, datetime], ProviderError
        ] = error_from_response,
    ) -> None:
        if settings.proxy:
            check_url("proxy", settings.proxy)
        self._proxy = settings.proxy or None
        self._timeouts = settings.timeouts
        self._user_agent = settings.user_agent or user_agent
        self._error_of = error_of
        self._secrets = (*url_secrets(settings.proxy), *filter(None, (settings.api_key,)))
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    @property
    def user_agent(self) -> str:
        return self._user_agent

    @asynccontextmanager
    async def open(self, request: Request) -> AsyncIterator[Body]:
        """Send `request` and give its body; leaving the block early closes the connection.

        Raises the ProviderError of the status where it is not 2xx, and those of `read_chunk`.
        """
        response, first_byte_at = await self._send(request)
        try:
            body = Body(response, self._timeouts, first_byte_at)
            if response.status >= HTTPStatus.MULTIPLE_CHOICES:
                raise await self._refusal(request, response, body)
            with _rhythm.reading():
                yield body
        finally:
            # Keeps the connection for the next request if the body was read to its end.
            response.release()

    async def fetch(self, request: Request, limit: int) -> bytes:
        """Send `request` and return its body up to `limit` bytes; raises as `open` does."""
        async with self.open(request) as body:
            return await body.read(limit)

    async def close(self) -> None:
        """Close every connection; calling it twice is harmless."""
        self._closed = True
        session, self._session = self._session, None
        if session:
            await session.close()

    def redact(self, request: Request, error: ProviderError) -> ProviderError:
        """Make the message of `error` fit to be shown: no secret of ours, not too long."""
        secrets = (*self._secrets, *request.secrets, *url_secrets(request.url))
        error.args = (shorten(redact(str(error), secrets)),)
        return error

    async def _send(self, request: Request) -> tuple[aiohttp.ClientResponse, float | None]:
        """Return the response once its head is here, and when the first byte is due."""
        session = self._open_session()
        headers = {"User-Agent": self._user_agent, **request.headers}
        try:
            async with asyncio.timeout(None) as first_byte:
                response = await session.request(
                    request.method,
                    URL(request.url),
                    headers=headers,
                    data=request.body,
                    proxy=self._proxy,
                    # Following one would turn a POST into a GET, or carry a key elsewhere.
                    allow_redirects=False,
                    trace_request_ctx=first_byte,
                )
        except (aiohttp.ClientError, OSError) as error:
            failure = _send_failure(error, request, self._timeouts)
            raise self.redact(request, failure) from None
        except ValueError as error:
            # A host that no name can have, a header with a line break.
            failure = BadRequestError(f"the request can't be sent (check base_url): {error}")
            raise self.redact(request, failure) from None
        return response, first_byte.when()

    def _open_session(self) -> aiohttp.ClientSession:
        if self._closed:
            raise RuntimeError("the provider is closed")
        if self._session is None:
            connect = self._timeouts.connect
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, connect=connect),
                trace_configs=[_start_first_byte_timeout(self._timeouts.first_byte)],
            )
        return self._session

    async def _refusal(
        self, request: Request, response: aiohttp.ClientResponse, body: Body
    ) -> ProviderError:
        if response.status < HTTPStatus.BAD_REQUEST:
            target = response.headers.get("Location", "nowhere")
            message = f"HTTP {response.status} (check base_url): redirected to {one_line(target)}"
            return self.redact(request, BadRequestError(message))
        text = b""
        # The status says enough: nobody waits long for a reason.
        with suppress(ProviderError, TimeoutError):
            async with asyncio.timeout(_REASON_PATIENCE):
                text = await body.read(_ERROR_BODY_LIMIT)
        error = self._error_of(response.status, response.headers, text, datetime.now(UTC))
        return self.redact(request, error)


def _start_first_byte_timeout(seconds: float) -> aiohttp.TraceConfig:
    """Start the time-out of a request again whenever a part of the request has been sent."""

    async def restart(
        _session: aiohttp.ClientSession, context: SimpleNamespace, _parameters: object
    ) -> None:
        timeout: asyncio.Timeout = context.trace_request_ctx
        timeout.reschedule(asyncio.get_running_loop().time() + seconds)

    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(restart)
    trace.on_request_chunk_sent.append(restart)
    return trace


def _send_failure(  # noqa: PLR0911 (one line for each way to fail)
    error: Exception, request: Request, timeouts: Timeouts
) -> ProviderError:
    """Return the error for a request that got no response.

    The words of `error` are not used where they may hold a URL or bytes of an answer.
    """
    match error:
        case aiohttp.ServerTimeoutError():
            return ProviderTimeoutError(
                f"no connection to {request.host} in {timeouts.connect:g} s"
            )
        case TimeoutError():
            return _no_first_byte(timeouts)
        case aiohttp.ClientHttpProxyError():
            return ConnectionFailedError(f"the proxy refused: HTTP {error.status}; check proxy")
        case aiohttp.ClientProxyConnectionError():
            return ConnectionFailedError(f"cannot reach the proxy{_reason(error)}; check proxy")
        case aiohttp.ClientConnectorCertificateError():
            return ConnectionFailedError(f"the certificate of {request.host} is not valid")
        case aiohttp.ClientConnectorError():
            return ConnectionFailedError(f"cannot connect to {request.host}{_reason(error)}")
        case aiohttp.ClientResponseError():
            return BadResponseError(f"{request.host} does not answer in HTTP; check base_url")
        case _:
            return ConnectionFailedError(f"{request.host} closed the connection without an answer")


def _reason(error: aiohttp.ClientConnectorError) -> str:
    reason = error.os_error.strerror
    return f": {one_line(str(reason))}" if reason else ""


def _no_first_byte(timeouts: Timeouts) -> ProviderTimeoutError:
    return ProviderTimeoutError(f"no answer within {timeouts.first_byte:g} s")
