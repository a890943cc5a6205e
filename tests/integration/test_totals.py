"""Totals as a store takes them, of values in every form: the same in memory as on the real MongoDB."""

from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support.fake_documents import FakeDocuments, set_path

from adapters.mongo.collections import prepare
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.totals import pipeline
from consumers.ports import Documents
from schemas.counting import Counted, counted
from schemas.derivation import Total
from schemas.field_mapping import FieldMapping

FIELDS = {
    path: FieldMapping.model_validate({"platform": path, "salesforce": "F__c", **more})
    for path, more in {
        "at": {"transform": ["datetime"]},
        "local_at": {"transform": ["datetime"], "zone": "Europe/Bucharest"},
        "day": {"transform": ["date"]},
        "local_day": {"transform": ["date"], "zone": "America/New_York"},
        "amount": {"transform": ["number"]},
        "open": {"transform": ["boolean"]},
        "status": {"picklist": {"paid": "Paid"}},
        "sets": {"transform": ["multi_select"]},
        "details.word": {},
    }.items()
}


class Store:
    """Rows on either store, and totals of them."""

    def __init__(self, documents: Documents, database: AsyncDatabase[dict[str, Any]] | None) -> None:
        self.documents = documents
        self._database = database

    async def take(self, path: str, values: list[Any], *takes: str) -> list[Any]:
        """Totals over rows of which each has one of the values, in this order by id."""
        await self.add([{"by": "own", path: value} for value in values])
        return await self.totals(*(Total.model_validate({"take": take, **_of(take, path)}) for take in takes))

    async def totals(self, *wanted: Total, owner: str = "own") -> list[Any]:
        asked = [read(total) for total in wanted]
        return (await self.documents.totals("rows", "by", [owner, "nobody"], asked))[owner]

    async def add(self, rows: list[dict[str, Any]]) -> None:
        stored = []
        for number, row in enumerate(rows):
            document: dict[str, Any] = {"_id": f"r-{number:02}"}
            for path, value in row.items():
                set_path(document, path, value)
            stored.append(document)
        if self._database is not None:
            await self._database["rows"].insert_many(stored)
        else:
            assert isinstance(self.documents, FakeDocuments)
            self.documents.collections["rows"] = {row["_id"]: row for row in stored}


def _of(take: str, path: str) -> dict[str, Any]:
    order = {"order": path} if take == "latest" else {}
    return {"of": "row", "by": "by", **({} if take == "count" else {"path": path}), **order}


def read(total: Total) -> Counted:
    return counted(total, FIELDS)


@pytest.fixture(params=["memory", pytest.param("mongodb", marks=pytest.mark.integration)])
async def store(request: pytest.FixtureRequest, database: AsyncDatabase[dict[str, Any]]) -> Store:
    """Either store."""
    return Store(FakeDocuments(), None) if request.param == "memory" else Store(MongoDocuments(database), database)


ODD = [None, "", "soon", "2026-02-31T10:00:00Z", "9999-12-31T23:59:59-05:00", True, [1], {"a": 1}, float("nan")]
"""What is no date, and no number."""


async def test_moments_are_in_the_order_of_the_clock(store: Store) -> None:
    """By their offsets and parts of a second; what is none has no place."""
    values = [
        *ODD,
        "2026-11-22T09:00:00Z",
        "2026-11-22T10:30:00+02:00",
        " 2026-11-22T09:00:00.500Z",
        "2026-11-22T08:29:59,9Z",
        "2026-11-22T09:00:00",
        1_795_338_000_250,
    ]
    first, last, latest = await store.take("at", values, "min", "max", "latest")
    assert (first, last, latest) == ("2026-11-22T08:29:59,9Z", values[-4], values[-4])


async def test_a_moment_without_an_offset_is_of_the_zone_that_the_mapping_names(store: Store) -> None:
    """Ten o'clock in Bucharest is eight in Greenwich; an offset says more."""
    values = ["2026-11-22T10:00:00", "2026-11-22T08:30:00Z", "2026-07-22T10:59:00", "2026-07-22T08:00:00Z"]
    assert await store.take("local_at", values, "min", "max") == [values[2], values[1]]


async def test_days_are_those_of_their_moments(store: Store) -> None:
    """At the moment's own offset."""
    values = [*ODD, "2026-11-22T23:30:00-05:00", "2026-11-23T00:10:00+02:00", "2026-11-21"]
    assert await store.take("day", values, "min", "max") == ["2026-11-21", "9999-12-31T23:59:59-05:00"]


async def test_a_day_begins_where_its_moment_is(store: Store) -> None:
    """However late it is elsewhere."""
    values = ["2026-11-22T23:30:00-05:00", "2026-11-23T00:10:00+02:00"]
    assert await store.take("day", values, "min", "max") == values


async def test_days_in_a_zone(store: Store) -> None:
    """In New York it is still the day before."""
    values = ["2026-11-23T03:00:00Z", "2026-11-22T23:59:00", "2026-11-23", "2026-11-22T05:30:00Z", "soon"]
    assert await store.take("local_day", values, "min", "max") == [values[3], values[2]]


async def test_numbers_also_as_texts(store: Store) -> None:
    """What is no number adds nothing, and fails nothing."""
    values = [*ODD, "12.50", " 3 ", 2.25, "1e1", "NaN", "Infinity", "0x10", "1_000", "1e999", -1]
    assert await store.take("amount", values, "sum", "min", "max") == [26.75, -1, "12.50"]


