"""A program that has imported the bot once, and forks a process for each bot that a test starts.

A fork has its own process id, files and signals, so it ends by kill -9 as a fresh process does;
what it saves is two seconds of imports. `forked.py` is its client.

    python tests/fork_server.py SOCKET

Each connection is one process: a request with the three standard streams, then the answer's two
lines, the process id and, at the end, the exit code. A client that goes away takes its process
with it, and the server ends with whoever holds the other end of its standard input.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import selectors
import signal
import socket
import sys
import threading
import traceback
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from providers import registry

if TYPE_CHECKING:
    from collections.abc import Callable

STREAMS = 3
LONGEST_REQUEST = 1 << 20
"""Bytes."""


WARM = (
    "bot.__main__",
    "bot.app",
    "bot.cli.forget",
    "bot.cli.migrate",
    "bot.platforms.discord.adapter",
    "bot.platforms.telegram.adapter",
    "bot.operations.server",
    "alembic.command",
    "psycopg",
    *(f"providers.{kind}" for kind in registry.kinds()),
)
"""What the commands import when they run."""


def warm_up() -> None:
    for name in WARM:
        import_module(name)
    assert threading.active_count() == 1, "a fork keeps the forking thread alone"
    # Shared with the forks: their garbage collectors leave it alone.
    gc.collect()
    gc.freeze()


@dataclass
class Child:
    pid: int
    client: socket.socket


class Server:
    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self._selector = selectors.DefaultSelector()
        self._children: dict[int, Child] = {}

    def serve(self) -> None:
        """Fork until standard input ends."""
        woken, wakes = os.pipe()
        os.set_blocking(wakes, False)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._on(sys.stdin.fileno(), self._end)
        self._on(woken, lambda: self._reap(woken))
        self._on(self._listening.fileno(), self._accept)
        while True:
            for key, _ in self._selector.select():
                key.data()

    def _on(self, descriptor: int, react: Callable[[], None]) -> None:
        self._selector.register(descriptor, selectors.EVENT_READ, react)

    def _accept(self) -> None:
        client, _ = self._listening.accept()
        data, streams, _, _ = socket.recv_fds(client, LONGEST_REQUEST, STREAMS)
        pid = os.fork()
        if not pid:
            client.close()
            self._become(json.loads(data), streams)
        for stream in streams:
            os.close(stream)
        self._children[pid] = Child(pid, client)
        client.sendall(f"{pid}\n".encode())
        self._on(client.fileno(), lambda: self._forsaken(pid))

    def _forsaken(self, pid: int) -> None:
        """The client of a process went away; the process may have ended in the same moment."""
        if child := self._children.get(pid):
            self._selector.unregister(child.client.fileno())
            os.kill(pid, signal.SIGKILL)

    def _reap(self, woken: int) -> None:
        os.read(woken, 4096)
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            client = self._children.pop(pid).client
            with suppress(KeyError):
                self._selector.unregister(client.fileno())
            with suppress(OSError):
                client.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
            client.close()

    def _end(self) -> None:
        for pid in self._children:  # not reaped yet, so no other process has these ids
            os.kill(pid, signal.SIGKILL)
        os._exit(0)

    def _become(self, request: dict[str, object], streams: list[int]) -> None:
        """Be the process that was asked for; never returns."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self._selector.close()
        self._listening.close()
        for child in self._children.values():
            child.client.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        code = 1
        try:
            _run(request)
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:  # noqa: BLE001 - as the interpreter ends on any of them
            traceback.print_exc()
        finally:
            _exit(code)


def _run(request: dict[str, object]) -> None:
    arguments, environment, folder = request["argv"], request["env"], request["cwd"]
    assert isinstance(arguments, list)
    assert isinstance(environment, dict)
    assert isinstance(folder, str)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path[:0] = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    program, *rest = arguments
    if program == "-c":
        code, *rest = rest
        sys.argv = ["-c", *rest]
        exec(compile(code, "<a test's program>", "exec"), {"__name__": "__main__"})  # noqa: S102
    else:
        sys.argv = [program, *rest]
        import_module("bot.__main__").main()


def _exit(code: int) -> None:
    """End as the interpreter does, with what a real end would wait for and write."""
    with suppress(Exception):
        threading._shutdown()  # type: ignore[attr-defined]
    with suppress(Exception):
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    warm_up()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(sys.argv[1])
        listening.listen(64)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        Server(listening).serve()
