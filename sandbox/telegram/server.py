"""The sandbox as a server on loopback; what is done with it is in `stage`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from sandbox import command
from sandbox.loopback import loopback
from sandbox.telegram.control import Control
from sandbox.telegram.settings import FLOOD_PRESETS, Settings
from sandbox.telegram.stage import Stage

if TYPE_CHECKING:
    import argparse
    from types import TracebackType
    from typing import Self


class TelegramSandbox(Stage):
    """A Bot API server on loopback, and everything a test does with it.

    An async context manager; it must be entered on a running event loop.
    """

    def __init__(
        self, settings: Settings | None = None, *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        """Raises ValueError where `host` is no loopback address."""
        super().__init__(settings)
        self._address = (loopback(host), port)
        self._runner: web.AppRunner | None = None
        self._delivering: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        Control(self).add_routes(app)
        app.router.add_route("GET", "/bot{token}/{method}", self.gateway.handle)
        app.router.add_route("POST", "/bot{token}/{method}", self.gateway.handle)
        app.router.add_route("*", "/{path:.*}", self.gateway.not_found)
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0
        )
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, *self._address).start()
        except OSError:
            await self._runner.cleanup()
            raise
        self._delivering = asyncio.create_task(self.webhooks.serve())
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        assert self._runner is not None
        assert self._delivering is not None
        self._delivering.cancel()
        await asyncio.wait({self._delivering})
        await self.gateway.close()
        await self._runner.cleanup()

    @property
    def api_url(self) -> str:
        """The Bot API root, without a trailing slash; known once the sandbox is entered."""
        return self._urls()[0]

    async def listen(self) -> str:
        """Serve at one more port as well, and return its Bot API root.

        Each call tells by which port it came (`Call.port`): so the replicas of a bot are told
        apart that use one each.
        """
        assert self._runner is not None
        await web.TCPSite(self._runner, self._address[0], 0).start()
        return self._urls()[-1]

    def _urls(self) -> list[str]:
        assert self._runner is not None
        places = [address[:2] for address in self._runner.addresses]
        return [
            f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
            for host, port in places
        ]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    defaults = Settings()
    command.add_address(parser)
    parser.add_argument("--token", default=defaults.token, help="the bot token that is accepted")
    parser.add_argument("--flood", choices=FLOOD_PRESETS, default="default")
    parser.add_argument(
        "--latency",
        type=command.not_negative,
        default=0.0,
        metavar="SECONDS",
        help="added each way",
    )


async def serve(args: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT; the address is printed as one line of JSON when ready."""
    settings = Settings(token=args.token, flood=FLOOD_PRESETS[args.flood], latency=args.latency)
    sandbox = TelegramSandbox(settings, host=args.host, port=args.port)
    await command.serve(sandbox, args, _ready)


def _ready(sandbox: TelegramSandbox) -> dict[str, str]:
    return {"server": "telegram", "url": sandbox.api_url, "token": sandbox.token}
