"""Positions of an org's change stream (`tandem_positions`), each guarded by the epoch of the lease behind it."""

from pymongo.errors import DuplicateKeyError

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from schemas.stream import POLLS, Lease, LeaseLost, Position

POSITIONS = "tandem_positions"


async def polled_lately(database: Database, seconds: float) -> frozenset[str]:
    """The objects of which a poll has come to its end within so many seconds, by the server's clock.

    Raises:
        Unavailable: MongoDB does not answer.
    """
    lately = {"$gt": ["$updated_at", {"$subtract": ["$$NOW", round(seconds * 1000)]}]}
    with answering():
        found = await database[POSITIONS].find({"channel": {"$regex": f"^{POLLS}"}, "$expr": lately}).to_list()
    return frozenset(str(row["channel"]).removeprefix(POLLS) for row in found)


class MongoPositions:
    """Satisfies `listener.changes.ports.Positions` for one org."""

    def __init__(self, database: Database, org_id: str) -> None:
        self._positions = database[POSITIONS]
        self._org_id = org_id

    async def read(self, channel: str) -> Position | None:
        """The stored position.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        with answering():
            found = await self._positions.find_one({"_id": self._id(channel)})
        if found is None:
            return None
        replay_id = found["replay_id"]
        return Position(replay_id if isinstance(replay_id, str) else int(replay_id), int(found["commit_timestamp"]))

    async def write(self, channel: str, position: Position, lease: Lease) -> None:
        """Move the position.

        Raises:
            LeaseLost: a later epoch has written, so this owner is no longer the owner.
            Unavailable: MongoDB does not answer.
        """
        moved = {
            "org": self._org_id,
            "channel": channel,
            "replay_id": position.replay_id,
            "commit_timestamp": position.commit_timestamp,
            "epoch": lease.epoch,
            "owner": lease.owner,
        }
        written = [{"$set": {name: {"$literal": value} for name, value in moved.items()} | {"updated_at": "$$NOW"}}]
        guarded = {"_id": self._id(channel), "epoch": {"$lte": lease.epoch}}
        with answering():
            try:
                await self._positions.update_one(guarded, written, upsert=True)
            except DuplicateKeyError:
                # It is there, and either of a later epoch or made by another in this very moment.
                if not (await self._positions.update_one(guarded, written)).matched_count:
                    raise LeaseLost(f"epoch {lease.epoch} has been followed by a later one") from None

    def _id(self, channel: str) -> str:
        return f"{self._org_id}:{channel}"
