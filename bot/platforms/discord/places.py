"""What a channel is, asked of Discord once: the gateway tells each replica of some only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import discord

from bot.platforms.discord.calls import Exchange, returned
from bot.reply.surface import SurfaceError

if TYPE_CHECKING:
    from bot.chat.keys import ChatKey

MOST: Final = 1000
"""Channels that are remembered."""


class Places:
    """Of a kind that never changes; what else is known of a channel may be old."""

    def __init__(self, client: discord.Client) -> None:
        self._client = client
        self._known: dict[int, object] = {}

    async def find(self, channel: int) -> object:
        """A channel of the library. Raises SurfaceError."""
        if channel not in self._known:
            found = await returned(self._client.fetch_channel(channel), Exchange())
            if len(self._known) >= MOST:
                del self._known[next(iter(self._known))]
            self._known[channel] = found
        return self._known[channel]

    async def is_shared(self, chat: ChatKey, channel: int) -> bool:
        """Whether a channel in which `chat` is answered is many people's: no thread, not direct.

        True where that can't be found out.
        """
        if chat.thread:
            return channel != int(chat.thread)
        try:
            return isinstance(await self.find(channel), discord.abc.GuildChannel)
        except SurfaceError:
            return True
