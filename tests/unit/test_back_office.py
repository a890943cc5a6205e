"""What sales and the administrator do in the org once in a while: real acts, seeded, on records that are linked."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from simulator.back_office import KNOWN_CONVERSIONS, LEADS, PLENTY, BackOffice, Desk
from simulator.org.app import RunningOrg, running_org

PERSONS = Desk("Contact", "Tandem_Customer_Id__c", ("LastName", "Email", "Phone", "Title"))
COMPANIES = Desk("Account", "Tandem_Company_Id__c")
DEALS = Desk("Opportunity", "Tandem_Opportunity_Id__c")


@pytest.fixture
async def org() -> AsyncIterator[RunningOrg]:
    """An org with linked people, companies and a deal."""
    async with running_org() as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def admin(http: aiohttp.ClientSession, org: RunningOrg, path: str, **body: Any) -> Any:
    """GET without a body, POST with one."""
    response = await (http.post(org.base_url + path, json=body) if body else http.get(org.base_url + path))
    assert response.status == 200, await response.text()
    return await response.json()


async def fill(http: aiohttp.ClientSession, org: RunningOrg, people: int = 20) -> None:
    """Records that the platform knows."""
    rows: list[dict[str, Any]] = [
        {"object": "Contact", "fields": {"LastName": f"N{number}", "Tandem_Customer_Id__c": f"cust-{number}"}}
        for number in range(people)
    ]
    rows += [
        {"object": "Account", "fields": {"Name": f"A{number}", "Tandem_Company_Id__c": f"comp-{number}"}}
        for number in range(3)
    ]
    deal = {"Name": "D", "StageName": "Prospecting", "CloseDate": "2027-01-01", "Tandem_Opportunity_Id__c": "deal-1"}
    rows.append({"object": "Opportunity", "fields": deal})
    edits = [{"action": "create", **row} for row in rows]
    results = await admin(http, org, "/admin/edits", user="setup@tandem.example", edits=edits)
    assert all(result["success"] for result in results)


def office(http: aiohttp.ClientSession, org: RunningOrg, **options: Any) -> BackOffice:
    """A quick one."""
    settings: dict[str, Any] = {
        "seed": 1,
        "run": "r",
        "persons": PERSONS,
        "companies": COMPANIES,
        "deals": DEALS,
        "exhausted_seconds": 0.01,
    }
    one = BackOffice(http, org.base_url, **settings | options)
    one.seconds, one.patience_seconds = 0.1, 0.0
    return one


async def commits(http: aiohttp.ClientSession, org: RunningOrg, since: int = 0) -> list[dict[str, Any]]:
    """The org's log."""
    found: list[dict[str, Any]] = await admin(http, org, f"/admin/commits?after={since}&limit=10000")
    return found


async def test_leads_are_entered_and_all_but_one_converted(org: RunningOrg, http: aiohttp.ClientSession) -> None:
    """Each conversion makes an account, a contact and an opportunity; the people's addresses are told."""
    one = office(http, org)
    known = await one.open()
    leads = await admin(http, org, "/admin/records/Lead")
    assert Counter(lead["IsConverted"] for lead in leads) == {True: LEADS - 1, False: 1}
    assert {person["email"] for person in known} == {lead["Email"] for lead in leads}
    contacts = await admin(http, org, "/admin/records/Contact")
    assert {contact["Email"] for contact in contacts} == {person["email"] for person in known[:-1]}
    assert (one.counters.leads, one.counters.converted) == (LEADS, LEADS - 1)


async def test_every_act_is_done_by_a_named_user(org: RunningOrg, http: aiohttp.ClientSession) -> None:
    """A conversion, merges both ways, moves, deletions; and the calls are there again afterwards."""
    one = office(http, org, deletions=6)
    await one.open()
    await fill(http, org)
    since = (await commits(http, org))[-1]["number"]
    await one.run()
    counters = one.counters
    assert (counters.converted, counters.merged, counters.moved, counters.deleted) == (LEADS, 2, 2, 6)
    assert counters.refused == 0
    assert counters.exhausted_seconds > 0
    log = await commits(http, org, since)
    assert {row["user"] for row in log} == {"sanda.merel@tandem.example"}
    merged = [row for row in log if row["after"].get("MasterRecordId")]
    assert len(merged) == 2
    everything = await commits(http, org)
    linked = {row["record_id"] for row in everything if row["after"].get("Tandem_Customer_Id__c")}
    assert sorted(row["record_id"] in linked for row in merged) == [False, True]
    assert (await admin(http, org, "/admin/limits"))["DailyApiRequests"]["Remaining"] == PLENTY


async def test_a_merge_keeps_what_only_the_lost_record_had(org: RunningOrg, http: aiohttp.ClientSession) -> None:
    """As the person who merges chooses on the page: nothing is emptied but what the other one holds."""
    await fill(http, org)
    one = office(http, org)
    await one._merge_away()
    (merged,) = [row for row in await commits(http, org) if row["after"].get("MasterRecordId")]
    contacts = await admin(http, org, "/admin/records/Contact")
    (master,) = [row for row in contacts if row["Id"] == merged["after"]["MasterRecordId"]]
    assert master["Title"]
    assert master["LastName"].startswith("N")
    assert master["Tandem_Customer_Id__c"] is None


async def test_the_last_lead_becomes_the_contact_that_the_platform_has_made(
    org: RunningOrg, http: aiohttp.ClientSession
) -> None:
    """Sales find it by its address, and do not make another."""
    one = office(http, org)
    known = await one.open()
    await fill(http, org)
    fields = {"LastName": "Last", "Email": known[-1]["email"], "Tandem_Customer_Id__c": "cust-last"}
    edits = [{"action": "create", "object": "Contact", "fields": fields}]
    (made,) = await admin(http, org, "/admin/edits", user="setup@tandem.example", edits=edits)
    await one._convert_into_a_contact()
    leads = await admin(http, org, "/admin/records/Lead")
    assert made["id"] in {lead["ConvertedContactId"] for lead in leads}


