"""What was deleted is gone for good once the recycle bin was emptied of it, against the simulated org."""

import time
from collections.abc import AsyncIterator

import pytest
from support.org import OrgClient, org_client

from adapters.salesforce.opening import Salesforce, open_salesforce
from adapters.salesforce.settings import SalesforceSettings
from schemas.unavailable import Unavailable


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
    async with open_salesforce(settings, now=lambda: time.time_ns() // 1_000_000) as opened:
        yield opened


async def everything(org: OrgClient) -> set[str]:
    """Contacts, those in the bin too."""
    return {row["Id"] for row in (await org.query("SELECT Id FROM Contact", "queryAll"))["records"]}


async def test_only_what_is_in_the_bin_is_emptied_and_nothing_else_is_an_error(
    org: OrgClient, salesforce: Salesforce
) -> None:
    """A record that lives stays; one that is gone already, or never was, is what was wanted."""
    kept, deleted = await org.create(LastName="Kept"), await org.create(LastName="Deleted")
    assert (await org.call("DELETE", f"/sobjects/Contact/{deleted}"))[0] == 204
    assert await everything(org) == {kept, deleted}
    assert await salesforce.recycle_bin.empty([deleted, kept]) == (1, {})
    assert await everything(org) == {kept}
    assert await salesforce.recycle_bin.empty([deleted]) == (0, {})


async def test_the_losers_of_a_merge_are_taken_out_too(org: OrgClient, salesforce: Salesforce) -> None:
    """They are in the bin since the merge; a hard delete would refuse them."""
    master, loser = await org.create(LastName="Master"), await org.create(LastName="Loser")
    assert (await org.merge(master, loser))["success"]
    assert await salesforce.recycle_bin.empty([loser]) == (1, {})
    assert await everything(org) == {master}


async def test_an_ended_session_is_renewed_and_no_calls_left_is_away(org: OrgClient, salesforce: Salesforce) -> None:
    """As for REST."""
    record = await org.create(LastName="Deleted")
    await org.call("DELETE", f"/sobjects/Contact/{record}")
    session = await salesforce.login.current()
    org.org.org.tokens.revoke(session.access_token)
    assert await salesforce.recycle_bin.empty([record]) == (1, {})
    org.org.org.usage.allocation.leave(0)
    with pytest.raises(Unavailable, match="REQUEST_LIMIT_EXCEEDED"):
        await salesforce.recycle_bin.empty([record])
