"""Telegram's updates as it posts them to the bot's own server.

Telegram posts the updates of a chat one after another, each once the one before was answered with a
2xx, and repeats what was not, for 24 hours (telegram-bot-api/WebhookActor.cpp and Client.cpp of
github.com/tdlib/telegram-bot-api). So a 2xx is said only once an update is kept, and the order in
a chat is Telegram's, whichever replica it posts to. Should two of a chat come at once all the same,
as through a proxy that repeats requests, the lower update_id goes first.
"""

from __future__ import annotations

import asyncio
import hmac
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import orjson
import structlog
from aiohttp import web
from telegram.constants import UpdateType

from bot.platforms.telegram.in_order import InOrder
from bot.platforms.telegram.polling import number_of
from providers.redact import redact

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from telegram import Bot, WebhookInfo

    from bot.chat.incoming import Incoming
    from bot.platforms.telegram.polling import Insist

log = structlog.get_logger(__name__)

SECRET_HEADER: Final = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the name of a header
CONNECTIONS: Final = 40
"""Updates of different chats that Telegram may post at once; its own default."""
PATIENCE: Final = 25.0
"""Seconds until an update must be read and kept: Telegram waits 60 for the answer."""
AGAIN_IN: Final = 1
"""Seconds after which Telegram is asked to repeat what can't be kept now. Without being asked it
waits longer each time, up to two minutes."""
WATCH: Final = 60.0
"""Seconds between two looks at whether the webhook is still ours, and whether it works."""


class Webhook:
    """One bot's; `handle` is mounted on the server at `path`."""

    def __init__(
        self,
        url: str,
        secret: str,
        read: Callable[[dict[str, Any]], Incoming | None],
        take: Callable[[Incoming], Awaitable[object]],
        *,
        patience: float = PATIENCE,
        watch: float = WATCH,
    ) -> None:
        """`read` passes over what can't be read; on return of `take` no crash loses a message."""
        self._patience = patience
        self._watch = watch
        self.path = urlsplit(url).path or "/"
        self._url = url
        self._secret = secret
        self._read = read
        self._take = take
        self._in_order = InOrder()
        self._open = False
        """Updates are taken: we are logged in, and not stopping."""
        self._told = 0.0
        """When the last failure happened that was logged; seconds since the epoch."""

    async def serve(self, bot: Bot, insist: Insist) -> None:
        """Have updates posted here until cancelled; then nothing more is taken."""

        async def set_it(connections: int = CONNECTIONS) -> None:
            # The same again changes nothing, so that every replica may do it.
            await bot.set_webhook(
                self._url,
                secret_token=self._secret,
                allowed_updates=[UpdateType.MESSAGE],
                max_connections=connections,
            )

        self._open = True
        try:
            info = await insist(bot.get_webhook_info)
            self._told = _failed_at(info)
            await insist(partial(set_it, _connections(info)))
            log.info("telegram: updates are posted here", url=redact(self._url))
            while True:
                await asyncio.sleep(self._watch)
                info = await insist(bot.get_webhook_info)
                if info.url != self._url:
                    log.warning("telegram: the webhook was changed from elsewhere; set again")
                    await insist(set_it)
                self._tell(info)
        finally:
            self._open = False

    async def handle(self, request: web.Request) -> web.Response:
        """200: the update is kept, or there is nothing to keep; 401, 413, 503."""
        given = request.headers.get(SECRET_HEADER, "")
        if not hmac.compare_digest(given.encode(errors="replace"), self._secret.encode()):
            return web.Response(status=HTTPStatus.UNAUTHORIZED)
        if not self._open:
            return _not_now()
        try:
            async with asyncio.timeout(self._patience):
                await self._keep(await request.read())
        except TimeoutError:
            log.error("telegram: an update can't be kept; it will be posted again")  # noqa: TRY400 - no traceback is needed
            return _not_now()
        return web.Response()

    async def _keep(self, body: bytes) -> None:
        try:
            update = orjson.loads(body)
        except ValueError:
            _pass_over("it is no JSON")
            return
        number = number_of(update)
        if number is None:
            _pass_over("it has no valid update_id")
            return
        incoming = self._read(update)
        if incoming is not None:
            async with self._in_order.turn(incoming.chat, number):
                await self._take(incoming)

    def _tell(self, info: WebhookInfo) -> None:
        """Say what Telegram says of its failures to post here, each time there are new ones."""
        failed_at = _failed_at(info)
        if failed_at > self._told:
            log.warning(
                "telegram: updates could not be posted to telegram.webhook_url",
                reason=info.last_error_message,
                pending=info.pending_update_count,
            )
        self._told = max(failed_at, self._told)


def _failed_at(info: WebhookInfo) -> float:
    """When an update could not be posted last; seconds since the epoch, 0: never."""
    return info.last_error_date.timestamp() if info.last_error_date else 0.0


def _connections(info: WebhookInfo) -> int:
    """How many to ask for, so that what waits for its repetition is posted at once.

    While nobody answered, Telegram has come to wait up to two minutes. It forgets that, and no
    update, when anything about the webhook changes.
    """
    waiting = info.pending_update_count > 0 and info.last_error_date is not None
    return CONNECTIONS - 1 if waiting and info.max_connections == CONNECTIONS else CONNECTIONS


def _pass_over(reason: str) -> None:
    log.error("telegram: what was posted is no update; passed over", reason=reason)


def _not_now() -> web.Response:
    headers = {"Retry-After": str(AGAIN_IN)}
    return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE, headers=headers)
