"""The hackathon platform's own plan, line by line, as far as it speaks of enrichment: each test has its words.

What it says of campaigns, attendance and watching: `test_hackathon_document_sync.py`.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from support.enrichment_world import EnrichmentWorld, enrichment_world
from support.fakes_api import RunningApi, running_api
from support.fakes_changes import eventually

from consumers.enrichment.settings import EnrichmentSettings
from consumers.rules.enrichment import queries
from listener.api.participants import Participants
from schemas.people import LookFailed
from schemas.presets import preset

ACME = "001dL0000000001AAA"
ANA: dict[str, Any] = {"email": "john.doe@mongodb.com", "name": "John Doe", "skills": ["Go", "Rust"]}
JOHN: dict[str, Any] = {
    "Email": "john.doe@mongodb.com",
    "AccountId": ACME,
    "Account__Name": "MongoDB Inc.",
    "Title": "Senior Developer",
    "Phone": "+1-555-0100",
    "MailingCity": "New York",
    "Department": "Engineering",
    "OwnerId": "005dL0000000001AAA",
    "Owner__Name": "Jane Sales",
    "LeadSource": "Hackathon",
    "Customer_Tier__c": "Enterprise",
    "Preferred_Language__c": "JavaScript",
    "LastActivityDate": "2026-02-15",
}
DOWN = LookFailed("HTTP_503")


@dataclass
class Site:
    """`/api/register` and what it meets."""

    world: EnrichmentWorld
    api: RunningApi

    async def register(self, **more: Any) -> Any:
        status, told, _ = await self.api.call("POST", "/api/register", ANA | more)
        assert status in (200, 201), told
        return told


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with enrichment_world() as world, running_api([Participants(world.enrolment).group()]) as api:
        yield Site(world, api)


async def test_when_a_participant_registers_look_them_up_in_salesforce_by_email(site: Site) -> None:
    """… and enrich their profile with customer data."""
    site.world.people.add("Contact", **JOHN)
    told = await site.register(email="John.Doe@MongoDB.com")
    assert told["participant"]["salesforce"]["syncStatus"] == "synced"


async def test_return_success_and_participant(site: Site) -> None:
    """`return NextResponse.json({ success: true, participant })`."""
    told = await site.register()
    assert told["success"] is True
    assert told["participant"]["email"] == ANA["email"]
    assert told["participant"]["name"] == ANA["name"]
    assert told["participant"]["skills"] == ANA["skills"]
    assert told["participant"].keys() > {"name", "email", "skills", "salesforce"}
    id_ = told["participant"]["id"]
    assert (await site.world.stored(id_)).keys() >= {"first_name", "last_name"}
    assert "name" not in await site.world.stored(id_)


async def test_save_participant_first(site: Site) -> None:
    """Hybrid: `Save participant first (fast)`, then `Try real-time enrichment (with timeout)`."""
    stored: list[int] = []
    look = site.world.people.look

    async def looking(*asked: Any) -> Any:
        stored.append(len(site.world.due.collections["participants"]))
        return await look(*asked)

    site.world.people.look = looking  # type: ignore[method-assign]
    await site.register()
    assert stored == [1]


async def test_failed_queue_for_background_enrichment(site: Site) -> None:
    """`await enrichmentQueue.add({ participantId: participant._id })`; the background worker updates the record."""
    site.world.people.add("Contact", **JOHN)
    site.world.people.failing = DOWN
    told = await site.register()
    id_ = told["participant"]["id"]
    assert site.world.requests.asked == [("participant", id_)]
    site.world.people.failing = None
    await site.world.work()
    assert (await site.world.stored(id_))["salesforce"]["syncStatus"] == "synced"


async def test_timeout_2000(site: Site) -> None:
    """`querySalesforce(data.email, { timeout: 2000 })`, and never longer than three seconds."""
    assert EnrichmentSettings().deadline_seconds == 2.0
    assert EnrichmentSettings.model_fields["deadline_seconds"].metadata[-1].le == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("accountId", ACME),
        ("accountName", "MongoDB Inc."),
        ("title", "Senior Developer"),
        ("phone", "+1-555-0100"),
        ("city", "New York"),
        ("department", "Engineering"),
        ("ownerId", "005dL0000000001AAA"),
        ("ownerName", "Jane Sales"),
        ("leadSource", "Hackathon"),
        ("company", "MongoDB Inc."),
        ("preferredLanguage", "JavaScript"),
        ("lastEngagementDate", "2026-02-15"),
        ("syncStatus", "synced"),
    ],
)
async def test_the_fields_of_the_salesforce_sub_document(site: Site, name: str, value: str) -> None:
    """`salesforce: { accountId, accountName, title, phone, mailingCity, department, ownerId, … }`."""
    site.world.people.add("Contact", **JOHN)
    told = await site.register()
    assert told["participant"]["salesforce"][name] == value


async def test_contact_id_and_last_synced_at(site: Site) -> None:
    """`contactId: contact.Id`, `lastSyncedAt: new Date()`."""
    contact = site.world.people.add("Contact", **JOHN)
    told = await site.register()
    assert told["participant"]["salesforce"]["contactId"] == contact
    assert told["participant"]["salesforce"]["lastSyncedAt"]


async def test_campaign_member_id(site: Site) -> None:
    """`campaignMemberId`, beside those above: whatever tells of the member, also a poll that names nobody."""
    site.world.people.add("Contact", **JOHN)
    id_ = (await site.register(consent=True))["participant"]["id"]
    await site.world.hear_registrations()
    await site.world.post("event.created", "spring", name="Spring", type="hackathon")
    await site.world.post("registration.created", "r-1", participant_id=id_, event_id="spring", status="registered")
    await site.world.stage.settle()
    member = (await site.world.stage.document("r-1", "registrations"))["salesforce"]["recordId"]
    await site.world.hear("CampaignMember", member, "GAP_UPDATE")
    _, told, _ = await site.api.call("GET", f"/api/participants/{id_}")
    assert told["participant"]["salesforce"]["campaignMemberId"] == member


async def test_lead_if_contact_not_found(site: Site) -> None:
    """`leadId`, `company: lead.Company`, `isExistingCustomer: false`."""
    lead = site.world.people.add("Lead", Email=ANA["email"], Company="Acme", Title="Dev")
    told = await site.register()
    found = told["participant"]["salesforce"]
    assert (found["leadId"], found["company"], found["title"]) == (lead, "Acme", "Dev")
    assert told["participant"]["isExistingCustomer"] is False


async def test_and_is_converted_false(site: Site) -> None:
    """`WHERE Email = '…' AND IsConverted = false`."""
    asked = queries(site.world.stage.catalog.kinds["participant"])
    assert [(one.sobject, one.only_unconverted) for one in asked] == [("Contact", False), ("Lead", True)]


@pytest.mark.parametrize("tier", ["enterprise", "growth", "startup", "community"])
async def test_customer_tier(site: Site, tier: str) -> None:
    """`customerTier?: "enterprise" | "growth" | "startup" | "community"`, beside `isExistingCustomer`."""
    site.world.people.add("Contact", **JOHN | {"Customer_Tier__c": tier.capitalize()})
    told = await site.register()
    assert told["participant"]["customerTier"] == tier
    assert told["participant"]["isExistingCustomer"] is True


async def test_sync_status_pending_synced_not_found_error(site: Site) -> None:
    """`syncStatus?: "pending" | "synced" | "not_found" | "error"`, and `syncError`."""
    site.world.people.failing = LookFailed("MALFORMED_QUERY", org_wide=False)
    told = await site.register()
    id_ = told["participant"]["id"]
    assert told["participant"]["salesforce"]["syncStatus"] == "pending"
    for _ in range(5):
        await site.world.work()
        site.world.stage.now += 86_400_000
        await site.world.sweep.ask_for_due()
    found = (await site.world.stored(id_))["salesforce"]
    assert (found["syncStatus"], found["syncError"]) == ("error", "MALFORMED_QUERY")
    site.world.people.failing = None
    told = await site.register()
    assert told["participant"]["salesforce"]["syncStatus"] == "not_found"


async def test_multiple_contacts_with_same_email_choose_primary(site: Site) -> None:
    """By the mapping's rule."""
    site.world.people.add("Contact", Email=ANA["email"])
    primary = site.world.people.add("Contact", **JOHN)
    told = await site.register()
    assert told["participant"]["salesforce"]["contactId"] == primary


