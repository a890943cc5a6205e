"""How things were (`tandem_samples`), and what happened lately, counted from the log."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from pymongo import ReplaceOne

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.collections import SAMPLES, SYNC_LOGS
from adapters.mongo.lookups import HEARD
from adapters.mongo.retention import dated
from schemas import topics
from schemas.samples import FROM_SALESFORCE, LONGER, TO_SALESFORCE, TOOK, Sample

LONGEST_MS: Final = 5_000
"""How long counting may take before it is given up: charts are not worth a busy server."""


@dataclass(frozen=True, slots=True)
class Happened:
    """How often, in a while."""

    outcomes: dict[tuple[str, str], int]
    """By topic and outcome: records that ended."""
    writes: dict[str, int]
    """By outcome: writes that were sent to Salesforce."""
    conflicts: dict[str, int]
    """By kind."""
    errors: dict[tuple[str, str], int] = field(default_factory=dict)
    """By topic and reason: records that were parked, and writes that Salesforce did not take."""
    fields: dict[tuple[str, str], int] = field(default_factory=dict)
    """By kind and platform path: conflicts."""
    took: dict[tuple[str, int], int] = field(default_factory=dict)
    """By direction and limit (`schemas.samples.TOOK`): edits that came to the other side."""
    lookups: tuple[int, int] = (0, 0)
    """Of people who registered: how many, and how many milliseconds all of them took."""


class MongoSamples:
    """Every method raises `Unavailable` while MongoDB does not answer, or not in time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest(self, width: int) -> Sample | None:
        """The last one of this width."""
        with answering():
            row = await self._database[SAMPLES].find_one({"width": width}, sort=[("width", -1), ("at", -1)])
        return None if row is None else _load(row)

    async def between(self, width: int, since: int, until: int) -> list[Sample]:
        """Those of this width that begin from `since` on and before `until` (epoch milliseconds), by time."""
        asked = {"width": width, "at": {"$gte": since, "$lt": until}}
        with answering():
            return [_load(row) async for row in self._database[SAMPLES].find(asked).sort([("width", 1), ("at", 1)])]

    async def keep(self, samples: Sequence[tuple[Sample, int]]) -> None:
        """Keep each for so many milliseconds from its beginning; the one of the same while and width gives way."""
        rows = [
            _dump(sample) | {"expires_at": dated(sample.at) + timedelta(milliseconds=kept)} for sample, kept in samples
        ]
        if rows:
            with answering():
                await self._database[SAMPLES].bulk_write(
                    [ReplaceOne({"_id": row["_id"]}, row, upsert=True) for row in rows]
                )

    async def happened(self, since: int, until: int, rules: Collection[str]) -> Happened:
        """What the log has from `since` on and before `until`, epoch milliseconds.

        A conflict is a row of the audit that one of these merge rules wrote.
        """
        while_ = {"$gte": dated(since), "$lt": dated(until)}
        why = {"$switch": {"branches": _WHY, "default": ""}}
        by_end: list[dict[str, Any]] = [
            {"$match": {"logged_at": while_, "type": {"$in": ["outcome", "write", HEARD]}}},
            {"$group": {"_id": ["$type", "$topic", "$outcome", why, _TOOK], "number": {"$sum": 1}, **_HEARD}},
        ]
        by_field: list[dict[str, Any]] = [
            {"$match": {"audited_at": while_, "rule": {"$regex": rf"^({'|'.join(sorted(rules))})(\.|$)"}}},
            {"$group": {"_id": ["$kind", {"$ifNull": ["$path", ""]}], "number": {"$sum": 1}}},
        ]
        log = self._database[SYNC_LOGS]
        with answering():
            ended = await (await log.aggregate(by_end, hint="old_outcomes", maxTimeMS=LONGEST_MS)).to_list()
            settled = await (await log.aggregate(by_field, hint="old_audit", maxTimeMS=LONGEST_MS)).to_list()
        return _happened(ended, settled)


_WHY: Final = [
    {
        "case": {"$and": [{"$eq": ["$type", "write"]}, {"$in": ["$outcome", ["parked", "deferred"]]}]},
        "then": {"$ifNull": ["$code", ""]},
    },
    {"case": {"$eq": ["$outcome", "parked"]}, "then": {"$ifNull": ["$reason", ""]}},
]
"""Of a failure its code or reason: words of the code and of Salesforce, never a message, which may quote a value."""


_ARRIVED: Final = {"$and": [{"$eq": ["$outcome", "applied"]}, {"$gt": ["$since", 0]}]}
_TOOK: Final = {
    "$switch": {
        "branches": [
            {"case": {"$and": [_ARRIVED, {"$lte": [{"$subtract": ["$at", "$since"]}, limit]}]}, "then": limit}
            for limit in TOOK
        ],
        "default": {"$cond": [_ARRIVED, LONGER, 0]},
    }
}
"""How long an edit took to the other side; 0 of what is none, or has not come there."""


_HEARD: Final = {
    name: {"$sum": {"$cond": [{"$eq": ["$type", HEARD]}, f"${of}", 0]}}
    for name, of in (("lookups", "number"), ("lookup_ms", "milliseconds"))
}


def _happened(ended: Sequence[dict[str, Any]], settled: Sequence[dict[str, Any]]) -> Happened:
    outcomes, writes, conflicts = Counter[tuple[str, str]](), Counter[str](), Counter[str]()
    errors, fields, arrived = Counter[tuple[str, str]](), Counter[tuple[str, str]](), Counter[tuple[str, int]]()
    lookups = (0, 0)
    for row in ended:
        type_, topic, outcome, why, limit = row["_id"]
        if type_ == HEARD:
            lookups = (int(row["lookups"]), int(row["lookup_ms"]))
            continue
        if limit:
            arrived[TO_SALESFORCE if type_ == "write" else FROM_SALESFORCE, int(limit)] += row["number"]
        if type_ == "write":
            topic = topics.SALESFORCE_WRITES
            writes[outcome] += row["number"]
        else:
            outcomes[topic, outcome] += row["number"]
        if why:
            errors[topic, why] += row["number"]
    for row in settled:
        kind, path = row["_id"]
        conflicts[kind] += row["number"]
        if path:
            fields[kind, path] += row["number"]
    return Happened(dict(outcomes), dict(writes), dict(conflicts), dict(errors), dict(fields), dict(arrived), lookups)


def _dump(sample: Sample) -> dict[str, Any]:
    """Names hold dots, as topics do, so they are no keys."""
    return {
        "_id": f"{sample.width}:{sample.at}",
        "width": sample.width,
        "at": sample.at,
        "covered": sample.covered,
        "counts": [[name, number] for name, number in sample.counts.items()],
        "levels": [[name, number] for name, number in sample.levels.items()],
    }


def _load(row: dict[str, Any]) -> Sample:
    return Sample(
        at=int(row["at"]),
        width=int(row["width"]),
        covered=int(row["covered"]),
        counts={name: int(number) for name, number in row["counts"]},
        levels={name: int(number) for name, number in row["levels"]},
    )
