"""What polling asks, by REST of the simulated org, which was written by others and shares no code."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.fakes_changes import eventually
from support.org import OrgClient, org_client

from adapters.salesforce.modified import ModifiedRecords
from adapters.salesforce.opening import Salesforce, open_salesforce
from adapters.salesforce.settings import SalesforceSettings
from listener.changes.buffer import Buffer
from listener.changes.cometd import CometdClient, wall_ms
from listener.changes.feed import ChangeFeed, Objects
from listener.changes.health import Health, State
from listener.changes.polling import Poller
from listener.changes.ports import ModifiedPage, PollRefused, Unavailable
from listener.changes.settings import ChangesSettings
from schemas.change import Change, ChangeType

START = 1_760_000_000_500


class Clock:
    """The org's clock and ours, which moves when told to."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


@asynccontextmanager
async def asked_org(clock: Clock, **settings: Any) -> AsyncIterator[tuple[OrgClient, Salesforce, ModifiedRecords]]:
    async with org_client(clock, **settings) as org:
        login = SalesforceSettings(
            client_id=org.org.client_id, client_secret=org.org.client_secret, login_url=org.org.base_url
        )
        async with open_salesforce(login, now=clock) as salesforce:
            yield org, salesforce, ModifiedRecords(salesforce.rest)


async def pages(records: ModifiedRecords, since: int, sobject: str = "Contact") -> list[ModifiedPage]:
    return [page async for page in records.modified(sobject, since)]


async def test_rows_come_in_the_order_of_their_stamps() -> None:
    """Whole seconds, that of `since` among them; the recycle bin is asked too, and merged records are in it."""
    clock = Clock()
    async with asked_org(clock) as (org, _salesforce, records):
        early, edited, deleted, loser, winner = [await org.create(LastName=f"N{number}") for number in range(5)]
        clock.now += 10_000
        await org.edit(edited, Title="Countess")
        clock.now += 10_000
        await org.admin("POST", "/edits", {"action": "delete", "id": deleted})
        clock.now += 10_000
        await org.merge(winner, loser)
        (page,) = await pages(records, START + 10_499)
        found = {row.record_id: (row.modified - START, row.deleted) for row in page.rows}
        assert found == {
            edited: (9_500, False),
            deleted: (19_500, True),
            loser: (29_500, True),
            winner: (29_500, False),
        }
        assert [row.modified for row in page.rows] == sorted(row.modified for row in page.rows)
        assert early not in found
        (later,) = await pages(records, START + 30_000)
        assert {row.record_id for row in later.rows} == {loser, winner}
        (none,) = await pages(records, START + 31_000)
        assert none.rows == ()
        assert none.server_time > START


async def test_many_rows_come_in_pages_and_one_server_time() -> None:
    """However many share a second, and though the second page comes days later."""
    clock = Clock()
    async with asked_org(clock) as (org, _salesforce, records):
        for start in range(0, 4_200, 200):
            rows = [{"LastName": "N", "Tandem_Customer_Id__c": f"c{start + number}"} for number in range(200)]
            await org.upsert(rows)
        clock.now += 5_000
        seen: list[ModifiedPage] = []
        async for page in records.modified("Contact", START):
            seen.append(page)
            clock.now += 3 * 24 * 3_600_000
        ids = [row.record_id for page in seen for row in page.rows]
        assert len(ids) == len(set(ids)) == 4_200
        assert len(seen) >= 3
        assert {page.server_time for page in seen} == {seen[0].server_time}


@pytest.mark.parametrize(
    ("sobject", "fault", "raised", "said"),
    [
        ("Nothing__c", {}, PollRefused, "INVALID_TYPE"),
        ("Contact", {"status": 400, "code": "INVALID_FIELD"}, PollRefused, "INVALID_FIELD"),
        ("Contact", {"status": 403, "code": "OPERATION_NOT_ALLOWED"}, PollRefused, "OPERATION_NOT_ALLOWED"),
        ("Contact", {"status": 403, "code": "REQUEST_LIMIT_EXCEEDED"}, Unavailable, "REQUEST_LIMIT_EXCEEDED"),
        ("Contact", {"status": 503, "code": "SERVER_UNAVAILABLE"}, Unavailable, "SERVER_UNAVAILABLE"),
        ("Contact", {"status": 400, "code": "QUERY_TIMEOUT"}, Unavailable, "QUERY_TIMEOUT"),
    ],
)
async def test_what_only_a_person_can_change_is_refused(
    sobject: str, fault: dict[str, Any], raised: type[Exception], said: str
) -> None:
    """All else may pass by itself."""
    async with asked_org(Clock()) as (org, _salesforce, records):
        if fault:
            told = {"kind": "refuse_call", "path": "/queryAll", "message": "no"}
            await org.admin("POST", "/faults", told | fault)
        with pytest.raises(raised, match=said):
            await pages(records, 0, sobject)


async def test_where_the_org_ends_the_stream_its_contacts_are_polled() -> None:
    """Salesforce's own words for it, whatever its limits tell: nothing is missing behind the last event delivered."""
    cometd = {"daily_deliveries": 3, "hold_seconds": 1.0}
    async with org_client(cometd=cometd) as org:
        login = SalesforceSettings(
            client_id=org.org.client_id, client_secret=org.org.client_secret, login_url=org.org.base_url
        )
        settings = ChangesSettings(poll_seconds=1, poll_idle_seconds=1, poll_overlap_seconds=5, backoff_seconds=0.05)
        health, buffer = Health(), Buffer(high=1_000, low=10)
        async with open_salesforce(login, now=wall_ms) as salesforce:
            feed = ChangeFeed(
                events=CometdClient(sessions=salesforce.login, settings=settings, health=health),
                poller=Poller(records=ModifiedRecords(salesforce.rest), settings=settings, health=health),
                settings=settings,
                health=health,
                objects=lambda: Objects(by_events=frozenset({"Contact"})),
            )
            task = asyncio.create_task(feed.run({}, buffer))
            try:
                made = [await org.create(LastName=f"N{number}") for number in range(3)]
                await eventually(lambda: len(buffer) == 3, 20)
                made.append(await org.create(LastName="N3"))
                await eventually(lambda: health.out_of_deliveries, 20)
                found: set[str] = set()

                def polled() -> bool:
                    items = buffer.peek(1_000)
                    changes = [item.change for item in items if hasattr(item, "change")]
                    assert all(isinstance(each, Change) and each.type is ChangeType.GAP_UPDATE for each in changes)
                    found.update(each.record_id for each in changes)
                    return found >= set(made)

                await eventually(polled, 20)
                assert health.state is State.POLLING
                assert health.counts["deliveries_used_up"] == 1
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
