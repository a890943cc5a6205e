"""Composite, batch and graph of the simulated org: several requests in one call, together or not at all."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.org import OrgClient, org_client

V = "/services/data/v60.0"


@pytest.fixture
async def client() -> AsyncIterator[OrgClient]:
    """An org of the test's own, logged in."""
    async with org_client() as one:
        yield one


def step(reference: str, method: str, url: str, body: Any = None, **more: Any) -> dict[str, Any]:
    """A subrequest."""
    return {"referenceId": reference, "method": method, "url": V + url, "body": body, **more}


async def composite(client: OrgClient, *steps: Any, all_or_none: bool = True) -> list[tuple[int, Any]]:
    """Status and body of each."""
    body = {"allOrNone": all_or_none, "compositeRequest": list(steps)}
    status, told = await client.call("POST", "/composite", body)
    assert status == 200, told
    assert [one["referenceId"] for one in told["compositeResponse"]] == [one["referenceId"] for one in steps]
    return [(one["httpStatusCode"], one["body"]) for one in told["compositeResponse"]]


async def count(client: OrgClient, sobject: str) -> int:
    """How many records there are."""
    return int((await client.query(f"SELECT COUNT() FROM {sobject}"))["totalSize"])


async def test_a_subrequest_refers_to_earlier_ones(client: OrgClient) -> None:
    """In its address and its body; one call is counted, and the changes carry the caller's mark."""
    used = (await client.admin("GET", "/calls"))["used"]
    replies = await composite(
        client,
        step("acc", "POST", "/sobjects/Account", {"Name": "Acme"}),
        step("con", "POST", "/sobjects/Contact", {"LastName": "Doe", "AccountId": "@{acc.id}"}),
        step("found", "GET", "/query?q=SELECT+Id,Name+FROM+Account"),
        step("get", "GET", "/sobjects/Contact/@{con.id}?fields=LastName,AccountId"),
        step("change", "PATCH", "/sobjects/Account/@{found.records[0].Id}", {"Description": "for @{get.LastName}"}),
    )
    assert [status for status, _ in replies] == [201, 201, 200, 200, 204]
    account = replies[0][1]["id"]
    assert replies[3][1]["AccountId"] == account
    _, read = await client.call("GET", f"/sobjects/Account/{account}")
    assert read["Description"] == "for Doe"
    assert (await client.admin("GET", "/calls"))["used"] == used + 2
    origins = {one["ChangeEventHeader"]["changeOrigin"] for one in client.events()}
    assert origins == {"com/salesforce/api/rest/60.0;client=Tandem"}


async def test_all_or_none_leaves_no_trace(client: OrgClient) -> None:
    """No record, no event, no line of the log; the one to blame says why, the others that they were halted."""
    replies = await composite(
        client,
        step("acc", "POST", "/sobjects/Account", {"Name": "Acme"}),
        step("bad", "POST", "/sobjects/Contact", {"FirstName": "x"}),
        step("con", "POST", "/sobjects/Contact", {"LastName": "Doe"}),
    )
    assert [(status, body[0]["errorCode"]) for status, body in replies] == [
        (400, "PROCESSING_HALTED"),
        (400, "REQUIRED_FIELD_MISSING"),
        (400, "PROCESSING_HALTED"),
    ]
    assert await count(client, "Account") == await count(client, "Contact") == 0
    assert client.events() == await client.admin("GET", "/commits") == []
    record_id = await client.create()
    assert (await client.read(record_id))["LastName"] == "Doe"


async def test_without_it_each_stands_for_itself(client: OrgClient) -> None:
    """What refers to one that failed is halted."""
    replies = await composite(
        client,
        step("bad", "POST", "/sobjects/Account", {}),
        step("con", "POST", "/sobjects/Contact", {"LastName": "Doe", "AccountId": "@{bad.id}"}),
        step("good", "POST", "/sobjects/Contact", {"LastName": "Doe"}),
        step("none", "GET", "/nothing"),
        all_or_none=False,
    )
    assert [status for status, _ in replies] == [400, 400, 201, 404]
    assert replies[1][1][0]["message"] == "Invalid reference specified. No value for bad.id found in bad"
    assert await count(client, "Contact") == 1


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [step("a", "GET", "/limits"), step("a", "GET", "/limits")],
        [step("a-b", "GET", "/limits")],
        [step("a", "GET", "/limits", httpHeaders={"Authorization": "x"})],
        [step(f"r{n}", "GET", "/limits") for n in range(26)],
        [step(f"r{n}", "GET", "/query?q=x") for n in range(6)],
    ],
)
async def test_a_malformed_composite_fails_whole(client: OrgClient, steps: list[Any]) -> None:
    """Too many, nameless, or with headers that may not be."""
    status, _ = await client.call("POST", "/composite", {"compositeRequest": steps})
    assert status == 400


