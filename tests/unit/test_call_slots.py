"""Calls under way at once: never more than the capacity, in turn, whoever gives up or fails, and as it changes."""

import asyncio

import pytest

from adapters.salesforce.slots import Slots


class Crowd:
    """Callers that stay inside until they are told to leave."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.slots = Slots(lambda: self.capacity)
        self.inside: list[int] = []
        self.leave: dict[int, asyncio.Event] = {}
        self.tasks: dict[int, asyncio.Task[None]] = {}

    def come(self, *numbers: int) -> None:
        for number in numbers:
            self.leave[number] = asyncio.Event()
            self.tasks[number] = asyncio.create_task(self._stay(number))

    async def _stay(self, number: int) -> None:
        async with self.slots.one():
            self.inside.append(number)
            try:
                await self.leave[number].wait()
            finally:
                self.inside.remove(number)

    async def settle(self) -> list[int]:
        for _ in range(10):
            await asyncio.sleep(0)
        return self.inside

    async def end(self) -> None:
        for number, leaving in self.leave.items():
            leaving.set()
            await asyncio.gather(self.tasks[number], return_exceptions=True)
        assert self.inside == []


async def test_no_more_than_the_capacity_are_inside_and_the_others_come_in_turn() -> None:
    """First come, first served."""
    crowd = Crowd(2)
    crowd.come(1, 2, 3, 4)
    assert await crowd.settle() == [1, 2]
    crowd.leave[2].set()
    assert await crowd.settle() == [1, 3]
    crowd.leave[1].set()
    assert await crowd.settle() == [3, 4]
    await crowd.end()


async def test_a_capacity_that_shrinks_or_grows_counts_from_the_next_who_leaves() -> None:
    """Nobody is thrown out."""
    crowd = Crowd(3)
    crowd.come(1, 2, 3, 4, 5, 6)
    await crowd.settle()
    crowd.capacity = 1
    crowd.leave[1].set()
    assert await crowd.settle() == [2, 3]
    crowd.leave[2].set()
    crowd.leave[3].set()
    assert await crowd.settle() == [4]
    crowd.capacity = 5
    crowd.leave[4].set()
    assert await crowd.settle() == [5, 6]
    await crowd.end()


async def test_who_gives_up_takes_no_slot_along() -> None:
    """While waiting, at the very moment of being let in, and inside."""
    crowd = Crowd(1)
    crowd.come(1, 2, 3, 4, 5)
    await crowd.settle()
    crowd.tasks[2].cancel()
    await crowd.settle()
    crowd.leave[1].set()
    await asyncio.sleep(0)  # 1 has left now, and 3 has been let in but has not run yet
    crowd.tasks[3].cancel()
    assert await crowd.settle() == [4]
    crowd.tasks[4].cancel()
    assert await crowd.settle() == [5]
    await crowd.end()


async def test_a_call_that_fails_leaves_its_slot() -> None:
    """As one that is answered."""
    slots = Slots(lambda: 1)
    for _ in range(3):
        with pytest.raises(ValueError, match="failed"):
            async with slots.one():
                raise ValueError("failed")
