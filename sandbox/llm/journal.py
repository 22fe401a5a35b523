"""What arrived and what became of it, for tests to look at and to wait for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from multidict import CIMultiDictProxy

    from sandbox.llm.script import ChatMessage


@dataclass(slots=True, eq=False)
class Record:
    """One request. Times are seconds on the event loop's clock."""

    number: int
    """1 for the server's first request."""
    api: str
    """openai, responses, anthropic, gemini, ollama, getgpt, yqcloud, aichat, gptalk."""
    method: str
    path: str
    headers: CIMultiDictProxy[str]
    arrived_at: float
    body: object = None
    """The JSON as parsed (getgpt: as decrypted); None until it was read."""
    messages: tuple[ChatMessage, ...] = ()
    status: int | None = None
    """None until the response began."""
    bytes_sent: int = 0
    """Of the response body, without HTTP's own framing."""
    tokens_sent: int = 0
    """Written so far; where the reply goes out whole, generated so far."""
    stalled: bool = False
    """A scripted stall is going on."""
    finished: bool = False
    """The answer was sent to its end marker."""
    ended_at: float | None = None
    """When the server was done with the request, however it ended."""
    client_closed_at: float | None = None
    """When the client left before the server was done."""
    released: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    """Set: a stall of this request is over."""


@dataclass(slots=True, eq=False)
class _Waiter:
    predicate: Callable[[], bool]
    future: asyncio.Future[None]

    def check(self) -> None:
        """Settle the future if the predicate holds; an error in it is the waiter's own."""
        if self.future.done():
            return
        try:
            if self.predicate():
                self.future.set_result(None)
        except Exception as error:  # noqa: BLE001 - a test's own code: it is raised where it waits
            self.future.set_exception(error)


class Journal:
    """All records of a server, oldest first, and those who wait for them to change."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.closing = False
        """The server is shutting down: what ends now was not left by its client."""
        self._waiters: list[_Waiter] = []

    def open(self, api: str, method: str, path: str, headers: CIMultiDictProxy[str]) -> Record:
        now = asyncio.get_running_loop().time()
        record = Record(len(self.records) + 1, api, method, path, headers, arrived_at=now)
        self.records.append(record)
        self.changed()
        return record

    def changed(self) -> None:
        """To be called after every change of a record; costs nothing while nobody waits."""
        for waiter in self._waiters:
            waiter.check()

    def release(self) -> int:
        """End all stalls that are going on, and return their number."""
        stalled = [record for record in self.records if record.stalled]
        for record in stalled:
            record.released.set()
        return len(stalled)

    async def until(self, predicate: Callable[[], bool]) -> None:
        """Wait until `predicate()` holds. It is asked now and at every change of a record.

        A condition that holds for one moment only is not missed.
        """
        waiter = _Waiter(predicate, asyncio.get_running_loop().create_future())
        waiter.check()
        self._waiters.append(waiter)
        try:
            await waiter.future
        finally:
            self._waiters.remove(waiter)
