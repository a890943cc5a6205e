"""The look by which gaps are repaired, against the simulated org."""

import time
from collections.abc import AsyncIterator

import pytest
from support.org import OrgClient, org_client

from adapters.salesforce.opening import Salesforce, open_salesforce
from adapters.salesforce.settings import SalesforceSettings
from schemas.polling import ModifiedRow
from schemas.unavailable import Unavailable


def now() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture
async def org() -> AsyncIterator[OrgClient]:
    async with org_client() as running:
        yield running


@pytest.fixture
async def salesforce(org: OrgClient) -> AsyncIterator[Salesforce]:
    running = org.org
    settings = SalesforceSettings(
        client_id=running.client_id, client_secret=running.client_secret, login_url=running.base_url
    )
    async with open_salesforce(settings, now=now) as opened:
        yield opened


async def looked(salesforce: Salesforce, since: int, after: ModifiedRow | None = None) -> list[ModifiedRow]:
    return [row async for page in salesforce.looks.changed("Contact", since, after) for row in page]


async def test_records_changed_since_with_those_in_the_recycle_bin(org: OrgClient, salesforce: Salesforce) -> None:
    """In the order of their times and ids, so that a repair goes on behind any of them."""
    began = now() // 1000 * 1000
    ids = [await org.create(LastName=f"Number {number}") for number in range(5)]
    status, _ = await org.call("DELETE", f"/sobjects/Contact/{ids[2]}")
    assert status == 204
    rows = await looked(salesforce, began)
    assert {row.record_id for row in rows} == set(ids)
    assert [row.record_id for row in rows if row.deleted] == [ids[2]]
    assert rows == sorted(rows, key=lambda row: (row.modified, row.record_id))
    for place, row in enumerate(rows):
        assert await looked(salesforce, began, row) == rows[place + 1 :]
    assert await looked(salesforce, now() + 60_000) == []


async def test_an_object_that_the_org_does_not_give_is_told(salesforce: Salesforce) -> None:
    """The gap keeps the reason; nothing is skipped."""
    with pytest.raises(Unavailable, match="INVALID_TYPE"):
        async for _page in salesforce.looks.changed("Nothing__c", 0, None):
            pass
