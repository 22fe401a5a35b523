"""Discord as tests and the control API use it: handles for people, and waits on what happens."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TypeVar

from sandbox.bell import Bell
from sandbox.discord.gateway.gateway import Gateway
from sandbox.discord.gateway.intents import Intent
from sandbox.discord.limits.buckets import RateLimits
from sandbox.discord.limits.faults import Fault, FaultKind, Faults
from sandbox.discord.rest.api import RestApi
from sandbox.discord.rest.pipeline import Call, Rest
from sandbox.discord.scene.acts import Acts
from sandbox.discord.scene.events import Events, Greeting
from sandbox.discord.scene.scene import Scene
from sandbox.discord.scene.users import ScriptedGuild, ScriptedUser
from sandbox.discord.settings import Settings
from sandbox.discord.world.model import Change, Message, Ping, User
from sandbox.discord.world.state import World

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sandbox.discord.gateway.protocol import GatewaySettings
    from sandbox.discord.limits.refusals import Scope


Found = TypeVar("Found")


class HasId(Protocol):
    @property
    def id(self) -> int: ...


class Stage:
    """A Discord of its own, and everything a test or the control API does with it.

    Times are those of the event loop that runs, unless `clock` gives others.
    """

    def __init__(
        self, settings: Settings | None = None, *, clock: Callable[[], float] | None = None
    ) -> None:
        self.url = ""
        """The root of the server, without a trailing slash; known once it listens."""
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
        self._bell = Bell(self._last_changes)
        self.world.on_change = self.rest.on_call = self.gateway.on_log = self._bell.ring

    @property
    def api_url(self) -> str:
        """The REST API's root with its version, without a trailing slash."""
        return f"{self.url}/api/v10"

    @property
    def gateway_url(self) -> str:
        return f"ws{self.url.removeprefix('http')}/gateway"

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
        """The calls of a route, such as `sandbox.discord.rest.api.CREATE_MESSAGE`."""
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

    def _last_changes(self) -> list[str]:
        return [f"{change.kind} {change.text[:60]!r}" for change in self.changes[-5:]]


def _id(channel: int | HasId) -> int:
    return channel if isinstance(channel, int) else channel.id


def _gateway_settings(settings: Settings) -> GatewaySettings:
    """The gateway's settings, in which the message content intent is as the sandbox's are."""
    others = settings.gateway.privileged & ~Intent.MESSAGE_CONTENT
    content = Intent.MESSAGE_CONTENT if settings.message_content else Intent(0)
    return replace(settings.gateway, privileged=others | content)
