"""Bulk API 2.0 ingest of the simulated org: jobs, states, CSV and what becomes of each row."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.bulk_org import BulkClient, lines
from support.org import KEY, OrgClient, org_client

from simulator.org.app import running_org
from simulator.org.settings import OrgSettings


@pytest.fixture
async def client() -> AsyncIterator[OrgClient]:
    """An org of the test's own, logged in."""
    async with org_client() as one:
        yield one


@pytest.fixture
def bulk(client: OrgClient) -> BulkClient:
    """Its Bulk API."""
    return BulkClient(client)


def error_code(told: Any) -> str:
    """The code of a refused call."""
    return str(told[0]["errorCode"])


async def test_a_job_goes_through_its_states_and_tells_of_each_row(bulk: BulkClient) -> None:
    """Open, UploadComplete, JobComplete; a bad row fails alone, by code, message and fields."""
    job = await bulk.create("insert")
    assert (job["state"], job["apiVersion"], job["id"][:3]) == ("Open", 60.0, "750")
    assert job["contentUrl"] == f"services/data/v60.0/jobs/ingest/{job['id']}/batches"
    assert "numberRecordsProcessed" not in job
    content = lines(["LastName", "Email"], ["A", "a@x.org"], ["", "b@x.org"], ["C", "no"])
    assert (await bulk.upload(job["id"], content))[0] == 201
    assert (await bulk.job(job["id"]))["state"] == "Open"
    await bulk.set_state(job["id"], "UploadComplete")
    job = await bulk.ended(job["id"])
    told = {name: job[name] for name in ("state", "jobType", "numberRecordsProcessed", "numberRecordsFailed")}
    assert list(told.values()) == ["JobComplete", "V2Ingest", 3, 2]
    (done,) = await bulk.results(job["id"], "successfulResults")
    assert (done["sf__Created"], done["LastName"], done["Email"]) == ("true", "A", "a@x.org")
    assert (await bulk.client.read(done["sf__Id"]))["Email"] == "a@x.org"
    failed = await bulk.results(job["id"], "failedResults")
    assert [one["sf__Error"] for one in failed] == [
        "REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --",
        "INVALID_EMAIL_ADDRESS:Email: invalid email address: no:Email --",
    ]
    assert {one["sf__Id"] for one in failed} == {""}
    assert await bulk.results(job["id"], "unprocessedrecords") == []


async def test_an_empty_cell_leaves_a_field_and_null_clears_it(bulk: BulkClient) -> None:
    """`#N/A` against nothing; numbers, booleans and line breaks come through."""
    record_id = await bulk.client.create(FirstName="Ana", Title="CTO", Newsletter__c=True)
    header = ["Id", "FirstName", "Title", "Newsletter__c", "Total_Spent__c", "Description"]
    row = [record_id[:15], "", "#N/A", "false", "12.345", 'two\nlines, "quoted"']
    job = await bulk.load("update", lines(header, row))
    assert job["numberRecordsFailed"] == 0
    read = await bulk.client.read(record_id)
    assert (read["FirstName"], read["Title"], read["Newsletter__c"], read["Total_Spent__c"]) == (
        "Ana",
        None,
        False,
        12.35,
    )
    assert read["Description"] == 'two\nlines, "quoted"'


async def test_an_upsert_tells_created_from_changed(bulk: BulkClient) -> None:
    """By external id in any case; a key that is missing or comes twice fails."""
    await bulk.client.create(**{KEY: "cust-1"})
    content = lines([KEY, "LastName"], ["CUST-1", "Old"], ["cust-2", "New"], ["", "X"], ["d", "1"], ["D", "2"])
    job = await bulk.load("upsert", content, externalIdFieldName=KEY)
    done = await bulk.results(job["id"], "successfulResults")
    assert [(one[KEY], one["sf__Created"]) for one in done] == [("CUST-1", "false"), ("cust-2", "true")]
    failed = await bulk.results(job["id"], "failedResults")
    assert [one["sf__Error"].partition(":")[0] for one in failed] == [
        "MISSING_ARGUMENT",
        "DUPLICATE_VALUE",
        "DUPLICATE_VALUE",
    ]


