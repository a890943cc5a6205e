"""The real adapter against the simulated org: the promises of `Records`, and the ways in which a call can fail."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.org import OrgClient, org_client
from support.records_behaviour import EXTERNAL_ID, People, RecordsBehaviour, contact, made

from adapters.salesforce.describe_check import check_kind
from adapters.salesforce.opening import Salesforce, open_salesforce
from adapters.salesforce.settings import SalesforceSettings
from consumers.ports import Records
from listener.changes.ports import Sessions
from schemas.field_mapping import FieldMapping
from schemas.mapping import KindMapping
from schemas.records import Failure, RecordUpdate
from schemas.session import LoginFailed


def now() -> int:
    return time.time_ns() // 1_000_000


def settings(org: OrgClient, **changes: Any) -> SalesforceSettings:
    running = org.org
    values = {"client_id": running.client_id, "client_secret": running.client_secret, "login_url": running.base_url}
    return SalesforceSettings(**{**values, **changes})


@pytest.fixture
async def org() -> AsyncIterator[OrgClient]:
    async with org_client() as running:
        yield running


@pytest.fixture
async def salesforce(org: OrgClient) -> AsyncIterator[Salesforce]:
    async with open_salesforce(settings(org), now=now) as opened:
        yield opened


@asynccontextmanager
async def planted(org: OrgClient, **fault: Any) -> AsyncIterator[None]:
    """A fault on composite calls for as long as the block runs."""
    await org.admin("POST", "/faults", {"path": "/composite/", **fault})
    yield
    await org.admin("DELETE", "/faults")


class PeopleOfTheOrg:
    """What people do in the simulated org."""

    def __init__(self, org: OrgClient) -> None:
        self._org = org

    async def merge(self, master: str, *losers: str) -> None:
        result = await self._org.merge(master, *losers)
        assert result["success"], result

    async def undelete(self, record_id: str) -> None:
        [result] = await self._org.admin("POST", "/edits", {"action": "undelete", "id": record_id})
        assert result["success"], result

    async def convert(self, lead_id: str) -> str:
        return await self._org.convert(lead_id)


class TestSalesforceRecords(RecordsBehaviour):
    """The adapter does what the fake does."""

    @pytest.fixture
    def records(self, salesforce: Salesforce) -> Records:
        return salesforce.records

    @pytest.fixture
    def people(self, org: OrgClient) -> People:
        return PeopleOfTheOrg(org)


def test_the_login_is_what_the_subscriber_needs(salesforce: Salesforce) -> None:
    """One login serves REST and the change stream."""
    sessions: Sessions = salesforce.login
    assert sessions is salesforce.login


async def test_our_mark_comes_back_after_a_new_login_in_the_middle(org: OrgClient, salesforce: Salesforce) -> None:
    """The token is revoked under a write: the repeat carries the mark, so its event does (failure case 7)."""
    await made(salesforce.records, "cust-1")
    async with planted(org, kind="unauthorized", revoke=True, count=1):
        [result] = await salesforce.records.upsert("Contact", EXTERNAL_ID, [contact("cust-1", "Ionescu")])
    assert result.succeeded
    origins = [event["ChangeEventHeader"]["changeOrigin"] for event in org.events()]
    assert len(origins) == 2
    assert all(origin.endswith(";client=Tandem") for origin in origins)


async def test_a_lost_reply_is_unknown_and_looking_it_up_tells(org: OrgClient, salesforce: Salesforce) -> None:
    """The record was made though no answer came: one look by external id finds it, and there is one (case 16)."""
    async with planted(org, kind="reply_lost", count=1):
        [result] = await salesforce.records.upsert("Contact", EXTERNAL_ID, [contact("cust-2")])
    assert (result.failure, result.org_wide) == (Failure.UNKNOWN, True)
    found = await salesforce.records.find("Contact", EXTERNAL_ID, ["cust-2"])
    assert len(found["cust-2"]) == 1
    [again] = await salesforce.records.upsert("Contact", EXTERNAL_ID, [contact("cust-2")])
    assert (again.created, [again.record_id]) == (False, found["cust-2"])


@pytest.mark.parametrize(
    ("fault", "failure", "code"),
    [
        ({"kind": "request_lost"}, Failure.UNKNOWN, ""),
        ({"kind": "limit"}, Failure.NOT_RUN, "REQUEST_LIMIT_EXCEEDED"),
        ({"kind": "server_error", "status": 503}, Failure.NOT_RUN, "SERVER_UNAVAILABLE"),
        ({"kind": "server_error", "status": 503, "body": "gateway"}, Failure.UNKNOWN, "HTTP_503"),
        ({"kind": "server_error", "status": 502, "body": "gateway", "runs": True}, Failure.UNKNOWN, "HTTP_502"),
    ],
)
async def test_an_org_in_trouble_blames_no_row(
    org: OrgClient, salesforce: Salesforce, fault: dict[str, Any], failure: Failure, code: str
) -> None:
    """Down, over its limits or cut off: the whole call, and no try of a row's."""
    async with planted(org, count=1, **fault):
        results = await salesforce.records.upsert("Contact", EXTERNAL_ID, [contact("cust-3"), contact("cust-4")])
    assert [(result.failure, result.org_wide) for result in results] == [(failure, True)] * 2
    assert code in ("", results[0].code)


