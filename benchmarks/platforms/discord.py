"""Discord's sandbox: in a DM, or in a channel in which several people ask at once."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.measure import Call
from benchmarks.optimum import Limit
from benchmarks.platforms.base import Platform
from sandbox.discord.limits.buckets import EDIT_MESSAGE, LIMIT_PRESETS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.scenarios import Scenario

COUNTED = ("POST", "PATCH", "PUT", "DELETE")
IN_A_CHANNEL = 3
"""People."""


class Discord(Platform):
    name: ClassVar[str] = "discord"
    servers: ClassVar[Sequence[str]] = tuple(LIMIT_PRESETS)

    @staticmethod
    def arguments(server: str, latency: float) -> list[str]:
        return ["discord", "--limits", server, "--latency", str(latency)]

    @staticmethod
    def limits(server: str, scenario: Scenario) -> tuple[Limit, Limit]:  # noqa: ARG004 - Telegram asks
        """Creates have a bucket of their own, which has enough for each answer's first call."""
        settings = LIMIT_PRESETS[server]
        edits, everything = settings.routes.get(EDIT_MESSAGE), settings.global_limit
        if edits is None or everything is None:
            return Limit.none(), Limit.none()
        rate, windows = edits.limit / edits.window, settings.variant == "fixed"
        chat = Limit(rate, edits.limit, first_free=True, windows=windows)
        return chat, Limit(everything.limit / everything.window, everything.limit)

    @property
    def control_url(self) -> str:
        return f"{self.ready['url']}/control"

    async def open_chats(self, count: int, *, group: bool) -> list[int]:
        self._asks: dict[int, Iterator[dict[str, object]]] = {}
        for _ in range(count):
            people = [await self._person() for _ in range(IN_A_CHANNEL if group else 1)]
            if not group:
                self._asks[people[0]["dm_id"]] = cycle([{"user_id": people[0]["user_id"]}])
                continue
            members = [person["user_id"] for person in people]
            guild = await self.post("guilds", name="Guild", members=members)
            channel = await self.post("channels", guild_id=guild["guild_id"], name="general")
            chat = channel["chat_id"]
            self._asks[chat] = cycle(
                [{"user_id": member, "chat_id": chat, "mention": True} for member in members]
            )
        return list(self._asks)

    async def _person(self) -> dict[str, int]:
        person: dict[str, int] = await self.post("users", first_name="Reader")
        return person

    async def ask(self, chat: int, text: str) -> None:
        """In a channel another person asks each time."""
        await self.post("say", text=text, **next(self._asks[chat]))

    async def connected(self) -> bool:
        return bool((await self.get("gateway"))["sessions"])

    def counts(self, call: Mapping[str, Any]) -> Call | None:
        if not call["route"].startswith(COUNTED) or call["channel_id"] is None:
            return None
        return Call(call["at"], call["route"], call["status"])
