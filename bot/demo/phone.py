"""The phone of the demo's user: a person in a sandbox, through its control interface."""

from __future__ import annotations

import asyncio
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import orjson
from rich.markdown import Markdown
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from typing import Self

    import aiohttp
    from rich.console import RenderableType

STYLES: Final = {
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
REFRESH: Final = 0.1
"""Seconds that a look at the chat waits for something to happen there."""


class Phone:
    """On Telegram, in the private chat with the bot."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        user: int,
        chat: int,
        answered: Callable[[str, str], Awaitable[bool]],
    ) -> None:
        self._session = session
        self._user = user
        self._chat = chat
        self._answered = answered
        self._seen = 0
        """The number of the last change that was read."""
        self._messages: dict[int, dict[str, Any]] = {}
        """The bot's messages since the last question, as they read now."""

    @classmethod
    async def pick_up(
        cls, session: aiohttp.ClientSession, answered: Callable[[str, str], Awaitable[bool]]
    ) -> Self:
        """`answered(chat, message)` tells whether the bot is done with a message."""
        user = await _post(session, "/control/users", {"first_name": "You"})
        return cls(session, user["user_id"], user.get("dm_id", user["user_id"]), answered)

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
        done = await self._answered(str(self._chat), message)
        await self._refresh()
        return done

    async def _refresh(self) -> None:
        query = {"after": self._seen, "timeout": REFRESH, "chat_id": self._chat}
        for event in (await _get(self._session, "/control/events", query))["events"]:
            self._seen = event["n"]
            if event["from_bot"]:
                self._note(event)

    def _note(self, event: dict[str, Any]) -> None:
        if event["kind"] == "deleted":
            self._messages.pop(event["message_id"], None)
        elif event["kind"] in ("sent", "edited"):
            self._messages[event["message_id"]] = event

    def texts(self) -> list[str]:
        """The answer, message by message, as the platform was given it."""
        return [message["text"] for message in self._messages.values()]

    def messages(self) -> list[RenderableType]:
        """The same as a terminal can show it."""
        return [self._shown(message) for message in self._messages.values()]

    @staticmethod
    def _shown(message: dict[str, Any]) -> RenderableType:
        return styled(message["text"], message["entities"] or ())


class DiscordPhone(Phone):
    """On Discord, in the direct chat with the bot."""

    async def say(self, text: str) -> str:
        # Discord tells the bot what is said now, and nothing to a bot that is not there yet.
        while not (await _get(self._session, "/control/gateway", {}))["sessions"]:  # noqa: ASYNC110 - nothing of another process can be waited for
            await asyncio.sleep(REFRESH)
        return await super().say(text)

    @staticmethod
    def _shown(message: dict[str, Any]) -> RenderableType:
        return Markdown(message["text"])


PHONES: Final[Mapping[str, type[Phone]]] = MappingProxyType(
    {"telegram": Phone, "discord": DiscordPhone}
)


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


async def _post(session: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> dict[str, Any]:
    async with session.post(path, json=body) as response:
        response.raise_for_status()
        answer: dict[str, Any] = orjson.loads(await response.read())
        return answer


async def _get(session: aiohttp.ClientSession, path: str, query: dict[str, Any]) -> dict[str, Any]:
    async with session.get(path, params=query) as response:
        response.raise_for_status()
        answer: dict[str, Any] = orjson.loads(await response.read())
        return answer