async def test_a_deletion_in_trouble_is_told_as_it_was(org: OrgClient, salesforce: Salesforce) -> None:
    """A lock passes unnoticed; a lost reply is unknown though the record is gone, and a second try finds it so."""
    first, second = await made(salesforce.records, "gone-1"), await made(salesforce.records, "gone-2")
    async with planted(org, kind="lock_row", count=1):
        assert [result.succeeded for result in await salesforce.records.delete("Contact", [first])] == [True]
    async with planted(org, kind="reply_lost", count=1):
        [result] = await salesforce.records.delete("Contact", [second])
    assert (result.failure, result.org_wide) == (Failure.UNKNOWN, True)
    [again] = await salesforce.records.delete("Contact", [second])
    assert (again.failure, again.code) == (Failure.GONE, "ENTITY_IS_DELETED")
    deletions = [event for event in org.events() if event["ChangeEventHeader"]["changeType"] == "DELETE"]
    assert [event["ChangeEventHeader"]["changeOrigin"].partition(";")[2] for event in deletions] == [
        "client=Tandem"
    ] * 2


async def test_long_lists_of_merged_records_are_all_followed(org: OrgClient, salesforce: Salesforce) -> None:
    """However the queries are cut."""
    rows = [contact(f"merged-{number:04}") for number in range(1_000)]
    ids: list[str] = []
    for start in range(0, len(rows), 200):
        results = await salesforce.records.upsert("Contact", EXTERNAL_ID, rows[start : start + 200])
        ids += [result.record_id for result in results]
    edits = [{"action": "merge", "id": ids[place], "losers": [ids[place + 1]]} for place in range(0, 1_000, 2)]
    assert all(result["success"] for result in await org.admin("POST", "/edits", edits))
    expected = {ids[place + 1]: ids[place] for place in range(0, 1_000, 2)}
    assert await salesforce.records.successors("Contact", ids) == expected


async def test_a_lock_passes_with_quick_repeats(org: OrgClient, salesforce: Salesforce) -> None:
    """Two rows of five are locked once: nobody notices (case 20)."""
    async with planted(org, kind="lock_row", skip=1, count=2):
        results = await salesforce.records.upsert("Contact", EXTERNAL_ID, [contact(f"row-{n}") for n in range(5)])
    assert all(result.created for result in results)
    found = await salesforce.records.find("Contact", EXTERNAL_ID, [f"row-{n}" for n in range(5)])
    assert [found[f"row-{n}"] for n in range(5)] == [[result.record_id] for result in results]


async def test_one_unreadable_row_costs_the_others_nothing(salesforce: Salesforce) -> None:
    """An unknown field has the whole call refused; the row that has it is found, the rest is written."""
    rows = [contact(f"read-{n}") for n in range(40)]
    rows[23] = contact("read-23", Nonsense__c="x")
    results = await salesforce.records.upsert("Contact", EXTERNAL_ID, rows)
    assert [place for place, result in enumerate(results) if not result.succeeded] == [23]
    assert (results[23].failure, results[23].code) == (Failure.REJECTED, "INVALID_FIELD")


async def test_a_deleted_record_is_gone_and_not_read(org: OrgClient, salesforce: Salesforce) -> None:
    """Deleted by a person: an update says so by code, a read leaves it out."""
    record_id = await made(salesforce.records, "cust-5")
    assert (await org.call("DELETE", f"/sobjects/Contact/{record_id}"))[0] == 204
    [result] = await salesforce.records.update("Contact", [RecordUpdate({"Phone": "1"}, record_id=record_id)])
    assert (result.failure, result.record_id) == (Failure.GONE, record_id)
    assert (await salesforce.records.read("Contact", [record_id], ["Phone"])).rows == {}


