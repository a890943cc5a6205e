"""Callers' queries on the simulated org: pages by cursors of ours, limits of rows and time, what is refused."""

from collections.abc import AsyncIterator

import pytest
from support.org import OrgClient, org_client

from adapters.mongo.query_pages import KeptPage
from adapters.salesforce.opening import open_salesforce
from adapters.salesforce.settings import SalesforceSettings
from listener.api.queries import NotAnswered, QueryRefused, QueryTooSlow
from ops.api.queries import OrgQueries
from schemas.presets import preset
from schemas.record_query import RecordQuery
from simulator.org.faults import Fault, FaultKind

NOW = 1_796_000_000_000
MAPPING = preset("customers")


class Pages:
    """As `MongoQueryPages`, in memory."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], KeptPage] = {}

    async def add(self, page: KeptPage, owner: str) -> str:
        """As there."""
        cursor = f"cursor-{len(self.kept)}"
        self.kept[cursor, owner] = page
        return cursor

    async def read(self, cursor: str, owner: str) -> KeptPage | None:
        """As there."""
        return self.kept.get((cursor, owner))


@pytest.fixture
async def org() -> AsyncIterator[OrgClient]:
    """An org."""
    async with org_client() as client:
        yield client


@pytest.fixture
async def queries(org: OrgClient) -> AsyncIterator[OrgQueries]:
    """Queries of at most 2,500 rows, each page within two seconds."""
    settings = SalesforceSettings(
        login_url=org.org.base_url,
        client_id=org.org.client_id,
        client_secret=org.org.client_secret,
        api_version="60.0",
        _env_file=None,
    )
    async with open_salesforce(settings, now=lambda: NOW) as salesforce:
        pages = Pages()
        made = OrgQueries(salesforce.rest, lambda: MAPPING, pages, rows=2_500, seconds=2)  # type: ignore[arg-type]
        yield made


async def test_rows_come_in_pages_by_cursors_and_no_more_than_allowed(org: OrgClient, queries: OrgQueries) -> None:
    """The limit is put into the query; Salesforce's own address of the next page stays with us."""
    for start in range(0, 2_600, 200):
        await org.upsert([{"LastName": f"N{start + n}", "Tandem_Customer_Id__c": f"c{start + n}"} for n in range(200)])
    first = await queries.soql("SELECT Id, LastName FROM Contact LIMIT 9000", "key")
    assert (first.soql, first.total, len(first.records)) == (
        "SELECT Id, LastName FROM Contact LIMIT 2500",
        2_500,
        2_000,
    )
    assert first.cursor is not None
    assert await queries.following(first.cursor, "another") is None
    second = await queries.following(first.cursor, "key")
    assert second is not None
    assert (len(second.records), second.cursor) == (500, None)
    assert {each["Id"] for each in first.records}.isdisjoint(each["Id"] for each in second.records)
    count = await queries.soql("SELECT COUNT() FROM Contact", "key")
    assert (count.total, count.records, count.cursor) == (2_600, [], None)


async def test_a_question_of_the_platforms_words(org: OrgClient, queries: OrgQueries) -> None:
    """Names and values of the mapping."""
    await org.create(LastName="Lovelace", Email="ada@example.com")
    await org.create(LastName="Byron", Email="byron@example.com")
    asked = {
        "object": "customer",
        "fields": ["last_name"],
        "conditions": {"field": "email", "value": "ADA@example.com"},
    }
    found = await queries.question(RecordQuery.model_validate(asked), "key")
    assert [dict(each) for each in found.records] == [{"LastName": "Lovelace"}]


async def test_what_is_not_mapped_is_not_asked(org: OrgClient, queries: OrgQueries) -> None:
    """No call is made of it."""
    before = org.org.org.usage.calls.copy()
    with pytest.raises(QueryRefused) as refused:
        await queries.soql("SELECT Id, Salary__c FROM Contact WHERE Nope__c = 1", "key")
    assert len(refused.value.faults) == 2
    with pytest.raises(QueryRefused):
        await queries.soql("SELECT Id FROM User", "key")
    assert org.org.org.usage.calls == before


async def test_salesforce_is_away_or_slow(org: OrgClient, queries: OrgQueries) -> None:
    """Told apart, in time."""
    org.org.org.faults.plant(Fault(kind=FaultKind.LIMIT))
    with pytest.raises(NotAnswered, match="REQUEST_LIMIT_EXCEEDED"):
        await queries.soql("SELECT Id FROM Contact", "key")
    queries._seconds = 0.0
    with pytest.raises(QueryTooSlow):
        await queries.soql("SELECT Id FROM Contact", "key")
