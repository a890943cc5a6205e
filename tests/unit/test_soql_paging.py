"""Long results: page after page in little memory, also where Salesforce has forgotten the query meanwhile."""

from typing import Any

import pytest
from support.org import OrgClient, org_client

from adapters.salesforce.errors import CallFailed
from adapters.salesforce.opening import Salesforce, open_salesforce
from adapters.salesforce.rest import Page
from adapters.salesforce.settings import SalesforceSettings
from adapters.salesforce.soql import Compare, Operator, Order, Select, count

ROWS = 4_500
BY_TIME = Select(("Id", "SystemModstamp"), "Contact", order=(Order("SystemModstamp"), Order("Id")))


class Clock:
    """Moves when told to."""

    def __init__(self) -> None:
        self.now = 1_760_000_000_000

    def __call__(self) -> int:
        return self.now


def settings_of(org: OrgClient) -> SalesforceSettings:
    return SalesforceSettings(
        login_url=org.org.base_url,
        client_id=org.org.client_id,
        client_secret=org.org.client_secret,
        api_version="60.0",
        _env_file=None,
    )


async def fill(org: OrgClient, rows: int) -> None:
    """Contacts of which some hundred were made in the same second."""
    for start in range(0, rows, 200):
        await org.upsert([{"LastName": f"N{start + n}", "Tandem_Customer_Id__c": f"c{start + n}"} for n in range(200)])


async def taken(salesforce: Salesforce, select: Select, after_first: Any = lambda: None) -> list[Page]:
    pages: list[Page] = []
    async for page in salesforce.rest.pages(select):
        pages.append(page)
        if len(pages) == 1:
            after_first()
    return pages


async def test_a_forgotten_query_goes_on_after_its_last_row() -> None:
    """Two days between two pages: every row still comes once, though hundreds share one second."""
    clock = Clock()
    async with org_client(clock) as org, open_salesforce(settings_of(org), now=clock) as salesforce:
        await fill(org, ROWS)

        def two_days() -> None:
            clock.now += 3 * 24 * 3600 * 1000

        pages = await taken(salesforce, BY_TIME, two_days)
        ids = [row["Id"] for page in pages for row in page.rows]
        assert len(ids) == len(set(ids)) >= ROWS
        assert max(len(page.rows) for page in pages) <= 2_000
        by_id = Select(("Id",), "Contact", order=(Order("Id"),))
        assert [row["Id"] for page in await taken(salesforce, by_id, two_days) for row in page.rows] == sorted(ids)
        assert await salesforce.rest.count(count("Contact")) == len(ids)


async def test_a_forgotten_query_without_an_order_fails_and_says_so() -> None:
    """Nobody can tell which rows are still to come, so none is passed over in silence."""
    clock = Clock()
    async with org_client(clock) as org, open_salesforce(settings_of(org), now=clock) as salesforce:
        await fill(org, 2_400)

        def two_days() -> None:
            clock.now += 3 * 24 * 3600 * 1000

        with pytest.raises(CallFailed) as failed:
            await taken(salesforce, Select(("Id",), "Contact"), two_days)
        assert failed.value.fault.code == "INVALID_QUERY_LOCATOR"


def test_the_order_tells_what_comes_after_a_row() -> None:
    """By Id, or by a system time and Id; otherwise nothing is told."""
    row = {"Id": "003000000000001AAA", "SystemModstamp": "2026-01-02T03:04:05.000+0000"}
    following = BY_TIME.also(Compare("Email", Operator.UNEQUAL, None)).after(row)
    assert str(following) == (
        "SELECT Id, SystemModstamp FROM Contact WHERE (Email != null AND (SystemModstamp > 2026-01-02T03:04:05Z OR "
        "(SystemModstamp = 2026-01-02T03:04:05Z AND Id > '003000000000001AAA'))) ORDER BY SystemModstamp, Id"
    )
    assert Select(("Id",), "Contact", order=(Order("Email"), Order("Id"))).after(row) is None
    assert Select(("Id",), "Contact", order=(Order("Id", descending=True),)).after(row) is None
    assert Select(("Id",), "Contact", order=(Order("Id"),), limit=5).after(row) is None
