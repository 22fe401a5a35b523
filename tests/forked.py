"""Processes of the bot that need not import it again: forks of `fork_server.py`.

One server for each process of pytest, from the first fork on until pytest ends.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SERVER = Path(__file__).with_name("fork_server.py")


class Forked:
    """A process; as much of asyncio's Process as the tests use, and the same manners."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._heard = b""
        self.pid = int(self._line())
        self.returncode: int | None = None
        connection.settimeout(0)
        self._waiting: asyncio.Lock | None = None

    def _line(self) -> bytes:
        while b"\n" not in self._heard:
            heard = self._connection.recv(64)
            assert heard, "the fork server is gone"
            self._heard += heard
        line, _, self._heard = self._heard.partition(b"\n")
        return line

    async def wait(self) -> int:
        """The exit code; minus the signal's number if a signal ended it."""
        self._waiting = self._waiting or asyncio.Lock()
        async with self._waiting:
            loop = asyncio.get_running_loop()
            while self.returncode is None:
                heard = await loop.sock_recv(self._connection, 64)
                assert heard, "the fork server is gone"
                self._heard += heard
                if b"\n" in self._heard:
                    self.returncode = int(self._line())
                    self._connection.close()
            return self.returncode

    def ended(self, timeout: float) -> int:
        """As `wait`, for those without an event loop; raises TimeoutError after some seconds."""
        self._connection.settimeout(timeout)
        self.returncode = int(self._line())
        self._connection.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is not None:
            raise ProcessLookupError
        os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


async def start(
    *arguments: str,
    environment: Mapping[str, str],
    folder: Path,
    stdout: IO[str] | int | None = None,
    stderr: IO[str] | int | None = None,
) -> Forked:
    """`parlance ARGUMENTS` in a process of its own.

    It inherits standard output and error where none are given, and reads nothing.
    """
    return await asyncio.to_thread(
        fork, ("parlance", *arguments), environment, folder, stdout, stderr
    )


def run(
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    timeout: float = 60.0,
) -> subprocess.CompletedProcess[str]:
    """`subprocess.run` for a program that needs the bot: ("parlance", …) or ("-c", code, …)."""
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as errors:
        process = fork(arguments, environment or os.environ, folder or Path.cwd(), said, errors)
        code = process.ended(timeout)
        said.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(arguments, code, said.read(), errors.read())


def fork(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    stdout: IO[str] | int | None,
    stderr: IO[str] | int | None,
) -> Forked:
    request = {"argv": arguments, "env": dict(environment), "cwd": str(folder)}
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(_server())
    with open(os.devnull) as nothing:  # noqa: PTH123 - the name is no path of ours
        streams = [nothing.fileno(), _descriptor(stdout, 1), _descriptor(stderr, 2)]
        socket.send_fds(connection, [json.dumps(request).encode()], streams)
    return Forked(connection)


def _descriptor(stream: IO[str] | int | None, inherited: int) -> int:
    if stream is None:
        return inherited
    return stream if isinstance(stream, int) else stream.fileno()


@cache
def _server() -> str:
    """The address of a fork server that is ready; it ends with this process, however that ends."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="forks"))
        address = f"{folder}/socket"
        server = stack.enter_context(
            subprocess.Popen(
                [sys.executable, str(SERVER), address],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=SERVER.parents[1],
            )
        )  # fmt: skip
        assert server.stdin is not None
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        stack.callback(server.stdin.close)
        atexit.register(stack.pop_all().close)
    return address