async def test_contact_not_found_create_lead(site: Site) -> None:
    """`Get consent before creating Salesforce records`: nobody becomes a Lead without."""
    kind = preset("hackathon").kinds["participant"]
    assert kind.create == "lead"
    assert kind.consent is not None
    told = await site.register()
    await site.world.stage.settle()
    assert not site.world.stage.salesforce.rows.get("Lead")
    assert (await site.world.stored(told["participant"]["id"]))["salesforce"]["syncStatus"] == "no_consent"
    await site.register(consent=True)
    await site.world.hear_registrations()
    await site.world.stage.settle()
    assert len(site.world.stage.salesforce.rows["Lead"]) == 1


async def test_salesforce_timeout_error_graceful_degradation(site: Site) -> None:
    """`Never fail registration due to Salesforce errors`."""
    site.world.people.failing = DOWN
    told = await site.register()
    assert told["success"] is True


async def test_only_sync_necessary_fields(site: Site) -> None:
    """GDPR, CCPA: what the mapping does not name is not stored."""
    told = await site.register(shoe_size=44)
    assert told["ignored"] == [{"field": "shoe_size", "reason": "is not mapped"}]
    assert "shoe_size" not in await site.world.stored(told["participant"]["id"])


async def test_allow_participants_to_opt_out_of_sync(site: Site) -> None:
    """Nobody asks about them, and what was known is shown no more; if they come back it is."""
    site.world.people.add("Contact", **JOHN)
    told = await site.register()
    id_ = told["participant"]["id"]
    await site.world.post("participant.updated", id_, opted_out=True)
    stored = await site.world.stored(id_)
    assert stored["salesforce"].keys() == {"syncStatus", "lastSyncedAt"}
    assert stored["salesforce"]["syncStatus"] == "filtered"
    assert stored["customerTier"] is None
    calls = len(site.world.people.calls)
    again = await site.world.enrolment.enrich(id_)
    assert again is not None
    assert len(site.world.people.calls) == calls
    await site.world.post("participant.updated", id_, opted_out=False)
    assert (await site.world.stored(id_))["salesforce"]["title"] == "Senior Developer"


