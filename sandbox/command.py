"""What the servers' command lines share: where to listen, and serving until told to stop."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Any, TypeVar

from sandbox.loopback import loopback

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager

S = TypeVar("S")


def add_address(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", type=_host, default="127.0.0.1", help="a loopback address")
    parser.add_argument("--port", type=int, default=0, help="0 (the default): any free port")


def _host(text: str) -> str:
    try:
        return loopback(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def not_negative(text: str) -> float:
    """The type of an argument that is a number of at least 0."""
    value = float(text)
    if not value >= 0:
        raise ArgumentTypeError(f"{text} is not such a number: use 0 or more")
    return value


async def serve(
    sandbox: AbstractAsyncContextManager[S],
    args: argparse.Namespace,
    ready: Callable[[S], Mapping[str, Any]],
) -> None:
    """Serve until SIGTERM or SIGINT; what `ready` tells is printed as one line of JSON."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        async with sandbox as entered:
            sys.stdout.write(json.dumps(ready(entered)) + "\n")
            sys.stdout.flush()
            await stop.wait()
    except OSError as error:
        raise SystemExit(f"can't listen on {args.host}:{args.port}: {error.strerror}") from None
