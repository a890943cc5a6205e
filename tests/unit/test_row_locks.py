"""Row locks: what the simulated org does of them, and how the writers' calls stay out of one another's way."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from support.fake_documents import FakeDocuments, FakeReservations
from support.org import OrgClient, org_client
from support.sync_stage import TIMING, Stage

from adapters.salesforce.opening import Salesforce, open_salesforce
from adapters.salesforce.settings import SalesforceSettings
from consumers.catalog import Catalog
from consumers.ports import Reservations
from consumers.rules.parents import HOT_FOR, HotParents, Row, by_parent, calls
from consumers.rules.retry import RetryPolicy
from consumers.writer.writer import Writer
from schemas import topics
from schemas.mapping import Mapping
from schemas.outcome import Outcome, Result

A_DAY = 86_400_000
LIMIT_SECONDS = 60.0

KINDS = {
    "customer": {
        "collection": "customers",
        "sobject": "Contact",
        "external_id": "Tandem_Customer_Id__c",
        "token": "Tandem_Customer_Write__c",
        "events": {"customer.updated": "values"},
        "fields": [
            {"platform": "last_name", "salesforce": "LastName"},
            {"platform": "title", "salesforce": "Title"},
            {"platform": "company_id", "salesforce": "AccountId", "lookup": "company"},
        ],
    },
    "company": {
        "collection": "companies",
        "sobject": "Account",
        "external_id": "Tandem_Company_Id__c",
        "token": "Tandem_Company_Write__c",
        "events": {"company.updated": "values"},
        "fields": [{"platform": "name", "salesforce": "Name"}],
    },
}


# What the org does


async def accounts(org: OrgClient, *names: str) -> list[str]:
    told = [await org.call("POST", "/sobjects/Account", {"Name": name}) for name in names]
    return [str(body["id"]) for _, body in told]


def contacts(*accounts: str) -> dict[str, Any]:
    rows = [{"attributes": {"type": "Contact"}, "LastName": "Doe", "AccountId": account} for account in accounts]
    return {"allOrNone": False, "records": rows}


async def test_two_calls_that_meet_at_one_account_are_told_by_the_row() -> None:
    """The row whose account another call holds fails after its wait; the other row of its call is done."""
    async with org_client(row_lock_ms=300, row_lock_wait_ms=20) as org:
        busy, free = await accounts(org, "Busy", "Free")
        (_, first), (_, second) = await asyncio.gather(
            org.call("POST", "/composite/sobjects", contacts(busy)),
            org.call("POST", "/composite/sobjects", contacts(busy, free)),
        )
        told = sorted([[row["success"] for row in first], [row["success"] for row in second]], key=len)
        assert told == [[True], [False, True]]
        error = second[0]["errors"][0]
        assert error["statusCode"] == "UNABLE_TO_LOCK_ROW"
        assert busy in error["message"]
        assert await org.admin("GET", "/locks") == {"met": 1, "refused": 1}


async def test_a_row_that_waits_long_enough_is_done() -> None:
    """A lock is waited for; an update locks the account that the record names, and the one that it is given."""
    async with org_client(row_lock_ms=50, row_lock_wait_ms=10_000) as org:
        before, after = await accounts(org, "Before", "After")
        _, made = await org.call("POST", "/composite/sobjects", contacts(before))
        moved = {"attributes": {"type": "Contact"}, "id": made[0]["id"], "AccountId": after}
        holding = [
            asyncio.create_task(org.admin("POST", "/locks", {"ids": [one], "ms": 200})) for one in (before, after)
        ]
        await _until(lambda: len(org.org.org.locks.held) == 2)
        _, told = await org.call("PATCH", "/composite/sobjects", {"records": [moved]})
        assert told[0]["success"] is True
        assert [(await held)["refused"] for held in holding] == [0, 0]
        assert await org.admin("GET", "/locks") == {"met": 1, "refused": 0}


async def test_nothing_is_locked_unless_transactions_have_a_length() -> None:
    async with org_client() as org:
        (one,) = await accounts(org, "One")
        both = await asyncio.gather(*(org.call("POST", "/composite/sobjects", contacts(one)) for _ in range(4)))
        assert all(body[0]["success"] for _, body in both)
        assert await org.admin("GET", "/locks") == {"met": 0, "refused": 0}


async def _until(holds: Any) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


# How rows share calls


def row(name: str, *parents: str) -> Row[str]:
    return Row(name, name, frozenset(parents))


def named(made: list[list[Row[str]]]) -> list[list[str]]:
    return [[one.item for one in call] for call in made]


def test_rows_of_one_parent_lie_side_by_side() -> None:
    rows = [row("a1", "a"), row("b1", "b"), row("free"), row("a2", "a"), row("b2", "b"), row("a3", "a")]
    assert [one.item for one in by_parent(rows)] == ["free", "b1", "b2", "a1", "a2", "a3"]
    assert named(calls(rows, most=3)) == [["free", "b1", "b2"], ["a1", "a2", "a3"]]


def test_of_two_parents_the_busier_one_counts() -> None:
    """Members of one campaign are different people: they are kept together by the campaign."""
    rows = [row(f"m{n}", f"person-{n}", f"campaign-{n % 2}") for n in range(6)]
    assert [one.item for one in by_parent(rows)] == ["m0", "m2", "m4", "m1", "m3", "m5"]


def test_a_record_is_in_a_call_once() -> None:
    rows = [Row("one", "003", frozenset({"a"})), Row("two", "003", frozenset({"a"})), row("three", "a")]
    assert named(calls(rows)) == [["one", "three"], ["two"]]


def test_rows_of_a_hot_parent_go_in_small_calls_of_their_own() -> None:
    rows = [row(f"h{n}", "hot") for n in range(5)] + [row(f"c{n}", "cold") for n in range(5)]
    assert [len(call) for call in calls(rows, {"hot"}, most=4, hot_most=2)] == [4, 1, 2, 2, 1]
    assert {one.item[0] for call in calls(rows, {"hot"}, most=4, hot_most=2)[2:] for one in call} == {"h"}


def test_a_parent_cools_down() -> None:
    hot = HotParents()
    hot.heat(["a"], now=1_000)
    hot.heat(["b"], now=2_000)
    assert hot.are(1_000 + HOT_FOR - 1) == {"a", "b"}
    assert hot.are(1_000 + HOT_FOR) == {"b"}
    hot.heat([], now=2_000 + HOT_FOR)
    assert hot.are(0) == frozenset(), "and is forgotten"


# What two writers do


class Sized:
    """Records that tell how many rows go in a call of first writes."""

    def __init__(self, records: Any, sizes: list[int]) -> None:
        self._records, self._sizes = records, sizes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._records, name)

    async def upsert(self, sobject: str, external_id_field: str, updates: Any) -> Any:
        self._sizes.append(len(updates))
        return await self._records.upsert(sobject, external_id_field, updates)


@dataclass
class World:
    """Documents in memory, an org whose calls take their time, and as many writers as a test wants."""

    stage: Stage
    org: OrgClient
    salesforce: Salesforce
    results: list[Result] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    """Rows in each call of first writes."""

    def writer(self, reservations: Reservations | None, bulk_rows: int = 0) -> Writer:
        return Writer(
            catalog=lambda: self.stage.catalog,
            documents=self.stage.documents,
            records=Sized(self.salesforce.records, self.sizes),
            log=self.stage.log,
            parked=self.stage.parked,
            now=lambda: self.stage.now,
            timing=TIMING,
            retry=RetryPolicy(tries=5, org_wait=1_000),
            reservations=reservations,
            bulk=self.salesforce.bulk if bulk_rows else None,
            bulk_rows=bulk_rows,
        )

    async def post(self, kind: str, id_: str, **fields: Any) -> None:
        result = await self.stage.post(fields, id_=id_, type_=f"{kind}.updated")
        assert result.outcome is Outcome.APPLIED

    async def answer(self, writers: list[Writer]) -> int:
        """Hand the doorbells out to all writers at once, in turns; how many there were."""
        rung, self.stage.doorbells.rung[:] = self.stage.doorbells.rung[:], []
        records = [self.stage.record(topics.SALESFORCE_WRITES, key, value) for key, value in dict(rung).items()]
        shares = [records[number :: len(writers)] for number in range(len(writers))]
        for results in await asyncio.gather(
            *(writer.handle(share) for writer, share in zip(writers, shares, strict=True) if share)
        ):
            self.results += results
        return len(records)

    async def until_rest(self, writers: list[Writer]) -> None:
        deadline = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < deadline:
            self.stage.now += 5_000
            await self.stage.sweep.ring_due()
            if not await self.answer(writers) and not await self._due():
                return
        raise AssertionError("does not come to rest")

    async def _due(self) -> bool:
        return any(
            [await self.stage.documents.due(each, self.stage.now + 60_000, 1) for each in ("customers", "companies")]
        )

    async def numbers(self) -> list[str]:
        """The number of the last write that each record of a customer has taken."""
        found = await self.org.admin("GET", "/records/Contact?limit=10000")
        return [str(one["Tandem_Customer_Write__c"]).rpartition(":")[2] for one in found]


@asynccontextmanager
async def world(**locks: int) -> AsyncIterator[World]:
    stage = Stage(FakeDocuments())
    stage.catalog = Catalog(Mapping.model_validate({"format": 1, "kinds": KINDS}))
    stage.now = time.time_ns() // 1_000_000 - A_DAY
    async with org_client(clock=lambda: stage.now, **locks) as org:
        values = {"client_id": org.org.client_id, "client_secret": org.org.client_secret, "login_url": org.org.base_url}
        async with open_salesforce(SalesforceSettings(**values), now=lambda: stage.now) as salesforce:
            yield World(stage, org, salesforce)


@pytest.mark.parametrize("apart", [True, False])
async def test_a_thousand_contacts_of_one_account_by_two_writers(apart: bool) -> None:
    """No two calls meet at the account, each record is written once, none is parked; without reservations they do."""
    number, hold = (1_000, 20) if apart else (40, 1_000)
    async with world(row_lock_ms=hold, row_lock_wait_ms=10_000) as one:
        shared = FakeReservations() if apart else None
        writers = [one.writer(shared), one.writer(shared)]
        await one.post("company", "acme", name="Acme")
        await one.until_rest(writers)
        for each in range(number):
            await one.post("customer", f"cust-{each}", last_name=f"L{each}", company_id="acme")
        await one.until_rest(writers)
        met = (await one.org.admin("GET", "/locks"))["met"]
        assert (met == 0) is apart
        assert not one.stage.parked.rows  # type: ignore[attr-defined]
        assert await one.numbers() == ["1"] * number
        assert shared is None or not shared.holders


async def test_a_parent_that_somebody_else_holds_turns_hot_and_its_rows_go_in_small_calls() -> None:
    """Rows that cannot be locked are tried again, in calls of fifty; the other rows of their call went at once."""
    async with world(row_lock_ms=1, row_lock_wait_ms=1) as one:
        shared = FakeReservations()
        writer = one.writer(shared)
        await one.post("company", "acme", name="Acme")
        await one.until_rest([writer])
        account = (await one.stage.document("acme", "companies"))["_sync"]["link"]["id"]
        for each in range(120):
            await one.post("customer", f"cust-{each}", last_name=f"L{each}", company_id="acme")
        await one.post("customer", "alone", last_name="Alone")
        holding = asyncio.create_task(one.org.org.org.locks.hold([account], LIMIT_SECONDS))
        await _until(lambda: account in one.org.org.org.locks.held)
        one.stage.now += 5_000
        await one.answer([writer])
        assert len(await one.numbers()) == 1
        assert {result.reason for result in one.results if result.outcome is Outcome.DEFERRED} == {"UNABLE_TO_LOCK_ROW"}
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)
        one.sizes.clear()
        await one.until_rest([writer])
        assert one.sizes[:3] == [50, 50, 20]
        assert len(await one.numbers()) == 121
        assert not one.stage.parked.rows  # type: ignore[attr-defined]


async def test_rows_that_do_not_get_their_turn_are_deferred_and_the_others_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another writer is at the account for long: its rows use no try, and are looked at again a second later."""
    monkeypatch.setattr("consumers.writer.turns.PATIENCE_SECONDS", 0.2)
    async with world() as one:
        shared = FakeReservations()
        writer = one.writer(shared)
        await one.post("company", "acme", name="Acme")
        await one.until_rest([writer])
        shared.holders["company:acme"] = "another"
        await one.post("customer", "waits", last_name="Waits", company_id="acme")
        await one.post("customer", "goes", last_name="Goes")
        one.stage.now += 5_000
        one.results.clear()
        await one.answer([writer])
        assert [result.outcome for result in one.results if result.outcome is Outcome.DEFERRED] == [Outcome.DEFERRED]
        document = await one.stage.document("waits")
        assert document["_sync"]["retry"] == {"tries": 0, "at": one.stage.now + 1_000, "code": "PARENT_IN_USE"}
        assert len(await one.numbers()) == 1
        shared.holders.clear()
        await one.until_rest([writer])
        assert await one.numbers() == ["1", "1"]


async def test_a_bulk_job_has_the_rows_of_one_account_side_by_side() -> None:
    """Salesforce runs a job's rows in chunks, several at once: those of one account are in as few of them as can be."""
    async with world() as one:
        writer = one.writer(None, bulk_rows=20)
        for name in ("acme", "globex", "initech"):
            await one.post("company", name, name=name)
        await one.until_rest([writer])
        for each in range(30):
            company = ("acme", "globex", "initech")[each % 3]
            await one.post("customer", f"cust-{each:02}", last_name=f"L{each}", company_id=company)
        await one.until_rest([writer])
        made = await one.org.query("SELECT Id, AccountId FROM Contact ORDER BY Id")  # ids are given in the job's order
        accounts = [record["AccountId"] for record in made["records"]]
        assert len(accounts) == 30
        assert sum(before != after for before, after in itertools.pairwise(accounts)) == 2
        assert (await one.org.admin("GET", "/limits"))["DailyBulkApiBatches"]["Remaining"] < 15_000
