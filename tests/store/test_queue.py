"""The turn queue, on real DBOS, SQLite and PostgreSQL.

DBOS is one for a process, so each of these runs in a process of its own.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest
from queue_programs import run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return request.getfixturevalue("postgres_url")
    return f"sqlite:///{tmp_path}/parlance.db"


def test_the_private_names_of_dbos_are_still_there_and_wake_the_queue(url: str) -> None:
    """With an hour between two polls, nothing but the wake-up starts a turn."""
    lines = run(
        url,
        """
        bot.store.queue.POLL = 3600.0
        seen = []
        async def answer(turn):
            seen.append(turn.message)
        queue = await started(database, answer)
        for n in range(40):
            await queue.put(key(str(n), n), lane=str(n), order=n + 1)
            async with asyncio.timeout(20):
                await until(lambda: len(seen) > n)
        print(len(seen))
        await queue.close()
        """,
    )
    assert lines == ["40"]


def test_turns_of_a_lane_run_in_order_one_at_a_time_and_lanes_side_by_side(url: str) -> None:
    lines = run(
        url,
        """
        running, most, lane_most, done = set(), 0, 0, []
        async def answer(turn):
            nonlocal most, lane_most
            running.add(turn)
            most = max(most, len(running))
            lane_most = max(lane_most, sum(t.chat == turn.chat for t in running))
            await asyncio.sleep(0.02)
            running.discard(turn)
            done.append(turn)
        queue = await started(database, answer)
        for n in range(10):
            for chat in "abc":
                await queue.put(key(chat, n), lane=chat, order=n + 1)
        await until(lambda: len(done) == 30)
        order = [int(t.message) for t in done if t.chat.chat == "a"]
        print(order == list(range(10)), most > 1, lane_most)
        await queue.close()
        """,
    )
    assert lines == ["True", "True", "1"]


def test_a_turn_put_twice_runs_once(url: str) -> None:
    lines = run(
        url,
        """
        seen = []
        async def answer(turn):
            seen.append(turn.message)
        queue = await started(database, answer)
        for _ in range(3):
            await queue.put(key("a", 1), lane="a", order=1)
        await queue.put(key("a", 2), lane="a", order=2)
        await until(lambda: "2" in seen)
        print(*seen)
        await queue.close()
        """,
    )
    assert lines == ["1", "2"]


def test_what_was_put_before_a_kill_runs_after_it_in_order(url: str) -> None:
    run(
        url,
        """
        async def answer(turn):
            await asyncio.sleep(3600)
        queue = await started(database, answer)
        for n in range(5):
            await queue.put(key("a", n), lane="a", order=n + 1)
        await asyncio.sleep(0.2)
        os.kill(os.getpid(), 9)
        """,
        expect=-9,
    )
    lines = run(
        url,
        """
        seen = []
        async def answer(turn):
            seen.append(turn.message)
        queue = await started(database, answer)
        await until(lambda: len(seen) == 5)
        print(*seen)
        await queue.close()
        """,
    )
    assert lines == ["0", "1", "2", "3", "4"]


def test_a_turn_that_is_cut_by_the_end_is_still_owed(url: str) -> None:
    cut = """
        async def answer(turn):
            print("began", flush=True)
            await asyncio.sleep(3600)
        queue = await started(database, answer)
        {put}
        await asyncio.sleep({wait})
        await queue.close()
        """
    put = 'await queue.put(key("a", 1), lane="a", order=1)'
    assert run(url, cut.format(put=put, wait=0.3)) == ["began"]
    assert run(url, cut.format(put="", wait=2.5)) == ["began"]


def test_a_turn_that_fails_is_over_and_the_next_one_runs(url: str) -> None:
    lines = run(
        url,
        """
        seen = []
        async def answer(turn):
            seen.append(turn.message)
            if turn.message == "1":
                raise RuntimeError("a bug")
        queue = await started(database, answer)
        for n in (1, 2):
            await queue.put(key("a", n), lane="a", order=n)
        await until(lambda: "2" in seen)
        print(*seen)
        await queue.close()
        """,
    )
    assert lines[-2:] == ["1", "2"]


def test_a_queue_that_drains_ends_what_runs_and_begins_nothing(url: str) -> None:
    lines = run(
        url,
        """
        bot.store.queue.POLL = 0.05
        may_end, seen = asyncio.Event(), []
        async def answer(turn):
            seen.append(turn.message)
            await may_end.wait()
            print("ended", turn.message)
        queue = await started(database, answer)
        for n in (1, 2):
            await queue.put(key("a", n), lane="a", order=n)
        await until(lambda: seen)
        draining = asyncio.create_task(queue.drain())
        await asyncio.sleep(0)
        await queue.put(key("b", 3), lane="b", order=3)
        print(queue.running)
        may_end.set()
        await draining
        await asyncio.sleep(0.3)
        print(*seen)
        await queue.close()
        """,
    )
    assert lines == ["1", "ended", "1", "1"]
    lines = run(
        url,
        """
        seen = []
        async def answer(turn):
            seen.append(turn.message)
        queue = await started(database, answer)
        await until(lambda: len(seen) == 2)
        print(*sorted(seen))
        await queue.close()
        """,
    )
    assert lines == ["2", "3"]


def test_only_turns_that_are_done_and_old_are_pruned(url: str) -> None:
    lines = run(
        url,
        """
        import time
        seen = []
        async def answer(turn):
            seen.append(turn.message)
            if turn.message == "9":
                await asyncio.sleep(3600)
        async def idle():
            while await bot.store.queue.DBOS.list_workflows_async(
                status=["ENQUEUED", "PENDING"], workflow_id_prefix=str(key("a", 0).chat)
            ):
                await asyncio.sleep(0.01)
        queue = await started(database, answer)
        for n in range(5):
            await queue.put(key("a", n), lane="a", order=n + 1)
        for n in (9, 10):
            await queue.put(key("b", n), lane="b", order=n + 1)
        await until(lambda: len(seen) == 6)
        await idle()
        await asyncio.sleep(0.01)
        print(await queue.prune(time.time() - 3600, 100))
        await queue.put(key("a", 0), lane="a", order=1)
        batches = [await queue.prune(time.time(), 3) for _ in range(3)]
        print(*batches)
        left = await bot.store.queue.DBOS.list_workflows_async()
        print(*sorted(turn.workflow_id for turn in left))
        await queue.put(key("a", 0), lane="a", order=1)
        await until(lambda: len(seen) == 7)
        print(*sorted(seen))
        await queue.close()
        """,
    )
    assert lines[:6] == ["0", "3", "2", "0", "t:b:b:10:0", "t:b:b:9:0"]
    assert lines[6:] == ["0", "0", "1", "2", "3", "4", "9"], "it is unknown once it is pruned"


TWO_BOTS = """
    seen = []
    async def answer(turn):
        seen.append(f"{turn.chat.bot}/{turn.message}")
        if turn.message == "0":
            await asyncio.sleep(3600)
    def of(bot, message):
        return TurnKey(ChatKey("t", bot, "a"), str(message))
    """


def test_the_turns_of_a_bot_wait_until_it_is_opened_here(url: str) -> None:
    two = textwrap.dedent(TWO_BOTS)
    lines = run(
        url,
        two
        + textwrap.dedent("""
        bot.store.queue.POLL = 0.05
        queue = await started(database, answer)
        for bot_id in ("bb", "b"):
            for n in range(1, 4):
                await queue.put(of(bot_id, n), lane=bot_id, order=n)
        await until(lambda: len(seen) == 3)
        await asyncio.sleep(0.3)
        print(*seen)
        while len(owed := await queue.owed()) > 1:
            await asyncio.sleep(0.01)
        print(*(f"{bot}={count}" for bot, count in owed.items()))
        await queue.open(BotKey("t", "bb"))
        await until(lambda: len(seen) == 6)
        print(*seen[3:])
        await queue.close()
        """),
    )
    assert lines == ["b/1", "b/2", "b/3", "t:bb=3", "bb/1", "bb/2", "bb/3"]


def test_a_queue_is_opened_once_the_database_can_be_used(url: str) -> None:
    lines = run(
        url,
        """
        bot.store.queue.POLL = 0.05
        register, tries, seen = bot.store.queue.DBOS.register_queue_async, [], []
        async def away_at_first(*args, **settings):
            tries.append(1)
            if len(tries) < 3:
                raise sa.exc.OperationalError("select", {}, Exception("away"))
            return await register(*args, **settings)
        bot.store.queue.DBOS.register_queue_async = away_at_first
        async def answer(turn):
            seen.append(turn.message)
        queue = await started(database, answer)
        await queue.put(key("a", 1), lane="a", order=1)
        await until(lambda: seen)
        print("seen", len(tries), *seen)
        await queue.close()
        """,
    )
    assert lines[-3:] == ["seen", "3", "1"]


def test_what_an_earlier_release_left_in_one_queue_goes_to_each_bots_own(url: str) -> None:
    two = textwrap.dedent(TWO_BOTS)
    old = """
        bot.store.queues.queue_of = bot.store.queue.queue_of = lambda bot: "turns"
        queue = await started(database, answer)
        for bot_id in ("b", "bb"):
            for n in range(3):
                await queue.put(of(bot_id, n), lane=bot_id, order=n + 1)
        await until(lambda: len(seen) == 2)
        os.kill(os.getpid(), 9)
        """
    run(url, two + textwrap.dedent(old), expect=-9)
    lines = run(
        url,
        two.replace('"0"', '"none"')
        + textwrap.dedent("""
        replicas = Alone()
        shared = bot.store.databases.is_postgresql(database)
        if shared:
            replicas.id = "another"
        queue = TurnQueue(database, replicas)
        await queue.start(answer)
        await queue.open(BotKey("t", "bb"))
        if shared:
            # While the earlier one may still be running, what it has begun is left to it, and
            # what waits for that.
            await asyncio.sleep(0.3)
            assert not seen
            assert await queue.adopt(Alone.id) == 2
        await until(lambda: len(seen) == 3)
        print(*seen)
        await queue.open(BotKey("t", "b"))
        await until(lambda: len(seen) == 6)
        print(*seen[3:])
        await queue.close()
        """),
    )
    assert lines == ["bb/0", "bb/1", "bb/2", "b/0", "b/1", "b/2"]