async def test_delete_and_hard_delete(bulk: BulkClient) -> None:
    """A deleted record is in the bin and in an event, one deleted for good in neither."""
    first, second = await bulk.client.create(), await bulk.client.create()
    created = len(bulk.client.events())
    job = await bulk.load("delete", lines(["Id"], [first], ["003000000000000AAA"], ["x"]))
    failed = await bulk.results(job["id"], "failedResults")
    assert [one["sf__Error"].partition(":")[0] for one in failed] == ["INVALID_CROSS_REFERENCE_KEY", "MALFORMED_ID"]
    job = await bulk.load("hardDelete", lines(["Id"], [second], [first]))
    (refused,) = await bulk.results(job["id"], "failedResults")
    assert refused["sf__Error"] == "ENTITY_IS_DELETED:entity is deleted:--"
    found = await bulk.client.query("SELECT Id FROM Contact", "queryAll")
    assert [one["Id"] for one in found["records"]] == [first]
    events = bulk.client.events()[created:]
    assert [one["ChangeEventHeader"]["changeType"] for one in events] == ["DELETE"]
    status, _ = await bulk.client.call("GET", f"/sobjects/Contact/{second}")
    assert status == 404
    log = await bulk.client.admin("GET", "/commits")
    assert [one["type"] for one in log][-2:] == ["DELETE", "HARD_DELETE"]


async def test_rows_go_through_triggers_and_carry_the_jobs_client_mark(bulk: BulkClient) -> None:
    """200 to a transaction; the origin names Bulk and the client that made the job."""
    await bulk.client.admin("POST", "/triggers", {"object": "Contact", "field": "LastName", "action": "upper"})
    job = await bulk.load("insert", lines(["LastName"], *([f"l{n}"] for n in range(450))))
    assert job["numberRecordsProcessed"] == 450
    headers = [one["ChangeEventHeader"] for one in bulk.client.events()]
    assert {one["changeOrigin"] for one in headers} == {"com/salesforce/api/bulkapi/60.0;client=Tandem"}
    transactions = [one["transactionKey"] for one in headers]
    assert sorted(transactions.count(one) for one in set(transactions)) == [50, 200, 200]
    assert bulk.client.events()[7]["Name"]["LastName"] == "L7"


async def test_a_parent_is_named_by_its_external_id(bulk: BulkClient) -> None:
    """In a header `Account.Key`, and in REST as a nested object; one that is not there fails its row."""
    status, made = await bulk.client.call("POST", "/sobjects/Account", {"Name": "Acme", "Tandem_Company_Id__c": "co-1"})
    assert status == 201
    content = lines(["LastName", "Account.Tandem_Company_Id__c"], ["A", "CO-1"], ["B", "co-2"], ["C", "#N/A"])
    job = await bulk.load("insert", content)
    done = await bulk.results(job["id"], "successfulResults")
    parents = [(await bulk.client.read(one["sf__Id"]))["AccountId"] for one in done]
    assert parents == [made["id"], None]
    (failed,) = await bulk.results(job["id"], "failedResults")
    assert failed["sf__Error"].startswith("INVALID_FIELD:Foreign key external ID: co-2 not found for field")
    record_id = await bulk.client.create(Account={"Tandem_Company_Id__c": "co-1"})
    assert (await bulk.client.read(record_id))["AccountId"] == made["id"]


@pytest.mark.parametrize(
    ("operation", "content", "error"),
    [
        ("insert", "LastName,Nope\nA,b\n", "InvalidBatch : Field name not found : Nope"),
        ("insert", "LastName,LASTNAME\nA,b\n", "InvalidBatch : Duplicate field in the header"),
        ("insert", "LastName\r\nA\r\n", "ClientInputError : LineEnding is invalid on user data."),
        ("insert", "LastName,Email\nA\n", "ClientInputError : a row has 1 cells and the header 2"),
        ("insert", "", "InvalidBatch : There is no content"),
        ("update", "LastName\nA\n", "InvalidBatch : Field name not found : Id"),
        ("delete", "Id,LastName\nx,A\n", "InvalidBatch : The 'delete' batch must contain only ids"),
    ],
)
async def test_content_that_cannot_be_read_fails_the_job(
    bulk: BulkClient, operation: str, content: str, error: str
) -> None:
    """With the reason in `errorMessage`, and nothing written."""
    job = await bulk.load(operation, content)
    assert job["state"] == "Failed"
    assert job["errorMessage"].startswith(error)
    assert await bulk.results(job["id"], "successfulResults") == []
    assert bulk.client.events() == []


async def test_other_delimiters_and_line_endings(bulk: BulkClient) -> None:
    """A CRLF job with tabs answers in kind."""
    content = "LastName\tEmail\r\nA\ta@x.org\r\n"
    job = await bulk.load("insert", content, columnDelimiter="TAB", lineEnding="CRLF")
    _, text = await bulk.client.call("GET", f"/jobs/ingest/{job['id']}/successfulResults")
    header, row, end = text.split("\r\n")
    assert header == '"sf__Id"\t"sf__Created"\t"LastName"\t"Email"'
    assert row.endswith('"true"\t"A"\t"a@x.org"')
    assert end == ""


