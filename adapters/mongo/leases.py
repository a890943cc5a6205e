"""Leases (`tandem_leases`): one owner of an org's change stream at a time, by the server's clock."""

from datetime import UTC, datetime
from typing import Any

from pymongo import ReturnDocument

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from schemas.stream import Lease, LeaseLost

LEASES = "tandem_leases"

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class MongoLeases:
    """Satisfies `listener.changes.ports.Leases`. A lease's document stays when it is released, for its epoch."""

    def __init__(self, database: Database) -> None:
        self._leases = database[LEASES]

    async def acquire(self, name: str, owner: str, seconds: float) -> Lease | None:
        """The lease, with a new epoch, if it is free, run out, or ours already; nothing while another holds it.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        us = {"$literal": owner}
        free = {"$or": [{"$lte": [{"$ifNull": ["$expires_at", _LONG_AGO]}, "$$NOW"]}, {"$eq": ["$owner", us]}]}
        taken = {
            "owner": us,
            "epoch": {"$add": [{"$ifNull": ["$epoch", 0]}, 1]},
            "expires_at": _from_now(seconds),
            "taken_at": "$$NOW",
        }
        with answering():
            held = await self._leases.find_one_and_update(
                {"_id": name},
                [{"$replaceWith": {"$cond": [free, {"$mergeObjects": ["$$ROOT", taken]}, "$$ROOT"]}}],
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        return Lease(name, owner, held["epoch"]) if held and held["owner"] == owner else None

    async def renew(self, lease: Lease, seconds: float) -> None:
        """Hold it for `seconds` from now.

        Raises:
            LeaseLost: it belongs to another epoch.
            Unavailable: MongoDB does not answer.
        """
        with answering():
            renewed = await self._leases.update_one(_of(lease), [{"$set": {"expires_at": _from_now(seconds)}}])
        if not renewed.matched_count:
            raise LeaseLost(f"{lease.name} has another owner than epoch {lease.epoch}")

    async def held(self, name: str) -> bool:
        """Whether somebody holds it now.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        with answering():
            holding = {"_id": name, "$expr": {"$gt": ["$expires_at", "$$NOW"]}}
            return await self._leases.find_one(holding) is not None

    async def release(self, lease: Lease) -> None:
        """Let it go if it is still ours.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        with answering():
            await self._leases.update_one(_of(lease), {"$set": {"expires_at": _LONG_AGO}})


def _of(lease: Lease) -> dict[str, Any]:
    return {"_id": lease.name, "owner": lease.owner, "epoch": lease.epoch}


def _from_now(seconds: float) -> dict[str, Any]:
    return {"$add": ["$$NOW", round(seconds * 1000)]}
