"""A chat in the terminal: what the owner of a phone sees and types."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rich.console import RenderableType

    from bot.demo.phone import Phone

INTRO = """\
Parlance demo: the bot, sandboxes that stand for Telegram and Discord, and you. It answers with
{about}.
[dim]Type a message, or /help. :discord takes you to Discord, :telegram back. Ctrl-C stops an
answer; Ctrl-D ends.[/dim]"""
GO_ON = """\
[dim]To talk in Telegram itself: get a token from @BotFather and put it into TELEGRAM_TOKEN;
`cp config.example.toml config.toml`, name your model's server there, and `make run` again.[/dim]"""


class Terminal:
    def __init__(self, phones: Mapping[str, Phone]) -> None:
        """One phone for each platform; the first is in hand."""
        self._phones = phones
        self._platform, self._phone = next(iter(phones.items()))
        self._console = Console()
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        """What was typed; None at its end."""
        self._watching = False

    async def run(self, about: str) -> None:
        """Ask what is typed and show the answers, until the input ends."""
        interactive = sys.stdin.isatty() and self._console.is_terminal
        if interactive:
            self._console.print(INTRO.format(about=about))
            self._console.print(GO_ON)
        else:
            Console(stderr=True).print(f"Answered with {about}.", style="dim")
        read_lines(self._lines)
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self._interrupt)
        while (line := await self._next_line(interactive=interactive)) is not None:
            platform = line.strip().removeprefix(":")
            if line.startswith(":") and platform in self._phones:
                self._platform, self._phone = platform, self._phones[platform]
            elif line.strip():
                await (self._watch(line) if interactive else self._ask(line))

    async def _next_line(self, *, interactive: bool) -> str | None:
        if interactive:
            self._console.print(f"[dim]{self._platform}[/dim] [bold]you >[/bold] ", end="")
        return await self._lines.get()

    async def _ask(self, line: str) -> None:
        """Print the answer once it is complete."""
        message = await self._phone.ask(line)
        while not await self._phone.answered(message):
            pass
        for text in self._phone.texts():
            sys.stdout.write(text + "\n")
        sys.stdout.flush()

    async def _watch(self, line: str) -> None:
        """Show the answer while it is written."""
        self._watching = True
        message = await self._phone.ask(line)
        with Live(console=self._console, refresh_per_second=12) as live:
            while not await self._phone.answered(message):
                live.update(bubbles(self._phone.messages()))
            live.update(bubbles(self._phone.messages()))
        self._watching = False

    def _interrupt(self) -> None:
        """Ctrl-C: stop the answer that is being written, or else end."""
        if self._watching:
            self._stopping = asyncio.create_task(self._phone.say("/stop"))
        else:
            self._lines.put_nowait(None)


def bubbles(messages: Iterable[RenderableType]) -> Group:
    return Group(*(Panel(message, border_style="dim") for message in messages))


def read_lines(into: asyncio.Queue[str | None]) -> None:
    """Put what is typed into `into`, line by line, from a thread that nothing waits for.

    Reads the file descriptor itself: a thread inside `sys.stdin` would hold up the process's end.
    """
    loop = asyncio.get_running_loop()

    def read() -> None:
        rest = b""
        with suppress(RuntimeError):  # The loop may be closed by then.
            while chunk := _typed():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    loop.call_soon_threadsafe(into.put_nowait, line.decode(errors="replace"))
            if rest:
                loop.call_soon_threadsafe(into.put_nowait, rest.decode(errors="replace"))
            loop.call_soon_threadsafe(into.put_nowait, None)

    threading.Thread(target=read, daemon=True, name="stdin").start()


def _typed() -> bytes:
    """The next bytes of standard input; b"" at its end, and if its terminal is gone."""
    try:
        return os.read(0, 65536)
    except OSError:
        return b""
