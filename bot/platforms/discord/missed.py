"""What was said while the gateway could not tell it: found by asking the channels.

The ids of Discord are times (https://discord.com/developers/docs/reference#snowflakes), so the
newest one that was seen says up to when nothing was missed. Each shard is searched by itself: one
may be away while another goes on.
"""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import discord
import structlog
from discord.utils import snowflake_time, time_snowflake, utcnow

from bot.chat.keys import BotKey
from bot.platforms.discord import errors
from bot.platforms.discord.incoming import PLATFORM

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Container, Iterator

    from bot.chat.keys import TurnKey
    from bot.platforms.discord.client import Shard
    from bot.turns.inbox import Inbox

log = structlog.get_logger(__name__)

OVERLAP: Final = timedelta(minutes=1)
"""Messages of two channels may be told in another order than they were written in."""
OLDEST: Final = timedelta(hours=24)
"""Older questions are not answered any more; Telegram keeps its updates as long."""
ACTIVE: Final = 30 * 86400.0
"""Seconds since the last question after which a direct chat is not asked any more: Discord tells
in which channels something was said, but not in which direct chats."""
MOST_CHATS: Final = 200
RETRIES: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 60.0, 60.0, 60.0, 60.0)
"""Seconds between two tries to search the channels that could not be searched."""
PAUSE: Final = 0.1
"""Seconds between two channels: answers need the bot's budget more."""
MOST_MESSAGES: Final = 500
"""Read in one channel."""


