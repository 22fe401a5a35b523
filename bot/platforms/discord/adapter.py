"""Discord's way in and out: one client that makes calls, and a connection for each shard."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import structlog

from bot.platforms.discord import errors
from bot.platforms.discord.client import Client, Shard, point_at
from bot.platforms.discord.connection import Account, Connection, TooFewShardsError
from bot.platforms.discord.identify import Identify
from bot.platforms.discord.incoming import Reader
from bot.platforms.discord.login import log_in, may_read_everything, start_advice
from bot.platforms.discord.places import Places
from bot.platforms.discord.slash import SlashCommands
from bot.platforms.discord.surface import ACTIONS, BOT, DiscordSurface
from bot.replicas.base import Group
from bot.reply.gate import Gate
from bot.reply.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bot.replicas.base import Replicas
    from bot.reply.surface import Surface
    from bot.settings.sections import DiscordSettings
    from bot.store.schema import Turn
    from bot.turns.inbox import Inbox

log = structlog.get_logger(__name__)


class DiscordAdapter:
    """One bot account on Discord."""

    webhook = None  # Its gateway tells all.

    def __init__(self, settings: DiscordSettings, inbox: Inbox, replicas: Replicas) -> None:
        point_at(settings)
        self._settings = settings
        self._inbox = inbox
        self._replicas = replicas
        now = asyncio.get_running_loop().time()
        self._gate = Gate(Pace(BOT, ACTIONS, now), replicas.lease)
        self._commands = SlashCommands(inbox)
        self._client: Client
        """Knows what it is answered and nothing else: it is not connected to the gateway."""
        self._places: Places
        self._message_content: bool
        self._logged_in = asyncio.Event()
        """What is made on login is there."""
        self._connections: list[Connection] = []

    @property
    def gate(self) -> Gate:
        return self._gate

    async def serve(self, logged_in: Callable[[str], Awaitable[None]]) -> None:
        await self._log_in(logged_in)
        await self._sync_commands()
        advised = 0
        while True:
            advice = await start_advice(self._client)
            count = self._settings.shards or advice.shards
            try:
                await self._serve_shards(count, advice.max_concurrency)
            except TooFewShardsError:
                if self._settings.shards or advice.shards == advised:
                    raise
                log.warning("discord: more shards are needed; asking how many", had=count)
                await self._close_connections()
            advised = advice.shards

    async def ready(self) -> str:
        await self._logged_in.wait()
        return self._bot_id()

    def surface(self, turn: Turn) -> Surface:
        return DiscordSurface(
            self._client,
            self._places,
            turn,
            fresh_final=self._settings.fresh_final,
            interaction=self._commands.waiting(turn),
        )

    async def settled(self, turn: Turn) -> None:
        await self._commands.settled(turn)

    async def close(self) -> None:
        await self._gate.close()
        self._commands.close()
        if self._logged_in.is_set():
            await self._client.close()
        await self._close_connections()

    async def _log_in(self, logged_in: Callable[[str], Awaitable[None]]) -> None:
        self._message_content = await may_read_everything(self._settings)
        self._client = await log_in(
            partial(Client, message_content=self._message_content), self._settings
        )
        if not self._message_content:
            log.warning(
                "discord: without the message content intent only direct messages and messages "
                "that mention the bot can be read; enable Message Content Intent in the "
                "developer portal to have it answer without a mention and see what a question "
                "replies to"
            )
        self._places = Places(self._client)
        try:
            await logged_in(self._bot_id())
        except BaseException:
            await self._client.close()
            raise
        self._logged_in.set()
        assert self._client.user is not None
        log.info("discord ready", bot=self._client.user.name, api_url=self._settings.api_url)

    def _bot_id(self) -> str:
        assert self._client.user is not None
        return str(self._client.user.id)

    async def _sync_commands(self) -> None:
        try:
            await self._client.sync_commands()
        except errors.FAILURES as error:
            log.warning(
                "discord: the slash commands were not announced", reason=errors.reason(error)
            )

    async def _serve_shards(self, count: int, max_concurrency: int) -> None:
        """Listen to all shards, together with the other replicas; raises PlatformError."""
        application = self._client.application_id
        assert application is not None
        identify = Identify(self._replicas, application, max_concurrency)
        group = Group(f"discord {application} in {count} shards", count)
        account = self._account()
        self._connections = [Connection(Shard(k, count), account, identify) for k in range(count)]
        # One session a shard: a second one would be told everything, too.
        leading = [
            asyncio.create_task(
                self._replicas.lead(
                    f"discord {application} shard {k} of {count}", each.listen, group
                )
            )
            for k, each in enumerate(self._connections)
        ]
        try:
            await asyncio.gather(*leading)
        finally:
            identify.close()
            for task in leading:
                task.cancel()
            await asyncio.wait(leading)

    def _account(self) -> Account:
        bot, settings = self._client.user, self._settings
        assert bot is not None
        reader = Reader(bot, settings.channels, auto_thread=settings.auto_thread)
        return Account(settings, reader, self._message_content, self._inbox, self._commands)

    async def _close_connections(self) -> None:
        while self._connections:
            await self._connections.pop().close()
