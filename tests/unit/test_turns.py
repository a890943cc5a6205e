"""Turns: how long a call holds the parents that it is at, and what is left of it when its process is killed."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from consumers.writer import turns
from consumers.writer.turns import Turns
from schemas.unavailable import Unavailable

LIMIT_SECONDS = 30.0


@dataclass
class Timed:
    """Reservations of which each says until when it holds, by the loop's clock. `away`: no answer."""

    until: dict[str, tuple[str, float]] = field(default_factory=dict)
    asked: list[Sequence[str]] = field(default_factory=list)
    away: bool = False
    _asked_again: asyncio.Event = field(default_factory=asyncio.Event)

    async def until_asked(self, times: int) -> None:
        """Wait until it has been asked so many times in all, and the last of them is over."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while len(self.asked) < times:
                self._asked_again.clear()
                await self._asked_again.wait()

    async def reserve(self, holder: str, keys: Sequence[str], seconds: float) -> set[str]:
        self.asked.append(keys)
        self._asked_again.set()
        if self.away:
            raise Unavailable("away")
        now = asyncio.get_running_loop().time()
        held = {key for key in keys if self.until.get(key, ("", 0.0))[1] <= now or self.until[key][0] == holder}
        self.until |= dict.fromkeys(held, (holder, now + seconds))
        return held

    async def release(self, holder: str, keys: Sequence[str]) -> None:
        for key in keys:
            if self.until.get(key, ("", 0.0))[0] == holder:
                del self.until[key]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "RENEW_SECONDS", 0.01)


async def test_a_call_holds_its_parents_anew_for_as_long_as_it_lasts() -> None:
    """What it was given, not what it was refused; and nothing once it is over."""
    shared = Timed(until={"company:globex": ("another", float("inf"))})
    async with Turns(shared, now=lambda: 0).at({"company:acme", "company:globex"}) as ours:
        assert ours == {"company:acme"}
        first = shared.until["company:acme"][1]
        await shared.until_asked(3)
        assert shared.until["company:acme"][1] > first
        assert shared.asked[1:] == [["company:acme"]] * (len(shared.asked) - 1)
    told = len(shared.asked)
    assert set(shared.until) == {"company:globex"}
    async with Turns(shared, now=lambda: 0).at({"company:initech"}):
        await shared.until_asked(told + 3)
    assert ["company:acme"] not in shared.asked[told:], "a call that is over renews nothing"


async def test_what_a_killed_process_held_is_free_within_seconds() -> None:
    """Nobody renews it: its rows, and those of all its parents, do not wait for a minute."""
    shared = Timed()
    killed = Turns(shared, now=lambda: 0).at({"company:acme"})
    await killed.__aenter__()
    held = shared.until["company:acme"][1] - asyncio.get_running_loop().time()
    await killed.__aexit__(None, None, None)
    assert 2 * turns.RENEW_SECONDS < held <= 10.0


async def test_a_call_goes_on_where_its_reservations_cannot_be_renewed() -> None:
    shared = Timed()
    async with Turns(shared, now=lambda: 0).at({"company:acme"}):
        shared.away, told = True, len(shared.asked)
        await shared.until_asked(told + 2)
        shared.away, told = False, len(shared.asked)
        await shared.until_asked(told + 2)
    assert not shared.until


async def test_a_renewal_under_way_is_over_before_the_release() -> None:
    """Else it would make again what was released, and the parent would be nobody's for seconds."""
    going, go_on = asyncio.Event(), asyncio.Event()

    class Slow(Timed):
        async def reserve(self, holder: str, keys: Sequence[str], seconds: float) -> set[str]:
            if self.asked:
                going.set()
                await go_on.wait()
            return await super().reserve(holder, keys, seconds)

    shared = Slow()

    async def call() -> None:
        async with Turns(shared, now=lambda: 0).at({"company:acme"}):
            await going.wait()

    calling = asyncio.create_task(call())
    await going.wait()
    for _turn in range(20):  # time enough for the block to end, were nothing waited for
        await asyncio.sleep(0)
    assert not calling.done()
    go_on.set()
    async with asyncio.timeout(LIMIT_SECONDS):
        await calling
    assert not shared.until
