"""The sandbox as a server on loopback; what is done with it is in `stage`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from sandbox import command
from sandbox.discord.control.control import Control
from sandbox.discord.limits.buckets import LIMIT_PRESETS
from sandbox.discord.rest.cdn import Cdn
from sandbox.discord.settings import Settings
from sandbox.discord.stage import Stage
from sandbox.loopback import loopback

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self


class DiscordSandbox(Stage):
    """Discord's REST API and gateway on loopback, and everything a test does with them.

    An async context manager; it must be entered on a running event loop.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """Raises ValueError where `host` is no loopback address."""
        super().__init__(settings, clock=clock)
        self._address = (loopback(host), port)
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=self.settings.request_limit)
        Control(self).add_routes(app)
        Cdn(self.world).add_routes(app)
        app.router.add_get("/gateway", self.gateway.handle)
        app.router.add_get("/gateway/", self.gateway.handle)
        app.router.add_route("*", "/{path:.*}", self.rest.handle)
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0
        )
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, *self._address).start()
        except OSError:
            await self._runner.cleanup()
            raise
        self.url = self.world.cdn_url = f"http://{self._places()[0]}"
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        assert self._runner is not None
        await self.rest.close()
        await self.gateway.shutdown()
        await self._runner.cleanup()

    async def listen(self) -> str:
        """Serve at one more port as well, and return the REST API's root there.

        Each call tells by which port it came (`Call.port`): so the replicas of a bot are told
        apart that use one each.
        """
        assert self._runner is not None
        await web.TCPSite(self._runner, self._address[0], 0).start()
        return f"http://{self._places()[-1]}/api/v10"

    def _places(self) -> list[str]:
        assert self._runner is not None
        places = [address[:2] for address in self._runner.addresses]
        return [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in places]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    defaults = Settings()
    command.add_address(parser)
    parser.add_argument("--token", default=defaults.token, help="the bot token that is accepted")
    parser.add_argument("--limits", choices=LIMIT_PRESETS, default="refill")
    parser.add_argument(
        "--latency",
        type=command.not_negative,
        default=0.0,
        metavar="SECONDS",
        help="added each way",
    )
    parser.add_argument(
        "--no-message-content",
        action="store_true",
        help="the application lacks the message content intent",
    )


async def serve(args: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT; the address is printed as one line of JSON when ready."""
    settings = Settings(
        token=args.token,
        limits=LIMIT_PRESETS[args.limits],
        latency=args.latency,
        message_content=not args.no_message_content,
    )
    sandbox = DiscordSandbox(settings, host=args.host, port=args.port)
    await command.serve(sandbox, args, _ready)


def _ready(sandbox: DiscordSandbox) -> dict[str, str]:
    return {
        "server": "discord",
        "url": sandbox.url,
        "api_url": sandbox.api_url,
        "gateway_url": sandbox.gateway_url,
        "token": sandbox.token,
    }
