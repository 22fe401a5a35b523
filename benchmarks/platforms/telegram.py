"""Telegram's sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.measure import Call
from benchmarks.optimum import Limit
from benchmarks.platforms.base import Platform
from sandbox.telegram.settings import FLOOD_PRESETS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.scenarios import Scenario
    from sandbox.telegram.settings import Bucket

FREE = frozenset({"getupdates", "getme", "setmycommands", "deletewebhook", "getwebhookinfo"})
"""What a bot calls that no reader sees and no limit counts."""


class Telegram(Platform):
    name: ClassVar[str] = "telegram"
    servers: ClassVar[Sequence[str]] = tuple(FLOOD_PRESETS)

    @staticmethod
    def arguments(server: str, latency: float) -> list[str]:
        return ["telegram", "--flood", server, "--latency", str(latency)]

    @staticmethod
    def limits(server: str, scenario: Scenario) -> tuple[Limit, Limit]:
        flood = FLOOD_PRESETS[server]
        return _limit(flood.group if scenario.group else flood.private), _limit(flood.bot)

    @property
    def control_url(self) -> str:
        return f"{self.ready['url']}/control"

    async def open_chats(self, count: int, *, group: bool) -> list[int]:
        users = [
            (await self.post("users", first_name=f"Reader {n}"))["user_id"] for n in range(count)
        ]
        if not group:
            return users
        self._address = f"@{(await self.get('info'))['bot']['username']} "
        self._askers = {
            (await self.post("chats", title="Group", members=[user]))["chat_id"]: user
            for user in users
        }
        return list(self._askers)

    async def ask(self, chat: int, text: str) -> None:
        if chat > 0:
            await self.post("say", user_id=chat, text=text)
        else:
            asker = self._askers[chat]
            await self.post("say", user_id=asker, chat_id=chat, text=self._address + text)

    async def connected(self) -> bool:
        calls = (await self.get("calls", after=0))["calls"]
        return any(call["method"].lower() == "getupdates" for call in calls)

    def counts(self, call: Mapping[str, Any]) -> Call | None:
        method = call["method"]
        return None if method.lower() in FREE else Call(call["at"], method, call["status"])


def _limit(bucket: Bucket | None) -> Limit:
    return Limit(bucket.rate, bucket.burst) if bucket else Limit.none()