async def test_cache_salesforce_results_15_minute_ttl(site: Site) -> None:
    """`Cache Salesforce results (15-minute TTL)`."""
    assert EnrichmentSettings().found_seconds == 15 * 60
    site.world.people.add("Contact", **JOHN)
    await site.register()
    await site.register()
    assert len(site.world.people.calls) == 1


async def test_batch_operations_when_possible(site: Site) -> None:
    """Of those who wait at the same time most share a call."""
    site.world.people.open.clear()
    coming = [asyncio.create_task(site.register(email=f"p{number}@x.example")) for number in range(12)]
    await eventually(lambda: site.world.lookups.waiting == 12)
    site.world.people.open.set()
    await asyncio.gather(*coming)
    assert sum(map(len, site.world.people.calls)) == 12
    assert len(site.world.people.calls) < 12


async def test_retry_transient_errors_3_attempts(site: Site) -> None:
    """Three quick ones, then growing waits (`Implement exponential backoff on errors`)."""
    site.world.people.failing = LookFailed("UNABLE", org_wide=False)
    told = await site.register()
    waits = []
    for _ in range(4):
        await site.world.work()
        due = (await site.world.stored(told["participant"]["id"]))["_sync"]["enriched"]["due"]
        waits.append(due - site.world.stage.now)
        site.world.stage.now = due
        await site.world.sweep.ask_for_due()
    assert waits == [500, 500, 500, 10_000]
