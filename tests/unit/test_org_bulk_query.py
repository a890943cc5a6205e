"""Bulk API 2.0 query of the simulated org: jobs whose rows come out as CSV, page by page."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.bulk_org import BulkClient, lines
from support.org import org_client


@pytest.fixture
async def bulk() -> AsyncIterator[BulkClient]:
    """The Bulk API of an org of the test's own."""
    async with org_client() as client:
        yield BulkClient(client)


async def contacts(bulk: BulkClient, number: int) -> None:
    """So many contacts, L000 and so on."""
    await bulk.load("insert", lines(["LastName"], *([f"L{n:03}"] for n in range(number))))


async def test_a_querys_rows_come_as_csv(bulk: BulkClient) -> None:
    """Every value quoted under the fields' own names; null is empty, times end in Z, parents are dotted."""
    _, account = await bulk.client.call("POST", "/sobjects/Account", {"Name": 'Acme "Ltd"'})
    await bulk.client.create(LastName="A", AccountId=account["id"], Total_Spent__c=1.5, Newsletter__c=True)
    await bulk.client.create(LastName="B", Last_Purchase_At__c="2025-01-02T03:04:05Z")
    soql = (
        "SELECT lastname, Email, Account.Name, Total_Spent__c, Newsletter__c, Last_Purchase_At__c FROM Contact"
        " ORDER BY LastName"
    )
    job = await bulk.query(soql)
    assert (job["state"], job["numberRecordsProcessed"], job["jobType"]) == ("JobComplete", 2, "V2Query")
    rows, headers = await bulk.page(job["id"])
    assert rows == [
        ["LastName", "Email", "Account.Name", "Total_Spent__c", "Newsletter__c", "Last_Purchase_At__c"],
        ["A", "", 'Acme "Ltd"', "1.5", "true", ""],
        ["B", "", "", "", "false", "2025-01-02T03:04:05.000Z"],
    ]
    assert (headers["Sforce-NumberOfRecords"], headers["Sforce-Locator"]) == ("2", "null")
    _, text = await bulk.client.call("GET", f"/jobs/query/{job['id']}/results")
    assert text.startswith('"LastName","Email",')


async def test_results_come_in_pages(bulk: BulkClient) -> None:
    """Each under the header, until the locator is null; what changes meanwhile does not change them."""
    await contacts(bulk, 7)
    job = await bulk.query("SELECT LastName FROM Contact ORDER BY LastName")
    await contacts(bulk, 7)
    seen: list[str] = []
    params: dict[str, Any] = {"maxRecords": 3}
    while params.get("locator") != "null":
        rows, headers = await bulk.page(job["id"], **params)
        assert rows[0] == ["LastName"]
        assert int(headers["Sforce-NumberOfRecords"]) == len(rows) - 1
        seen += [row[0] for row in rows[1:]]
        params["locator"] = headers["Sforce-Locator"]
    assert seen == [f"L{n:03}" for n in range(7)]
    _, told = await bulk.client.call("GET", f"/jobs/query/{job['id']}/resultPages", params={"maxRecords": 1})
    assert (len(told["resultPages"]), told["done"]) == (5, False)
    _, more = await bulk.client.call("GET", told["nextRecordsUrl"])
    assert (len(more["resultPages"]), more["done"]) == (2, True)
    _, text = await bulk.client.call("GET", more["resultPages"][1]["resultUrl"])
    assert text == '"LastName"\n"L006"\n'


async def test_nothing_found_is_a_header(bulk: BulkClient) -> None:
    """And no row."""
    job = await bulk.query("SELECT Id FROM Contact")
    rows, headers = await bulk.page(job["id"])
    assert (rows, headers["Sforce-NumberOfRecords"], headers["Sforce-Locator"]) == ([["Id"]], "0", "null")


async def test_query_all_sees_the_recycle_bin(bulk: BulkClient) -> None:
    """And query does not."""
    record_id = await bulk.client.create()
    await bulk.client.call("DELETE", f"/sobjects/Contact/{record_id}")
    for operation, found in (("query", 0), ("queryAll", 1)):
        job = await bulk.query("SELECT Id, IsDeleted FROM Contact", operation)
        assert job["numberRecordsProcessed"] == found


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT", "MALFORMED_QUERY"),
        ("SELECT Nope FROM Contact", "INVALID_FIELD"),
        ("SELECT COUNT() FROM Contact", "API_ERROR"),
        ("SELECT Id FROM Contact LIMIT 5 OFFSET 2", "API_ERROR"),
        ("SELECT MailingAddress FROM Contact", "API_ERROR"),
    ],
)
async def test_a_query_that_bulk_cannot_run_is_refused(bulk: BulkClient, soql: str, code: str) -> None:
    """When the job is made."""
    status, told = await bulk.client.call("POST", "/jobs/query", {"operation": "query", "query": soql})
    assert (status, told[0]["errorCode"]) == (400, code)


async def test_a_job_under_way_has_no_results_and_can_be_aborted(bulk: BulkClient) -> None:
    """And one that failed says why."""
    await bulk.client.admin("POST", "/faults", {"kind": "job_delay", "delay_ms": 60_000, "count": 1})
    body = {"operation": "query", "query": "SELECT Id FROM Contact"}
    _, job = await bulk.client.call("POST", "/jobs/query", body)
    await bulk.reaches(job["id"], {"InProgress"}, "query")
    status, told = await bulk.client.call("GET", f"/jobs/query/{job['id']}/results")
    assert (status, told[0]["errorCode"]) == (400, "INVALIDJOBSTATE")
    assert (await bulk.set_state(job["id"], "Aborted", "query"))[1]["state"] == "Aborted"
    assert (await bulk.client.call("DELETE", f"/jobs/query/{job['id']}"))[0] == 204
    await bulk.client.admin("POST", "/faults", {"kind": "job_failed", "count": 1})
    failed = await bulk.query("SELECT Id FROM Contact")
    assert (failed["state"], failed["errorMessage"][:19]) == ("Failed", "InternalServerError")


async def test_results_are_had_with_the_version_that_made_the_job(bulk: BulkClient) -> None:
    """409 with another."""
    job = await bulk.query("SELECT Id FROM Contact")
    status, _ = await bulk.client.call("GET", f"/services/data/v61.0/jobs/query/{job['id']}/results")
    assert status == 409


async def test_query_jobs_run_out() -> None:
    """So many in 24 hours."""
    async with org_client(daily_bulk_query_jobs=1) as client:
        await BulkClient(client).query("SELECT Id FROM Contact")
        status, told = await client.call("POST", "/jobs/query", {"operation": "query", "query": "SELECT Id FROM User"})
        assert (status, told[0]["errorCode"]) == (400, "LIMIT_EXCEEDED")
        assert (await client.call("GET", "/limits"))[1]["DailyBulkV2QueryJobs"]["Remaining"] == 0
