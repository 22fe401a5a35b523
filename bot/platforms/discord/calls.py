"""Calls of discord.py, watched from outside, never cancelled.

The library keeps the rate limit headers to itself, and the call that spends a bucket's last token
sleeps until the bucket is full before it returns, applied long ago. Cancelling it breaks the
library's accounts, so that later calls hang. aiohttp's tracing, which it lets in, shows what
really happens; a context variable ties that to the call.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

import aiohttp
import structlog

from bot.platforms.discord import errors
from bot.reply.surface import Allowance, UnknownFateError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from types import SimpleNamespace

T = TypeVar("T")

log = structlog.get_logger(__name__)

ANSWER_TIMEOUT: Final = 40.0
"""Seconds without any answer after which a call is left to itself."""
OVER: Final = 0.05
"""Seconds to a full bucket that are not worth counting."""
HELD_BACK: Final = 0.1
"""Seconds in the library before a request leaves that are worth a line in the log."""


@dataclass(slots=True)
class Exchange:
    """What one call sent and was answered; the library may repeat a request."""

    made_at: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    requests: int = 0
    answers: int = 0
    applied: asyncio.Event = field(default_factory=asyncio.Event)
    """The server did what was asked."""
    allowance: Allowance | None = None
    """As the last answer had it."""
    answered_at: float = 0.0

    def left(self) -> Allowance | None:
        """The allowance as it is now: the library may have slept since the answer."""
        if self.allowance is None:
            return None
        since = asyncio.get_running_loop().time() - self.answered_at
        left = self.allowance.reset_after - since
        return replace(self.allowance, reset_after=left) if left > OVER else None


_current: ContextVar[Exchange | None] = ContextVar("exchange", default=None)
_under_way: Final[set[asyncio.Task[Any]]] = set()
"""Held here, so that a call goes on when nobody waits for it any more."""


async def returned(call: Coroutine[Any, Any, T], exchange: Exchange) -> T:
    """What the library's call returns. Raises SurfaceError."""
    task = _start(call, exchange)
    await _watch({task}, exchange, ANSWER_TIMEOUT)
    return _result(task)


async def applied(
    call: Coroutine[Any, Any, object], exchange: Exchange, patience: float | None = ANSWER_TIMEOUT
) -> None:
    """Return as soon as the server did what the call asks for. Raises SurfaceError.

    Without `patience` it is never left to itself: where a later call must not overtake it. The
    library's own limit is five minutes.
    """
    task = _start(call, exchange)
    seen = asyncio.create_task(exchange.applied.wait())
    try:
        await _watch({task, seen}, exchange, patience)
    finally:
        seen.cancel()
    if task.done():
        _result(task)


def _start(call: Coroutine[Any, Any, T], exchange: Exchange) -> asyncio.Task[T]:
    context = copy_context()
    context.run(_current.set, exchange)
    task = asyncio.create_task(call, context=context)
    _under_way.add(task)
    task.add_done_callback(_ended)
    return task


async def _watch(ends: set[asyncio.Task[Any]], exchange: Exchange, patience: float | None) -> None:
    """Wait for one of `ends`, with `patience` no longer than the server is silent."""
    answers = -1
    while exchange.answers > answers:
        answers = exchange.answers
        done, _ = await asyncio.wait(ends, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        if done:
            return
    raise UnknownFateError(f"Discord: no answer in {patience:.0f} s")


def _result(task: asyncio.Task[T]) -> T:
    try:
        return task.result()
    except errors.FAILURES as error:
        raise errors.translate(error) from error


def _ended(task: asyncio.Task[Any]) -> None:
    _under_way.discard(task)
    if not task.cancelled():
        task.exception()  # Asked for, so that it is not reported as never read.


def trace() -> aiohttp.TraceConfig:
    """For `discord.Client(http_trace=…)`."""
    config = aiohttp.TraceConfig()
    config.on_request_start.append(_leaves)
    config.on_request_end.append(_answered)
    return config


async def _leaves(
    _session: aiohttp.ClientSession,
    _context: SimpleNamespace,
    _request: aiohttp.TraceRequestStartParams,
) -> None:
    exchange = _current.get()
    if exchange is None:
        return
    exchange.requests += 1
    waited = asyncio.get_running_loop().time() - exchange.made_at
    if exchange.requests == 1 and waited > HELD_BACK:
        log.info("discord: the library held a call back", seconds=round(waited, 2))


async def _answered(
    _session: aiohttp.ClientSession,
    _context: SimpleNamespace,
    answer: aiohttp.TraceRequestEndParams,
) -> None:
    exchange = _current.get()
    if exchange is None:
        return
    exchange.answers += 1
    exchange.answered_at = asyncio.get_running_loop().time()
    exchange.allowance = allowance(answer.response.headers)
    if answer.response.ok:
        exchange.applied.set()


def allowance(headers: Mapping[str, str]) -> Allowance | None:
    """https://discord.com/developers/docs/topics/rate-limits#header-format."""
    try:
        return Allowance(
            int(headers["X-RateLimit-Limit"]),
            int(headers["X-RateLimit-Remaining"]),
            float(headers["X-RateLimit-Reset-After"]),
        )
    except (KeyError, ValueError):
        return None
