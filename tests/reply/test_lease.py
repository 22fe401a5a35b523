"""The lease of a replica, on a clock that the tests set; and what stands still without it."""

from __future__ import annotations

import asyncio

from fake_surface import AMPLE, FakeSurface, MemoryLedger
from virtual import run

from bot.replicas.base import Lease
from bot.reply.deliver import Delivered, Reply
from bot.reply.gate import Gate
from bot.reply.pace import Pace


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_lease_lasts_from_when_the_sign_of_life_was_sent() -> None:
    async def main() -> None:
        clock = Clock()
        lease = Lease(1.0, clock)
        assert not lease.good()
        lease.extend(since=99.5)
        assert lease.good()
        clock.now = 100.5
        assert not lease.good()

    run(main())


def test_whoever_needs_the_lease_waits_until_it_is_good_again() -> None:
    async def main() -> None:
        clock = Clock()
        lease = Lease(1.0, clock)
        waiting = asyncio.create_task(lease.held())
        await asyncio.sleep(1)
        lease.extend(since=clock.now - 2.0)  # Too late to be worth anything.
        await asyncio.sleep(1)
        assert not waiting.done()
        lease.extend(since=clock.now)
        await asyncio.sleep(1)
        assert waiting.done()

    run(main())


def test_no_call_is_made_without_the_lease_and_none_is_under_way_meanwhile() -> None:
    async def main() -> None:
        clock = Clock()
        lease = Lease(1.0, clock)
        gate = Gate(Pace(AMPLE, AMPLE, 0.0), lease)
        surface = FakeSurface()
        reply = Reply(surface, gate, MemoryLedger(), nonce="n")
        delivering = asyncio.create_task(reply.deliver())
        reply.write("an answer")
        reply.end()
        await asyncio.sleep(10)
        assert not surface.texts()
        await gate.quiet()
        lease.extend(since=clock.now)
        assert await delivering is Delivered.WHOLE
        assert surface.texts() == ["an answer"]

    run(main())


def test_a_turn_that_is_cut_while_it_waits_for_the_lease_costs_no_call() -> None:
    async def main() -> None:
        lease = Lease(1.0, Clock())
        gate = Gate(Pace(AMPLE, AMPLE, 0.0), lease)
        surface = FakeSurface()
        reply = Reply(surface, gate, MemoryLedger(), nonce="n")
        delivering = asyncio.create_task(reply.deliver())
        reply.write("an answer")
        await asyncio.sleep(1)
        delivering.cancel()
        await asyncio.wait({delivering})
        lease.extend(since=100.0)
        await gate.quiet()
        assert not surface.texts()

    run(main())
