"""Replicas of a cluster, on a real PostgreSQL; each has a member that does nothing but remember."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, LiteralString

import psycopg
import pytest

from bot.chat.keys import BotKey
from bot.replicas.base import EVERYBODY
from bot.replicas.cluster import HUNG, LEASE, Cluster
from bot.store import upgrade
from bot.store.databases import Databases, make_engine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    import sqlalchemy as sa


BOT, OTHER_BOT = BotKey("telegram", "1"), BotKey("telegram", "11")


@dataclass
class FakeMember:
    """Remembers what it was asked for."""

    silenced: int = 0
    adopted: list[str] = field(default_factory=list)
    shares: list[int] = field(default_factory=list)
    """For BOT."""
    unfinished: set[str] = field(default_factory=set)

    async def silence(self) -> None:
        self.silenced += 1

    async def adopt(self, replica: str) -> int:
        self.adopted.append(replica)
        self.unfinished.discard(replica)
        return 1

    async def owners(self) -> set[str]:
        return set(self.unfinished)

    def share(self, replicas: Mapping[BotKey, int]) -> None:
        if BOT in replicas and self.shares[-1:] != [replicas[BOT]]:
            self.shares.append(replicas[BOT])


@dataclass
class Running:
    cluster: Cluster
    member: FakeMember
    task: asyncio.Task[None]

    async def stop(self) -> None:
        """As the end of its process does: the sessions break."""
        self.task.cancel()
        await asyncio.wait({self.task})


@pytest.fixture
def database(postgres_url: str) -> sa.URL:
    url = Databases.at(postgres_url).history
    engine = make_engine(url)
    upgrade.migrate(engine)
    engine.dispose()
    return url


@asynccontextmanager
async def replica(
    database: sa.URL, unfinished: set[str] | None = None, bot: BotKey = BOT
) -> AsyncIterator[Running]:
    cluster = Cluster(database)
    member = cluster.member = FakeMember(unfinished=unfinished or set())
    cluster.speak_as(bot)
    running = Running(cluster, member, asyncio.create_task(cluster.run()))
    async with asyncio.timeout(10):
        await cluster.joined()
    yield running
    await running.stop()


async def until(predicate: Callable[[], object], within: float = 20.0) -> None:
    async with asyncio.timeout(within):
        while not predicate():  # noqa: ASYNC110 - what a database and other tasks come to
            await asyncio.sleep(0.02)


async def execute(database: sa.URL, query: LiteralString, *values: object) -> None:
    url = database.set(drivername="postgresql").render_as_string(hide_password=False)
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as session:
        await session.execute(query, values or None)


async def test_budgets_are_shared_by_those_who_live(database: sa.URL) -> None:
    async with replica(database) as first:
        async with replica(database) as second:
            await until(lambda: first.member.shares[-1:] == second.member.shares[-1:] == [2])
            assert first.cluster.others(BOT)
        await until(lambda: first.member.shares == [1, 2, 1])
        assert not first.cluster.others(BOT)


async def test_a_lane_has_one_home_that_all_agree_on(database: sa.URL) -> None:
    async with replica(database) as first, replica(database) as second:
        await until(lambda: first.cluster.others(BOT) and second.cluster.others(BOT))
        homes = {lane: first.cluster.home(lane, BOT) for lane in map(str, range(50))}
        assert homes == {lane: second.cluster.home(lane, BOT) for lane in homes}
        assert set(homes.values()) == {first.cluster.id, second.cluster.id}


async def test_replicas_of_another_bot_are_no_home_and_have_budgets_of_their_own(
    database: sa.URL,
) -> None:
    async with replica(database) as first, replica(database, bot=OTHER_BOT) as other:
        await until(lambda: first.cluster.others(OTHER_BOT) and other.cluster.others(BOT))
        assert not first.cluster.others(BOT)
        assert not other.cluster.others(OTHER_BOT)
        for each in (first, other):
            homes = {each.cluster.home(str(lane), BOT) for lane in range(50)}
            assert homes == {first.cluster.id}
        assert first.member.shares == [1]
        # It may be logged in as more than one.
        other.cluster.speak_as(BOT)
        await until(lambda: first.member.shares == [1, 2])
        assert first.cluster.others(OTHER_BOT)


async def test_a_replica_of_an_earlier_release_may_be_any_bot(database: sa.URL) -> None:
    async with replica(database) as first:
        await execute(database, "INSERT INTO replicas (id, beat) VALUES ('old', clock_timestamp())")
        await until(lambda: first.cluster.others(BOT))
        assert {first.cluster.home(str(lane), BOT) for lane in range(50)} == {
            first.cluster.id,
            "old",
        }


async def test_the_turns_of_one_that_is_gone_are_adopted_once(database: sa.URL) -> None:
    async with replica(database) as first, replica(database) as second:
        async with replica(database) as third:
            pass
        await until(lambda: first.member.adopted or second.member.adopted)
        await asyncio.sleep(3 * LEASE)
        assert first.member.adopted + second.member.adopted == [third.cluster.id]


async def test_one_that_leaves_is_adopted(database: sa.URL) -> None:
    async with replica(database) as first, replica(database) as second:
        await second.stop()
        await second.cluster.leave()
        await until(lambda: first.member.adopted == [second.cluster.id])


async def test_turns_of_a_replica_that_nobody_knows_are_adopted(database: sa.URL) -> None:
    async with replica(database, {"unknown"}) as first:
        await until(lambda: first.member.adopted == ["unknown"])


async def test_one_whose_session_breaks_goes_on_where_nobody_took_it_for_dead(
    database: sa.URL,
) -> None:
    async with replica(database) as alone:
        held_before = alone.cluster._session
        await execute(
            database,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'parlance replica' AND pid <> pg_backend_pid()",
        )
        await until(lambda: alone.cluster._session not in (None, held_before))
        await until(alone.cluster.lease.good)
        assert alone.member.silenced == 0


async def test_one_that_was_taken_for_dead_falls_silent_and_comes_back(database: sa.URL) -> None:
    async with replica(database) as first, replica(database) as second:
        # As if it had stood still for long: the others end its session then.
        late = "UPDATE replicas SET beat = beat - make_interval(secs => %s) WHERE id = %s"
        await until(lambda: first.cluster.others(BOT) and second.cluster.others(BOT))

        async def stand_still() -> None:
            while not first.member.adopted:
                await execute(database, late, HUNG + 1, second.cluster.id)
                await asyncio.sleep(0.01)

        async with asyncio.timeout(20):
            await stand_still()
        await until(lambda: second.member.silenced == 1)
        assert first.member.adopted == [second.cluster.id]
        await until(second.cluster.lease.good)
        # What it claimed after that is owed again.
        assert second.member.adopted == [second.cluster.id]


async def test_a_role_is_one_replicas_and_passes_on(database: sa.URL) -> None:
    leading: list[str] = []

    async def lead(by: Running) -> None:
        leading.append(by.cluster.id)
        try:
            await asyncio.Event().wait()
        finally:
            leading.remove(by.cluster.id)

    async with replica(database) as first, replica(database) as second:
        tasks = [
            asyncio.create_task(each.cluster.lead("poll", partial(lead, each)))
            for each in (first, second)
        ]
        await until(lambda: leading)
        await asyncio.sleep(2 * LEASE)
        assert len(leading) == 1
        leader, other = (first, second) if leading == [first.cluster.id] else (second, first)
        await leader.stop()
        await until(lambda: leading == [other.cluster.id])
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def test_a_role_that_is_given_up_passes_on_and_comes_back(database: sa.URL) -> None:
    done: list[str] = []

    async def once(name: str) -> None:
        done.append(name)

    async with replica(database) as first, replica(database) as second:
        for each in (first, second) * 3:
            async with asyncio.timeout(10):
                await each.cluster.lead("once", partial(once, each.cluster.id))
        assert done == [first.cluster.id, second.cluster.id] * 3


async def test_signals_reach_whom_they_are_for(database: sa.URL) -> None:
    async with replica(database) as first, replica(database) as second, replica(database) as third:
        heard: list[tuple[str, str]] = []
        for name, each in (("first", first), ("second", second), ("third", third)):

            async def hear(signal: dict[str, str], name: str = name) -> None:
                heard.append((name, signal["text"]))

            each.cluster.hear("say", hear)

        async def say_until(to: str, text: str, *by: str) -> None:
            """Again and again: who has just come may not listen yet."""
            while not {(name, text) for name in by} <= set(heard):
                await first.cluster.tell(to, {"kind": "say", "text": text})
                await asyncio.sleep(0.1)

        async with asyncio.timeout(20):
            await say_until(second.cluster.id, "to one", "second")
            await say_until(EVERYBODY, "to all", "second", "third")
        assert {name for name, text in heard if text == "to one"} == {"second"}
        assert {name for name, text in heard if text == "to all"} == {"second", "third"}
