"""Discord's way in: log in, stay connected, hand on what is said."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import discord
import structlog

from bot.platforms.discord import errors
from bot.platforms.discord.client import Client, point_at
from bot.platforms.discord.incoming import Reader
from bot.platforms.discord.intake import Intake
from bot.platforms.discord.missed import Missed
from bot.platforms.discord.surface import ACTIONS, ANSWERED, BOT, DiscordSurface
from bot.reply.gate import Gate
from bot.reply.pace import Pace
from bot.turns import PlatformError

if TYPE_CHECKING:
    from bot.history import History
    from bot.replicas import Replicas
    from bot.reply.surface import Surface
    from bot.schema import Turn
    from bot.settings import DiscordSettings
    from bot.turns import Turns

log = structlog.get_logger(__name__)

LONGEST_BACKOFF: Final = 30.0
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
MESSAGE_CONTENT_FLAGS: Final = 1 << 18 | 1 << 19
"""Of an application: it has the privileged intent, verified or (for up to 100 servers) limited."""
_FINAL_CLOSES: Final = {
    4004: "discord.token: the gateway does not know it; copy it anew from the developer portal",
    4010: "discord: the gateway refuses this bot's shard",
    4011: "discord: this bot is in too many servers for one connection",
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


class DiscordAdapter:
    """One bot account on Discord."""

    def __init__(
        self, settings: DiscordSettings, turns: Turns, history: History, replicas: Replicas
    ) -> None:
        point_at(settings)
        self._settings = settings
        self._token = settings.token.get_secret_value()
        self._turns = turns
        self._history = history
        self._loop = asyncio.get_running_loop()
        self._replicas = replicas
        self._gate = Gate(Pace(BOT, ACTIONS, self._loop.time()), replicas.lease)
        self._client: Client
        self._reader: Reader
        self._intake: Intake
        self._missed: Missed
        self._logged_in = asyncio.Event()
        """What is made on login is there."""
        self._offline_since: float | None = None
        """None: connected to the gateway."""
        self._let_in = False
        """The present attempt to connect has succeeded."""
        self._disconnects = 0
        """Since the last success."""
        self._enough = asyncio.Event()
        """They are so many that the library's attempts are given up."""
        self._commands: dict[str, discord.Interaction] = {}
        """Slash commands that wait for their answer, by turn."""

    @property
    def gate(self) -> Gate:
        return self._gate

    async def serve(self) -> None:
        await self._log_in()
        await self._sync_commands()
        # One session a shard: a second one would be told everything, too.
        await self._replicas.lead(f"discord {self._client.application_id}", self._listen)

    async def _listen(self) -> None:
        """Be connected to the gateway until cancelled; raises PlatformError."""
        await self._missed.begin()
        failures = 0
        while True:
            was_online = await self._stay_connected()
            failures = 0 if was_online else failures + 1
            await asyncio.sleep(min(LONGEST_PAUSE, 2.0 ** max(0, failures - 1)))

    async def ready(self) -> None:
        await self._logged_in.wait()

    def surface(self, turn: Turn) -> Surface:
        return DiscordSurface(
            self._client,
            turn,
            fresh_final=self._settings.fresh_final,
            interaction=self._commands.get(str(turn.key)),
        )

    async def settled(self, turn: Turn) -> None:
        interaction = self._commands.pop(str(turn.key), None)
        if interaction is not None and ANSWERED not in interaction.extras:
            await _withdraw(interaction)

    async def close(self) -> None:
        await self._gate.close()
        if self._logged_in.is_set():
            await self._client.close()

    # Connecting.

    async def _log_in(self) -> None:
        """Find out who we are, however long the server can't be reached."""
        failures = 0
        while not self._logged_in.is_set():
            try:
                client = await self._try_to_log_in()
            except discord.LoginFailure as error:
                raise PlatformError(
                    f"discord.token: {self._settings.api_url} does not know it; copy it anew "
                    f"from the developer portal, or mend discord.api_url ({error})"
                ) from None
            except errors.FAILURES as error:
                wait = min(LONGEST_BACKOFF, 2.0**failures)
                failures += 1
                log.warning(
                    "discord: the server can't be reached",
                    api_url=self._settings.api_url,
                    reason=errors.reason(error),
                    again_in=wait,
                )
                await asyncio.sleep(wait)
            else:
                self._use(client)

    async def _try_to_log_in(self) -> Client:
        content = await self._may_read_everything()
        client = Client(self, message_content=content)
        try:
            await client.login(self._token)
        except BaseException:
            await client.close()
            raise
        if not content:
            log.warning(
                "discord: without the message content intent only direct messages and messages "
                "that mention the bot can be read; enable Message Content Intent in the "
                "developer portal to have it answer without a mention and see what a question "
                "replies to"
            )
        return client

    async def _may_read_everything(self) -> bool:
        """Whether the application has the privileged intent, unless the settings say it."""
        if self._settings.message_content != "auto":
            return self._settings.message_content
        async with discord.Client(intents=discord.Intents.none()) as probe:
            await probe.login(self._token)
            application: dict[str, Any] = {**await probe.http.application_info()}
        flags = application.get("flags")
        # Where it does not say, the gateway will.
        return flags is None or bool(flags & MESSAGE_CONTENT_FLAGS)

    def _use(self, client: Client) -> None:
        assert client.user is not None
        self._client = client
        self._reader = Reader(
            client.user, self._settings.channels, auto_thread=self._settings.auto_thread
        )
        self._intake = Intake(client, self._reader, self._turns, self._history)
        self._missed = Missed(client, self._history, self._intake.message)
        self._logged_in.set()
        log.info("discord ready", bot=client.user.name, api_url=self._settings.api_url)

    async def _sync_commands(self) -> None:
        try:
            await self._client.sync_commands()
        except errors.FAILURES as error:
            log.warning(
                "discord: the slash commands were not announced", reason=errors.reason(error)
            )

    async def _stay_connected(self) -> bool:
        """Listen to the gateway until that fails; return whether it ever let us in.

        The library reconnects by itself, but for a malformed event and a gateway that can't be
        reached at first. Raises PlatformError where we are turned away for good.
        """
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
            enough.cancel()
            connection.cancel()
            await asyncio.wait({connection})
            self._missed.lost()
            await self._hang_up()
        error = None if connection.cancelled() else connection.exception()
        if (code := _close_code(error)) in _FINAL_CLOSES:
            raise PlatformError(_FINAL_CLOSES[code])
        self._explain(error)
        return self._let_in

    def _explain(self, error: BaseException | None) -> None:
        kind, url = type(error).__name__, self._settings.gateway_url
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

    async def began(self) -> None:
        self._missed.owe()

    async def connected(self, *, resumed: bool) -> None:
        self._offline_since, self._let_in = None, True
        self._disconnects = 0
        log.info("discord: connected", resumed=resumed)
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
            log.info("discord: disconnected")

    async def said(self, message: discord.Message) -> None:
        self._missed.seen(message.id)
        await self._missed.before(message)
        await self._intake.message(message)

    async def edited(self, message: discord.Message) -> None:
        await self._intake.edited(message)

    async def deleted(self, message_id: int, channel_id: int) -> None:
        await self._intake.deleted(message_id, channel_id)

    async def commanded(self, interaction: discord.Interaction) -> None:
        """Discord waits 3 s for a first answer, and 15 min for the one that it shows."""
        try:
            await interaction.response.defer(thinking=True)
        except errors.FAILURES as error:
            log.warning("discord: a command was not answered in time", reason=errors.reason(error))
            return
        incoming = self._reader.command(interaction)
        self._commands[str(incoming.key)] = interaction
        if not await self._turns.take(incoming):
            del self._commands[str(incoming.key)]
            await _withdraw(interaction)


def _close_code(error: BaseException | None) -> int:
    """With which the gateway turned us away; 0 where it did not."""
    if isinstance(error, discord.PrivilegedIntentsRequired):
        return 4014
    return (error.code or 0) if isinstance(error, discord.ConnectionClosed) else 0


async def _withdraw(interaction: discord.Interaction) -> None:
    """Nothing is said to a command: the sign that an answer comes goes away."""
    with suppress(*errors.FAILURES):
        await interaction.delete_original_response()