class Missed:
    """Finds what was missed and hands it on; what was not missed may be among it."""

    def __init__(
        self,
        client: discord.Client,
        shard: Shard,
        inbox: Inbox,
        take: Callable[[discord.Message], Awaitable[None]],
    ) -> None:
        self._client = client
        self._shard = shard
        self._inbox = inbox
        self._take = take
        self._earlier: list[TurnKey] = []
        """The last turn of each chat, of all shards, before the first connection."""
        self._seen = 0
        """The newest message of which this shard told; 0: none."""
        self._since: int | None = None
        """Until all is found that was missed: the newest message told before; 0: none."""
        self._losses = 0
        """How often the gateway went away."""
        self._searching = asyncio.Lock()
        self._owed = False
        """A search is under way, or to come."""
        self._asked: dict[int, asyncio.Task[bool]] = {}
        """By channel: its part of that search, whether it succeeded."""

    async def begin(self) -> None:
        """Before the first connection: what the shard told another process was not missed."""
        self._earlier = await self._inbox.latest(self._bot(), time.time() - ACTIVE)
        self._seen = self._since = 0

    def seen(self, message_id: int) -> None:
        self._seen = max(self._seen, message_id)

    def lost(self) -> None:
        """The gateway is away."""
        self._losses += 1
        # Else what was missed before is still to be found; at a first start that is nothing.
        if self._since is None or not (self._since or self._earlier):
            self._since = self._seen

    def regained(self) -> None:
        """It is back and told all that was said."""
        if not self._searching.locked():
            self._since = None

    def owe(self) -> None:
        """The gateway is back and told nothing: what it tells from now on waits for a search."""
        if self._since is None:
            self._since = self._seen
        # Else it is the first start: nothing was missed.
        self._owed = bool(self._since or self._earlier)
        self._asked = {}

    async def search(self) -> None:
        """Ask the channels, after `owe`."""
        async with self._searching:
            losses = self._losses
            if self._owed:
                await self._search_all()
            if self._losses == losses:
                self._since, self._owed = None, False

    async def before(self, message: discord.Message) -> None:
        """Take what was missed in the channel of a message that the gateway tells.

        Else it would be answered before them: searching all the channels takes its time.
        """
        channel = message.channel
        direct = channel.id if isinstance(channel, discord.DMChannel) else None
        for wait in RETRIES:
            if not self._owed or await self._search_once(channel, self._start(direct)):
                return
            await asyncio.sleep(wait)

    async def _search_all(self) -> None:
        recent = await self._inbox.latest(self._bot(), time.time() - ACTIVE)
        known = {int(turn.chat.thread or turn.chat.chat) for turn in recent}
        start = self._start()
        places: list[tuple[discord.abc.Messageable | int, int]]
        places = [(channel, start) for channel in self._changed(start, known)]
        if self._shard.number == 0:
            places += ((chat, self._start(chat)) for chat in self._direct(recent))
        for wait in RETRIES:
            places = [place for place in places if not await self._search_slowly(*place)]
            if not places:
                return
            await asyncio.sleep(wait)

    def _start(self, direct: int | None = None) -> int:
        """From where on the channels of servers are read, or the `direct` chat of that id.

        All that is said in a direct chat is answered, so its own last turn tells.
        """
        told = self._since
        if not told and direct is not None:
            last = {int(turn.chat.chat): int(turn.message) for turn in self._earlier}
            told = last.get(direct) or min(last.values())
        bound = time_snowflake(utcnow() - OLDEST)
        since = snowflake_time(told or self._last_known())
        return max(bound, time_snowflake(since - OVERLAP))

    def _last_known(self) -> int:
        """The newest message of this shard's servers that an earlier process was told of.

        Other shards may have told more since. Where this one never did: since anybody is known.
        """
        in_guilds = {channel.id for channel in self._client.get_all_channels()}
        told = {int(turn.message): int(turn.chat.chat) in in_guilds for turn in self._earlier}
        ours = [message for message, is_ours in told.items() if is_ours]
        return max(ours) if ours else min(told)

    def _direct(self, recent: list[TurnKey]) -> list[int]:
        """The direct chats; some may be channels of another shard: that is found out later."""
        in_guilds = {channel.id for channel in self._client.get_all_channels()}
        chats = [int(turn.chat.chat) for turn in recent if not turn.chat.thread]
        return [chat for chat in chats if chat not in in_guilds][: MOST_CHATS * self._shard.count]

    def _changed(self, start: int, known: Container[int]) -> Iterator[discord.abc.Messageable]:
        """The channels and threads of servers in which something was said since `start`.

        An archived thread is none of them: whoever speaks in it takes it out of the archive.
        """
        for guild in self._client.guilds:
            for channel in (*guild.channels, *guild.threads):
                if not isinstance(channel, discord.abc.Messageable):
                    continue
                last = channel.last_message_id
                if last > start if last is not None else channel.id in known:
                    yield channel

    def _bot(self) -> BotKey:
        assert self._client.user is not None
        return BotKey(PLATFORM, str(self._client.user.id))

    async def _search_slowly(self, place: discord.abc.Messageable | int, start: int) -> bool:
        searched = await self._search_once(place, start)
        await asyncio.sleep(PAUSE)
        return searched

    async def _search_once(self, place: discord.abc.Messageable | int, start: int) -> bool:
        """As `_searched`, but what succeeded in this search is not done again."""
        place_id = place if isinstance(place, int) else place.id  # type: ignore[attr-defined]  # each kind has one
        asked = self._asked.get(place_id)
        if asked is None or (asked.done() and not asked.result()):
            asked = self._asked[place_id] = asyncio.create_task(self._searched(place, start))
        return await asyncio.shield(asked)

    async def _searched(self, place: discord.abc.Messageable | int, start: int) -> bool:
        """Take what was said in a channel, or in the direct chat of an id.

        False where it has to be asked again.
        """
        try:
            if isinstance(place, int):
                channel = self._client.get_channel(place) or await self._client.fetch_channel(place)
                if not isinstance(channel, discord.DMChannel):
                    return True
                place = channel
            history = place.history(
                limit=MOST_MESSAGES, after=discord.Object(start), oldest_first=True
            )
            missed = [message async for message in history]
        except (discord.Forbidden, discord.NotFound, discord.InvalidData):
            return True  # It is not ours to read, such as one of a server that the bot has left.
        except errors.FAILURES as error:
            log.warning("discord: a channel can't be searched", reason=errors.reason(error))
            return False
        for message in missed:
            await self._take(message)
        if len(missed) == MOST_MESSAGES:
            log.warning("discord: more was said in a channel than is read", messages=MOST_MESSAGES)
        return True