async def test_the_calls_are_back_whatever_happens(org: RunningOrg, http: aiohttp.ClientSession) -> None:
    """While they are exhausted there are none."""
    one = office(http, org)
    left = []

    async def look() -> None:
        left.append((await admin(http, org, "/admin/limits"))["DailyApiRequests"]["Remaining"])

    one.pause = lambda _seconds: look()
    await one._exhaust_the_limit()
    await look()
    assert left == [0, PLENTY]


async def test_it_waits_for_somebody_and_gives_up_when_nobody_will_come(
    org: RunningOrg, http: aiohttp.ClientSession
) -> None:
    """An org without records of the platform's: nothing is merged, and it ends."""
    one = office(http, org)
    await one.open()
    one.enough = lambda: True
    await one.run()
    assert (one.counters.merged, one.counters.moved, one.counters.deleted) == (0, 0, 0)


@pytest.mark.parametrize("seed", range(4))
async def test_who_was_deleted_comes_back_and_deals_may_stay_deleted(
    org: RunningOrg, http: aiohttp.ClientSession, seed: int
) -> None:
    """What names a person waits for that person's record; of the deals some come back too."""
    one = office(http, org, seed=seed, deletions=8, merges=0, companies=None)
    await one.open()
    await fill(http, org)
    since = (await commits(http, org))[-1]["number"]
    await one.run()
    log = await commits(http, org, since)
    told = Counter((row["entity"], row["type"]) for row in log)
    assert sum(count for (_, sort), count in told.items() if sort == "DELETE") == one.counters.deleted
    assert sum(count for (_, sort), count in told.items() if sort == "UNDELETE") == one.counters.undeleted
    assert told["Contact", "UNDELETE"] == told["Contact", "DELETE"] > 0
    assert told["Opportunity", "DELETE"] >= max(1, told["Opportunity", "UNDELETE"])
    known = [row for row in await admin(http, org, "/admin/records/Contact") if row["Tandem_Customer_Id__c"]]
    assert len(known) == 20


async def leads(
    http: aiohttp.ClientSession, org: RunningOrg, *names: str, external_id: str = "Tandem_Customer_Id__c"
) -> None:
    """Leads that the platform's people are."""
    edits = [
        {
            "action": "create",
            "object": "Lead",
            "fields": {"LastName": one, "Company": "C", external_id: one},
        }
        for one in names
    ]
    results = await admin(http, org, "/admin/edits", user="setup@tandem.example", edits=edits)
    assert all(result["success"] for result in results)


async def test_who_is_awaited_is_converted_in_the_end(org: RunningOrg, http: aiohttp.ClientSession) -> None:
    """Those who made something that is kept under a contact; some of the others as it comes, and not all."""
    one = office(http, org, leads=Desk("Lead", "Tandem_Customer_Id__c"))
    await one.open()
    await fill(http, org)
    names = [f"part-{number}" for number in range(20)]
    await leads(http, org, *names)
    one.awaited = names[:3]
    await one.run()
    found = await admin(http, org, "/admin/records/Lead")
    converted = {lead["Tandem_Customer_Id__c"] for lead in found if lead["IsConverted"]}
    assert set(names[:3]) <= converted
    assert KNOWN_CONVERSIONS <= len(converted & set(names)) < len(names)
    assert one.counters.converted == len([lead for lead in found if lead["IsConverted"]])


@pytest.mark.parametrize("seed", range(3))
async def test_leads_are_converted_in_between_where_contacts_do_not_come_of_them(
    org: RunningOrg, http: aiohttp.ClientSession, seed: int
) -> None:
    """As many as are asked for, in an order that follows from the seed; merges too."""
    one = office(
        http, org, seed=seed, leads=Desk("Lead", "Tandem_Participant_Id__c"), conversions=9, merges=6, companies=None
    )
    await one.open()
    await fill(http, org)
    await leads(http, org, *(f"prosp-{number}" for number in range(20)), external_id="Tandem_Participant_Id__c")
    since = (await commits(http, org))[-1]["number"]
    await one.run()
    log = await commits(http, org, since)
    prospects = {
        lead["Id"] for lead in await admin(http, org, "/admin/records/Lead") if lead.get("Tandem_Participant_Id__c")
    }
    done = [
        "convert" if row["after"].get("IsConverted") else "merge"
        for row in log
        if (row["after"].get("IsConverted") and row["record_id"] in prospects) or row["after"].get("MasterRecordId")
    ]
    assert Counter(done) == {"convert": 9, "merge": 6}
    assert done != sorted(done)


async def test_a_conversion_may_take_an_account_that_is_there(org: RunningOrg, http: aiohttp.ClientSession) -> None:
    """Sales know the company of every second lead; of the others one is made."""
    one = office(http, org, leads=Desk("Lead", "Tandem_Customer_Id__c"))
    await fill(http, org, people=5)
    names = [f"part-{number}" for number in range(12)]
    await leads(http, org, *names)
    one.awaited = names
    await one._convert_the_awaited(Desk("Lead", "Tandem_Customer_Id__c"))
    linked = {account["Id"] for account in await admin(http, org, "/admin/records/Account")}
    known = {a["Id"] for a in await admin(http, org, "/admin/records/Account") if a["Tandem_Company_Id__c"]}
    taken = [lead["ConvertedAccountId"] for lead in await admin(http, org, "/admin/records/Lead")]
    assert 0 < sum(account in known for account in taken) < len(taken)
    assert set(taken) <= linked