async def test_a_job_that_fails_midway_leaves_rows_unprocessed(bulk: BulkClient) -> None:
    """What was done before stays done; the rest is listed as never run."""
    await bulk.client.admin("POST", "/faults", {"kind": "job_failed", "skip": 2, "count": 1})
    job = await bulk.load("insert", lines(["LastName"], *([f"L{n}"] for n in range(500))))
    assert (job["state"], job["numberRecordsProcessed"]) == ("Failed", 400)
    unprocessed = await bulk.results(job["id"], "unprocessedrecords")
    assert [one["LastName"] for one in unprocessed] == [f"L{n}" for n in range(400, 500)]
    assert unprocessed == await bulk.results(job["id"], "unprocessedRecords")
    assert len(bulk.client.events()) == 400


async def test_an_aborted_job_leaves_rows_unprocessed(bulk: BulkClient) -> None:
    """While it runs, and before it was closed."""
    await bulk.client.admin("POST", "/faults", {"kind": "job_delay", "skip": 1, "count": 1, "delay_ms": 60_000})
    job = await bulk.create("insert")
    await bulk.upload(job["id"], lines(["LastName"], *([f"L{n}"] for n in range(450))))
    await bulk.set_state(job["id"], "UploadComplete")
    await bulk.reaches(job["id"], {"InProgress"})
    status, told = await bulk.client.call("GET", f"/jobs/ingest/{job['id']}/failedResults")
    assert (status, error_code(told)) == (400, "INVALIDJOBSTATE")
    assert (await bulk.set_state(job["id"], "Aborted"))[1]["state"] == "Aborted"
    left = await bulk.results(job["id"], "unprocessedrecords")
    assert len(left) + (await bulk.job(job["id"]))["numberRecordsProcessed"] == 450
    assert left[-1] == {"LastName": "L449"}
    opened = await bulk.create("insert")
    await bulk.upload(opened["id"], lines(["LastName"], ["never"]))
    await bulk.set_state(opened["id"], "Aborted")
    assert (await bulk.set_state(opened["id"], "UploadComplete"))[0] == 400
    assert (await bulk.job(opened["id"]))["state"] == "Aborted"
    found = await bulk.client.query("SELECT Id FROM Contact WHERE LastName = 'never'")
    assert found["totalSize"] == 0


async def test_rows_are_uploaded_once_and_to_an_open_job(bulk: BulkClient) -> None:
    """A second PUT, one to a closed job, and a second closing are refused."""
    job = await bulk.create("insert")
    assert (await bulk.upload(job["id"], lines(["LastName"], ["A"])))[0] == 201
    status, told = await bulk.upload(job["id"], lines(["LastName"], ["B"]))
    assert (status, error_code(told)) == (400, "CLIENTINPUTERROR")
    await bulk.set_state(job["id"], "UploadComplete")
    await bulk.ended(job["id"])
    for status, told in (
        await bulk.upload(job["id"], lines(["LastName"], ["B"])),
        await bulk.set_state(job["id"], "UploadComplete"),
        await bulk.set_state(job["id"], "Aborted"),
    ):
        assert (status, error_code(told)) == (400, "INVALIDJOBSTATE")
    assert [one["LastName"] for one in await bulk.results(job["id"], "successfulResults")] == ["A"]


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"operation": "explode"}, "INVALIDJOB"),
        ({"operation": "upsert"}, "INVALIDJOB"),
        ({"operation": "upsert", "externalIdFieldName": "LastName"}, "INVALIDJOB"),
        ({"object": "Nope"}, "INVALIDENTITY"),
        ({"columnDelimiter": "DOT"}, "INVALIDJOB"),
        ({"contentType": "XML"}, "INVALIDJOB"),
    ],
)
async def test_a_job_that_cannot_be_is_refused(bulk: BulkClient, members: dict[str, str], code: str) -> None:
    """400 with the code that says why."""
    body = {"object": "Contact", "operation": "insert"} | members
    status, told = await bulk.client.call("POST", "/jobs/ingest", body)
    assert (status, error_code(told)) == (400, code)


async def test_jobs_are_listed_and_deleted(bulk: BulkClient) -> None:
    """An open one may not be deleted; one that is gone is not found, nor are its results."""
    job = await bulk.load("insert", lines(["LastName"], ["A"]))
    opened = await bulk.create("insert")
    _, told = await bulk.client.call("GET", "/jobs/ingest")
    assert [one["id"] for one in told["records"]] == [job["id"], opened["id"]]
    assert (told["done"], told["records"][0]["jobType"]) == (True, "V2Ingest")
    status, told = await bulk.client.call("DELETE", f"/jobs/ingest/{opened['id']}")
    assert (status, error_code(told)) == (400, "INVALIDJOBSTATE")
    assert (await bulk.client.call("DELETE", f"/jobs/ingest/{job['id']}"))[0] == 204
    for path in ("", "/failedResults"):
        status, told = await bulk.client.call("GET", f"/jobs/ingest/{job['id']}{path}")
        assert (status, error_code(told)) == (404, "NOT_FOUND")
    assert (await bulk.client.call("GET", f"/jobs/query/{opened['id']}"))[0] == 404


