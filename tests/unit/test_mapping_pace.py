"""An application of a mapping waits for the writer, and for room in the share of loads."""

from dataclasses import dataclass

import pytest

from consumers.rules.budget import BudgetPolicy
from ops.mapping_pace import MappingPace
from ops.sync.pace import SOON
from schemas.allocation import Allocation, AllocationHeard

NOW = 1_700_000_000_000
MOST = 10


@dataclass
class Org:
    """What the processes have heard, and the documents that the writer has before it."""

    used: int = 0
    documents: int = 0
    exceeded_until: int = 0
    asked: tuple[str, int] = ("", 0)

    async def heard(self) -> AllocationHeard:
        return AllocationHeard(Allocation(self.used, 1_000, NOW), self.exceeded_until)

    async def count_due(self, collection: str, until: int, most: int) -> int:
        self.asked = (collection, until)
        return min(self.documents, most)


@pytest.fixture
def org() -> Org:
    """Of 1,000 calls a day, of which a load may use 560."""
    return Org()


@pytest.fixture
def pace(org: Org) -> MappingPace:
    """With room for ten documents."""
    return MappingPace(heard=org.heard, due=org, policy=BudgetPolicy(), most=MOST, now=lambda: NOW)


async def test_it_stops_where_a_load_does(org: Org, pace: MappingPace) -> None:
    """What is above is for live edits and repairs."""
    org.documents, org.used = 1, 559
    assert await pace.hindrance("customers") == ""
    org.used = 560
    assert await pace.hindrance("customers") == "the org's API allocation has no room for it now (reserve_reached)"
    org.used, org.exceeded_until = 0, NOW + 1
    assert await pace.hindrance("customers") == "the org's API allocation has no room for it now (limit_exceeded)"


async def test_where_nothing_is_due_no_room_is_waited_for(org: Org, pace: MappingPace) -> None:
    """A version that changes nothing in Salesforce costs no call."""
    org.used = 1_000
    assert await pace.hindrance("customers") == ""
    assert org.asked == ("customers", NOW + SOON)


async def test_the_writer_takes_what_is_due_first(org: Org, pace: MappingPace) -> None:
    """As for the parts of a load."""
    org.documents = MOST
    assert await pace.hindrance("customers") == ""
    org.documents = MOST + 5
    assert await pace.hindrance("customers") == "the writer has more than 10 documents to look at first"


async def test_an_org_of_which_nobody_has_heard_has_room(org: Org, pace: MappingPace) -> None:
    """The first call tells."""
    org.documents = 1

    async def nothing() -> AllocationHeard:
        return AllocationHeard()

    unheard = MappingPace(heard=nothing, due=org, policy=BudgetPolicy(), most=MOST, now=lambda: NOW)
    assert await unheard.hindrance("customers") == ""
