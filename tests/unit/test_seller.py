"""The Salesforce user who edits while the platform does: real edits, unique values, often where the platform was."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from simulator.org.app import RunningOrg, running_org
from simulator.seller import CONTACT_FIELDS, OrgRefused, Seller

USER = "setup@tandem.example"


@pytest.fixture
async def org() -> AsyncIterator[RunningOrg]:
    """An empty org."""
    async with running_org() as running:
        yield running


async def admin(org: RunningOrg, path: str, **body: Any) -> Any:
    """GET without a body, POST with one."""
    async with aiohttp.ClientSession(base_url=org.base_url) as http:
        response = await (http.post(path, json=body) if body else http.get(path))
        assert response.status == 200, await response.text()
        return await response.json()


async def add_contacts(org: RunningOrg, *external_ids: str | None) -> None:
    """Contacts with these external ids."""
    rows = [
        {"action": "create", "fields": {"LastName": f"Start {number}", "Tandem_Customer_Id__c": external_id}}
        for number, external_id in enumerate(external_ids)
    ]
    results = await admin(org, "/admin/edits", user=USER, edits=rows)
    assert all(result["success"] for result in results)


def seller(org: RunningOrg, **options: Any) -> Seller:
    """A quick seller."""
    settings = {"seed": 1, "edits": 80, "rate": 2_000.0, "recent": list, "look_every_seconds": 0.02} | options
    return Seller(base_url=org.base_url, **settings)


async def edits_logged(org: RunningOrg) -> list[dict[str, Any]]:
    """The contacts as they stand."""
    records: list[dict[str, Any]] = await admin(org, "/admin/records/Contact")
    return records


async def test_edits_are_real_and_theirs_alone(org: RunningOrg) -> None:
    """Each edit is a commit by a named user with its change event; records without an external id are left alone."""
    await add_contacts(org, "cust-1", "cust-2", None)
    before = org.org.bus.latest()
    one = seller(org)
    await one.run()
    assert one.done
    assert one.counters.edited == 80
    changes = org.org.bus.after(before, frozenset({"Contact"}), 1_000)
    assert len(changes) == 80
    headers = [change.payload["ChangeEventHeader"] for change in changes]
    records = {record["Id"]: record for record in await edits_logged(org)}
    touched = Counter(record_id for header in headers for record_id in header["recordIds"])
    assert {records[record_id]["Tandem_Customer_Id__c"] for record_id in touched} == {"cust-1", "cust-2"}
    assert len({header["commitUser"] for header in headers}) == 3


async def test_no_value_comes_twice(org: RunningOrg) -> None:
    """Every edit of a field of a record brings a value that it never held."""
    await add_contacts(org, "cust-1")
    before = org.org.bus.latest()
    await seller(org, edits=150).run()
    values: defaultdict[str, list[Any]] = defaultdict(list)
    for change in org.org.bus.after(before, None, 1_000):
        payload = change.payload
        for name in CONTACT_FIELDS.values():
            for place, member in (
                (payload, name),
                (payload.get("Name", {}), name),
                (payload.get("MailingAddress", {}), name.removeprefix("Mailing")),
            ):
                if isinstance(place, dict) and member in place:
                    values[name].append(place[member])
    assert values.keys() == set(CONTACT_FIELDS.values())
    assert all(len(set(each)) == len(each) for each in values.values())
    assert sum(map(len, values.values())) > 150


async def test_choices_come_from_the_seed() -> None:
    """The same seed edits the same records and fields with the same values, another seed others."""
    told = []
    for seed in (1, 1, 2):
        async with running_org() as org:
            await add_contacts(org, "cust-1", "cust-2", "cust-3")
            await seller(org, seed=seed, look_every_seconds=60).run()
            names = CONTACT_FIELDS.values()
            told.append([[record[name] for name in names] for record in await edits_logged(org)])
    assert told[0] == told[1]
    assert told[0] != told[2]


async def test_the_platforms_latest_edits_are_contested(org: RunningOrg) -> None:
    """Most edits go to a record and field that the platform has just edited; one not yet there is counted."""
    await add_contacts(org, *(f"cust-{number}" for number in range(50)))
    before = org.org.bus.latest()
    one = seller(org, edits=200, recent=lambda: [("cust-7", "title"), ("cust-99", "phone"), ("cust-7", "total_spent")])
    await one.run()
    assert 100 < one.counters.contested + one.counters.not_there < 180
    assert 30 < one.counters.not_there < 100
    titles = [change for change in org.org.bus.after(before, None, 1_000) if "Title" in change.payload]
    assert len(titles) > one.counters.contested > 30


async def test_a_refused_edit_is_counted(org: RunningOrg) -> None:
    """What a validation rule refuses is neither an edit nor an error."""
    await add_contacts(org, "cust-1")
    rule = {"object": "Contact", "field": "Phone", "action": "refuse", "message": "No phones here"}
    async with (
        aiohttp.ClientSession(base_url=org.base_url) as http,
        http.post("/admin/triggers", json=rule) as response,
    ):
        assert response.status == 201
    one = seller(org)
    await one.run()
    assert one.counters.refused > 5
    assert one.counters.refused + one.counters.edited == 80


async def test_it_waits_until_there_is_something_to_edit(org: RunningOrg) -> None:
    """An empty org is looked at until records come, whatever the platform has just edited: no edit is spent on air."""
    one = seller(org, edits=5, rate=100.0, recent=lambda: [("cust-1", "phone")])
    running = asyncio.create_task(one.run())
    calls = 0
    async with asyncio.timeout(30):
        while calls < 3:
            calls += 1
            await edits_logged(org)
        assert not running.done()
        await add_contacts(org, "cust-1")
        await running
    assert one.counters.edited == 5


async def test_an_org_that_answers_with_an_error_ends_it(org: RunningOrg) -> None:
    """Nothing is swallowed: the seller stops with the status."""
    with pytest.raises(OrgRefused, match="GET /admin/records: 404"):
        await seller(org, sobject="Nonsense").run()
