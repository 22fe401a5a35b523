"""Calls that go on when their client hangs up, and connections that are broken on purpose."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from aiohttp import web

A = TypeVar("A")


class NoAnswerError(Exception):
    """The call's connection ends without an answer."""

    def __init__(self, *, reset: bool = False) -> None:
        super().__init__()
        self.reset = reset


class Calls(Generic[A]):
    """The calls that are not finished yet, those whose client has gone among them."""

    def __init__(self, ended: Callable[[], None]) -> None:
        """`ended` is called whenever one of them is finished."""
        self._ended = ended
        self._running: set[asyncio.Task[A]] = set()

    async def outlive_client(
        self, run: Callable[[asyncio.Event], Coroutine[Any, Any, A]], *, dropped: bool = False
    ) -> A:
        """Return what `run` gives; it goes on when the client goes, unless it is to be `dropped`.

        It is given the event that tells that the client has gone.
        """
        gone = asyncio.Event()
        task = asyncio.create_task(run(gone))
        self._running.add(task)
        task.add_done_callback(self._finished)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            gone.set()
            if dropped:
                task.cancel()
            raise

    def __len__(self) -> int:
        return len(self._running)

    async def close(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _finished(self, task: asyncio.Task[A]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # retrieved: with its client gone, a call's end concerns nobody
        self._ended()


async def hang(released: Coroutine[Any, Any, object], gone: asyncio.Event) -> None:
    """Wait until `released` returns; raises NoAnswerError where the client goes before."""
    waiters = [asyncio.create_task(released), asyncio.create_task(gone.wait())]
    try:
        await asyncio.wait(waiters, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiter in waiters:
            waiter.cancel()
    if gone.is_set():
        raise NoAnswerError


def local_port(request: web.Request) -> int:
    """The server's port by which a request came in; 0 where its client has gone."""
    transport = request.transport
    address = transport and transport.get_extra_info("sockname")
    return address[1] if address else 0


def break_connection(request: web.Request, *, reset: bool) -> None:
    """End a request's connection without an answer, politely or by a reset."""
    transport = request.transport
    if transport is None:
        return
    if reset:
        linger_not = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, linger_not
        )
        transport.abort()
    else:
        transport.close()
