"""A platform in memory, on the loop's own time, that does what a test's script says."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from bot.chat.keys import ChatKey
from bot.reply.markdown import CONTINUED
from bot.reply.surface import (
    Allowance,
    AlreadyPostedError,
    Budget,
    ChatClosedError,
    Limits,
    MessageGoneError,
    NotAppliedError,
    RefusedError,
    Rendered,
    SlowDownError,
    UneditableError,
    UnknownFateError,
)

CHAT = ChatKey("fake", "bot", "1")
ROUNDING = 1e-6
"""Seconds that sums of floats may be off."""
AMPLE = Budget(rate=1000.0, burst=1000.0)


class PlainMarkup:
    """Markdown shown as it is written."""

    def render(self, markdown: str) -> Rendered[object]:
        return Rendered(markdown.replace(CONTINUED, "").strip())

    def size(self, rendered: Rendered[object]) -> int:
        return len(rendered.text)


@dataclass(frozen=True)
class Fault:
    """What happens to one call: after `takes` seconds, applied or not, raising `error`."""

    takes: float = 0.04
    error: Exception | None = None
    applied: bool = True


def slow_down(seconds: float) -> Fault:
    return Fault(error=SlowDownError("slow down", seconds), applied=False)


def not_applied() -> Fault:
    return Fault(error=NotAppliedError("refused the connection"), applied=False)


def unknown(*, applied: bool) -> Fault:
    return Fault(error=UnknownFateError("no answer"), applied=applied)


def refused() -> Fault:
    return Fault(error=RefusedError("can't parse entities"), applied=False)


def closed() -> Fault:
    return Fault(error=ChatClosedError("blocked"), applied=False)


@dataclass
class Shown:
    """A message in the chat; `versions` holds (when, text)."""

    versions: list[tuple[float, Rendered[object]]]
    deleted: bool = False

    @property
    def text(self) -> str:
        return self.versions[-1][1].text


@dataclass
class FakeSurface:
    """Checks at every call what the engine promises; `script` is used up call by call."""

    page_size: int = 40
    chat: ChatKey = CHAT
    budget: Budget = AMPLE
    script: deque[Fault] = field(default_factory=deque)
    messages: dict[str, Shown] = field(default_factory=dict)
    nonces: list[str] = field(default_factory=list)
    calls: int = 0
    typed: int = 0
    in_flight: int = 0
    restarted: bool = False
    """The process was started anew: what an earlier one posted may be edited again."""
    faulted: bool = False
    """The last call failed, so the same text may come again."""
    penalty_until: float = 0.0
    markup: PlainMarkup = field(default_factory=PlainMarkup)
    honours_nonces: bool = False
    fresh_final: bool = False
    creates: Budget | None = None
    allowance: Allowance | None = None
    shared: FakeSurface | None = None
    """Another reply's surface in the same chat, which counts the calls under way in it."""
    by_nonce: dict[str, str] = field(default_factory=dict)
    frozen: set[str] = field(default_factory=set)
    """Messages that can't be edited any more."""

    @property
    def limits(self) -> Limits:
        return Limits(
            self.page_size,
            self.budget,
            creates=self.creates,
            nonces=self.honours_nonces,
            fresh_final=self.fresh_final,
        )

    async def create(self, page: Rendered[object], *, number: int, nonce: str) -> str:
        self.nonces.append(nonce)
        message = str(len(self.messages) + 1)

        def apply() -> None:
            if nonce not in self.by_nonce or not self.honours_nonces:
                self.messages[message] = Shown([(self._now(), page)])
                self.by_nonce[nonce] = message

        await self._call(page, apply)
        posted = self.by_nonce[nonce]
        if self.messages[posted].text != page.text:
            raise AlreadyPostedError(posted)
        return posted

    async def edit(self, message: str, page: Rendered[object]) -> None:
        shown = self.messages[message]
        last = max(self.messages, key=int)
        assert self.restarted or message == last, "a page before the last was edited"
        if message in self.frozen:
            raise UneditableError("too many edits of an old message")
        if shown.deleted:
            raise MessageGoneError("message to edit not found")
        news = shown.versions[-1][1] != page
        assert news or self.faulted or self.restarted, "a call that shows nothing new"
        await self._call(page, lambda: shown.versions.append((self._now(), page)))

    async def delete(self, message: str) -> None:
        def apply() -> None:
            self.messages[message].deleted = True

        await self._call(None, apply)

    async def typing(self) -> None:
        assert self._now() >= self.penalty_until - ROUNDING, "an action within a penalty"
        self.typed += 1

    def texts(self) -> list[str]:
        return [shown.text for shown in self.messages.values() if not shown.deleted]

    async def _call(self, page: Rendered[object] | None, apply: object) -> None:
        chat = self.shared or self
        assert chat.in_flight == 0, "two calls at once"
        assert self._now() >= self.penalty_until - ROUNDING, "a call within a penalty"
        if page is not None:
            assert 0 < len(page.text) <= self.page_size
        self.calls += 1
        fault = self.script.popleft() if self.script else Fault()
        self.faulted = fault.error is not None
        chat.in_flight += 1
        try:
            await asyncio.sleep(fault.takes / 2)
            if fault.applied:
                apply()
            await asyncio.sleep(fault.takes / 2)
        finally:
            chat.in_flight -= 1
        if isinstance(fault.error, SlowDownError):
            self.penalty_until = self._now() + fault.error.retry_after
        if fault.error is not None:
            raise fault.error

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


@dataclass
class MemoryLedger:
    messages: dict[int, str] = field(default_factory=dict)

    async def posted(self, number: int, message: str) -> None:
        self.messages[number] = message

    async def removed(self, message: str) -> None:
        self.messages = {n: each for n, each in self.messages.items() if each != message}
