"""What one replica does at a time, and how it is divided: roles, held by advisory locks.

A role that stands alone goes to whoever comes first. Those of a group are shared out: each
replica that would do them holds a shared lock of the group, so all see how many they are. The
locks of a killed replica are free at once, and it counts no more.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    import psycopg

    from bot.replicas.base import Group

    Session = psycopg.AsyncConnection[tuple[Any, ...]]

log = structlog.get_logger(__name__)

FREE: Final = 1.0
"""Seconds for which a role is left to those who hold fewer."""
HAND_OVER: Final = 6.0
"""Seconds between two roles that are given to a newcomer: one at a time, as it takes a while
until it does it (Discord lets a bot begin one session in 5 s)."""

_LOCK: Final = "SELECT pg_try_advisory_lock(%s)"
_LOCK_SHARED: Final = "SELECT pg_try_advisory_lock_shared(%s)"
_UNLOCK: Final = "SELECT pg_advisory_unlock(%s)"
_UNLOCK_SHARED: Final = "SELECT pg_advisory_unlock_shared(%s)"
_HELD: Final = """
    SELECT classid::bigint << 32 | objid::bigint, count(*) FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND objsubid = 1
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    GROUP BY 1"""


def key(name: str) -> int:
    """Of an advisory lock."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)


async def got(session: Session, name: str) -> bool:
    """Whether the session holds the lock of this name now."""
    return await _true(session, _LOCK, name)


async def _true(session: Session, question: str, name: str) -> bool:
    row = await (await session.execute(question, (key(name),))).fetchone()
    return row is not None and bool(row[0])


@dataclass(slots=True)
class _Role:
    """Something that one replica does at a time."""

    group: Group | None
    held: asyncio.Event = field(default_factory=asyncio.Event)
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    """Invariant: one of the two is set, once the first beat has passed; both: it is being handed
    over, and held until its work has ended."""
    free_since: float | None = None
    """None: somebody does it, as far as is known."""


class Roles:
    """Those that this replica does or would do; each call of `take` is a beat."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._roles: dict[str, _Role] = {}
        self._released: set[str] = set()
        """Given up and still locked."""
        self._joined: set[str] = set()
        """Groups whose shared lock this session has."""
        self._hand_over_at = clock()

    async def lead(
        self, name: str, work: Callable[[], Awaitable[None]], group: Group | None
    ) -> None:
        """See `Replicas.lead`."""
        mine = self._roles[name] = _Role(group)
        if name in self._released:
            self._released.discard(name)
            mine.held.set()
        try:
            while True:
                await mine.held.wait()
                if await _unless(mine.lost, work):
                    return
                log.warning("another replica may do this now", role=name)
                self._let_go(name, mine)
        finally:
            del self._roles[name]
            self._let_go(name, mine)

    def lost(self) -> None:
        """The session is over: the server has given its locks to nobody, or to others."""
        self._released.clear()
        self._joined.clear()
        for role in self._roles.values():
            role.held.clear()
            role.lost.set()

    async def take(self, session: Session) -> None:
        """Take what is free and ours to do; hand over what is more than our share."""
        while self._released:
            await session.execute(_UNLOCK, (key(self._released.pop()),))
        await self._join_groups(session)
        if all(role.held.is_set() for role in self._roles.values()) and not self._joined:
            return
        held = await (await session.execute(_HELD)).fetchall()
        by_key: dict[int, int] = dict(held)
        for name, role in list(self._roles.items()):
            if (
                not role.held.is_set()
                and self._may_take(name, role, by_key)
                and await got(session, name)
            ):
                self._took(name, role)
        self._hand_over(by_key)

    def _took(self, name: str, role: _Role) -> None:
        role.free_since = None
        role.lost.clear()
        role.held.set()
        if self._roles.get(name) is not role:
            self._let_go(name, role)  # Nobody would do it any more.

    async def _join_groups(self, session: Session) -> None:
        wanted = {role.group.name for role in self._roles.values() if role.group}
        for name in wanted - self._joined:
            if await _true(session, _LOCK_SHARED, name):
                self._joined.add(name)
        for name in self._joined - wanted:
            await session.execute(_UNLOCK_SHARED, (key(name),))
            self._joined.discard(name)

    def _may_take(self, name: str, role: _Role, held: Mapping[int, int]) -> bool:
        if key(name) in held:
            role.free_since = None
            return False
        if role.group is None:
            return True
        if role.free_since is None:
            role.free_since = self._clock()
        replicas = held.get(key(role.group.name), 1)
        mine = len(self._held(role.group))
        if mine < max(1, role.group.size // replicas):
            return True
        rested = self._clock() - role.free_since >= FREE
        return rested and mine < _share(role.group, replicas)

    def _hand_over(self, held: Mapping[int, int]) -> None:
        groups = {role.group for role in self._roles.values() if role.group}
        for group in groups:
            mine = self._held(group)
            share = _share(group, held.get(key(group.name), 1))
            if len(mine) > share and self._clock() >= self._hand_over_at:
                self._hand_over_at = self._clock() + HAND_OVER
                mine[-1].lost.set()

    def _held(self, group: Group) -> list[_Role]:
        return [
            role
            for role in self._roles.values()
            if role.group == group and role.held.is_set() and not role.lost.is_set()
        ]

    def _let_go(self, name: str, role: _Role) -> None:
        if role.held.is_set():
            role.held.clear()
            self._released.add(name)


def _share(group: Group, replicas: int) -> int:
    """The most roles of a group that one of so many replicas does."""
    return -(-group.size // max(1, replicas))


async def _unless(stop: asyncio.Event, work: Callable[[], Awaitable[None]]) -> bool:
    """Do `work`, or as much of it as there is time for until `stop`; whether it ended by itself."""

    async def whole() -> None:
        await work()

    working = asyncio.create_task(whole())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            await working
            return True
        return False
    finally:
        stopping.cancel()
        working.cancel()
        await asyncio.wait({working})
