"""A shard's connection to the gateway: made, watched over, made anew."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import discord
import structlog

from bot.backoff import backoff
from bot.platforms.discord import errors
from bot.platforms.discord.client import ShardClient
from bot.platforms.discord.intake import Intake
from bot.platforms.discord.login import log_in
from bot.platforms.discord.missed import Missed
from bot.turns.platform import PlatformError

if TYPE_CHECKING:
    from bot.platforms.discord.client import Shard
    from bot.platforms.discord.identify import Identify
    from bot.platforms.discord.incoming import Reader
    from bot.platforms.discord.slash import SlashCommands
    from bot.settings.sections import DiscordSettings
    from bot.turns.inbox import Inbox

log = structlog.get_logger(__name__)

LONGEST_PAUSE: Final = 120.0
"""Seconds between two sessions that did not come about: Discord lets a bot begin 1,000 a day."""
PATIENCE: Final = 45.0
"""Seconds without a connection after which the library's own attempts are replaced by a new one:
its pauses grow to a quarter of an hour."""
MOST_DISCONNECTS: Final = 3
"""In a row: the library connects again without a pause, and goes on with a session that there
never was, so that a gateway which refuses it would be stormed."""
WATCH: Final = 5.0
"""Seconds between two looks at that."""
CLOSING: Final = 5.0
"""Seconds to say goodbye to a gateway that may be dead."""
_TOO_FEW_SHARDS: Final = 4011
_FINAL_CLOSES: Final = {
    4004: "discord.token: the gateway does not know it; copy it anew from the developer portal",
    4010: "discord.shards: the gateway does not take this many; set it to 0",
    _TOO_FEW_SHARDS: (
        "discord.shards: this bot is in too many servers for so few; set it to 0, and Discord is "
        "asked how many it takes"
    ),
    4012: "discord.gateway_url: that gateway does not speak version 10",
    4013: "discord: the gateway does not know the intents this bot asks for; check gateway_url",
    4014: (
        "discord: the gateway refuses the message content intent; enable Message Content Intent "
        "for this bot in the developer portal (Bot, Privileged Gateway Intents), or set "
        "discord.message_content = false"
    ),
}
"""Close codes that no reconnection mends
(https://discord.com/developers/docs/topics/opcodes-and-status-codes#gateway)."""


class TooFewShardsError(PlatformError):
    """Discord insists on more shards."""


@dataclass(frozen=True, slots=True)
class Account:
    """What the shards of a bot have in common."""

    settings: DiscordSettings
    reader: Reader
    message_content: bool
    inbox: Inbox
    commands: SlashCommands


class Connection:
    """One shard's way to the gateway, kept by whoever leads the shard."""

    def __init__(self, shard: Shard, account: Account, identify: Identify) -> None:
        self._shard = shard
        self._account = account
        self._identify = identify
        self._loop = asyncio.get_running_loop()
        self._client: ShardClient
        self._intake: Intake
        self._missed: Missed
        self._logged_in = False
        """What is made on login is there."""
        self._turn: asyncio.Task[None] | None = None
        """To begin a session, not used yet."""
        self._trying = False
        """To be connected; what the library tells otherwise comes late."""
        self._offline_since: float | None = None
        """None: connected to the gateway."""
        self._let_in = False
        """The present attempt to connect has succeeded."""
        self._disconnects = 0
        """Since the last success."""
        self._enough = asyncio.Event()
        """They are so many that the library's attempts are given up."""

    async def listen(self) -> None:
        """Be connected to the gateway until cancelled; raises PlatformError."""
        if not self._logged_in:
            self._use(await log_in(self._make, self._account.settings))
        await self._missed.begin()
        failures = 0
        while True:
            was_online = await self._stay_connected()
            failures = 0 if was_online else failures + 1
            await asyncio.sleep(backoff(failures, longest=LONGEST_PAUSE))

    async def close(self) -> None:
        if self._logged_in:
            await self._client.close()

    def _make(self) -> ShardClient:
        return ShardClient(self, self._shard, message_content=self._account.message_content)

    def _use(self, client: ShardClient) -> None:
        our = self._account
        self._client = client
        reader = replace(our.reader, find=client.get_channel)
        self._intake = Intake(client, reader, our.inbox)
        self._missed = Missed(client, self._shard, our.inbox, self._intake.message)
        self._logged_in = True

    # Connecting.

    async def _stay_connected(self) -> bool:
        """Listen to the gateway until that fails; return whether it ever let us in.

        The library reconnects by itself, but for a malformed event and a gateway that can't be
        reached at first. Raises PlatformError where we are turned away for good.
        """
        # The library gives up connecting after a minute, which many shards may have to wait.
        self._turn = await self._identify.turn(self._shard.number)
        self._trying = True
        self._offline_since, self._let_in = self._loop.time(), False
        self._disconnects = 0
        self._enough.clear()
        connection = asyncio.create_task(self._client.connect())
        enough = asyncio.create_task(self._enough.wait())
        try:
            while not connection.done() and not self._lost_patience():
                await asyncio.wait(
                    {connection, enough}, timeout=WATCH, return_when=asyncio.FIRST_COMPLETED
                )
        finally:
            self._trying = False
            enough.cancel()
            connection.cancel()
            await asyncio.wait({connection})
            if self._turn is not None:
                self._turn.cancel()
            self._missed.lost()
            await self._hang_up()
        error = None if connection.cancelled() else connection.exception()
        if (code := _close_code(error)) in _FINAL_CLOSES:
            kind = TooFewShardsError if code == _TOO_FEW_SHARDS else PlatformError
            raise kind(_FINAL_CLOSES[code])
        self._explain(error)
        return self._let_in

    def _explain(self, error: BaseException | None) -> None:
        kind, url = type(error).__name__, self._account.settings.gateway_url
        if error is None:
            log.warning("discord: the gateway does not let us back in", gateway_url=url)
        elif self._let_in:
            log.warning("discord: an event can't be read; connecting anew", reason=kind)
        else:
            log.warning("discord: the gateway can't be reached", gateway_url=url, reason=kind)

    def _lost_patience(self) -> bool:
        since = self._offline_since
        late = since is not None and self._loop.time() - since > PATIENCE
        return late or self._enough.is_set()

    async def _hang_up(self) -> None:
        """End what is left of a connection, its heartbeat's thread above all."""
        connection = self._client.ws
        if connection is not None:
            with suppress(*errors.FAILURES):
                async with asyncio.timeout(CLOSING):
                    await connection.close(code=4000)

    # What the client tells.

    async def may_identify(self) -> None:
        if self._turn is not None:
            self._turn = None  # It goes on, and keeps the others waiting.
        else:
            await self._identify.turn(self._shard.number)

    async def began(self) -> None:
        self._missed.owe()

    async def connected(self, *, resumed: bool) -> None:
        if not self._trying:
            return
        self._offline_since, self._let_in = None, True
        self._disconnects = 0
        log.info("discord: connected", shard=str(self._shard), resumed=resumed)
        if resumed:
            self._missed.regained()
        else:
            await self._missed.search()

    async def disconnected(self) -> None:
        self._disconnects += 1
        if self._disconnects >= MOST_DISCONNECTS:
            self._enough.set()
        if self._offline_since is None:
            self._offline_since = self._loop.time()
            self._missed.lost()
            log.info("discord: disconnected", shard=str(self._shard))

    async def said(self, message: discord.Message) -> None:
        self._missed.seen(message.id)
        await self._missed.before(message)
        await self._intake.message(message)

    async def edited(self, message: discord.Message) -> None:
        await self._intake.edited(message)

    async def deleted(self, message_id: int, channel_id: int) -> None:
        await self._intake.deleted(message_id, channel_id)

    async def commanded(self, interaction: discord.Interaction) -> None:
        incoming = self._account.reader.command(interaction)
        await self._account.commands.take(incoming, interaction)


def _close_code(error: BaseException | None) -> int:
    """With which the gateway turned us away; 0 where it did not."""
    if isinstance(error, discord.PrivilegedIntentsRequired):
        return 4014
    return (error.code or 0) if isinstance(error, discord.ConnectionClosed) else 0
