"""What the bot tells and takes over HTTP: health, metrics, webhooks."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from bot.settings.fields import HEALTH_PATH, METRICS_PATH, READY_PATH

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

    from bot.operations.metrics import Metrics
    from bot.operations.readiness import Readiness
    from bot.settings.sections import ServerSettings

LARGEST_BODY = 1 << 20
"""Bytes; the longest message with all its entities and the one it replies to is far below."""
LAST_ANSWERS = 5.0
"""Seconds that requests under way are given to end when the bot stops."""
_MENDS = {
    errno.EADDRINUSE: "server.port: {address} is in use; stop what listens there, or give "
    "another port",
    errno.EACCES: "server.port: this user may not listen on {address}; give a port above 1023",
    errno.EADDRNOTAVAIL: "server.host: {address} is not an address of this machine",
}


class ServerError(OSError):
    """The server can't listen; the message is one line that names the mend."""


class Server:
    """Made on the running loop; `start`, then always `close`."""

    def __init__(self, settings: ServerSettings, metrics: Metrics, readiness: Readiness) -> None:
        self._settings = settings
        self._metrics = metrics
        self._readiness = readiness
        self._names = {path: path for path in (HEALTH_PATH, READY_PATH, METRICS_PATH)}
        """What each path is called in the metrics: whoever asks for others adds no new ones."""
        app = web.Application(client_max_size=LARGEST_BODY, middlewares=[self._count])
        app.router.add_get(HEALTH_PATH, self._health)
        app.router.add_get(READY_PATH, self._ready)
        app.router.add_get(METRICS_PATH, self._show_metrics)
        self._app = app
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=LAST_ANSWERS)

    def receive(self, path: str, handler: Handler) -> None:
        """Hand what is posted to `path` to `handler`; before `start`."""
        self._names[path] = "webhook"
        self._app.router.add_post(path, handler)

    async def start(self) -> None:
        """Listen; raises ServerError."""
        host, port = self._settings.host, self._settings.port
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            address = f"{host}:{port}"
            mend = _MENDS.get(error.errno or 0, "server.host: {address} can't be listened on")
            raise ServerError(mend.format(address=address)) from None

    async def close(self) -> None:
        await self._runner.cleanup()

    @web.middleware
    async def _count(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        status = 500
        try:
            response = await handler(request)
            status = response.status
        except web.HTTPException as refusal:
            status = refusal.status
            raise
        finally:
            self._metrics.requested(self._names.get(request.path, "other"), status)
        return response

    async def _health(self, _request: web.Request) -> web.Response:
        """That this is answered at all says that the event loop turns."""
        return _verdict(await self._readiness.stuck())

    async def _ready(self, _request: web.Request) -> web.Response:
        return _verdict(await self._readiness.missing())

    async def _show_metrics(self, _request: web.Request) -> web.Response:
        text = await asyncio.to_thread(self._metrics.text)
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})


def _verdict(missing: list[str]) -> web.Response:
    return web.json_response(
        {"ok": not missing, "missing": missing}, status=503 if missing else 200
    )
