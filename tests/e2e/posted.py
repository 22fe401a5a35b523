"""A bot that is posted to, and what a test posts to it by itself."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import aiohttp
    from bot_process import BotProcess

    from sandbox.telegram.server import TelegramSandbox

PATH = "/telegram"
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Posted:
    """`bot`, told to have its updates posted."""

    tg: TelegramSandbox
    bot: BotProcess
    http: aiohttp.ClientSession

    def __post_init__(self) -> None:
        self.root = f"http://127.0.0.1:{free_port()}"
        self.bot.environment |= {
            "PARLANCE__SERVER__PORT": self.root.rpartition(":")[2],
            "PARLANCE__TELEGRAM__WEBHOOK_URL": self.root + PATH,
        }

    @property
    def secret(self) -> str:
        """As the bot told Telegram."""
        secret = self.tg.calls_of("setWebhook")[-1].params["secret_token"]
        assert isinstance(secret, str)
        return secret

    async def start(self) -> None:
        before = len(self.tg.calls_of("setWebhook"))

        def is_set() -> bool:
            calls = self.tg.calls_of("setWebhook")[before:]
            return bool(calls) and calls[-1].status == 200

        await self.bot.start(ready=False)
        await self.tg.until(is_set, within=30)

    async def get(self, path: str) -> tuple[int, str]:
        async with self.http.get(self.root + path) as answer:
            return answer.status, await answer.text()

    async def post(self, body: bytes, secret: str | None) -> int:
        headers = {} if secret is None else {SECRET_HEADER: secret}
        async with self.http.post(self.root + PATH, data=body, headers=headers) as answer:
            return answer.status

    async def figure(self, sample: str) -> float:
        """The value of a line of /metrics; 0 where it is not there."""
        _, text = await self.get("/metrics")
        found = [line for line in text.splitlines() if line.startswith(f"{sample} ")]
        return float(found[0].rpartition(" ")[2]) if found else 0.0


async def until(probe: Callable[[], Awaitable[bool]], *, within: float = 30.0) -> None:
    """Ask `probe` again and again until it says yes: what it looks at tells nobody of a change."""
    async with asyncio.timeout(within):
        while not await probe():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.02)


def message(number: int, chat: int, text: str) -> dict[str, Any]:
    """An update as Telegram posts it."""
    return {
        "update_id": number,
        "message": {
            "message_id": number,
            "date": 1,
            "chat": {"id": chat, "type": "private", "first_name": "Ada"},
            "from": {"id": chat, "is_bot": False, "first_name": "Ada"},
            "text": text,
        },
    }
