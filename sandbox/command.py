"""What the servers' command lines share: where to listen, and serving until told to stop."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from argparse import ArgumentTypeError
from contextlib import ExitStack
from tempfile import TemporaryDirectory
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
    parser.add_argument(
        "--lifeline",
        type=int,
        metavar="FD",
        help="an inherited pipe: the server ends when nobody holds its other end any more",
    )
    parser.add_argument(
        "--scratch",
        action="store_true",
        help="make a folder that is there as long as the server, and tell its path",
    )


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


def _scratch() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="parlance-", ignore_cleanup_errors=True)


async def serve(
    sandbox: AbstractAsyncContextManager[S],
    args: argparse.Namespace,
    ready: Callable[[S], Mapping[str, Any]],
) -> None:
    """Serve until a signal or the lifeline ends it; `ready` is printed as one line of JSON."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    if args.lifeline is not None:
        loop.add_reader(args.lifeline, stop.set)  # Nobody writes: it is readable at its end.
    try:
        with ExitStack() as stack:
            scratch = {"scratch": stack.enter_context(_scratch())} if args.scratch else {}
            async with sandbox as entered:
                sys.stdout.write(json.dumps({**ready(entered), **scratch}) + "\n")
                sys.stdout.flush()
                await stop.wait()
    except OSError as error:
        raise SystemExit(f"can't listen on {args.host}:{args.port}: {error.strerror}") from None
