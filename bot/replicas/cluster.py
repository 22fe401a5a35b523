"""Many replicas on one PostgreSQL database.

Each holds an advisory lock on a session of its own and says several times a lease that it lives.
The lock of a killed one is free at once; of one that hangs, the session is ended. Whoever gets the
lock of a replica whose lease is over takes over its turns. A replica calls a platform only within
its lease, so one that was declared dead is silent before another speaks for it.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

import psycopg
import structlog
from psycopg.conninfo import make_conninfo

from bot.replicas.base import EVERYBODY, WAKE, Lease, Replicas
from bot.replicas.roles import Roles, got, key
from providers.redact import one_line, redact

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    import sqlalchemy as sa

    from bot.chat.keys import BotKey
    from bot.replicas.base import Group, Hearer, Signal

    Session = psycopg.AsyncConnection[tuple[Any, ...]]

log = structlog.get_logger(__name__)

BEAT: Final = 0.3
"""Seconds between two signs of life."""
LEASE: Final = 1.0
"""Seconds that a sign of life allows calls to platforms."""
OVER: Final = 1.2
"""Seconds after which a lease is surely over: longer than LEASE, as clocks drift."""
HUNG: Final = 10.0
"""Seconds without a sign of life after which the session of a replica is ended."""
SETTLING: Final = 3.0
"""Seconds after connecting anew, or to a server that was just started, in which nobody is declared
dead: the others are connecting, too."""
LEFT: Final = 1e8
"""Seconds since a sign of life that only a replica which has left gives."""
SEARCH: Final = 30.0
"""Seconds between two searches for turns of replicas that nobody knows."""
CHANNEL: Final = "parlance"
"""Of the database's notifications."""

# A server whose machine is gone, and a replica's whose machine is gone, are noticed within seconds.
_CLIENT_KEEPALIVE: Final = {
    "connect_timeout": 5,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,
}
_SERVER_KEEPALIVE: Final = """
    SELECT set_config('tcp_keepalives_idle', '2', false),
           set_config('tcp_keepalives_interval', '1', false),
           set_config('tcp_keepalives_count', '3', false)"""
_KNOWN: Final = "SELECT 1 FROM replicas WHERE id = %s"
_JOIN: Final = """
    INSERT INTO replicas (id, beat) VALUES (%s, clock_timestamp())
    ON CONFLICT (id) DO UPDATE SET beat = excluded.beat"""
_FORGET: Final = "DELETE FROM replicas WHERE id = %s"
_LEAVE: Final = """
    INSERT INTO replicas (id, beat) VALUES (%s, 'epoch')
    ON CONFLICT (id) DO UPDATE SET beat = excluded.beat"""
_STARTED: Final = "SELECT extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float"
_BEAT: Final = "UPDATE replicas SET beat = clock_timestamp(), bots = %s WHERE id = %s"
_OTHERS: Final = """
    SELECT id, extract(epoch FROM clock_timestamp() - beat)::float, bots
    FROM replicas WHERE id <> %s"""
_WAIT_FOR_LOCK: Final = "SELECT pg_advisory_lock(%s)"
_UNLOCK: Final = "SELECT pg_advisory_unlock(%s)"
_END_HOLDER: Final = """
    SELECT pg_terminate_backend(pid) FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND objsubid = 1
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (classid::bigint << 32 | objid::bigint) = %s"""
_NOTIFY: Final = "SELECT pg_notify(%s, %s)"


class Member(Protocol):
    """What this replica does, as the cluster needs it."""

    async def silence(self) -> None:
        """Wait for calls under way, then cut every turn that runs here."""
        ...

    async def adopt(self, replica: str) -> int:
        """Owe the unfinished turns of `replica` anew; return how many they are."""
        ...

    async def owners(self) -> set[str]:
        """The replicas that have unfinished turns."""
        ...

    def share(self, replicas: Mapping[BotKey, int]) -> None:
        """So many replicas live, and share the budgets of each bot that this one is."""
        ...


