"""What a run needs of a platform's sandbox, and the requests that all their control APIs share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.measure import Call, Change

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import aiohttp

    from benchmarks.optimum import Limit
    from benchmarks.scenarios import Scenario


class Platform(ABC):
    """A sandbox server that is running, steered through its control API."""

    name: ClassVar[str]
    servers: ClassVar[Sequence[str]]
    """The kinds of server it can play, the usual one first."""

    def __init__(self, http: aiohttp.ClientSession, ready: Mapping[str, Any]) -> None:
        """`ready` is the line that the server printed."""
        self._http = http
        self.ready = ready
        self._changes: list[Change] = []
        self._last = 0

    @staticmethod
    @abstractmethod
    def arguments(server: str, latency: float) -> list[str]:
        """What follows `python -m sandbox`."""

    @staticmethod
    @abstractmethod
    def limits(server: str, scenario: Scenario) -> tuple[Limit, Limit]:
        """What the server grants each chat of the scenario, and the whole bot."""

    @property
    @abstractmethod
    def control_url(self) -> str:
        """Where the control API is, without a trailing slash."""

    @abstractmethod
    async def open_chats(self, count: int, *, group: bool) -> list[int]:
        """Make people; return the chats in which they will ask."""

    @abstractmethod
    async def ask(self, chat: int, text: str) -> None: ...

    @abstractmethod
    async def connected(self) -> bool:
        """Whether a bot takes what people write."""

    @abstractmethod
    def counts(self, call: Mapping[str, Any]) -> Call | None:
        """The call, if it counts against a limit."""

    async def changes(self) -> list[Change]:
        """All that the bot has shown so far."""
        answer = await self.get("events", after=self._last, timeout=0)
        self._last = answer["last"]
        self._changes += [
            Change(event["at"], event["kind"], event["chat_id"], event["message_id"], event["text"])
            for event in answer["events"]
            if event["from_bot"] and event["message_id"] is not None
        ]
        return self._changes

    async def calls(self) -> list[Call]:
        calls = (await self.get("calls", after=0))["calls"]
        return [counted for call in calls if (counted := self.counts(call)) is not None]

    async def get(self, path: str, **query: object) -> Any:  # noqa: ANN401 - JSON
        """GET below /control."""
        texts = {name: str(value) for name, value in query.items()}
        async with self._http.get(f"{self.control_url}/{path}", params=texts) as response:
            response.raise_for_status()
            return await response.json()

    async def post(self, path: str, **body: object) -> Any:  # noqa: ANN401 - JSON
        """POST below /control."""
        async with self._http.post(f"{self.control_url}/{path}", json=body) as response:
            response.raise_for_status()
            return await response.json()
