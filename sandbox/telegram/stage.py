"""Telegram as tests and the control API use it: handles for people, and waits on what happens."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol, TypeVar

from sandbox.bell import Bell
from sandbox.telegram.api import BotApi
from sandbox.telegram.faults import Fault, FaultKind, Faults
from sandbox.telegram.flood import FloodControl
from sandbox.telegram.gateway import Call, Gateway
from sandbox.telegram.scene import Scene
from sandbox.telegram.settings import Settings
from sandbox.telegram.state import Change, Message, User, World
from sandbox.telegram.updates import UpdateQueue
from sandbox.telegram.users import ScriptedGroup, ScriptedUser
from sandbox.telegram.webhook import Deliveries, Delivery

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


Found = TypeVar("Found")


class HasId(Protocol):
    @property
    def id(self) -> int: ...


class Stage:
    """A Telegram of its own, and everything a test or the control API does with it.

    Times are those of the event loop that runs.
    """

    def __init__(self, settings: Settings | None = None) -> None:
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
        self._bell = Bell(self._last_changes)
        self.world.on_change = self.gateway.on_call = self.webhooks.on_delivery = self._bell.ring

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
