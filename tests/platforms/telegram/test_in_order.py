"""One at a time in a lane, the lowest number of those that wait first."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import virtual
from hypothesis import given
from hypothesis import strategies as st

from bot.platforms.telegram.in_order import InOrder

if TYPE_CHECKING:
    from collections.abc import Sequence


async def passed(in_order: InOrder, numbers: Sequence[int], lane: str = "a") -> list[int]:
    """The order in which `numbers`, which come in this order at once, get through `lane`."""
    seen: list[int] = []

    async def go(number: int) -> None:
        async with in_order.turn(lane, number):
            await asyncio.sleep(1)
            seen.append(number)

    await asyncio.gather(*map(go, numbers))
    return seen


def test_the_first_goes_at_once_and_the_others_by_number() -> None:
    assert virtual.run(passed(InOrder(), [5, 9, 7, 6, 8])) == [5, 6, 7, 8, 9]


def test_lanes_do_not_wait_for_each_other() -> None:
    async def both() -> float:
        in_order = InOrder()
        await asyncio.gather(*(passed(in_order, [1, 2], lane) for lane in "abc"))
        return asyncio.get_running_loop().time()

    assert virtual.run(both()) == 2


WHOLE_SECONDS = st.integers(0, 5)
"""So that giving up and being let in often fall on the same moment."""


@given(
    st.lists(st.tuples(st.integers(0, 20), WHOLE_SECONDS, st.none() | WHOLE_SECONDS), max_size=12)
)
def test_whoever_gives_up_holds_up_nobody(
    comers: list[tuple[int, int, int | None]],
) -> None:
    """Each comer: its number, when it comes, and for how long it waits (None: for ever)."""

    async def scene() -> None:
        in_order, inside, done = InOrder(), 0, 0

        async def come(number: int, at: int, patience: int | None) -> None:
            nonlocal inside, done
            await asyncio.sleep(at)
            async with asyncio.timeout(patience), in_order.turn("a", number):
                inside += 1
                assert inside == 1
                try:
                    await asyncio.sleep(1)
                finally:
                    inside -= 1
                done += 1

        ends = await asyncio.gather(*(come(*comer) for comer in comers), return_exceptions=True)
        assert all(end is None or isinstance(end, TimeoutError) for end in ends)
        assert done >= sum(patience is None for _, _, patience in comers)
        assert len(in_order) == 0

    virtual.run(scene())
