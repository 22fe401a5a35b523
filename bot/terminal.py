"""A chat in the terminal: a sandbox user's phone, and what its owner sees and types."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

import orjson
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    import aiohttp

INTRO = """\
Parlance demo: the bot, a sandbox that stands for Telegram, and you. It answers with {about}.
[dim]Type a message, or /help. Ctrl-C stops an answer; Ctrl-D ends.[/dim]"""
GO_ON = """\
[dim]To talk in Telegram itself: get a token from @BotFather and put it into TELEGRAM_TOKEN;
`cp config.example.toml config.toml`, name your model's server there, and `make run` again.[/dim]"""
STYLES = {
    "bold": "bold",
    "italic": "italic",
    "underline": "underline",
    "strikethrough": "strike",
    "code": "cyan",
    "pre": "cyan",
    "text_link": "blue underline",
    "blockquote": "green",
    "spoiler": "dim",
}
REFRESH = 0.1
"""Seconds that a look at the chat waits for something to happen there."""


class Phone:
    """A user of the sandbox, through its control interface."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        user: int,
        answered: Callable[[str, str], Awaitable[bool]],
    ) -> None:
        self._session = session
        self._user = user
        self._answered = answered
        self._seen = 0
        """The number of the last change that was read."""
        self._messages: dict[int, Text] = {}
        """The bot's messages since the last question, as they read now."""

    @classmethod
    async def pick_up(
        cls, session: aiohttp.ClientSession, answered: Callable[[str, str], Awaitable[bool]]
    ) -> Phone:
        """`answered(chat, message)` tells whether the bot is done with a message."""
        user = await _post(session, "/control/users", {"first_name": "You"})
        return cls(session, user["user_id"], answered)

    async def ask(self, text: str) -> str:
        """Send a message whose answer is to be shown; return its id."""
        self._messages.clear()
        return await self.say(text)

    async def say(self, text: str) -> str:
        """Send a message to the bot; return its id."""
        said = {"user_id": self._user, "text": text}
        message = await _post(self._session, "/control/say", said)
        return str(message["message_id"])

    async def answered(self, message: str) -> bool:
        """Whether all of the answer to `message` is there; looks at the chat for a moment."""
        done = await self._answered(str(self._user), message)
        await self._refresh()
        return done

    async def _refresh(self) -> None:
        query = {"after": self._seen, "timeout": REFRESH, "chat_id": self._user}
        async with self._session.get("/control/events", params=query) as response:
            for event in orjson.loads(await response.read())["events"]:
                self._seen = event["n"]
                if event["from_bot"]:
                    self._note(event)

    def _note(self, event: dict[str, Any]) -> None:
        if event["kind"] == "deleted":
            self._messages.pop(event["message_id"], None)
        elif event["kind"] in ("sent", "edited"):
            self._messages[event["message_id"]] = styled(event["text"], event["entities"] or ())

    def messages(self) -> list[Text]:
        return list(self._messages.values())


class Terminal:
    def __init__(self, phone: Phone) -> None:
        self._phone = phone
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
            if line.strip():
                await (self._watch(line) if interactive else self._ask(line))

    async def _next_line(self, *, interactive: bool) -> str | None:
        if interactive:
            self._console.print("[bold]you >[/bold] ", end="")
        return await self._lines.get()

    async def _ask(self, line: str) -> None:
        """Print the answer once it is complete."""
        message = await self._phone.ask(line)
        while not await self._phone.answered(message):
            pass
        for text in self._phone.messages():
            sys.stdout.write(text.plain + "\n")
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


def bubbles(messages: Iterable[Text]) -> Group:
    return Group(*(Panel(text, border_style="dim") for text in messages))


def styled(text: str, entities: Iterable[dict[str, Any]]) -> Text:
    """A message as a terminal can show it; Telegram counts offsets in UTF-16 units."""
    shown = Text(text)
    units = text.encode("utf-16-le")
    for entity in entities:
        start = len(units[: 2 * entity["offset"]].decode("utf-16-le"))
        end = start + len(
            units[2 * entity["offset"] : 2 * (entity["offset"] + entity["length"])].decode(
                "utf-16-le"
            )
        )
        if style := STYLES.get(entity["type"]):
            shown.stylize(style, start, end)
    return shown


def read_lines(into: asyncio.Queue[str | None]) -> None:
    """Put what is typed into `into`, line by line, from a thread that nothing waits for.

    Reads the file descriptor itself: a thread inside `sys.stdin` would hold up the process's end.
    """
    loop = asyncio.get_running_loop()

    def read() -> None:
        rest = b""
        while chunk := os.read(0, 65536):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                loop.call_soon_threadsafe(into.put_nowait, line.decode(errors="replace"))
        if rest:
            loop.call_soon_threadsafe(into.put_nowait, rest.decode(errors="replace"))
        loop.call_soon_threadsafe(into.put_nowait, None)

    threading.Thread(target=read, daemon=True, name="stdin").start()


async def _post(session: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> dict[str, Any]:
    async with session.post(path, json=body) as response:
        response.raise_for_status()
        answer: dict[str, Any] = orjson.loads(await response.read())
        return answer
