"""The sandbox as a whole: one loopback server, handles for people, and waits on what happens."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol, TypeVar

from aiohttp import web

from sandbox import command
from sandbox.bell import Bell
from sandbox.loopback import loopback
from sandbox.telegram.api import BotApi
from sandbox.telegram.control import Control
from sandbox.telegram.faults import Fault, FaultKind, Faults
from sandbox.telegram.flood import FloodControl
from sandbox.telegram.gateway import Call, Gateway
from sandbox.telegram.scene import Scene
from sandbox.telegram.settings import FLOOD_PRESETS, Settings
from sandbox.telegram.state import Change, Message, User, World
from sandbox.telegram.updates import UpdateQueue
from sandbox.telegram.users import ScriptedGroup, ScriptedUser
from sandbox.telegram.webhook import Deliveries, Delivery

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Self

Found = TypeVar("Found")


class HasId(Protocol):
    @property
    def id(self) -> int: ...


class TelegramSandbox:
    """A Bot API server on loopback, and everything a test does with it.

    An async context manager; it must be entered on a running event loop. Times are that loop's.
    """

    def __init__(
        self, settings: Settings | None = None, *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        """Raises ValueError where `host` is no loopback address."""
        self.settings = settings or Settings()
        bot = User(
            self.settings.bot_id, self.settings.bot_name, self.settings.bot_username, is_bot=True
        )
        self.world = World(bot, lambda: asyncio.get_running_loop().time(), lambda: int(time.time()))
        self.updates = UpdateQueue(self.settings.first_update_id)
        self.scene = Scene(self.world, self.updates, self.settings)
        self.flood = FloodControl(self.settings.flood)
        self.faults = Faults()
        api = BotApi(self.scene, self.settings)
        self.gateway = Gateway(self.settings, self.scene, api, self.flood, self.faults)
        self.webhooks = Deliveries(self.updates, self.faults, self.settings, self.world)
        self._delivering: asyncio.Task[None] | None = None
        self._address = (loopback(host), port)
        self._runner: web.AppRunner | None = None
        self._bell = Bell(self._last_changes)
        self.world.on_change = self.gateway.on_call = self.webhooks.on_delivery = self._bell.ring

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

    @property
    def token(self) -> str:
        return self.settings.token

    @property
    def calls(self) -> list[Call]:
        """Every API call with a valid token, in the order of arrival."""
        return self.gateway.calls

    @property
    def deliveries(self) -> list[Delivery]:
        """Every attempt to post an update to a webhook, in the order in which they began."""
        return self.webhooks.log

    @property
    def changes(self) -> list[Change]:
        """Everything that became visible, in order."""
        return self.world.changes

    def user(
        self, first_name: str, *, user_id: int | None = None, username: str = ""
    ) -> ScriptedUser:
        """A new person; the bot can write to them once they wrote first."""
        return self.handle(self.world.add_user(first_name, user_id, username))

    def handle(self, user: User) -> ScriptedUser:
        """The handle of a person who is there already."""
        return ScriptedUser(self.scene, user)

    def group(
        self,
        title: str,
        *,
        members: Sequence[ScriptedUser],
        forum: bool = False,
        supergroup: bool = False,
        bot: bool = True,
    ) -> ScriptedGroup:
        """A new group, owned by the first member; the bot is in it unless `bot` is False."""
        if not members:
            raise ValueError("a group needs at least one member: its owner")
        chat = self.world.add_group(title, supergroup=supergroup, forum=forum)
        for member in members:
            chat.members[member.id] = "member"
        chat.members[members[0].id] = "creator"
        group = ScriptedGroup(self.scene, chat, members[0].user)
        if bot:
            group.add_bot()
        return group

    def transcript(self, chat: int | HasId) -> list[Message]:
        """All messages ever posted in a chat, deleted ones too, in order."""
        return list(self.world.chats[_id(chat)].messages.values())

    def calls_of(self, method: str, chat: int | HasId | None = None) -> list[Call]:
        wanted = None if chat is None else _id(chat)
        return [
            call
            for call in self.calls
            if call.method.lower() == method.lower() and wanted in (None, call.chat_id)
        ]

    def fault(  # noqa: PLR0913 - one keyword for each field of a fault
        self,
        kind: FaultKind | str,
        *,
        method: str | None = None,
        chat: int | HasId | None = None,
        count: int | None = 1,
        after: int = 0,
        seconds: float = 0.0,
        penalty: bool = True,
        status: int = 500,
        description: str = "",
        body: str = "",
        containing: str = "",
    ) -> Fault:
        """Set a fault (see `Fault`); raises ValueError for an unknown kind."""
        return self.faults.add(
            Fault(
                FaultKind(kind),
                method,
                None if chat is None else _id(chat),
                count=count,
                after=after,
                seconds=seconds,
                penalty=penalty,
                status=status,
                description=description,
                body=body,
                containing=containing,
            )
        )

    def penalize(self, chat: int | HasId, seconds: float) -> None:
        """Answer 429 to every send, edit, draft and action in a chat for `seconds` from now."""
        self.flood.penalize(self.world.clock(), _id(chat), seconds)

    async def until(self, predicate: Callable[[], Found], *, within: float = 10.0) -> Found:
        """Wait until `predicate` is true and return what it gave; looked at after each change.

        Raises TimeoutError after `within` seconds.
        """
        return await self._bell.until(predicate, within=within)

    async def wait(
        self,
        matches: Callable[[Message], object],
        *,
        chat: int | HasId | None = None,
        within: float = 10.0,
    ) -> Message:
        """Wait for a message of the bot, not deleted, that matches; the oldest such one."""

        def first() -> Message | None:
            chats = self.world.chats.values() if chat is None else [self.world.chats[_id(chat)]]
            messages = (m for c in chats for m in c.messages.values())
            return next((m for m in messages if m.from_bot and not m.deleted and matches(m)), None)

        message = await self.until(first, within=within)
        assert message is not None
        return message

    async def until_quiet(self, chat: int | HasId, seconds: float) -> None:
        """Wait until nothing has changed in a chat for `seconds`."""
        chat_id = _id(chat)

        def changes() -> int:
            return sum(change.chat_id == chat_id for change in self.changes)

        await self._bell.until_quiet(changes, seconds)

    def _last_changes(self) -> list[str]:
        return [f"{change.kind} {change.text[:60]!r}" for change in self.changes[-5:]]


def _id(chat: int | HasId) -> int:
    return chat if isinstance(chat, int) else chat.id


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