class Cluster(Replicas):
    """This process as one of the replicas; `run` beside everything else."""

    def __init__(self, database: sa.URL) -> None:
        self.id = secrets.token_hex(8)
        self.lease = Lease(LEASE)
        self.member: Member
        """Set by the composition root."""
        # Part by part: in a URL, libpq loses spaces at the ends of a password.
        _, parts = database.get_dialect()().create_connect_args(database)
        self._server = make_conninfo(**{**parts, **_CLIENT_KEEPALIVE})
        self._joined = asyncio.Event()
        self._session: Session | None = None
        self._bots: set[BotKey] = set()
        """As which this replica is logged in."""
        self._others: dict[str, set[str] | None] = {}
        """Those that live, and as which bots each is logged in; None: it is of an earlier release,
        which does not tell."""
        self._roles = Roles()
        self._hearers: dict[str, Hearer] = {}
        self._search_at = 0.0
        self._resigned = False

    # What the other parts of the bot ask.

    async def joined(self) -> None:
        """Return once the others know this replica, and it knows them."""
        await self._joined.wait()

    def speak_as(self, bot: BotKey) -> None:
        self._bots.add(bot)
        self._share()

    def others(self, bot: BotKey) -> bool:
        return bool(self._who_are(bot))

    def _who_are(self, bot: BotKey) -> list[str]:
        """The others that are logged in as `bot`, as far as is known."""
        return [
            replica for replica, bots in self._others.items() if bots is None or str(bot) in bots
        ]

    async def lead(
        self, role: str, work: Callable[[], Awaitable[None]], group: Group | None = None
    ) -> None:
        await self._roles.lead(role, work, group)

    def home(self, lane: str, bot: BotKey) -> str:
        able = self._who_are(bot)
        if bot in self._bots or not able:
            able.append(self.id)
        return max(able, key=lambda replica: key(f"{replica} {lane}"))

    async def tell(self, to: str, signal: Signal) -> None:
        text = notice(self.id, to, signal)
        if self._session is not None:
            with suppress(psycopg.Error):
                await self._session.execute(_NOTIFY, (CHANNEL, text))

    def hear(self, kind: str, hearer: Hearer) -> None:
        self._hearers[kind] = hearer

    # Living.

    async def run(self) -> None:
        """Be one of the replicas, until cancelled."""
        listening = asyncio.create_task(self._connected(self._listen))
        try:
            await self._connected(self._live)
        finally:
            listening.cancel()
            await asyncio.wait({listening})

    async def resign(self) -> None:
        """Be no lane's home any more; what runs here may go on."""
        self._resigned = True
        with suppress(psycopg.Error):
            if self._session is not None:
                await self._session.execute(_FORGET, (self.id,))

    async def leave(self) -> None:
        """Leave what is unfinished to the others. After `run` has ended, and all turns are cut."""
        with suppress(psycopg.Error):
            async with await self._connect() as session:
                await session.execute(_LEAVE, (self.id,))

    async def _connect(self) -> Session:
        return await psycopg.AsyncConnection.connect(
            self._server, autocommit=True, application_name="parlance replica"
        )

    async def _connected(self, use: Callable[[Session], Awaitable[None]]) -> None:
        """Use a session for ever, a new one whenever it breaks."""
        told = False
        while True:
            try:
                async with await self._connect() as session:
                    told = False
                    await use(session)
            except psycopg.Error as error:
                if not told:
                    reason = one_line(redact(str(error)))
                    log.warning("the database is out of reach; connecting anew", reason=reason)
                told = True
            except Exception:
                log.exception("the replicas' register failed; beginning anew")
            await asyncio.sleep(BEAT)

    async def _live(self, session: Session) -> None:
        try:
            await session.execute(_SERVER_KEEPALIVE)
            settled_at = await self._settled_at(session)
            await self._join(session)
            self._session = session
            while True:
                sent_at = time.monotonic()
                await session.execute(_BEAT, (" ".join(sorted(map(str, self._bots))), self.id))
                self.lease.extend(sent_at)
                await self._look_around(session, may_judge=sent_at > settled_at)
                self._joined.set()
                await self._roles.take(session)
                await asyncio.sleep(BEAT - (time.monotonic() - sent_at))
        finally:
            self._session = None
            self._roles.lost()

    async def _settled_at(self, session: Session) -> float:
        row = await (await session.execute(_STARTED)).fetchone()
        assert row is not None
        calm = row[0] > SETTLING and not self._joined.is_set()
        return time.monotonic() + (0.0 if calm else SETTLING)

    async def _join(self, session: Session) -> None:
        """Lock what stands for us; where others took over our turns, forget them first."""
        # It waits for an earlier session of ours to end, and for whoever takes us for dead.
        await session.execute(_WAIT_FOR_LOCK, (key(self.id),))
        if self._resigned:
            return
        known = await (await session.execute(_KNOWN, (self.id,))).fetchone()
        if self._joined.is_set() and known is None:
            log.warning("this replica was taken for dead; its answers go on elsewhere")
            await self.member.silence()
            # What was claimed after that is known to nobody else.
            await self.member.adopt(self.id)
        await session.execute(_JOIN, (self.id,))

    async def _look_around(self, session: Session, *, may_judge: bool) -> None:
        others = await (await session.execute(_OTHERS, (self.id,))).fetchall()
        alive = {
            replica: None if bots is None else set(bots.split())
            for replica, age, bots in others
            if age < HUNG
        }
        if alive != self._others:
            self._others = alive
            self._share()
        for replica, age, _ in others:
            if age > LEFT:
                await self._took_over(session, replica)
            elif (
                may_judge
                and age > OVER
                and not await self._took_over(session, replica)
                and age > HUNG
            ):
                log.warning("a replica hangs; ending its session", replica=replica)
                await session.execute(_END_HOLDER, (key(replica),))
        if may_judge and time.monotonic() > self._search_at:
            self._search_at = time.monotonic() + SEARCH
            for replica in await self.member.owners() - {self.id, *(each for each, *_ in others)}:
                await self._took_over(session, replica)

    def _share(self) -> None:
        self.member.share({bot: 1 + len(self._who_are(bot)) for bot in self._bots})

    async def _took_over(self, session: Session, replica: str) -> bool:
        """Whether its lock was free; then its turns are owed by us all."""
        if not await got(session, replica):
            return False
        try:
            turns = await self.member.adopt(replica)
            await session.execute(_FORGET, (replica,))
        finally:
            await session.execute(_UNLOCK, (key(replica),))
        log.warning("a replica is gone; its turns go on", replica=replica, turns=turns)
        await self.tell(EVERYBODY, {"kind": WAKE})
        return True

    async def _listen(self, session: Session) -> None:
        await session.execute(f"LISTEN {CHANNEL}")
        while True:
            async for told in session.notifies(timeout=0):
                await self._heard(json.loads(told.payload))
            await _readable(session.fileno())

    async def _heard(self, signal: Signal) -> None:
        to_us = signal["to"] == self.id
        if to_us or (signal["to"] == EVERYBODY and signal["from"] != self.id):
            hearer = self._hearers.get(signal["kind"])
            if hearer is not None:
                await hearer(signal)


def notice(sender: str, to: str, signal: Signal) -> str:
    """A signal as it goes over CHANNEL."""
    return json.dumps({**signal, "from": sender, "to": to})


async def _readable(descriptor: int) -> None:
    """Return when there is something to read; the library looks for it ten times a second."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
