"""The sandbox as a whole: one loopback server, handles for people, and waits on what happens."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TypeVar

from aiohttp import web

from sandbox import command
from sandbox.bell import Bell
from sandbox.discord.acts import Acts
from sandbox.discord.api import RestApi
from sandbox.discord.cdn import Cdn
from sandbox.discord.control import Control
from sandbox.discord.events import Events, Greeting
from sandbox.discord.faults import Fault, FaultKind, Faults
from sandbox.discord.gateway import Gateway
from sandbox.discord.intents import Intent
from sandbox.discord.limits import LIMIT_PRESETS, RateLimits
from sandbox.discord.model import Change, Message, Ping, User
from sandbox.discord.rest import Call, Rest
from sandbox.discord.scene import Scene
from sandbox.discord.settings import Settings
from sandbox.discord.state import World
from sandbox.discord.users import ScriptedGuild, ScriptedUser
from sandbox.loopback import loopback

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Self

    from sandbox.discord.protocol import GatewaySettings
    from sandbox.discord.refusals import Scope

Found = TypeVar("Found")


class HasId(Protocol):
    @property
    def id(self) -> int: ...


class DiscordSandbox:
    """Discord's REST API and gateway on loopback, and everything a test does with them.

    An async context manager; it must be entered on a running event loop. Times are that loop's,
    unless `clock` gives others.
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
        self.settings = settings or Settings()
        self.clock = clock or (lambda: asyncio.get_running_loop().time())
        bot_name = self.settings.bot_name
        bot = User(self.settings.bot_id, bot_name.lower(), bot_name, is_bot=True)
        self.world = World(bot, self.clock, time.time)
        greeting = Greeting(self.world, message_content=self.settings.message_content)
        self.gateway = Gateway(
            _gateway_settings(self.settings), token=self.settings.token, hello=greeting
        )
        self.scene = Scene(Acts(self.world, Events(self.world, self.gateway)), self.settings)
        epoch = time.time() - time.monotonic()  # an event loop's clock is the monotonic one
        self.limits = RateLimits(replace(self.settings.limits, epoch=epoch))
        self.faults = Faults()
        api = RestApi(self.scene, self.gateway, self.settings, lambda: self.gateway_url)
        self.rest = Rest(self.settings, api, self.limits, self.faults, self.clock)
        self._address = (loopback(host), port)
        self._runner: web.AppRunner | None = None
        self._bell = Bell(self._last_changes)
        self.world.on_change = self.rest.on_call = self.gateway.on_log = self._bell.ring

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
        self.world.cdn_url = self.url
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

    @property
    def url(self) -> str:
        """The server's root, without a trailing slash; known once the sandbox is entered.

        The control API is below it.
        """
        return f"http://{self._places()[0]}"

    async def listen(self) -> str:
        """Serve at one more port as well, and return the REST API's root there.

        Each call tells by which port it came (`Call.port`): so the replicas of a bot are told
        apart that use one each.
        """
        assert self._runner is not None
        await web.TCPSite(self._runner, self._address[0], 0).start()
        return f"http://{self._places()[-1]}/api/v10"

    @property
    def api_url(self) -> str:
        """The REST API's root with its version, without a trailing slash."""
        return f"{self.url}/api/v10"

    @property
    def gateway_url(self) -> str:
        return f"ws://{self._places()[0]}/gateway"

    @property
    def token(self) -> str:
        return self.settings.token

    @property
    def calls(self) -> list[Call]:
        """Every call of a known route with a valid token, in the order of arrival."""
        return self.rest.calls

    @property
    def changes(self) -> list[Change]:
        """Everything that became visible, in order."""
        return self.world.changes

    @property
    def pings(self) -> list[Ping]:
        """Every time a person was notified by a message of somebody else, in order."""
        return self.world.pings

    def user(self, name: str, *, user_id: int | None = None, username: str = "") -> ScriptedUser:
        """A new person; the bot can write to them once they wrote first, or share a guild."""
        return self.handle(self.world.add_user(name, user_id, username))

    def handle(self, user: User) -> ScriptedUser:
        """The handle of a person who is there already."""
        return ScriptedUser(self.scene, user)

    def guild(
        self,
        name: str,
        *,
        members: Sequence[ScriptedUser],
        bot: bool = True,
        guild_id: int | None = None,
    ) -> ScriptedGuild:
        """A new guild without channels, owned by the first member.

        The bot is in it unless `bot` is False. A guild's shard is told by its id.
        """
        if not members:
            raise ValueError("a guild needs at least one member: its owner")
        owner = members[0].user
        guild = ScriptedGuild(self.scene, self.scene.add_guild(name, owner, guild_id), owner)
        guild.add(*members)
        if bot:
            guild.add_bot()
        return guild

    def transcript(self, channel: int | HasId) -> list[Message]:
        """All messages ever posted in a channel, deleted and ephemeral ones too, in order."""
        return list(self.world.channels[_id(channel)].messages.values())

    def calls_of(self, route: str, channel: int | HasId | None = None) -> list[Call]:
        """The calls of a route, such as `sandbox.discord.api.CREATE_MESSAGE`."""
        wanted = None if channel is None else _id(channel)
        return [
            call for call in self.calls if call.route == route and wanted in (None, call.channel_id)
        ]

    def fault(  # noqa: PLR0913 - one keyword for each field of a fault
        self,
        kind: FaultKind | str,
        *,
        method: str | None = None,
        route: str | None = None,
        channel: int | HasId | None = None,
        count: int | None = 1,
        after: int = 0,
        seconds: float = 0.0,
        scope: Scope = "user",
        via: bool = True,
        status: int = 500,
        description: str = "",
        code: int = 0,
        html: bool = False,
    ) -> Fault:
        """Set a fault (see `Fault`); raises ValueError for an unknown kind or scope."""
        return self.faults.add(
            Fault(
                kind=FaultKind(kind),
                method=method,
                route=route,
                channel_id=None if channel is None else _id(channel),
                count=count,
                after=after,
                seconds=seconds,
                scope=scope,
                via=via,
                status=status,
                description=description,
                code=code,
                html=html,
            )
        )

    async def until(self, predicate: Callable[[], Found], *, within: float = 10.0) -> Found:
        """Wait until `predicate` is true and return what it gave; looked at after each change.

        Raises TimeoutError after `within` seconds.
        """
        return await self._bell.until(predicate, within=within)

    async def wait(
        self,
        matches: Callable[[Message], object],
        *,
        channel: int | HasId | None = None,
        within: float = 10.0,
    ) -> Message:
        """Wait for a message of the bot, not deleted, that matches; the oldest such one."""

        def first() -> Message | None:
            world = self.world.channels
            channels = world.values() if channel is None else [world[_id(channel)]]
            messages = (m for c in channels for m in c.messages.values())
            return next((m for m in messages if m.from_bot and not m.deleted and matches(m)), None)

        message = await self.until(first, within=within)
        assert message is not None
        return message

    async def until_quiet(self, channel: int | HasId, seconds: float) -> None:
        """Wait until nothing has changed in a channel for `seconds`."""
        channel_id = _id(channel)

        def changes() -> int:
            return sum(change.channel_id == channel_id for change in self.changes)

        await self._bell.until_quiet(changes, seconds)

    def _places(self) -> list[str]:
        assert self._runner is not None
        places = [address[:2] for address in self._runner.addresses]
        return [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in places]

    def _last_changes(self) -> list[str]:
        return [f"{change.kind} {change.text[:60]!r}" for change in self.changes[-5:]]


def _gateway_settings(settings: Settings) -> GatewaySettings:
    """The gateway's settings, in which the message content intent is as the sandbox's are."""
    others = settings.gateway.privileged & ~Intent.MESSAGE_CONTENT
    content = Intent.MESSAGE_CONTENT if settings.message_content else Intent(0)
    return replace(settings.gateway, privileged=others | content)


def _id(channel: int | HasId) -> int:
    return channel if isinstance(channel, int) else channel.id


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
