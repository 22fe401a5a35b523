"""What the turns need of a platform: the seam that `bot/platforms/` implements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web

    from bot.reply.gate import Gate
    from bot.reply.surface import Surface
    from bot.store.schema import Turn


class PlatformError(Exception):
    """A platform turns us away for good; the message is one line that names the mend."""


class Webhook(Protocol):
    """A way in over HTTP."""

    @property
    def path(self) -> str: ...
    async def handle(self, request: web.Request) -> web.StreamResponse: ...


class Platform(Protocol):
    """Where questions come from and turns are answered."""

    @property
    def gate(self) -> Gate: ...
    @property
    def webhook(self) -> Webhook | None:
        """What is posted to its path is handed to it; None: nothing is posted."""
        ...

    async def serve(self, logged_in: Callable[[str], Awaitable[None]]) -> None:
        """Log in and take messages until cancelled; raises PlatformError.

        `logged_in` is awaited with the account's own id before anything is taken or posted.
        """
        ...

    async def ready(self) -> str:
        """Return the account's own id once messages can be posted."""
        ...

    def surface(self, turn: Turn) -> Surface:
        """The chat of `turn`, new messages in it threaded to the turn's question."""
        ...

    async def settled(self, turn: Turn) -> None:
        """Nothing more is shown for `turn`."""
        ...

    async def close(self) -> None:
        """Finish the calls under way and close the connections."""
        ...
