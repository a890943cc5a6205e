"""Works at errands of one sort: of all admin processes one, by a lease; each may be killed and is gone on with.

An errand is a row of `tandem_operations` whose `work` says what is to be done about it. Whoever takes that away, as
by pausing it, ends the work; a process that is killed leaves it, and the next one goes on.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from adapters.mongo.operations import MongoOperations, Row
from listener.changes.ownership import Ownership
from listener.changes.racing import first_to_end
from schemas.stream import LeaseLost
from schemas.unavailable import Unavailable

LOOK_SECONDS: Final = 0.5
FAILED: Final = "failed"
UNKNOWN: Final = "an error in Tandem itself; the log of `tandem admin` has it"


@dataclass(slots=True)
class Progress:
    """How far the errand in hand is: of how many, and what it waits for, if anything."""

    passed: int = 0
    of: int = 0
    waits: str = ""

    def advance(self, count: int) -> None:
        """So many more are behind us."""
        self.passed += count

    def told(self) -> Row:
        """As its row has it."""
        return {"passed": self.passed, "of": self.of, "waits": self.waits}


class CannotGoOn(Exception):
    """Why an errand has come to its end without having been done, in one line that holds no value of a field."""


Doing = Callable[[Row, Progress], Awaitable[Row]]
"""Does what is to be done about a row; what it is then (fields of the row, its `state` among them).

Raises:
    CannotGoOn: it cannot be done as it is.
    Unavailable: something is away; it is tried again.
"""


class Keeper:
    """Works at all errands of one sort, one after the other. `log` is a structlog logger."""

    def __init__(
        self,
        *,
        work: str,
        doing: Doing,
        operations: MongoOperations,
        ownership: Ownership,
        log: Any,
        now: Callable[[], int],
        seconds: float = LOOK_SECONDS,
    ) -> None:
        """`work` is the sort: the value of the rows' field. `ownership` is of a lease of that sort's own."""
        self._work = work
        self._doing = doing
        self._operations = operations
        self._ownership = ownership
        self._log = log
        self._now = now
        self._seconds = seconds

    async def keep(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.look()
            except (Unavailable, LeaseLost) as error:
                self._log.warning("unavailable", what=self._work, reason=str(error))
            await asyncio.sleep(self._seconds)

    async def look(self) -> None:
        """Work at what waits until nothing does; nothing is done while another process works at this sort.

        Raises:
            Unavailable: MongoDB, or what the errand needs, does not answer.
            LeaseLost: another process works at it now.
        """
        if await self._operations.next_work(self._work) is None:
            return
        lease = await self._ownership.take()
        if lease is None:
            return
        try:
            await first_to_end(self._ownership.hold(lease), self._all())
        finally:
            await self._ownership.release(lease)

    async def _all(self) -> None:
        while (row := await self._operations.next_work(self._work)) is not None:
            progress = Progress()
            try:
                await first_to_end(self._one(row, progress), self._beside(row, progress))
            except Unavailable as error:
                progress.waits = str(error)
                await self._operations.turn(row["_id"], [row["state"]], progress.told())
                raise

    async def _one(self, row: Row, progress: Progress) -> None:
        try:
            told = await self._doing(row, progress)
        except CannotGoOn as reason:
            told = {"state": FAILED, "reason": str(reason)}
        except Unavailable:
            raise
        except Exception:  # noqa: BLE001 - logged, and told in its row
            # One that always fails would otherwise take down the page on which it could be ended.
            self._log.exception("errand_failed", errand=row["_id"], what=self._work)
            told = {"state": FAILED, "reason": UNKNOWN}
        ended = {**progress.told(), "ended_at": self._now(), "work": None, "waits": "", **told}
        # A replay says itself that it is done, together with how far it has come.
        await self._operations.turn(row["_id"], [row["state"], ended["state"]], ended)
        self._log.info("errand_ended", errand=row["_id"], what=self._work, state=ended["state"])

    async def _beside(self, row: Row, progress: Progress) -> None:
        """Tell how far it is, until somebody has taken the work away."""
        while True:
            await asyncio.sleep(self._seconds)
            if not await self._operations.turn(row["_id"], [row["state"]], progress.told()):
                return
