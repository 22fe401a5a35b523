"""A Discord channel, thread or direct chat as the reply engine sees it."""

from __future__ import annotations

from contextlib import suppress
from hashlib import blake2s
from typing import TYPE_CHECKING, Any, Final

import discord
import structlog

from bot.chat.content import words
from bot.platforms.discord import errors
from bot.platforms.discord.calls import Exchange, applied, returned
from bot.platforms.discord.markup import DiscordMarkup
from bot.reply.surface import (
    AlreadyPostedError,
    Budget,
    ChatClosedError,
    Limits,
    MessageGoneError,
    NotAppliedError,
    RefusedError,
    SurfaceError,
    UneditableError,
)

if TYPE_CHECKING:
    from bot.platforms.discord.places import Places
    from bot.reply.surface import Allowance, Markup, Rendered
    from bot.store.schema import Turn

log = structlog.get_logger(__name__)

PAGE_SIZE: Final = 2000
"""Documented: up to 2000 characters of content."""
BOT: Final = Budget(rate=36.0, burst=8.0, reserve=2.0)
"""Documented: 50 requests in any second. Burst and rate together stay a little below: calls arrive
less evenly than they leave, and threads and chains are asked for beside them."""
CHANNEL: Final = Budget(rate=1.0, burst=5.0, reserve=1.0, floor=1.0)
"""Sends, and edits, of a channel: 5 in 5 s is inferred, and the headers overrule it. Whoever
spends the last token has discord.py hold back what comes next until the bucket is full, so a
preview leaves one, for the final."""
ACTIONS: Final = Budget(rate=10.0, burst=20.0)
"""Typing indicators of the whole bot; inferred."""
THREAD_NAME: Final = 100
"""Documented: 1-100 characters."""
ANSWERED: Final = "answered"
"""Of an interaction's extras: Discord's wait for a response has an end."""
SURELY_NOT_HERE: Final = (MessageGoneError, ChatClosedError, RefusedError)

_MARKUP = DiscordMarkup()


class DiscordSurface:
    """Raises `SurfaceError`s only; what Discord's errors mean is told in `errors`.

    Mentions ping nobody: the client is made with `AllowedMentions.none()`, which the library sends
    with every create and edit.
    """

    markup: Markup = _MARKUP

    def __init__(
        self,
        client: discord.Client,
        places: Places,
        turn: Turn,
        *,
        fresh_final: bool,
        interaction: discord.Interaction | None = None,
    ) -> None:
        place, question = turn.key.chat, int(turn.key.message)
        self._client = client
        self._places = places
        self._turn = turn
        self.chat = place
        self.limits = Limits(
            PAGE_SIZE,
            CHANNEL,
            creates=CHANNEL,
            nonces=True,
            fresh_final=fresh_final,
            typing_lasts=10.0,
        )
        self.allowance: Allowance | None = None
        self._channel = client.get_partial_messageable(int(place.thread or place.chat))
        self._question = self._channel.get_partial_message(question)
        self._new_thread = place.thread == turn.key.message
        """The question's own thread, which is made before the first message in it."""
        self._asks_here = not self._new_thread
        """The question stands in the channel that is written to."""
        self._interaction = interaction
        """The command that is answered in its own place, while Discord waits for that."""

    async def create(self, page: Rendered[object], *, number: int, nonce: str) -> str:
        self.allowance = None
        if self._interaction is not None and number == 0:
            return await self._respond(self._interaction, page.text)
        if self._new_thread:
            await self._make_thread(int(self.chat.chat))
        send = self._channel.send(
            page.text, nonce=_short(nonce), suppress_embeds=True, **await self._threading(number)
        )
        exchange = Exchange()
        try:
            posted = await returned(send, exchange)
        except NotAppliedError as error:
            if errors.code(error.__cause__) == errors.NO_HISTORY:
                self._asks_here = False  # Then nothing can be replied to.
            raise
        except UneditableError as error:
            raise ChatClosedError(str(error)) from error  # A locked thread takes no new ones.
        finally:
            self.allowance = exchange.left()
        if posted.content.strip() != page.text.strip():
            raise AlreadyPostedError(str(posted.id))
        return str(posted.id)

    async def edit(self, message: str, page: Rendered[object]) -> None:
        exchange = Exchange()
        edit = self._message(message).edit(content=page.text)
        try:
            # A later edit must not be overtaken by this one.
            await applied(edit, exchange, patience=None)
        except ChatClosedError as error:
            if not self._new_thread or errors.code(error.__cause__) != errors.UNKNOWN_CHANNEL:
                raise
            # An earlier process could not make the thread, and answered in the channel.
            self._answer_in_channel(int(self.chat.chat))
            raise NotAppliedError(str(error)) from error
        else:
            self._new_thread = False
        finally:
            self.allowance = exchange.left()

    async def delete(self, message: str) -> None:
        self.allowance = None  # Deletions have a bucket of their own.
        with suppress(MessageGoneError, UneditableError):
            await applied(self._message(message).delete(), Exchange())

    async def typing(self) -> None:
        channel = self._channel
        if self._new_thread:
            channel = self._client.get_partial_messageable(int(self.chat.chat))
        await applied(_type(channel), Exchange())

    def _message(self, message: str) -> discord.PartialMessage:
        return self._channel.get_partial_message(int(message))

    async def _threading(self, number: int) -> dict[str, Any]:
        """In a channel others may write between two pages: there each names its question."""
        if self._asks_here and (
            number == 0 or await self._places.is_shared(self.chat, self._channel.id)
        ):
            return {"reference": self._question.to_reference(fail_if_not_exists=False)}
        return {}

    async def _make_thread(self, parent: int) -> None:
        """Make the question's own thread; where that can't be, answer in the channel."""
        try:
            channel = await self._places.find(parent)
            if isinstance(channel, discord.TextChannel):
                question = channel.get_partial_message(self._question.id)
                name = _title(words(self._turn.content))
                await returned(question.create_thread(name=name), Exchange())
            else:
                self._asks_here = True  # A post in a forum is the thread of its first message.
        except SurfaceError as trouble:
            if errors.code(trouble.__cause__) != errors.THREAD_EXISTS:
                if not isinstance(trouble, SURELY_NOT_HERE):
                    raise
                log.warning("discord: no thread, answering in the channel", reason=str(trouble))
                self._answer_in_channel(parent)
        self._new_thread = False

    def _answer_in_channel(self, channel: int) -> None:
        self._channel = self._client.get_partial_messageable(channel)
        self._question = self._channel.get_partial_message(self._question.id)
        self._asks_here = True
        self._new_thread = False

    async def _respond(self, interaction: discord.Interaction, text: str) -> str:
        """Answer a command in its own place; once Discord has given up waiting, in the chat."""
        interaction.extras[ANSWERED] = True
        try:
            posted = await returned(interaction.edit_original_response(content=text), Exchange())
        except (*SURELY_NOT_HERE, NotAppliedError) as error:
            interaction.extras.pop(ANSWERED)
            self._interaction = None
            raise NotAppliedError(str(error)) from error
        self._interaction = None  # Its place is taken: what follows is posted below it.
        return str(posted.id)


async def _type(channel: discord.PartialMessageable) -> None:
    await channel.typing()  # Awaited, it shows the indicator once.


def _short(nonce: str) -> str:
    """A nonce has at most 25 characters."""
    return blake2s(nonce.encode(), digest_size=12).hexdigest()


def _title(question: str) -> str:
    """What the thread is called: what was said, on one line."""
    line = " ".join(question.split())
    return f"{line[: THREAD_NAME - 1]}…" if len(line) > THREAD_NAME else line or "Question"
