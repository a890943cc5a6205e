"""Deliveries to the platform's URL (`tandem_deliveries`): kept until they are taken, and some time after."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from bson import Binary, ObjectId
from pymongo import DESCENDING, UpdateOne
from pymongo.errors import BulkWriteError

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.collections import DELIVERIES
from schemas.delivery import Answer, Delivery, DeliveryState
from schemas.unavailable import Unavailable

Row = dict[str, Any]

KEPT_FOR: Final = timedelta(days=30)
ATTEMPTS_KEPT: Final = 20
_DUPLICATE_KEY = 11000
_LOOKED_THROUGH: Final = 500
"""How many due rows are looked through at most for the first of each document."""
_LOOKED_THROUGH_FIRST: Final = 4
"""How many at first, for each one wanted."""


class MongoDeliveries:
    """Satisfies `consumers.deliver.ports.Deliveries`. Every method raises `Unavailable` as `answering`."""

    def __init__(self, database: Database, kept: timedelta = KEPT_FOR) -> None:
        """`kept` is how long a row is there once it was delivered or given up."""
        self._rows = database[DELIVERIES]
        self._kept = kept

    async def keep(self, deliveries: Sequence[Delivery], now: int) -> set[str]:
        """Keep these, to be delivered at once; the ids of those that were not there yet."""
        if not deliveries:
            return set()
        rows = {each.id: _row(each, now) for each in deliveries}
        with answering():
            try:
                await self._rows.insert_many(list(rows.values()), ordered=False)
            except BulkWriteError as error:
                failures = error.details.get("writeErrors", [])
                if error.details.get("writeConcernErrors"):
                    raise Unavailable("MongoDB did not confirm a write by a majority") from error
                if not failures or any(failure.get("code") != _DUPLICATE_KEY for failure in failures):
                    raise
                there = {failure["index"] for failure in failures}
                return {event_id for place, event_id in enumerate(rows) if place not in there}
        return set(rows)

    async def take(self, now: int, limit: int, seconds: float) -> list[Delivery]:
        """Of what is due the first of each document, held for so many seconds by MongoDB's clock.

        What waits behind one that is to be tried later is put off with it, so that it is not looked through each time.
        """
        free: Row = {"$or": [{"held_until": None}, {"$expr": {"$lte": ["$held_until", "$$NOW"]}}]}
        due = {"state": DeliveryState.PENDING, "next_at": {"$lte": now}, **free}
        with answering():
            mine = await self._firsts(due, limit)
            if not mine:
                return []
            holder = ObjectId()
            await self._rows.update_many({"_id": {"$in": mine}, **due}, _held_for(seconds, holder))
            taken = await self._rows.find({"_id": {"$in": mine}, "holder": holder}).to_list()
        return [_delivery(row) for row in taken]

    async def _firsts(self, due: Row, limit: int) -> list[str]:
        """Ids of due ones that are each the first of its document; few rows are looked through where that is enough."""
        for most in (_LOOKED_THROUGH_FIRST * limit, _LOOKED_THROUGH):
            found = await self._rows.find(due, {"key": 1}).sort("next_at").limit(most).to_list()
            if not found:
                break
            heads = await self._heads(list(dict.fromkeys(row["key"] for row in found)))
            await self._put_off(found, heads)
            mine = [row["_id"] for row in found if heads[row["key"]]["_id"] == row["_id"]]
            if len(mine) >= limit or len(found) < most or most >= _LOOKED_THROUGH:
                return mine[:limit]
        return []

    async def hold(self, ids: Sequence[str], seconds: float) -> None:
        """Those of them that are held are held for so long from now on, by MongoDB's clock."""
        if ids:
            held = {"_id": {"$in": list(ids)}, "state": DeliveryState.PENDING, "held_until": {"$ne": None}}
            with answering():
                await self._rows.update_many(held, _held_for(seconds))

    async def _heads(self, keys: Sequence[str]) -> dict[str, Row]:
        """Of each document the delivery of the lowest revision that waits."""
        cursor = await self._rows.aggregate(
            [
                {"$match": {"key": {"$in": keys}, "state": DeliveryState.PENDING}},
                {"$sort": {"key": 1, "revision": 1, "_id": 1}},
                {"$group": {"_id": "$key", "head": {"$first": {"_id": "$_id", "next_at": "$next_at"}}}},
            ]
        )
        return {found["_id"]: found["head"] async for found in cursor}

    async def _put_off(self, found: Sequence[Row], heads: dict[str, Row]) -> None:
        for row in found:
            # Delivered or given up since: then nothing of the document waits, and the row is looked for in vain below.
            heads.setdefault(row["key"], {"_id": None, "next_at": 0})
        behind = [
            UpdateOne({"_id": row["_id"], "state": DeliveryState.PENDING}, {"$max": {"next_at": head["next_at"]}})
            for row in found
            if (head := heads[row["key"]])["_id"] != row["_id"] and head["next_at"]
        ]
        if behind:
            await self._rows.bulk_write(behind, ordered=False)

    async def delivered(self, taken: Sequence[tuple[Delivery, Answer]], now: int) -> None:
        """The platform has these; what waits behind them is due."""
        await self._end(taken, now, DeliveryState.DELIVERED)

    async def given_up(self, delivery: Delivery, answer: Answer, now: int) -> None:
        """It waits for a person; what waits behind it is due."""
        await self._end([(delivery, answer)], now, DeliveryState.FAILED)

    async def again(self, delivery: Delivery, answer: Answer, at: int, now: int) -> None:
        """It is due at `at`, with one try more."""
        told = {"$set": {"next_at": at, "held_until": None}, "$inc": {"tries": 1}, **_attempt(answer, now)}
        with answering():
            await self._rows.update_one({"_id": delivery.id, "state": DeliveryState.PENDING}, told)

    async def release(self, delivery: Delivery, answer: Answer, now: int) -> None:
        """It waits as before."""
        told = {"$set": {"held_until": None}, **_attempt(answer, now)}
        with answering():
            await self._rows.update_one({"_id": delivery.id, "state": DeliveryState.PENDING}, told)

    async def forget(self, ids: Sequence[str]) -> None:
        """They go, and nothing is left of them."""
        with answering():
            await self._rows.delete_many({"_id": {"$in": list(ids)}})

    async def _end(self, ended: Sequence[tuple[Delivery, Answer]], now: int, state: DeliveryState) -> None:
        keys = {delivery.id: _key(delivery.kind, delivery.document_id) for delivery, _answer in ended}
        ends = [
            UpdateOne({"_id": delivery.id, "state": DeliveryState.PENDING}, self._ended(answer, now, state))
            for delivery, answer in ended
        ]
        with answering():
            await self._rows.bulk_write(ends, ordered=False)
            # Behind one that was taken at the first try nothing was ever put off.
            tried = {"_id": {"$in": list(keys)}, "attempts.1": {"$exists": True}}
            late = [keys[row["_id"]] for row in await self._rows.find(tried, {"_id": 1}).to_list()]
            if late:
                behind = {"key": {"$in": late}, "state": DeliveryState.PENDING, "tries": 0, "next_at": {"$gt": now}}
                await self._rows.update_many(behind, {"$set": {"next_at": now}})

    def _ended(self, answer: Answer, now: int, state: DeliveryState) -> list[Row]:
        attempts = {"$concatArrays": [{"$ifNull": ["$attempts", []]}, [{"$literal": _told(answer, now)}]]}
        ended = {
            "state": {"$literal": str(state)},
            "ended_at": now,
            "held_until": None,
            "expires_at": {"$add": ["$$NOW", int(self._kept.total_seconds() * 1000)]},
            "attempts": {"$slice": [attempts, -ATTEMPTS_KEPT]},
        }
        return [{"$set": ended}]

    # For people.

    async def listed(
        self,
        *,
        state: str = "",
        kind: str = "",
        document_id: str = "",
        limit: int = 50,
        behind: Mapping[str, Any] | None = None,
        among: Sequence[str] | None = None,
    ) -> list[Row]:
        """Deliveries without their bodies, the newest first; with `behind` those that follow it in this order.

        `among` names the kinds that count at all; all do without.
        """
        asked: Row = {"state": state} if state else {}
        if document_id:
            asked["key"] = _key(kind, document_id)
        elif kind:
            asked["kind"] = kind
        elif among is not None:
            asked["kind"] = {"$in": list(among)}
        if behind is not None:
            same = {"made_at": behind["made_at"], "_id": {"$lt": behind["_id"]}}
            asked["$or"] = [{"made_at": {"$lt": behind["made_at"]}}, same]
        order = [("made_at", DESCENDING), ("_id", DESCENDING)]
        with answering():
            return await self._rows.find(asked, {"body": 0}).sort(order).limit(limit).to_list()

    async def known(self, ids: Sequence[str]) -> list[str]:
        """Those of these that are there."""
        with answering():
            found = await self._rows.find({"_id": {"$in": list(ids)}}, {"_id": 1}).to_list()
        there = {row["_id"] for row in found}
        return [each for each in ids if each in there]

    async def counts_to(self, most: int) -> Mapping[str, int]:
        """How many there are in each state, counted by an index, and no further than `most`."""
        states = list(DeliveryState)
        with answering():
            counted = await asyncio.gather(
                *(self._rows.count_documents({"state": state}, limit=most, hint="due") for state in states)
            )
        return {str(state): number for state, number in zip(states, counted, strict=True) if number}

    async def failed(self, most: int) -> int:
        """How many were given up, counted by an index, and no further than `most`."""
        with answering():
            return await self._rows.count_documents({"state": DeliveryState.FAILED}, limit=most, hint="due")

    async def counts(self) -> Mapping[str, int]:
        """How many there are in each state, however long that takes."""
        with answering():
            cursor = await self._rows.aggregate([{"$group": {"_id": "$state", "n": {"$sum": 1}}}])
            return {found["_id"]: found["n"] async for found in cursor}

    async def waiting(self) -> int:
        """How many wait."""
        with answering():
            return await self._rows.count_documents({"state": DeliveryState.PENDING}, hint="due")

    async def any_kept(self) -> bool:
        """Whether there is one, ended or not.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        with answering():
            return await self._rows.find_one({}, {"_id": 1}) is not None

    async def get(self, delivery_id: str) -> Row | None:
        """One, with its body."""
        with answering():
            return await self._rows.find_one({"_id": delivery_id})

    async def redeliver(self, ids: Sequence[str], now: int) -> int:
        """Have these delivered anew, whatever became of them; how many there are."""
        anew = {"$set": {"state": DeliveryState.PENDING, "next_at": now, "tries": 0, "held_until": None}}
        with answering():
            ended = await self._rows.update_many({"_id": {"$in": list(ids)}}, {**anew, "$unset": {"expires_at": ""}})
        return ended.matched_count

    async def failed_ids(self, limit: int) -> list[str]:
        """Those that were given up, the oldest first."""
        with answering():
            rows = (
                await self._rows.find({"state": DeliveryState.FAILED}, {"_id": 1})
                .sort("made_at")
                .limit(limit)
                .to_list()
            )
        return [row["_id"] for row in rows]


def _held_for(seconds: float, holder: ObjectId | None = None) -> list[Row]:
    until = {"held_until": {"$add": ["$$NOW", round(seconds * 1000)]}}
    return [{"$set": until if holder is None else until | {"holder": holder}}]


def _key(kind: str, document_id: str) -> str:
    return f"{kind}:{document_id}"


def _row(delivery: Delivery, now: int) -> Row:
    return {
        "_id": delivery.id,
        "key": _key(delivery.kind, delivery.document_id),
        "kind": delivery.kind,
        "document": delivery.document_id,
        "type": delivery.type,
        "revision": delivery.revision,
        "body": Binary(delivery.body),
        "made_at": delivery.made_at,
        "state": DeliveryState.PENDING,
        "tries": 0,
        "next_at": now,
        "held_until": None,
        **({"traceparent": delivery.traceparent} if delivery.traceparent else {}),
    }


def _delivery(row: Row) -> Delivery:
    return Delivery(
        id=row["_id"],
        kind=row["kind"],
        document_id=row["document"],
        type=row["type"],
        revision=row["revision"],
        body=bytes(row["body"]),
        made_at=row["made_at"],
        tries=row["tries"],
        traceparent=row.get("traceparent", ""),
    )


def _told(answer: Answer, now: int) -> Row:
    return {"at": now, "status": answer.status, "why": answer.why, "milliseconds": answer.milliseconds}


def _attempt(answer: Answer, now: int) -> Row:
    return {"$push": {"attempts": {"$each": [_told(answer, now)], "$slice": -ATTEMPTS_KEPT}}}
