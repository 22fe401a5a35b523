"""The processes that share one database: who lives, who leads, who may still speak.

`Alone` is the one process on SQLite; `cluster` is many on PostgreSQL.
"""

from __future__ import annotations

import asyncio
import math
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bot.chat.keys import BotKey

    Signal = dict[str, str]
    Hearer = Callable[[Signal], Awaitable[None]]

EVERYBODY: Final = "*"
WAKE: Final = "wake"
"""The signal to a replica that there is something in the queue for it."""


@dataclass(frozen=True, slots=True)
class Group:
    """Roles that are divided evenly among the replicas that would do them."""

    name: str
    size: int
    """How many roles they are."""


class Lease:
    """Whether this replica may still speak for the turns it runs.

    A replica that was stopped or cut off may have been declared dead, and its turns may go on
    elsewhere: so it asks before each call to a platform. The clock goes on while the process is
    stopped; an event loop's own time would be the one from before.
    """

    def __init__(self, lasts: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`lasts`: seconds from a sign of life that the database took."""
        self._lasts = lasts
        self._clock = clock
        self._until = -math.inf
        self._extended = asyncio.Event()

    def good(self) -> bool:
        return self._clock() < self._until

    def extend(self, since: float) -> None:
        """The database took a sign of life that was sent at `since`, by the same clock."""
        self._until = since + self._lasts
        self._extended.set()

    async def held(self) -> None:
        """Return once the lease is good; a turn that was lost meanwhile is cut here."""
        while not self.good():
            self._extended.clear()
            await self._extended.wait()


class Replicas(ABC):
    """This process among all that share its database."""

    id: str
    lease: Lease

    @abstractmethod
    def speak_as(self, bot: BotKey) -> None:
        """This replica is logged in as `bot` from now on."""

    @abstractmethod
    def others(self, bot: BotKey) -> bool:
        """Whether there are any that are logged in as `bot`."""

    @abstractmethod
    async def lead(
        self, role: str, work: Callable[[], Awaitable[None]], group: Group | None = None
    ) -> None:
        """Do `work` whenever no other replica does it, until it ends or this is cancelled.

        It is cancelled where this replica loses the role, and begun anew when it regains it. Of
        the roles of a `group` it is given its share, and hands over what is more.
        """

    @abstractmethod
    def home(self, lane: str, bot: BotKey) -> str:
        """The replica that should run the turns of `lane`, one that is logged in as its `bot`.

        The same while none comes or goes; this one where there is none.
        """

    @abstractmethod
    async def tell(self, to: str, signal: Signal) -> None:
        """Pass `signal` to the replica of that id, or to EVERYBODY else. It may be lost."""

    @abstractmethod
    def hear(self, kind: str, hearer: Hearer) -> None:
        """Await `hearer` with each signal whose "kind" is this one, one after another."""


class Alone(Replicas):
    """One process, which holds its database for itself."""

    id = "local"

    def __init__(self) -> None:
        self.lease = Lease(math.inf)
        self.lease.extend(0.0)

    def speak_as(self, bot: BotKey) -> None:
        """Nobody else needs to know."""

    def others(self, bot: BotKey) -> bool:  # noqa: ARG002 - there is nobody else
        return False

    async def lead(
        self,
        role: str,  # noqa: ARG002 - it has every role
        work: Callable[[], Awaitable[None]],
        group: Group | None = None,  # noqa: ARG002 - as above
    ) -> None:
        await work()

    def home(self, lane: str, bot: BotKey) -> str:  # noqa: ARG002 - it is everybody's
        return self.id

    async def tell(self, to: str, signal: Signal) -> None:
        """There is nobody else."""

    def hear(self, kind: str, hearer: Hearer) -> None:
        """There is nobody to hear."""
