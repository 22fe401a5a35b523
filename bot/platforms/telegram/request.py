"""python-telegram-bot's requests on aiohttp, which takes half the CPU time of its own client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from telegram.error import NetworkError, TimedOut
from telegram.request import BaseRequest

from bot.platforms.telegram.answers import checked

if TYPE_CHECKING:
    from telegram.request import RequestData

CONNECT_TIMEOUT = 10.0
"""Seconds to connect, or to wait for a free connection."""
_NEVER_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


class NeverSentError(NetworkError):
    """The request did not leave: it was surely not applied."""


class AiohttpRequest(BaseRequest):
    """A pool of connections. Opened by the first request, in the event loop that runs then."""

    def __init__(self, connections: int, read_timeout: float, proxy: str | None = None) -> None:
        """`read_timeout`: seconds of silence after which an answer is given up."""
        self._connections = connections
        self._read_timeout = read_timeout
        self._proxy = proxy
        self._session: aiohttp.ClientSession | None = None

    @property
    def read_timeout(self) -> float:
        return self._read_timeout

    async def initialize(self) -> None:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections),
                headers={"User-Agent": self.USER_AGENT},
                proxy=self._proxy,
            )

    async def shutdown(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: Any = BaseRequest.DEFAULT_NONE,  # noqa: ANN401 - a number, or its "none given"
        write_timeout: Any = BaseRequest.DEFAULT_NONE,  # noqa: ANN401, ARG002 - texts are written at once
        connect_timeout: Any = BaseRequest.DEFAULT_NONE,  # noqa: ANN401, ARG002 - the same for all
        pool_timeout: Any = BaseRequest.DEFAULT_NONE,  # noqa: ANN401, ARG002 - the same for all
    ) -> tuple[int, bytes]:
        """Raises NeverSentError, TimedOut, NetworkError, and what `checked` raises."""
        await self.initialize()
        assert self._session is not None
        silence = self._read_timeout if read_timeout is BaseRequest.DEFAULT_NONE else read_timeout
        timeout = aiohttp.ClientTimeout(connect=CONNECT_TIMEOUT, sock_read=silence)
        data = _form(request_data) if request_data else None
        try:
            async with self._session.request(method, url, data=data, timeout=timeout) as answer:
                status, headers, body = answer.status, answer.headers, await answer.read()
        except _NEVER_SENT as error:
            raise NeverSentError(type(error).__name__) from error
        except TimeoutError as error:
            raise TimedOut from error
        except (aiohttp.ClientError, OSError) as error:
            raise NetworkError(type(error).__name__) from error
        return checked(status, headers, body)


def proxy_for(url: str) -> str | None:
    """The proxy that the environment names for `url`.

    aiohttp can look for it, too, but does so in a thread at every request, for a .netrc as well.
    """
    parts = urlsplit(url)
    if parts.hostname is None or proxy_bypass(parts.hostname):
        return None
    return getproxies().get(parts.scheme)


def _form(data: RequestData) -> dict[str, str] | aiohttp.FormData:
    if not data.contains_files:
        return data.json_parameters
    form = aiohttp.FormData(data.json_parameters)
    for name, (filename, content, kind) in data.multipart_data.items():
        form.add_field(name, content, filename=filename, content_type=kind)
    return form
