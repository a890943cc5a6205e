"""A Bulk job takes no row that Salesforce would refuse, and what comes of it may tell that an object has changed."""

from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

import pytest

from adapters.salesforce.described_bulk import AT_A_TIME, DescribedBulk
from adapters.salesforce.describes import BAD_CHOICE, FRESH_MS, NO_FIELD, READ_ONLY, TELL_OF_CHANGE, TOO_LONG, Describes
from adapters.salesforce.rest import Described
from schemas.bulk import UNPROCESSED, BulkLoad, BulkOperation, BulkOutcome
from schemas.records import Failure, RecordUpdate, RowResult

TOKEN = "Tandem_Customer_Write__c"
LOAD = BulkLoad("Contact", BulkOperation.UPDATE, TOKEN)
UPSERT = BulkLoad("Contact", BulkOperation.UPSERT, TOKEN, "Tandem_Customer_Id__c")
FIELDS = (
    {"name": TOKEN, "type": "string", "length": 255, "createable": True, "updateable": True},
    {
        "name": "Tier__c",
        "type": "picklist",
        "restrictedPicklist": True,
        "picklistValues": [{"value": "Gold", "active": True}],
    },
    {"name": "LastName", "type": "string", "length": 5},
    {"name": "Total__c", "type": "currency", "createable": False, "updateable": False},
)
UNFIT = BulkOutcome("c-x:1", RowResult(failure=Failure.REJECTED, code="INVALID_ROW"))


class FakeOrg:
    """Objects that have one field more each time one of them is described."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def describe_since(self, sobject: str, since: str = "") -> Described:
        self.asked.append(sobject)
        more = [{"name": f"Field{number}__c"} for number, _ in enumerate(self.asked)]
        return Described({"fields": [*FIELDS, *more]})


class FakeBulk:
    """One job that has ended, or that takes what it is given but for one row."""

    def __init__(self, results: list[RowResult]) -> None:
        self.ended = [BulkOutcome(f"c-{place}:1", result) for place, result in enumerate(results)]
        self.taken: list[RecordUpdate] = []

    async def send(self, job_id: str, load: BulkLoad, rows: AsyncIterable[RecordUpdate]) -> list[BulkOutcome]:
        self.taken = [row async for row in rows]
        return [UNFIT]

    async def outcomes(self, job_id: str, load: BulkLoad) -> AsyncIterator[BulkOutcome]:
        for outcome in self.ended:
            yield outcome

    async def unasked(self, *asked: Any) -> Any:
        raise AssertionError(f"nobody asks for this here: {asked}")

    open = state = abandon = discard = unasked


async def found_changed(*results: RowResult) -> frozenset[str]:
    """The objects that the next look finds changed, after a job whose rows ended so."""
    now = 0
    bulk, describes = FakeBulk(list(results)), Describes(FakeOrg(), lambda: now)
    await describes.fields("Contact")
    await describes.fields("Account")
    job = DescribedBulk(bulk, describes)
    assert [outcome async for outcome in job.outcomes("750", LOAD)] == bulk.ended
    now = FRESH_MS + 1
    return await describes.look()


@pytest.mark.parametrize("code", sorted(TELL_OF_CHANGE | {UNPROCESSED}))
async def test_an_outcome_that_speaks_of_a_change_has_the_object_described_anew(code: str) -> None:
    """That object, and no other."""
    assert {NO_FIELD, BAD_CHOICE, TOO_LONG} <= TELL_OF_CHANGE
    refused = RowResult(failure=Failure.REJECTED, code=code)
    assert await found_changed(RowResult(record_id="003"), refused) == {"Contact"}


@pytest.mark.parametrize("code", ["", "UNABLE_TO_LOCK_ROW", "FIELD_CUSTOM_VALIDATION_EXCEPTION"])
async def test_any_other_leaves_it_as_it_is(code: str) -> None:
    """To describe an object costs a call."""
    assert await found_changed(RowResult(failure=Failure.REJECTED if code else None, code=code)) == frozenset()


async def sent(
    load: BulkLoad, *rows: dict[str, Any], describes: Describes | None = None
) -> tuple[list[str], list[Any]]:
    """The keys of the rows that a job was given, and what came back."""
    bulk, asked = FakeBulk([]), describes or Describes(FakeOrg(), lambda: 0)

    async def told() -> AsyncIterator[RecordUpdate]:
        for place, row in enumerate(rows):
            yield RecordUpdate({**row, TOKEN: f"c-{place}:1"}, record_id="003", external_id=f"c-{place}")

    outcomes = await DescribedBulk(bulk, asked).send("750", load, told())
    return [load.key_of(row) for row in bulk.taken], list(outcomes)


@pytest.mark.parametrize("load", [LOAD, UPSERT])
async def test_a_row_that_would_be_refused_is_in_no_job(load: BulkLoad) -> None:
    """It comes back with the field named; the others are in the job, and what the job itself leaves out is told too."""
    taken, outcomes = await sent(
        load, {"LastName": "Pop"}, {"Tier__c": "Tin"}, {"LastName": "Vasilescu"}, {"Total__c": 7}, {"Tier__c": "Gold"}
    )
    assert taken == ["c-0:1", "c-4:1"]
    told = {one.key: (one.result.failure, one.result.code, one.result.fields) for one in outcomes}
    assert told == {
        "c-1:1": (Failure.REJECTED, BAD_CHOICE, ("Tier__c",)),
        "c-2:1": (Failure.REJECTED, TOO_LONG, ("LastName",)),
        "c-3:1": (Failure.REJECTED, READ_ONLY, ("Total__c",)),
        "c-x:1": (Failure.REJECTED, "INVALID_ROW", ()),
    }


async def test_every_part_of_a_job_is_compared_and_the_org_is_asked_once() -> None:
    """Rows are taken in parts, the last of them not full; the description of a moment ago does for all."""
    count = 2 * AT_A_TIME + 1
    org = FakeOrg()
    rows = [{"LastName": "Vasilescu" if number in (0, AT_A_TIME, count - 1) else "Pop"} for number in range(count)]
    taken, outcomes = await sent(LOAD, *rows, describes=Describes(org, lambda: 0))
    assert len(taken) == count - 3
    assert [one.key for one in outcomes] == ["c-0:1", f"c-{AT_A_TIME}:1", f"c-{count - 1}:1", "c-x:1"]
    assert org.asked == ["Contact"]


async def test_a_field_that_is_gone_fails_no_second_job() -> None:
    """Salesforce fails a whole job for it. Once it has said so of a row, rows with it are in none."""
    describes = Describes(FakeOrg(), lambda: 0)
    assert await sent(LOAD, {"Gone__c": 1}, describes=describes) == (["c-0:1"], [UNFIT])
    describes.heard("Contact", {NO_FIELD})
    taken, (gone, _unfit) = await sent(LOAD, {"Gone__c": 1}, {"LastName": "Pop"}, describes=describes)
    assert (taken, gone.result.code, gone.result.fields) == (["c-1:1"], NO_FIELD, ("Gone__c",))


async def test_the_rows_of_a_deletion_are_not_compared() -> None:
    """They hold their id alone, whatever else is known of them."""
    load = BulkLoad("Contact", BulkOperation.DELETE, "Id")
    bulk, org = FakeBulk([]), FakeOrg()

    async def told() -> AsyncIterator[RecordUpdate]:
        yield RecordUpdate({"Tier__c": "Tin"}, record_id="003")

    assert await DescribedBulk(bulk, Describes(org, lambda: 0)).send("750", load, told()) == [UNFIT]
    assert [row.record_id for row in bulk.taken] == ["003"]
    assert org.asked == []