async def test_many_calls_at_once_after_a_revocation_log_in_once(org: OrgClient, salesforce: Salesforce) -> None:
    """Thirty calls meet a dead token together (case 24)."""
    record_id = await made(salesforce.records, "cust-6")
    before = await salesforce.login.current()
    org.org.org.tokens.revoke(before.access_token)
    reads = await asyncio.gather(*(salesforce.records.read("Contact", [record_id], ["Phone"]) for _ in range(30)))
    assert all(record_id in read.rows for read in reads)
    after = await salesforce.login.current()
    assert after != before
    assert await salesforce.login.renew(before) == after


async def test_the_allocation_falls_with_every_call(salesforce: Salesforce) -> None:
    """What the org says it has used is known at any time without asking (case 25)."""
    await made(salesforce.records, "cust-7")
    first = salesforce.rest.allocation
    await salesforce.records.find("Contact", EXTERNAL_ID, ["cust-7"])
    second = salesforce.rest.allocation
    assert first is not None
    assert second is not None
    assert (second.used - first.used, second.limit) == (1, first.limit)


async def test_a_wrong_secret_is_told_by_its_code(org: OrgClient) -> None:
    """A login that no retry helps is terminal, and its rows are not to blame."""
    async with open_salesforce(settings(org, client_secret="wrong"), now=now) as opened:
        with pytest.raises(LoginFailed) as failed:
            await opened.login.current()
        [result] = await opened.records.upsert("Contact", EXTERNAL_ID, [contact("cust-8")])
    assert failed.value.terminal
    assert "wrong" not in str(failed.value)
    assert (result.failure, result.org_wide) == (Failure.NOT_RUN, True)
    assert result.code == f"LOGIN:{failed.value.code}"


async def test_a_long_query_comes_page_by_page(salesforce: Salesforce) -> None:
    """More rows than a page holds arrive once each, in order."""
    for start in range(0, 2_400, 200):
        rows = [contact(f"page-{start + n:05}") for n in range(200)]
        assert all(result.created for result in await salesforce.records.upsert("Contact", EXTERNAL_ID, rows))
    query = f"SELECT {EXTERNAL_ID} FROM Contact ORDER BY {EXTERNAL_ID}"
    found = [row[EXTERNAL_ID] async for row in salesforce.rest.query(query)]
    assert found == [f"page-{number:05}" for number in range(2_400)]


async def test_long_lists_of_external_ids_are_all_found(salesforce: Salesforce) -> None:
    """However the queries are cut, and whatever characters the ids are made of."""
    names = [f"{text}{number:03}" for text, number in itertools.product(["it's ", "a\\b", "é%_"], range(60))]
    results = await salesforce.records.upsert("Contact", EXTERNAL_ID, [contact(name) for name in names])
    found = await salesforce.records.find("Contact", EXTERNAL_ID, [*names, *(f"{'é' * 60}{n}" for n in range(60))])
    assert found == {name: [result.record_id] for name, result in zip(names, results, strict=True)}


async def test_a_mapping_is_checked_against_the_orgs_describe(salesforce: Salesforce) -> None:
    """The org's own describe is what the check reads: a right mapping fits, a wrong one is told where."""
    kind = KindMapping(
        collection="customers",
        sobject="Contact",
        external_id=EXTERNAL_ID,
        token="Tandem_Customer_Write__c",
        fields=(FieldMapping(platform="last_name", salesforce="LastName"),),
    )
    describe = await salesforce.rest.describe("Contact")
    assert [str(each) for each in check_kind("customer", kind, describe) if each.blocking] == []
    wrong = kind.model_copy(update={"token": "Nothing__c"})
    assert [each.where for each in check_kind("customer", wrong, describe) if each.blocking] == ["customer.token"]
    assert await salesforce.rest.describe("Nothing__c") is None
    first = await salesforce.rest.describe_since("Contact")
    assert first.definition == describe
    again = await salesforce.rest.describe_since("Contact", first.last_modified)
    assert (again.definition, again.last_modified, again.unchanged) == (None, first.last_modified, True)
    assert (await salesforce.rest.describe_since("Contact", "Thu, 01 Jan 2015 00:00:00 GMT")).definition == describe
    assert "62.0" in {version["version"] for version in await salesforce.rest.versions()}
    assert (await salesforce.rest.limits())["DailyApiRequests"]["Max"] > 0
