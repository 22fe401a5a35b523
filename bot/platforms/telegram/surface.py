"""A Telegram chat as the reply engine sees it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from telegram.constants import ChatAction
from telegram.error import BadRequest, ChatMigrated, TelegramError

from bot.platforms.telegram import errors
from bot.platforms.telegram.markup import TelegramMarkup
from bot.platforms.telegram.spans import Span, to_telegram
from bot.reply.surface import (
    Budget,
    Limits,
    MessageGoneError,
    RefusedError,
    UneditableError,
    UnknownFateError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from telegram import Bot

    from bot.chat.keys import TurnKey
    from bot.reply.surface import Markup, Rendered

T = TypeVar("T")

PAGE_SIZE = 4096
"""Documented: 1-4096 characters after entity parsing. Counted in UTF-16 units, the safe bound."""
BOT = Budget(rate=29.5, burst=29.0, reserve=25.0)
"""Documented: about 30 messages a second over all chats. Previews leave most of the burst: when
many answers end, or begin, together, that is what shows them soon."""
PRIVATE = Budget(rate=1.0, burst=20.0, reserve=2.0)
"""Documented: about one message a second in a chat, short bursts allowed; sends and edits count
together (tdlib/td#2592). How long a burst is inferred from what bots have met."""
GROUP = Budget(rate=20 / 60, burst=20.0, reserve=1.0, share=0.3)
"""Documented: 20 messages a minute in a group."""
ACTIONS = Budget(rate=4.5, burst=16.0)
"""Chat actions of the whole bot; inferred."""

_NO_PREVIEW = {"is_disabled": True}
_MARKUP = TelegramMarkup()


class TelegramSurface:
    """Raises `SurfaceError`s only; what Telegram's errors mean is told in `errors`."""

    markup: Markup = _MARKUP
    allowance = None  # Telegram says nothing of what is left.

    def __init__(self, bot: Bot, turn: TurnKey) -> None:
        # Telegram counts calls by chat, all its topics together.
        self.chat = replace(turn.chat, thread="")
        self._bot = bot
        self._chat_id = int(turn.chat.chat)
        # Ids of groups are negative, of private chats positive.
        self._group = self._chat_id < 0
        self.limits = Limits(PAGE_SIZE, GROUP if self._group else PRIVATE)
        self._thread = int(turn.chat.thread) if turn.chat.thread else None
        self._question: int | None = int(turn.message)
        """What is replied to; None once it is known to be gone."""
        self._moved = False
        """The group became a supergroup meanwhile: its ids of messages are others."""
        self._posted_here: set[str] = set()
        """Once it has moved: what was posted since. No other message of ours is in this chat."""

    async def create(self, page: Rendered[object], *, number: int, nonce: str) -> str:  # noqa: ARG002 - Telegram has no idempotency key
        # In a group others may write between two pages: there each page names its question.
        threaded = self._question if number == 0 or self._group else None
        sent = await self._show(
            "sendMessage",
            page,
            message_thread_id=self._thread,
            reply_parameters=_reply_to(threaded),
        )
        try:
            message = str(int(sent["message_id"]))
        except (KeyError, TypeError, ValueError):
            raise UnknownFateError("Telegram: the answer is no message") from None
        self._posted_here.add(message)
        return message

    async def edit(self, message: str, page: Rendered[object]) -> None:
        if self._left_behind(message):
            raise UneditableError("Telegram: it stayed in the group that is a supergroup now")
        try:
            await self._show("editMessageText", page, message_id=int(message))
        except RefusedError as error:
            if not _says(error, errors.NOT_MODIFIED):
                raise

    async def delete(self, message: str) -> None:
        if self._left_behind(message):
            return
        try:
            await self._call(self._bot.delete_message(self._chat_id, int(message)))
        except (RefusedError, MessageGoneError):
            # Gone already, or too old to be deleted: there is nothing else to be done about it.
            return

    async def typing(self) -> None:
        await self._call(
            self._bot.send_chat_action(
                self._chat_id, ChatAction.TYPING, message_thread_id=self._thread
            )
        )

    async def _show(self, method: str, page: Rendered[object], **place: object) -> Any:  # noqa: ANN401 - JSON
        """As the library's own calls, at a sixth of their CPU time: they build a Message."""
        parameters = {
            "chat_id": self._chat_id,
            "text": page.text,
            "entities": _entities(page),
            "link_preview_options": _NO_PREVIEW,
            **place,
        }
        return await self._call(self._bot.do_api_request(method, parameters))

    async def _call(self, request: Awaitable[T]) -> T:
        try:
            return await request
        except TelegramError as error:
            if isinstance(error, ChatMigrated):
                self._move(error.new_chat_id)
            elif isinstance(error, BadRequest) and errors.means(error, *errors.REPLY_GONE):
                self._question = None
            raise errors.translate(error) from error

    def _move(self, chat_id: int) -> None:
        self._chat_id = chat_id
        self._moved = True
        self._posted_here.clear()
        self._question = self._thread = None

    def _left_behind(self, message: str) -> bool:
        return self._moved and message not in self._posted_here


def _reply_to(message: int | None) -> dict[str, int | bool] | None:
    return {"message_id": message, "allow_sending_without_reply": True} if message else None


def _entities(page: Rendered[object]) -> list[dict[str, str | int]] | None:
    return [to_telegram(span) for span in page.entities if isinstance(span, Span)] or None


def _says(error: Exception, text: str) -> bool:
    return text in str(error).lower()