async def test_a_subrequests_own_headers_hold(client: OrgClient) -> None:
    """A duplicate is saved where it insists."""
    await client.admin("POST", "/duplicate_rules", {"object": "Contact", "fields": ["Email"]})
    body = {"LastName": "Doe", "Email": "a@x.org"}
    insists = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}
    replies = await composite(
        client,
        step("one", "POST", "/sobjects/Contact", body),
        step("two", "POST", "/sobjects/Contact", body),
        step("three", "POST", "/sobjects/Contact", body, httpHeaders=insists),
        all_or_none=False,
    )
    assert [status for status, _ in replies] == [201, 400, 201]


async def test_collections_within_a_composite(client: OrgClient) -> None:
    """Rows that fail do not fail their subrequest; a later failure rolls all of them back."""
    rows = {"records": [{"attributes": {"type": "Contact"}, "LastName": "A"}, {"attributes": {"type": "Contact"}}]}
    (reply,) = await composite(client, step("rows", "POST", "/composite/sobjects", rows))
    assert [one["success"] for one in reply[1]] == [True, False]
    await composite(
        client, step("rows", "POST", "/composite/sobjects", rows), step("bad", "POST", "/sobjects/Contact", {})
    )
    assert await count(client, "Contact") == 1


async def test_a_batch_goes_on_or_halts(client: OrgClient) -> None:
    """Each is a call of its own; nothing is rolled back."""
    requests = [
        {"method": "POST", "url": "v60.0/sobjects/Account", "richInput": {"Name": "Acme"}},
        {"method": "POST", "url": "v60.0/sobjects/Account", "richInput": {}},
        {"method": "GET", "url": "v60.0/limits/recordCount?sObjects=Account"},
    ]
    used = (await client.admin("GET", "/calls"))["used"]
    _, told = await client.call("POST", "/composite/batch", {"batchRequests": requests})
    assert (told["hasErrors"], [one["statusCode"] for one in told["results"]]) == (True, [201, 400, 200])
    assert told["results"][2]["result"]["sObjects"][0]["count"] == 1
    assert (await client.admin("GET", "/calls"))["used"] == used + 4
    _, told = await client.call("POST", "/composite/batch", {"haltOnError": True, "batchRequests": requests})
    assert [one["statusCode"] for one in told["results"]] == [201, 400, 412]
    assert told["results"][2]["result"][0]["errorCode"] == "BATCH_PROCESSING_HALTED"
    requests.append({"method": "GET", "url": "v60.0/nothing"})
    assert (await client.call("POST", "/composite/batch", {"batchRequests": requests}))[0] == 400


async def test_each_graph_is_whole_or_not_at_all(client: OrgClient) -> None:
    """One that fails takes none of the others with it."""
    good = [
        step("acc", "POST", "/sobjects/Account", {"Name": "Acme"}),
        step("con", "POST", "/sobjects/Contact", {"LastName": "Doe", "AccountId": "@{acc.id}"}),
    ]
    bad = [good[0], step("con", "POST", "/sobjects/Contact", {"AccountId": "@{acc.id}"})]
    graphs = [{"graphId": name, "compositeRequest": steps} for name, steps in (("1", good), ("2", bad))]
    status, told = await client.call("POST", "/composite/graph", {"graphs": graphs})
    assert status == 200
    assert [(one["graphId"], one["isSuccessful"]) for one in told["graphs"]] == [("1", True), ("2", False)]
    statuses = [one["httpStatusCode"] for one in told["graphs"][1]["graphResponse"]["compositeResponse"]]
    assert statuses == [400, 400]
    assert (await count(client, "Account"), await count(client, "Contact")) == (1, 1)
    for wrong in ([], [{"graphId": "1", "compositeRequest": good}] * 2, graphs * 40):
        if wrong:
            assert (await client.call("POST", "/composite/graph", {"graphs": wrong}))[0] == 400


async def test_allocations_run_out_and_are_told(client: OrgClient) -> None:
    """API calls, event deliveries and jobs, set by whoever has the org in hand."""
    left = {"DailyApiRequests": 2, "DailyDeliveredPlatformEvents": 0, "DailyBulkV2QueryJobs": 0}
    told = await client.admin("POST", "/limits", left)
    assert {name: told[name]["Remaining"] for name in left} == left
    _, limits = await client.call("GET", "/limits")
    assert (limits["DailyApiRequests"]["Remaining"], limits["DailyDeliveredPlatformEvents"]["Remaining"]) == (1, 0)
    status, refused = await client.call("POST", "/jobs/query", {"operation": "query", "query": "SELECT Id FROM User"})
    assert (status, refused[0]["errorCode"]) == (400, "LIMIT_EXCEEDED")
    status, refused = await client.call("GET", "/limits")
    assert (status, refused[0]["errorCode"]) == (403, "REQUEST_LIMIT_EXCEEDED")
    await client.admin("POST", "/limits", {"DailyApiRequests": 10})
    assert (await client.call("GET", "/limits"))[0] == 200
    async with client.http.post(f"{client.org.base_url}/admin/limits", json={"Nope": 1}) as reply:
        assert reply.status == 400
