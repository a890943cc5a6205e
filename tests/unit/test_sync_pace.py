"""A run waits for the org's allocation, for the stages and for the writer; and its calls come from its own share."""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import pytest

from consumers.budget import Budget
from consumers.rules.budget import BudgetLane, BudgetPolicy
from ops.sync.lanes import RunGate
from ops.sync.pace import SOON, Pace, lane_of
from schemas.allocation import Allocation
from schemas.sync_run import Run, RunRequest

NOW = 1_700_000_000_000
MOST = 10


def run(**request: Any) -> Run:
    """Of this sort."""
    return Run(id="r", request=RunRequest.model_validate({"id": "r", **request}), asked_at=NOW)


@dataclass
class Waiting:
    """What the stages and the writer have before them."""

    records: int = 0
    documents: int = 0
    asked: tuple[str, int] = ("", 0)

    async def read(self) -> int:
        return self.records

    async def count_due(self, collection: str, until: int, most: int) -> int:
        self.asked = (collection, until)
        return min(self.documents, most)


@pytest.fixture
def budget() -> Budget:
    """Of 1,000 calls a day: a load may take 560 of them, a comparison 720."""
    return Budget(BudgetPolicy(), now=lambda: NOW)


async def test_a_load_stops_before_a_comparison_and_both_before_the_reserve(budget: Budget) -> None:
    """What was missed goes before what is only wanted."""
    pace = Pace(budget, Waiting(), Waiting(), most=MOST, now=lambda: NOW)
    told: dict[int, list[bool]] = {}
    for used in (559, 560, 720):
        budget.hear(Allocation(used=used, limit=1_000, seen_at=NOW))
        told[used] = [bool(await pace.hindrance(run(purpose=purpose), "c")) for purpose in ("sync", "compare")]
    assert told == {559: [False, False], 560: [True, False], 720: [True, True]}
    assert "no room for it now (reserve_reached)" in await pace.hindrance(run(), "c")


async def test_a_part_waits_for_those_before_it(budget: Budget) -> None:
    """Records in the topics, documents that are due or rung for; a dry run adds to neither and waits for none."""
    waiting = Waiting(records=MOST, documents=MOST)
    pace = Pace(budget, waiting, waiting, most=MOST, now=lambda: NOW)
    assert await pace.hindrance(run(), "customers") == ""
    assert waiting.asked == ("customers", NOW + SOON)
    waiting.records += 1
    assert await pace.hindrance(run(), "customers") == "the stages have 11 records to take first"
    assert await pace.hindrance(run(dry_run=True), "customers") == ""
    waiting.records, waiting.documents = 0, MOST + 5
    assert await pace.hindrance(run(), "customers") == "the writer has more than 10 documents to look at first"


def test_calls_come_from_the_share_of_the_run_in_hand() -> None:
    """The gate that is asked, held and told is that of its lane."""
    asked: list[BudgetLane] = []

    class Gate:
        def __init__(self, lane: BudgetLane) -> None:
            self.lane = lane

        def refusal(self) -> str | None:
            asked.append(self.lane)
            return str(self.lane)

        def one(self) -> Any:
            return nullcontext(self.lane)

        def exceeded(self) -> None:
            asked.append(self.lane)

    gate = RunGate({lane: Gate(lane) for lane in BudgetLane})
    gate.lane = lane_of(run(purpose="refresh"))
    assert gate.refusal() == "repair"
    gate.lane = lane_of(run())
    with gate.one() as lane:
        assert lane is BudgetLane.BACKFILL
    gate.exceeded()
    assert asked == [BudgetLane.REPAIR, BudgetLane.BACKFILL]
