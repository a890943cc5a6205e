"""What people have asked for on the admin page, a page of each: a run, a replay, a change of the mapping.

Each waits for somebody, so that no process works at it while its page is measured.
"""

from dataclasses import dataclass
from typing import Final

from adapters.mongo.client import Database
from adapters.mongo.operations import MongoOperations
from adapters.mongo.runs import MongoRuns
from benchmarks.holding import now
from benchmarks.page_templates import choosing_mapping
from consumers.catalog import Catalog
from ops.errands import mappings, replays
from ops.replay import Run
from ops.replay_plan import Window
from ops.sync import asking
from schemas import topics
from schemas.sync_run import RunDirection, RunRequest, RunState

BY: Final = "grace"
OF_EACH: Final = 100
"""As many as nobody has thrown away in a month or two."""
PLAN: Final = [f"      {number:>9,} would be applied" for number in range(40)]


@dataclass(frozen=True, slots=True)
class Asked:
    """The id of one of each."""

    run: str
    replay: str
    change: str


async def ask(database: Database) -> Asked:
    """Keep so many of each that the lists are full; the newest of each."""
    mapping, operations, runs = choosing_mapping(), MongoOperations(database), MongoRuns(database)
    catalog, at = Catalog(mapping), now()
    told = [
        f"customer: {field.salesforce}: policy {field.policy} → latest_wins"
        for field in mapping.kinds["customer"].fields
    ]
    waits = {"state": "planned", "work": None, "plan": PLAN}
    rows = []
    for number in range(OF_EACH):
        when = at - (OF_EACH - number) * 3_600_000
        request = RunRequest(id=f"run-{number}", what="customer", direction=RunDirection.PULL, by=BY)
        run = asking.new_run(request, catalog, now=when)
        await runs.add(run)
        await runs.turn(run.id, [RunState.PLANNED], RunState.PAUSED)
        again = Run(f"replay-{number}", topics.PLATFORM_EVENTS, Window({0: (0, 9)}))
        rows += [
            {**replays.asked_row(again, when - 3_600_000, when, by=BY, at=when), **waits, "to_publish": 9},
            {**mappings.asked_row(f"mapping-{number}", mapping, told, [], by=BY, at=when), **waits},
        ]
    await operations.add(rows)
    newest = OF_EACH - 1
    return Asked(f"run-{newest}", f"replay-{newest}", f"mapping-{newest}")
