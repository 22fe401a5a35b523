"""Who does what among replicas: real advisory locks, each beat made by the test."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import psycopg
import pytest

from bot.replicas.base import Group
from bot.replicas.roles import FREE, HAND_OVER, Roles

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bot.replicas.roles import Session


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Replica:
    session: Session
    roles: Roles
    everywhere: dict[str, Replica]
    """Who does what now, over all replicas."""
    doing: set[str] = field(default_factory=set)
    leading: list[asyncio.Task[None]] = field(default_factory=list)

    def lead(self, name: str, group: Group | None = None) -> asyncio.Task[None]:
        work = partial(self._work, name)
        task = asyncio.create_task(self.roles.lead(name, work, group))
        self.leading.append(task)
        return task

    async def beat(self) -> None:
        await asyncio.sleep(0)  # What leads is known.
        await self.roles.take(self.session)
        for _ in range(5):  # Works begin and end.
            await asyncio.sleep(0)

    async def die(self, witness: Session) -> None:
        """As when it was killed: return once the server has noticed."""
        locks = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND pid = %s"
        pid = self.session.info.backend_pid
        await self.session.close()
        self.roles.lost()
        async with asyncio.timeout(10):
            while await (await witness.execute(locks, (pid,))).fetchone():  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)

    async def _work(self, name: str) -> None:
        assert name not in self.everywhere, "two replicas do it"
        self.everywhere[name] = self
        self.doing.add(name)
        try:
            await asyncio.Event().wait()
        finally:
            self.doing.discard(name)
            del self.everywhere[name]


class Cluster:
    def __init__(self, url: str, stack: AsyncExitStack) -> None:
        self.clock = Clock()
        self._url, self._stack = url, stack
        self._everywhere: dict[str, Replica] = {}

    async def replica(self, group: Group | None = None) -> Replica:
        return await self._stack.enter_async_context(self._replica(group))

    @asynccontextmanager
    async def _replica(self, group: Group | None) -> AsyncIterator[Replica]:
        session = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
        replica = Replica(session, Roles(self.clock), self._everywhere)
        for number in range(group.size if group else 0):
            replica.lead(f"shard {number}", group)
        try:
            yield replica
        finally:
            for task in replica.leading:
                task.cancel()
            await asyncio.gather(*replica.leading, return_exceptions=True)
            await session.close()


@pytest.fixture
async def cluster(postgres_url: str) -> AsyncIterator[Cluster]:
    async with AsyncExitStack() as stack:
        yield Cluster(postgres_url, stack)


async def pass_time(cluster: Cluster, *replicas: Replica, seconds: float) -> None:
    """A beat of each in every half second."""
    for _ in range(round(seconds * 2)):
        cluster.clock.now += 0.5
        for replica in replicas:
            await replica.beat()


def counts(*replicas: Replica) -> list[int]:
    return [len(replica.doing) for replica in replicas]


async def test_a_role_is_done_by_whoever_comes_first_and_by_another_when_that_one_dies(
    cluster: Cluster,
) -> None:
    first, second = await cluster.replica(), await cluster.replica()
    for replica in (first, second):
        replica.lead("polling")
    for replica in (first, second, first, second):
        await replica.beat()
    assert counts(first, second) == [1, 0]
    await first.die(second.session)
    await second.beat()
    assert counts(second) == [1]


async def test_a_role_that_is_given_up_is_free_at_the_next_beat(cluster: Cluster) -> None:
    first, second = await cluster.replica(), await cluster.replica()
    task = first.lead("polling")
    second.lead("polling")
    await first.beat()
    task.cancel()
    await asyncio.wait({task})
    await second.beat()
    assert counts(first, second) == [0, 0]
    await first.beat()
    await second.beat()
    assert counts(first, second) == [0, 1]


@pytest.mark.parametrize(("size", "shares"), [(1, [1, 0]), (2, [1, 1]), (5, [3, 2]), (8, [4, 4])])
async def test_a_newcomer_is_given_its_share_one_at_a_time(
    cluster: Cluster, size: int, shares: list[int]
) -> None:
    shards = Group("shards", size)
    first = await cluster.replica(shards)
    await first.beat()
    assert counts(first) == [size]
    cluster.clock.now += HAND_OVER
    second = await cluster.replica(shards)
    for done in range(1, shares[1] + 1):
        await pass_time(cluster, first, second, seconds=HAND_OVER - 0.5)
        assert counts(first, second) == [size - done, done]
        await pass_time(cluster, first, second, seconds=0.5)
    await pass_time(cluster, first, second, seconds=10 * HAND_OVER)
    assert counts(first, second) == shares


async def test_the_shards_of_a_killed_replica_are_taken_at_the_next_beat(
    cluster: Cluster,
) -> None:
    shards = Group("shards", 4)
    first, second = await cluster.replica(shards), await cluster.replica(shards)
    await pass_time(cluster, first, second, seconds=4 * HAND_OVER)
    assert counts(first, second) == [2, 2]
    await second.die(first.session)
    await first.beat()
    assert counts(first) == [4]


async def test_what_is_more_than_an_even_share_is_left_for_a_while_to_those_who_hold_fewer(
    cluster: Cluster,
) -> None:
    shards = Group("shards", 4)
    replicas = [await cluster.replica(shards) for _ in range(3)]
    first, second, third = replicas
    await first.beat()
    assert counts(first) == [4]
    await pass_time(cluster, first, second, seconds=HAND_OVER + 0.5)
    await pass_time(cluster, first, second, third, seconds=10 * HAND_OVER)
    assert sorted(counts(*replicas)) in ([1, 1, 2], [0, 2, 2])
    assert sum(counts(*replicas)) == 4


async def test_a_replica_that_gives_all_up_counts_no_more(cluster: Cluster) -> None:
    shards = Group("shards", 3)
    first, second = await cluster.replica(shards), await cluster.replica(shards)
    await pass_time(cluster, first, second, seconds=4 * HAND_OVER)
    for task in first.leading:
        task.cancel()
    await asyncio.wait(first.leading)
    await pass_time(cluster, first, second, seconds=2 * FREE)
    assert counts(first, second) == [0, 3]
