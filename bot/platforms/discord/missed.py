"""What was said while the gateway could not tell it: found by asking the channels.

The ids of Discord are times (https://discord.com/developers/docs/reference#snowflakes), so the
newest one that was seen says up to when nothing was missed.
"""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import discord
import structlog
from discord.utils import snowflake_time, time_snowflake, utcnow

from bot.platforms.discord import errors
from bot.platforms.discord.incoming import PLATFORM

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Container, Iterator

    from bot.history import History

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
        history: History,
        take: Callable[[discord.Message], Awaitable[None]],
    ) -> None:
        self._client = client
        self._history = history
        self._take = take
        self._seen = 0
        """The newest message of which the gateway told."""
        self._since: int | None = None
        """While the gateway is away: the newest message it told of before; 0: none."""
        self._losses = 0
        """How often the gateway went away."""
        self._searching = asyncio.Lock()
        self._start: int | None = None
        """While a search is under way or owed: where in each channel it begins."""
        self._asked: dict[int, asyncio.Task[bool]] = {}
        """By channel: its part of that search, whether it succeeded."""

    async def begin(self) -> None:
        """Before the first connection: what an earlier process was told was not missed."""
        recent = await self._history.latest(PLATFORM, time.time() - ACTIVE)
        self._seen = self._since = max((int(turn.message) for turn in recent), default=0)

    def seen(self, message_id: int) -> None:
        self._seen = max(self._seen, message_id)

    def lost(self) -> None:
        """The gateway is away."""
        self._losses += 1
        self._since = self._since or self._seen

    def regained(self) -> None:
        """It is back and told all that was said."""
        if not self._searching.locked():
            self._since = None

    def owe(self) -> None:
        """The gateway is back and told nothing: what it tells from now on waits for a search."""
        since = self._seen if self._since is None else self._since
        if since:  # else it is the first start: nothing was missed
            self._start, self._asked = _start(since), {}

    async def search(self) -> None:
        """Ask the channels, after `owe`."""
        async with self._searching:
            losses = self._losses
            if self._start is not None:
                await self._search_since(self._start)
            if self._losses == losses:
                self._since = self._start = None

    async def before(self, message: discord.Message) -> None:
        """Take what was missed in the channel of a message that the gateway tells.

        Else it would be answered before them: searching all the channels takes its time.
        """
        for wait in RETRIES:
            if self._start is None or await self._search_once(message.channel, self._start):
                return
            await asyncio.sleep(wait)

    async def _search_since(self, start: int) -> None:
        recent = await self._history.latest(PLATFORM, time.time() - ACTIVE)
        known = {int(turn.chat.thread or turn.chat.chat): turn.chat for turn in recent}
        in_guilds = {channel.id for channel in self._client.get_all_channels()}
        direct = [id_ for id_, chat in known.items() if not chat.thread and id_ not in in_guilds]
        places: list[discord.abc.Messageable | int]
        places = [*self._changed(start, known.keys()), *direct[:MOST_CHATS]]
        for wait in RETRIES:
            places = [place for place in places if not await self._search_slowly(place, start)]
            if not places:
                return
            await asyncio.sleep(wait)

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


def _start(since: int) -> int:
    """The id from which on something may have been missed after the message `since`."""
    bound = utcnow() - OLDEST
    return max(time_snowflake(bound), time_snowflake(snowflake_time(since) - OVERLAP))
