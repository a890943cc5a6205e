"""Runs (`tandem_runs`): asked for once, worked at by whoever holds the lease, kept for a while when they have ended."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pymongo import ASCENDING, DESCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.collections import RUNS
from adapters.mongo.overview import MOST
from adapters.mongo.retention import DEFAULT
from schemas.stream import Lease, LeaseLost
from schemas.sync_run import Purpose, Run, RunState, Wish

_WAITING: Final = [str(RunState.PLANNED), str(RunState.RUNNING)]
_OURS: Final = ("_id", "epoch", "wish", "expires_at")


class MongoRuns:
    """Every method raises `Unavailable` while MongoDB does not answer."""

    def __init__(self, database: Database, kept: timedelta = DEFAULT.runs) -> None:
        """`kept` is how long a run is there once it has ended."""
        self._kept = kept
        self._runs = database[RUNS]

    async def add(self, run: Run) -> bool:
        """Keep a new run; False where one of this id is there already, which stays as it is."""
        try:
            with answering():
                await self._runs.insert_one({"_id": run.id, "epoch": 0, **_dump(run)})
        except DuplicateKeyError:
            return False
        return True

    async def get(self, run_id: str) -> Run | None:
        """One run."""
        with answering():
            return _load(await self._runs.find_one({"_id": run_id}))

    async def newest(self, limit: int, behind: Run | None = None) -> list[Run]:
        """The last to be asked for, the newest first; with `behind` those that follow it in this order."""
        which: dict[str, Any] = {}
        if behind is not None:
            same = {"asked_at": behind.asked_at, "_id": {"$lt": behind.id}}
            which = {"$or": [{"asked_at": {"$lt": behind.asked_at}}, same]}
        order = [("asked_at", DESCENDING), ("_id", DESCENDING)]
        with answering():
            found = await self._runs.find(which, sort=order, limit=limit).to_list()
        return [run for row in found if (run := _load(row)) is not None]

    async def begun(self, prefix: str) -> bool:
        """Whether there is a run whose id begins so."""
        with answering():
            return (
                await self._runs.find_one({"_id": {"$gte": prefix, "$lt": prefix + "\uffff"}}, {"_id": 1}) is not None
            )

    async def waits(self, purpose: Purpose) -> bool:
        """Whether a run for this is to be worked at, or is."""
        waiting = {"state": {"$in": _WAITING}, "request.purpose": str(purpose)}
        with answering():
            return await self._runs.find_one(waiting, {"_id": 1}) is not None

    async def compared_before(self, run: Run, whats: Collection[str]) -> int:
        """When the last comparison before this one began that was of one of these and is done, epoch milliseconds.

        0 where none is kept.
        """
        asked = {
            "_id": {"$ne": run.id},
            "state": str(RunState.DONE),
            "request.purpose": str(Purpose.COMPARE),
            "request.what": {"$in": list(whats)},
            "request.dry_run": False,
            "started_at": {"$lte": run.started_at},
        }
        with answering():
            found = await self._runs.find_one(asked, {"started_at": 1}, sort=[("started_at", DESCENDING)])
        return 0 if found is None else int(found["started_at"])

    async def next(self) -> Run | None:
        """The one to be worked at: of those that wait or were left behind by their process, the first asked for."""
        with answering():
            return _load(await self._runs.find_one({"state": {"$in": _WAITING}}, sort=[("asked_at", ASCENDING)]))

    async def count(self) -> dict[RunState, int]:
        """How many there are in each state."""
        with answering():
            groups = await (await self._runs.aggregate([{"$group": {"_id": "$state", "runs": {"$sum": 1}}}])).to_list()
        found = {group["_id"]: int(group["runs"]) for group in groups}
        return {state: found.get(str(state), 0) for state in RunState}

    async def stopped(self, since: int) -> tuple[int, int]:
        """How many have failed since then (epoch milliseconds), and how many are paused, however long."""
        failed = {"state": str(RunState.FAILED), "ended_at": {"$gte": since}}
        with answering():
            return (
                await self._runs.count_documents(failed, limit=MOST, hint="state"),
                await self._runs.count_documents({"state": str(RunState.PAUSED)}, limit=MOST, hint="state"),
            )

    async def save(self, run: Run, lease: Lease) -> Wish | None:
        """Store how far it is, if nobody has taken it over; what somebody wants of it.

        Raises:
            LeaseLost: a later owner of the lease has stored it.
        """
        moved: dict[str, Any] = {"$set": {"epoch": lease.epoch, **_dump(run)}}
        if run.state.ended:
            moved["$set"]["expires_at"] = datetime.now(UTC) + self._kept
        if run.state is not RunState.RUNNING:
            moved["$unset"] = {"wish": ""}
        with answering():
            found = await self._runs.find_one_and_update(
                {"_id": run.id, "epoch": {"$lte": lease.epoch}}, moved, return_document=ReturnDocument.BEFORE
            )
        if found is None:
            raise LeaseLost(f"run {run.id} has been taken over, or is no more")
        return Wish(found["wish"]) if "wish" in found else None

    async def wish(self, run_id: str, wish: Wish) -> bool:
        """Ask whoever works at it; False where nobody does."""
        with answering():
            asked = await self._runs.update_one(
                {"_id": run_id, "state": str(RunState.RUNNING)}, {"$set": {"wish": str(wish)}}
            )
        return bool(asked.matched_count)

    async def turn(self, run_id: str, states: list[RunState], into: RunState, **fields: Any) -> bool:
        """Bring a run from one of these states into another, with these fields; False where it is in none of them."""
        change: dict[str, Any] = {"$set": {"state": str(into), **fields}, "$unset": {"wish": ""}}
        if into.ended:
            change["$set"]["expires_at"] = datetime.now(UTC) + self._kept
        else:
            change["$unset"]["expires_at"] = ""
        with answering():
            turned = await self._runs.update_one(
                {"_id": run_id, "state": {"$in": [str(one) for one in states]}}, change
            )
        return bool(turned.matched_count)


def _dump(run: Run) -> dict[str, Any]:
    return run.model_dump(mode="json", exclude={"id"})


def _load(row: dict[str, Any] | None) -> Run | None:
    if row is None:
        return None
    return Run.model_validate({"id": row["_id"], **{name: value for name, value in row.items() if name not in _OURS}})