async def test_rows_may_come_with_the_job_itself(bulk: BulkClient) -> None:
    """A multipart request is closed at once."""
    import aiohttp

    with aiohttp.MultipartWriter("form-data") as parts:
        described = parts.append_json({"object": "Contact", "operation": "insert"})
        described.set_content_disposition("form-data", name="job")
        rows = parts.append("LastName\nA\n", {"Content-Type": "text/csv"})
        rows.set_content_disposition("form-data", name="content", filename="rows.csv")
    url = f"{bulk.client.org.base_url}/services/data/v60.0/jobs/ingest"
    headers = {"Authorization": f"Bearer {bulk.client.token}"}
    async with bulk.client.http.post(url, data=parts, headers=headers) as reply:
        told = await reply.json()
    assert told["state"] == "UploadComplete"
    assert (await bulk.ended(told["id"]))["numberRecordsProcessed"] == 1


async def test_a_locked_row_fails_alone(bulk: BulkClient) -> None:
    """With the code that says it may be repeated."""
    fault = {"kind": "lock_row", "path": "/jobs/ingest/", "skip": 1, "count": 1}
    await bulk.client.admin("POST", "/faults", fault)
    job = await bulk.load("insert", lines(["LastName"], ["A"], ["B"], ["C"]))
    (failed,) = await bulk.results(job["id"], "failedResults")
    assert failed["sf__Error"].startswith("UNABLE_TO_LOCK_ROW:")
    assert failed["LastName"] == "B"


async def test_batches_run_out() -> None:
    """A batch is 10,000 rows: the job that needs more than are left fails there, and no new one is made."""
    async with org_client(daily_bulk_batches=1) as client:
        bulk = BulkClient(client)
        job = await bulk.load("insert", lines(["LastName"], *(["L"] for _ in range(10_100))))
        assert (job["state"], job["numberRecordsProcessed"]) == ("Failed", 10_000)
        assert job["errorMessage"].startswith("ExceededQuota")
        assert len(await bulk.results(job["id"], "unprocessedrecords")) == 100
        _, limits = await client.call("GET", "/limits")
        assert limits["DailyBulkApiBatches"] == {"Max": 1, "Remaining": 0}
        status, told = await client.call("POST", "/jobs/ingest", {"object": "Contact", "operation": "insert"})
        assert (status, error_code(told)) == (400, "LIMIT_EXCEEDED")


async def test_a_job_is_kept_for_a_week() -> None:
    """Then it is no more."""
    now = [1_760_000_000_000]
    async with org_client(clock=lambda: now[0]) as client:
        bulk = BulkClient(client)
        job = await bulk.load("insert", lines(["LastName"], ["A"]))
        now[0] += 7 * 86_400_000
        client.token = client.org.org.tokens.issue(client.org.org.api_user, client.org.client_id).token
        assert (await client.call("GET", f"/jobs/ingest/{job['id']}"))[0] == 404


async def test_an_org_that_starts_again_goes_on_with_its_jobs(tmp_path: Any) -> None:
    """Rows that were run are not run again."""
    import aiohttp
    from support.org import log_in

    settings = OrgSettings(directory=tmp_path)
    async with running_org(settings) as org, aiohttp.ClientSession() as http:
        client = OrgClient(org, http, await log_in(org, http))
        bulk = BulkClient(client)
        await client.admin("POST", "/faults", {"kind": "job_delay", "skip": 1, "delay_ms": 60_000})
        job = await bulk.create("insert")
        await bulk.upload(job["id"], lines(["LastName"], *([f"L{n}"] for n in range(450))))
        await bulk.set_state(job["id"], "UploadComplete")
        await bulk.reaches(job["id"], {"InProgress"})
        while (await bulk.job(job["id"]))["numberRecordsProcessed"] < 200:
            pass
    async with running_org(settings) as org, aiohttp.ClientSession() as http:
        client = OrgClient(org, http, await log_in(org, http))
        ended = await BulkClient(client).ended(job["id"])
        assert (ended["state"], ended["numberRecordsProcessed"]) == ("JobComplete", 450)
        assert (await client.query("SELECT COUNT() FROM Contact"))["totalSize"] == 450