async def test_cents_add_up(store: Store) -> None:
    """Binary fractions would not."""
    assert await store.take("amount", [0.1] * 10 + ["0.1"] * 2, "sum", "count") == [1.2, 12]


async def test_truth_has_an_order(store: Store) -> None:
    """Also by its words."""
    assert await store.take("open", ["FALSE", False, " true", "maybe", 1], "max") == [" true"]


async def test_values_that_are_the_same_are_one(store: Store) -> None:
    """By the field's own transforms: of instants, choices and numbers."""
    same = ["2026-11-22T10:30:00+02:00", "2026-11-22T08:30:00Z", "2026-11-22T08:30:00.500Z", None, ""]
    assert await store.take("at", [*same, "2026-11-22T08:30:01Z"], "distinct") == [2]


async def test_choices_are_the_same_in_any_order(store: Store) -> None:
    """Of a list or a text, and of what is neither."""
    assert await store.take("sets", ["b;a", ["a", "b"], ["a"], {"a": 1}, None], "distinct") == [3]


async def test_texts_come_after_numbers(store: Store) -> None:
    """Without a transform; white space is none of it."""
    values = [9, 10.5, "b ", " a", "", None, True]
    assert await store.take("details.word", values, "min", "max", "distinct") == [9, "b ", 5]


async def test_what_counts_is_said_by_the_mapping(store: Store) -> None:
    """White space, Salesforce's own word, a checkbox that nobody ever set, and a text that spells a truth."""
    await store.add(
        [
            {"by": "own", "status": " paid", "amount": 1},
            {"by": "own", "status": "Paid", "amount": 2, "open": False},
            {"by": "own", "status": "paid", "amount": 4, "open": "true"},
            {"by": "own", "status": "PAID", "amount": 8},
            {"by": "own", "status": None, "amount": 16},
            {"by": "own", "status": ["paid"], "amount": 32},
            {"by": "own", "amount": 64},
            {"by": "another", "status": "paid", "amount": 128},
            {"by": "own", "status": "paid", "amount": 256, "_sync.existence.exists": False},
        ]
    )
    of = {"of": "row", "by": "by", "path": "amount"}
    paid = Total.model_validate({"take": "sum", "where": {"status": ["paid"]}, **of})
    closed = Total.model_validate({"take": "sum", "where": {"status": ["paid"], "open": [False]}, **of})
    either = Total.model_validate({"take": "max", "where": {"status": ["paid", "PAID"]}, **of})
    assert await store.totals(paid, closed, either) == [7, 3, 8]


async def test_the_last_is_told_by_its_order_and_then_its_id(store: Store) -> None:
    """What has no place in the order comes first: it is the last where there is no other."""
    total = Total.model_validate({"take": "latest", "of": "row", "by": "by", "path": "details.word", "order": "at"})
    await store.add(
        [
            {"by": "own", "details.word": "late by its text", "at": "2026-11-22T10:30:00+02:00"},
            {"by": "own", "details.word": "the last", "at": "2026-11-22T09:00:00Z"},
            {"by": "own", "details.word": "never", "at": "soon"},
            {"by": "lost", "details.word": "one"},
            {"by": "lost", "details.word": "other", "at": ""},
            {"by": "silent", "at": "2026-11-22T09:00:00Z"},
        ]
    )
    assert await store.totals(total) == ["the last"]
    assert await store.totals(total, owner="lost") == ["other"]
    assert await store.totals(total, owner="silent") == [None]


async def test_nothing_is_none_or_zero(store: Store) -> None:
    """Of no rows at all."""
    takes = [Total.model_validate({"take": take, **_of(take, "at")}) for take in ("min", "max", "latest")]
    others = [Total.model_validate({"take": take, **_of(take, "amount")}) for take in ("sum", "count", "distinct")]
    await store.add([{"by": "another"}])
    assert await store.totals(*takes, *others) == [None, None, None, 0, 0, 0]


@pytest.mark.parametrize(
    ("owner", "named"), [("42", [42, "42", 42.0]), ("-7", [-7]), ("4.5", [4.5, "4.5"]), ("042", ["042"])]
)
async def test_an_owner_is_named_by_text_or_number(store: Store, owner: str, named: list[Any]) -> None:
    """As JSON has it; and no other is."""
    others = [7, "7", "42.0", "4", 4, True, None]
    await store.add([{"by": by, "amount": 1} for by in [*named, *others]])
    count = Total.model_validate({"take": "count", "of": "row", "by": "by"})
    assert await store.totals(count, owner=owner) == [len(named)]


@pytest.mark.integration
async def test_totals_read_only_what_counts(database: AsyncDatabase[dict[str, Any]]) -> None:
    """By the index of the path, for texts and numbers alike."""
    await prepare(database, ["rows"], [("rows", "by")])
    await database["rows"].insert_many([{"_id": str(n), "by": n % 50 if n % 2 else str(n % 50)} for n in range(500)])
    stages = pipeline("by", ["1", "2"], [read(Total.model_validate({"take": "max", **_of("max", "at")}))])
    told = await database.command(
        "explain", {"aggregate": "rows", "pipeline": stages, "cursor": {}}, verbosity="executionStats"
    )
    stats = told.get("executionStats") or told["stages"][0]["$cursor"]["executionStats"]
    assert stats["totalDocsExamined"] == 20
