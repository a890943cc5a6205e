"""Queries over HTTP: pages, cursors, counts, limits."""

from collections.abc import AsyncIterator

import pytest
from support.org import KEY, OrgClient, org_client


@pytest.fixture
async def client() -> AsyncIterator[OrgClient]:
    """An org with 450 contacts."""
    async with org_client() as one:
        for start in range(0, 450, 150):
            await one.upsert([{KEY: f"{n:04}", "LastName": f"L{n:04}"} for n in range(start, start + 150)])
        yield one


async def test_a_long_result_comes_in_pages(client: OrgClient) -> None:
    """Every record once, in order; totalSize is the whole each time; the last page names no next one."""
    page = {"Sforce-Query-Options": "batchSize=200"}
    _, told = await client.call("GET", "/query?q=SELECT+LastName+FROM+Contact+ORDER+BY+LastName+DESC", headers=page)
    names = []
    sizes = []
    while True:
        names += [one["LastName"] for one in told["records"]]
        sizes.append(len(told["records"]))
        assert told["totalSize"] == 450
        if told["done"]:
            break
        _, told = await client.call("GET", told["nextRecordsUrl"], headers=page)
    assert "nextRecordsUrl" not in told
    assert sizes == [200, 200, 50]
    assert names == [f"L{n:04}" for n in range(449, -1, -1)]


async def test_a_page_is_never_smaller_than_200(client: OrgClient) -> None:
    """A smaller wish is a wish for 200; without a wish it is 2,000."""
    _, told = await client.call(
        "GET", "/query?q=SELECT+Id+FROM+Contact", headers={"Sforce-Query-Options": "batchSize=1"}
    )
    assert (len(told["records"]), told["done"]) == (200, False)
    assert len((await client.query("SELECT Id FROM Contact"))["records"]) == 450


async def test_pages_keep_their_place_while_records_change(client: OrgClient) -> None:
    """What is created later is not seen, what is deleted is left out, values are those of the moment of reading."""
    page = {"Sforce-Query-Options": "batchSize=200"}
    _, told = await client.call(
        "GET", "/query?q=SELECT+FirstName,LastName+FROM+Contact+ORDER+BY+LastName", headers=page
    )
    await client.create(LastName="L0200a")
    await client.call("DELETE", f"/sobjects/Contact/{KEY}/0201")
    await client.upsert([{KEY: "0202", "FirstName": "changed"}])
    _, told = await client.call("GET", told["nextRecordsUrl"], headers=page)
    assert [one["LastName"] for one in told["records"][:3]] == ["L0200", "L0202", "L0203"]
    assert told["records"][1]["FirstName"] == "changed"
    assert len(told["records"]) == 199


async def test_counts_and_limits(client: OrgClient) -> None:
    """COUNT() has no records; LIMIT bounds both."""
    assert await client.query("SELECT COUNT() FROM Contact") == {"totalSize": 450, "done": True, "records": []}
    assert (await client.query("SELECT COUNT() FROM Contact WHERE LastName < 'L0010' LIMIT 7"))["totalSize"] == 7
    told = await client.query("SELECT Id FROM Contact ORDER BY LastName LIMIT 10 OFFSET 445")
    assert (told["totalSize"], told["done"]) == (5, True)
    headers = {"Sforce-Query-Options": "batchSize=200"}
    _, told = await client.call("GET", "/query?q=SELECT+Id+FROM+Contact+LIMIT+250", headers=headers)
    assert (told["totalSize"], len(told["records"]), told["done"]) == (250, 200, False)


async def test_query_all_finds_the_deleted(client: OrgClient) -> None:
    """In one page or in several."""
    await client.call("DELETE", f"/sobjects/Contact/{KEY}/0000")
    assert (await client.query("SELECT COUNT() FROM Contact"))["totalSize"] == 449
    soql = "SELECT IsDeleted FROM Contact"
    assert sum(one["IsDeleted"] for one in (await client.query(soql, "queryAll"))["records"]) == 1
    headers = {"Sforce-Query-Options": "batchSize=200"}
    _, told = await client.call("GET", "/queryAll?q=SELECT+IsDeleted+FROM+Contact", headers=headers)
    assert told["records"][0]["IsDeleted"] is True


@pytest.mark.parametrize("locator", ["01gTd0000000zzzAAA-200", "nonsense", "01gTd0000000001IAA-x"])
async def test_an_unknown_locator_is_refused(client: OrgClient, locator: str) -> None:
    """INVALID_QUERY_LOCATOR."""
    status, told = await client.call("GET", f"/query/{locator}")
    assert (status, told[0]["errorCode"]) == (400, "INVALID_QUERY_LOCATOR")


async def test_a_cursor_grows_old() -> None:
    """After its lifetime its locator is unknown."""
    now = [1_735_787_045_000]
    async with org_client(lambda: now[0], cursor_seconds=60, token_lifetime_seconds=9999) as client:
        for start in (0, 200):
            await client.upsert([{KEY: str(n), "LastName": "x"} for n in range(start, start + 150)])
        headers = {"Sforce-Query-Options": "batchSize=200"}
        _, told = await client.call("GET", "/query?q=SELECT+Id+FROM+Contact", headers=headers)
        now[0] += 60_001
        status, told = await client.call("GET", told["nextRecordsUrl"])
        assert (status, told[0]["errorCode"]) == (400, "INVALID_QUERY_LOCATOR")


async def test_mistakes_are_400(client: OrgClient) -> None:
    """An array with code and message, also without any query."""
    for path in ("/query", "/query?q=SELEKT"):
        status, told = await client.call("GET", path)
        assert (status, told[0]["errorCode"]) == (400, "MALFORMED_QUERY")
