"""From what Discord announces to what the turns take: questions, commands, edits, deletions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

import discord
import structlog

from bot.platforms.discord import errors
from bot.store.schema import After

if TYPE_CHECKING:
    from bot.platforms.discord.incoming import Reader
    from bot.turns.inbox import Inbox

log = structlog.get_logger(__name__)

LONGEST_CHAIN: Final = 20
"""Messages above a question that are looked up for it."""
NOTHING: Final = After(0)


class Intake:
    """Takes each message once, those of one channel in their order."""

    def __init__(self, client: discord.Client, reader: Reader, inbox: Inbox) -> None:
        self._client = client
        self._reader = reader
        self._inbox = inbox
        self._order: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    async def message(self, message: discord.Message) -> None:
        if not self._reader.is_speech(message):
            return
        async with self._in_order(message.channel.id):
            message.channel = await self._known(message.channel)
            incoming = self._reader.read(message)
            if incoming is not None:
                await self._inbox.said(incoming, await self._origin(message))

    async def edited(self, message: discord.Message) -> None:
        """What the conversation remembers of a message is what it reads now."""
        if self._reader.is_speech(message):
            places = self._reader.places(message.id, message.channel)
            async with self._in_order(message.channel.id):
                await self._inbox.edited(places, self._reader.spoken(message))

    async def deleted(self, message_id: int, channel_id: int) -> None:
        known = self._client.get_channel(channel_id)
        partial = self._client.get_partial_messageable(channel_id)
        channel = known if isinstance(known, discord.Thread) else partial
        places = self._reader.places(message_id, channel)
        async with self._in_order(channel_id):
            await self._inbox.deleted(places, str(message_id))

    def _in_order(self, channel_id: int) -> asyncio.Lock:
        """What happens in a channel is taken in the order in which it was told."""
        return self._order.setdefault(channel_id, asyncio.Lock())

    # What a message goes on from.

    async def _origin(self, message: discord.Message) -> After | None:
        """Where the conversation of `message` branches off; None: it goes straight on.

        What it replies to, what that replies to, and so on up to a message that is known; at the
        top of a thread stands the message it was made from.
        """
        heard: list[discord.Message] = []
        origin = None
        here = message
        while len(heard) < LONGEST_CHAIN:
            above = await self._above(here, is_question=not heard)
            if above is None:
                break
            origin, found = await self._look_up(here, *above)
            if found is None:
                break
            heard.append(found)
            here = found
        if heard:
            origin = origin or NOTHING
        for each in reversed(heard):
            assert origin is not None
            origin = await self._inbox.heard(self._reader.spoken(each), origin)
        return origin

    async def _look_up(
        self, below: discord.Message, channel: discord.abc.MessageableChannel, message_id: int
    ) -> tuple[After | None, discord.Message | None]:
        """What goes on from a message, where that is known; else the message, if it is there."""
        places = self._reader.places(message_id, channel)
        known = await self._inbox.origin(places, str(message_id))
        if known is not None:
            return known, None
        found = await _fetch(below, channel, message_id)
        if found is None:
            return NOTHING, None
        answer = await self._own_answer(found)
        return (answer, None) if answer else (None, found)

    async def _own_answer(self, message: discord.Message) -> After | None:
        """The turn that posted `message`, where the history has not noted yet that it did."""
        asked = message.reference.message_id if message.reference else None
        if message.author.id != self._reader.bot.id or asked is None:
            return None
        places = self._reader.places(asked, message.channel)
        question = await self._inbox.origin(places, str(asked))
        return After(question.seq) if question else None

    async def _above(
        self, message: discord.Message, *, is_question: bool
    ) -> tuple[discord.abc.MessageableChannel, int] | None:
        """The message that this one continues: its channel and id."""
        reference, channel = message.reference, message.channel
        if reference is not None and reference.type is discord.MessageReferenceType.reply:
            return (channel, reference.message_id) if reference.message_id else None
        if not isinstance(channel, discord.Thread) or message.id == channel.id:
            return None
        if is_question and await self._inbox.has_begun(self._reader.chat(channel)):
            return None
        # A post's first message is in its thread; another thread's is in the channel.
        is_post = isinstance(channel.parent, discord.ForumChannel)
        parent = channel if is_post or channel.parent is None else channel.parent
        assert isinstance(parent, discord.abc.Messageable)
        return parent, channel.id

    async def _known(
        self, channel: discord.abc.MessageableChannel
    ) -> discord.abc.MessageableChannel:
        """A thread that the library does not know yet is asked for, as its parent matters."""
        if not isinstance(channel, discord.PartialMessageable) or channel.guild_id is None:
            return channel
        try:
            found = await self._client.fetch_channel(channel.id)
        except errors.FAILURES:
            return channel
        return found if isinstance(found, discord.abc.Messageable) else channel


async def _fetch(
    below: discord.Message, channel: discord.abc.MessageableChannel, message_id: int
) -> discord.Message | None:
    """The message, from what Discord sent along or from its server; None: gone, or not for us."""
    sent_along = below.reference.resolved if below.reference else None
    if isinstance(sent_along, discord.Message) and sent_along.id == message_id:
        return sent_along
    try:
        return await channel.fetch_message(message_id)
    except errors.FAILURES as error:
        log.info("discord: a message above can't be read", reason=errors.reason(error))
        return None
