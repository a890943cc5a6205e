"""The keepers of every sort of errand, put together: each with a lease of its own, so none waits for another."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from adapters.mongo.client import Database
from adapters.mongo.leases import MongoLeases
from adapters.mongo.operations import MongoOperations
from consumers.rules.timing import Timing
from listener.changes.ownership import Ownership
from ops.errands import mappings, replays
from ops.errands.keeper import LOOK_SECONDS, Doing, Keeper
from ops.logins import process_name
from ops.mapping_change import TAKEN_UP_SECONDS, mappings_of
from ops.mapping_pace import Hindrance, unhindered
from ops.processes.parts import wall_ms
from ops.replay import Publisher

LEASE_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class Workshop:
    """What errands are done with. `log` is a structlog logger."""

    database: Database
    replayer: replays.Opened
    publisher: Publisher
    timing: Timing
    log: Any
    hindrance: Hindrance = unhindered
    """What an application of a mapping waits for before each part."""
    taken_up: float = TAKEN_UP_SECONDS
    seconds: float = LOOK_SECONDS
    now: Callable[[], int] = wall_ms

    def keepers(self) -> Sequence[Keeper]:
        """One for each sort of errand."""
        return list(self._keepers())

    def _keepers(self) -> Iterator[Keeper]:
        replaying = replays.Replays(self.replayer, self.publisher)
        mapping = mappings.MappingChanges(mappings_of(self.database, self.timing, self.hindrance), self.taken_up)
        sorts: dict[str, Doing] = {
            replays.PLAN: replaying.plan,
            replays.PUBLISH: replaying.publish,
            mappings.PLAN: mapping.plan,
            mappings.APPLY: mapping.apply,
        }
        for work, doing in sorts.items():
            yield Keeper(
                work=work,
                doing=doing,
                operations=MongoOperations(self.database),
                ownership=Ownership(
                    leases=MongoLeases(self.database),
                    name=f"errands: {work}",
                    owner=process_name(),
                    seconds=LEASE_SECONDS,
                    clock=time.monotonic,
                    pause=asyncio.sleep,
                ),
                log=self.log,
                now=self.now,
                seconds=self.seconds,
            )


async def keep_all(workshop: Workshop) -> None:
    """Work at errands of every sort, until cancelled."""
    async with asyncio.TaskGroup() as group:
        for keeper in workshop.keepers():
            group.create_task(keeper.keep())
