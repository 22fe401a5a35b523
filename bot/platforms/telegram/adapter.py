"""Telegram's way in: log in, announce the commands, take updates as fast as they can be kept."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from telegram import Bot, BotCommand
from telegram.error import (
    BadRequest,
    Conflict,
    EndPointNotFound,
    InvalidToken,
    RetryAfter,
    TelegramError,
)

from bot.backoff import backoff
from bot.chat.commands import COMMANDS
from bot.platforms.telegram import errors
from bot.platforms.telegram.incoming import read
from bot.platforms.telegram.parsing import parse
from bot.platforms.telegram.polling import Polling
from bot.platforms.telegram.request import AiohttpRequest, proxy_for
from bot.platforms.telegram.surface import ACTIONS, BOT, TelegramSurface
from bot.reply.gate import Gate
from bot.reply.pace import Pace
from bot.turns.platform import PlatformError
from providers.redact import redact

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bot.chat.incoming import Incoming
    from bot.platforms.telegram.webhook import Webhook
    from bot.replicas.base import Replicas
    from bot.reply.surface import Surface
    from bot.settings.sections import TelegramSettings
    from bot.store.schema import Turn
    from bot.turns.inbox import Inbox

T = TypeVar("T")

log = structlog.get_logger(__name__)

READ_TIMEOUT = 40.0
"""Seconds for a call's answer: the server may sleep off up to 8 of them to slow a chat down."""
CONNECTIONS = 256
"""Calls under way at once; a full pool would delay finals behind slow previews."""


class TelegramAdapter:
    """One bot account on Telegram."""

    def __init__(self, settings: TelegramSettings, inbox: Inbox, replicas: Replicas) -> None:
        self._settings = settings
        self._inbox = inbox
        root, proxy = settings.api_url, proxy_for(settings.api_url)
        self._bot = Bot(
            settings.token.get_secret_value(),
            base_url=f"{root}/bot",
            base_file_url=f"{root}/file/bot",
            request=AiohttpRequest(CONNECTIONS, READ_TIMEOUT, proxy),
            get_updates_request=AiohttpRequest(2, READ_TIMEOUT, proxy),
        )
        self._replicas = replicas
        pace = Pace(BOT, ACTIONS, asyncio.get_running_loop().time())
        self._gate = Gate(pace, replicas.lease)
        self._logged_in = asyncio.Event()
        self.webhook = self._webhook()
        """What is posted is handed to it; None: updates are polled."""

    def _webhook(self) -> Webhook | None:
        if self._settings.webhook_url is None:
            return None
        from bot.platforms.telegram.webhook import Webhook  # noqa: PLC0415 - only where it is set

        secret = self._settings.secret_token()
        return Webhook(self._settings.webhook_url, secret, self._read, self._inbox.said)

    @property
    def gate(self) -> Gate:
        return self._gate

    async def serve(self, logged_in: Callable[[str], Awaitable[None]]) -> None:
        await self._insist(self._bot.initialize, token_may_be_wrong=True)
        await logged_in(str(self._bot.id))
        self._logged_in.set()
        await self._announce_commands()
        log.info("telegram ready", bot=f"@{self._bot.username}", api_url=self._settings.api_url)
        if self.webhook:
            await self.webhook.serve(self._bot, self._insist)
        else:
            await self._replicas.lead(f"telegram {self._bot.id}", self._poll)

    async def ready(self) -> str:
        await self._logged_in.wait()
        return str(self._bot.id)

    def surface(self, turn: Turn) -> Surface:
        return TelegramSurface(self._bot, turn.key)

    async def settled(self, turn: Turn) -> None:
        """Telegram has nothing open for a turn."""

    async def close(self) -> None:
        await self._gate.close()
        await self._bot.shutdown()

    async def _announce_commands(self) -> None:
        menu = [BotCommand(name.value, about) for name, about in COMMANDS.items()]
        try:
            await self._bot.set_my_commands(menu)
        except TelegramError as error:
            log.warning("telegram: the command menu was not set", reason=errors.reason(error))

    async def _poll(self) -> None:
        """Take updates until cancelled."""
        polling = Polling(self._bot, self._read, self._inbox.said, patience=READ_TIMEOUT)
        await polling.serve(self._insist, self._replicas.lease.held)

    def _read(self, body: dict[str, Any]) -> Incoming | None:
        if not body.get("message"):
            return None
        try:
            message, left_out = parse(body["message"], self._bot)
            if left_out:
                log.warning(
                    "telegram: parts of a message can't be read; left out",
                    update=body["update_id"],
                    parts=left_out,
                )
            return read(message, self._bot.bot)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next ones must not wait
            log.error(  # noqa: TRY400 - a traceback could show what was written
                "telegram: an update can't be read; passed over",
                update=body["update_id"],
                reason=type(error).__name__,
            )
            return None

    async def _insist(
        self, call: Callable[[], Awaitable[T]], *, token_may_be_wrong: bool = False
    ) -> T:
        """Repeat `call` until the server answers it, more and more slowly.

        A token that was good once is not given up for one strange answer.
        """
        failures = 0
        while True:
            try:
                return await call()
            except TelegramError as error:
                if token_may_be_wrong and isinstance(error, InvalidToken):
                    said = f"{self._wrong_token()} ({errors.reason(error)})"
                    raise PlatformError(said) from None
                failures += 1
                wait = await self._explain(error, failures)
            await asyncio.sleep(wait)

    def _wrong_token(self) -> str:
        return (
            f"telegram.token: {redact(self._settings.api_url)} does not know it; "
            "copy it anew from @BotFather, or mend telegram.api_url"
        )

    async def _explain(self, error: TelegramError, failures: int) -> float:
        """Say in one line what is wrong; return the seconds to wait."""
        wait = backoff(failures)
        match error:
            case Conflict() if "webhook" in error.message.lower():
                log.warning("telegram: a webhook is set for this bot; removing it to poll")
                with suppress(TelegramError):
                    await self._bot.delete_webhook()
            case Conflict():
                log.warning(
                    "telegram: another program takes this bot's updates; only one may. "
                    "Stop it, or use another token",
                    again_in=wait,
                )
            case BadRequest() if errors.means(error, "webhook"):
                log.warning(
                    "telegram.webhook_url: Telegram does not take it",
                    reason=errors.reason(error),
                    again_in=wait,
                )
            case InvalidToken() | EndPointNotFound():
                log.warning(self._wrong_token(), again_in=wait)
            case RetryAfter():
                wait = max(wait, errors.seconds(error))
                log.warning("telegram: told to wait", again_in=wait)
            case _:
                log.warning(
                    "telegram: the server can't be reached",
                    api_url=self._settings.api_url,
                    reason=errors.reason(error),
                    again_in=wait,
                )
        return wait
