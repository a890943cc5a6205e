"""A stored connection survives whatever its processes do: calls, revocations, cancellations, outages, in any order.

Decision 0013 says where this ends: at a reply of Salesforce's that is lost, and at a kill in the middle.
"""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.refresh_world import ACTIONS, OneAtATime, judged

from adapters.salesforce.grants import Grant
from adapters.salesforce.refresh import LOOK_AGAIN_SECONDS, RefreshedLogins
from schemas.session import LoginFailed, Session
from schemas.stream import Lease

SEEDS = 300


@settings(max_examples=400)
@given(st.integers(min_value=0, max_value=2**32), st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=40))
def test_no_schedule_uses_a_refresh_token_twice(seed: int, actions: list[str]) -> None:
    """At rest every process is let in, all by one token, and the store holds the refresh token that is good."""
    assert judged(seed, actions=actions) == []


@pytest.mark.parametrize("first", range(0, 4 * SEEDS, SEEDS))
def test_seeded_schedules_keep_the_connection(first: int) -> None:
    """The same, on many more steps."""
    wrong = {seed: found for seed in range(first, first + SEEDS) if (found := judged(seed))}
    assert wrong == {}


class Everybodys(OneAtATime):
    """A lease that all get."""

    async def acquire(self, name: str, owner: str, seconds: float) -> Lease | None:
        await self._chance()
        return Lease(name, owner, int(seconds))


class Cancelled(RefreshedLogins):
    """A refresh that ends with whoever asked for it."""

    async def log_in(self, refused: Session | None) -> Grant:
        return await self._obtain(refused)


class Blind(RefreshedLogins):
    """Does not look again once it has the lease."""

    async def _in_turn(self, refused: Session | None) -> Grant:
        before = await self._read()
        while (lease := await self._store.leases.acquire("login", self._store.owner, 1)) is None:
            await self._pause(LOOK_AGAIN_SECONDS)
            if self._clock() > 100:
                raise LoginFailed("busy", code="busy")
        try:
            self._read = lambda: _known(before)  # type: ignore[method-assign, assignment]
            return await self._refresh(1e9)
        finally:
            del self._read
            await self._let_go(lease)


class Hasty(RefreshedLogins):
    """Forgets what the store did not take."""

    async def _store_what_is_left(self) -> None:
        try:
            await super()._store_what_is_left()
        finally:
            self._unstored = None


async def _known(value: Any) -> Any:
    return value


@pytest.mark.parametrize(
    "without",
    [
        {"leases": Everybodys},
        {"logins": Cancelled},
        {"logins": Blind},
        {"logins": Hasty},
    ],
    ids=["the lease", "the shield", "the second look", "what was not stored"],
)
def test_each_part_is_needed(without: dict[str, Any]) -> None:
    """With any one of them taken out the connection is lost within these schedules."""
    assert any(judged(seed, **without) for seed in range(SEEDS))
