"""Events and their Campaigns: those that somebody made before, the statuses of their members, and what came of each."""

import re
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.fake_salesforce import FakeRecords
from support.org_world import World, world_of
from support.sync_stage import TIMING

from adapters.salesforce.campaign_settings import CampaignSettings, event_key
from adapters.salesforce.member_statuses import SalesforceMemberStatuses
from consumers.ports import RecordRead, RecordUpdate, RowResult
from consumers.rules.existence import moved
from consumers.rules.retry import RetryPolicy
from consumers.rules.state import DocumentState, Link
from consumers.rules.stored_link import dump_link, load_link
from consumers.writer.writer import Writer
from ops.campaigns.named import NamedCampaigns
from ops.campaigns.report import NoEvents, reports, shape_of
from ops.campaigns.statuses import BulkStatuses, StatusesAdded
from ops.report_command import deals_of, lines_of_json, table
from schemas.presets import preset
from schemas.record_id import is_id, to_18

ROUNDS = 10


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A hackathon's mapping, with an org beside."""
    async with world_of(preset("hackathon"), tmp_path) as made:
        yield made


async def campaign(world: World, **fields: Any) -> str:
    status, told = await world.org.call("POST", "/sobjects/Campaign", fields)
    assert status == 201, told
    return str(told["id"])


def name_campaigns(world: World, campaigns: dict[str, str], bulk_rows: int = sys.maxsize) -> list[tuple[str, str]]:
    """The writer works with these from now on; what was refused."""
    assert world.salesforce is not None
    refused: list[tuple[str, str]] = []
    stage, salesforce = world.stage, world.salesforce
    statuses = StatusesAdded(
        salesforce.records, SalesforceMemberStatuses(salesforce.rest), lambda *told: refused.append(told)
    )
    records = NamedCampaigns(salesforce.records, statuses, campaigns, event_key, lambda *told: refused.append(told))
    stage.writer = Writer(
        catalog=lambda: stage.catalog,
        documents=stage.documents,
        records=records,
        log=stage.log,
        parked=stage.parked,
        now=lambda: stage.now,
        timing=TIMING,
        retry=RetryPolicy(tries=5, org_wait=1_000),
        bulk=BulkStatuses(salesforce.bulk, statuses),
        bulk_rows=bulk_rows,
    )
    return refused


async def test_an_event_whose_campaign_the_settings_name_gets_that_one(world: World) -> None:
    """It is given the event's id, and no second one is made."""
    made = await campaign(world, Name="Made by sales")
    refused = name_campaigns(world, {"SPRING_2026": made})
    await world.post("event.created", "spring-2026", name="Spring", type="hackathon")
    await world.settle()
    assert (await world.document("events", "spring-2026"))["salesforce"]["recordId"] == made
    row = await world.row("SELECT Id, Name, Tandem_Event_Id__c FROM Campaign")
    assert (row["Id"], row["Tandem_Event_Id__c"]) == (made, "spring-2026")
    assert refused == []


async def test_a_campaign_that_is_another_events_or_is_not_there_is_told_and_one_is_made(world: World) -> None:
    """Registrations do not wait for a wrong setting."""
    taken = await campaign(world, Name="Autumn", Tandem_Event_Id__c="autumn")
    refused = name_campaigns(world, {"SPRING": taken, "WINTER": "701000000000099AAA"})
    for event in ("spring", "winter"):
        await world.post("event.created", event, name=event, type="hackathon")
    await world.settle()
    assert {each for each, _why in refused} == {"spring", "winter"}
    found = (await world.org.query("SELECT Id FROM Campaign"))["records"]
    assert len(found) == 3


async def test_statuses_that_a_campaign_lacks_are_added_once(world: World) -> None:
    """Before the first member is written with it; attendance counts as a response."""
    name_campaigns(world, {})
    await world.post("event.created", "spring", name="Spring", type="hackathon")
    await world.post("participant.registered", "ana", email="ana@example.com", last_name="Pop", consent=True)
    await world.post("registration.created", "r1", participant_id="ana", event_id="spring", status="registered")
    await world.pass_by(ROUNDS)
    await world.change("registration.updated", "r1", status="no_show")
    await world.pass_by(ROUNDS)
    await world.change("registration.attended", "r1", status="attended")
    await world.pass_by(ROUNDS)
    rows = (await world.org.query("SELECT Label, HasResponded FROM CampaignMemberStatus ORDER BY SortOrder"))["records"]
    assert [(row["Label"], row["HasResponded"]) for row in rows] == [
        ("Sent", False),
        ("Responded", True),
        ("Registered", False),
        ("No Show", False),
        ("Attended", True),
    ]
    assert (await world.row("SELECT Status FROM CampaignMember"))["Status"] == "Attended"


PEOPLE = 12
"""Enough registrations for a job of their own."""


async def register(world: World, people: int = PEOPLE) -> None:
    """So many people for one new event, all at once."""
    await world.post("event.created", "spring", name="Spring", type="hackathon")
    for number in range(people):
        who = {"email": f"p{number}@example.com", "last_name": "Pop", "consent": True}
        await world.post("participant.registered", f"p{number}", **who)
    await world.settle()
    for number in range(people):
        fields = {"participant_id": f"p{number}", "event_id": "spring", "status": "registered"}
        await world.post("registration.created", f"r{number}", **fields)


async def members(world: World) -> list[str]:
    return [row["Status"] for row in (await world.org.query("SELECT Status FROM CampaignMember"))["records"]]


async def jobs(world: World) -> int:
    """Of members; those of people came before."""
    calls = (await world.org.admin("GET", "/calls"))["calls"]
    return sum(one["count"] for one in calls if (one["verb"], one["resource"]) == ("POST", "/jobs/ingest"))


async def test_members_of_a_bulk_job_have_their_statuses_too(world: World) -> None:
    """A new Campaign has Sent and Responded alone; first writes as later ones."""
    refused = name_campaigns(world, {}, bulk_rows=PEOPLE)
    await register(world)
    before = await jobs(world)
    await world.pass_by(ROUNDS)
    assert await members(world) == ["Registered"] * PEOPLE
    assert await jobs(world) == before + 1
    for number in range(PEOPLE):
        await world.change("registration.attended", f"r{number}", status="attended")
    await world.pass_by(ROUNDS)
    assert await members(world) == ["Attended"] * PEOPLE
    assert await jobs(world) == before + 3, "and the totals of the people"
    assert refused == []


async def test_a_member_whose_status_cannot_be_added_now_is_in_no_job(world: World) -> None:
    """It waits, as by a call."""
    name_campaigns(world, {}, bulk_rows=PEOPLE)
    await register(world)
    trouble = {"kind": "lock_row", "path": "composite/sobjects$", "verb": "POST", "count": 1}
    await world.org.admin("POST", "/faults", trouble)
    await world.pass_by(ROUNDS)
    assert await world.org.admin("GET", "/faults") == []
    assert await members(world) == ["Registered"] * PEOPLE


TROUBLES: dict[str, dict[str, Any]] = {
    "the org has no calls left when the statuses are asked for": {
        "kind": "limit",
        "path": "/query",
        "skip": 1,
        "count": 1,
    },
    "the campaign is locked while a status is added": {
        "kind": "lock_row",
        "path": "composite/sobjects$",
        "verb": "POST",
        "count": 1,
    },
}


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_member_waits_for_a_status_that_cannot_be_added_now(world: World, trouble: str) -> None:
    """Nothing was sent, so it is written as soon as the status is there: not ten minutes later, as after a lost answer.

    And never without it: Salesforce would write another in its place.
    """
    refused = name_campaigns(world, {})
    await world.post("event.created", "spring", name="Spring", type="hackathon")
    await world.post("participant.registered", "ana", email="ana@example.com", last_name="Pop", consent=True)
    await world.settle()
    await world.org.admin("POST", "/faults", TROUBLES[trouble])
    await world.post("registration.created", "r1", participant_id="ana", event_id="spring", status="registered")
    await world.pass_by(ROUNDS)
    assert await world.org.admin("GET", "/faults") == []
    assert (await world.row("SELECT Status FROM CampaignMember"))["Status"] == "Registered"
    labels = [each["Label"] for each in (await world.org.query("SELECT Label FROM CampaignMemberStatus"))["records"]]
    assert labels == ["Sent", "Responded", "Registered"]
    writes = (await world.document("registrations", "r1"))["_sync"]["writes"]
    assert {write["state"] for write in writes} <= {"not_run", "acknowledged", "landed"}
    assert refused == []


def test_the_settings_name_campaigns_by_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """`SF_CAMPAIGN_<EVENT>`, in either form of an id; anything else is told with its variable."""
    monkeypatch.setenv("SF_CAMPAIGN_SPRING_2026", "7013h000000ABC1")
    monkeypatch.setenv("SF_CAMPAIGN_AI_2026", to_18("7013h000000ABC2"))
    read = CampaignSettings().campaign
    assert read.keys() == {event_key("spring-2026"), event_key("AI 2026")}
    assert {len(record) for record in read.values()} == {18}
    monkeypatch.setenv("SF_CAMPAIGN_AI_2026", "0013h000000ABC1")
    with pytest.raises(ValueError, match="SF_CAMPAIGN_AI_2026 must be a Campaign's id"):
        CampaignSettings()


def member(event: str, person: str, status: str, *, exists: bool = True) -> dict[str, Any]:
    sync = {"existence": {"exists": exists}}
    return {"_id": f"{event}-{person}", "event_id": event, "participant_id": person, "status": status, "_sync": sync}


def test_a_report_counts_who_came_who_was_converted_and_what_is_won() -> None:
    """Cancelled and deleted registrations do not count; a person is converted once, however often they came."""
    shape = shape_of(preset("hackathon"))
    events = [{"_id": "a", "name": "A", "salesforce": {"recordId": "701A"}}, {"_id": "b", "salesforce": {}}]
    members = [
        member("a", "ana", "attended"),
        member("a", "ben", "registered"),
        member("a", "eve", "cancelled"),
        member("a", "zoe", "attended", exists=False),
        member("b", "ana", "no_show"),
    ]
    people = [
        {"_id": "ana", "_sync": {"link": {"id": "003A", "former": ["00QA"]}}},
        {"_id": "ben", "_sync": {"link": {"id": "00QB"}}},
        {"_id": "eve", "_sync": {"link": {"id": "003E", "former": ["00QE"]}}},
    ]
    deals = [
        {"CampaignId": "701A", "Amount": 1000, "ExpectedRevenue": 500, "IsClosed": False, "IsWon": False},
        {"CampaignId": "701A", "Amount": 250.5, "ExpectedRevenue": 250.5, "IsClosed": True, "IsWon": True},
        {"CampaignId": "701A", "Amount": 70, "ExpectedRevenue": 0, "IsClosed": True, "IsWon": False},
        {"CampaignId": "701Z", "Amount": 9, "ExpectedRevenue": 9, "IsClosed": False, "IsWon": False},
    ]
    first, second = reports(shape, events, members, people, deals)
    assert (first.registered, first.attended, first.converted, first.deals) == (2, 1, ("ana",), 3)
    assert (first.pipeline, first.forecast, first.won) == (Decimal(1000), Decimal(500), Decimal("250.5"))
    assert (second.registered, second.attended, second.converted, second.deals) == (1, 0, ("ana",), 0)
    assert table([first, second]).row_count == 2
    assert '"won": 250.5' in lines_of_json([first])


def test_a_conversion_counts_for_events_that_were_registered_for_before_it() -> None:
    """Whoever was a customer by then was not made one by the event; a later merge of contacts moves nothing."""
    shape = shape_of(preset("hackathon"))
    made = {"before": {"first": 90, "heard": 500}, "after": {"first": 110, "heard": 500}, "untold": {"heard": 120}}
    members = [
        {"_id": f"{event}-{person}", "event_id": event, "participant_id": person, "status": "registered",
         "_sync": {"existence": {"exists": True, **known}}}
        for event, known in made.items() for person in ("ana", "ben")
    ]  # fmt: skip
    people = [
        {"_id": "ana", "_sync": {"link": {"id": "003B", "at": 900, "converted_at": 100, "former": ["00QA", "003A"]}}},
        {"_id": "ben", "_sync": {"link": {"id": "003C", "at": 115, "former": ["00QC"]}}},
    ]
    found = reports(shape, [{"_id": event} for event in made], members, people, [])
    assert {one.event: one.converted for one in found} == {
        "before": ("ana", "ben"),
        "after": ("ben",),
        "untold": (),
    }


def test_a_person_whose_two_registrations_were_merged_takes_part_once() -> None:
    """Attended by either, cancelled by both; one merged into what the platform has deleted since counts by itself."""
    shape = shape_of(preset("hackathon"))

    def member(id_: str, status: str, into: str = "", exists: bool = True) -> dict[str, Any]:
        sync = {"link": {"id": "00v", "merged_into": into}, "existence": {"exists": exists}}
        return {"_id": id_, "event_id": "e", "participant_id": id_, "status": status, "_sync": sync}

    def counted(*members: dict[str, Any]) -> tuple[int, int]:
        (report,) = reports(shape, [{"_id": "e"}], members, [], [])
        return report.registered, report.attended

    assert counted(member("1", "attended", "2"), member("2", "registered", "3"), member("3", "registered")) == (1, 1)
    assert counted(member("1", "cancelled", "2"), member("2", "registered")) == (1, 0)
    assert counted(member("1", "cancelled", "2"), member("2", "cancelled")) == (0, 0)
    assert counted(member("1", "attended", "2"), member("2", "registered", exists=False)) == (1, 1)
    assert counted(member("1", "registered"), member("2", "registered")) == (2, 0)


async def test_deals_are_those_that_name_the_campaign(world: World) -> None:
    """As the org has them."""
    assert world.salesforce is not None
    made = await campaign(world, Name="Spring")
    deal = {"Name": "Big", "StageName": "Value Proposition", "CloseDate": "2026-12-31", "Amount": 1000}
    for named in (made, None):
        status, told = await world.org.call("POST", "/sobjects/Opportunity", {**deal, "CampaignId": named})
        assert status == 201, told
    (row,) = await deals_of(world.salesforce.rest, [made])
    assert (row["Amount"], row["ExpectedRevenue"], row["IsClosed"]) == (1000, 500, False)
    assert await deals_of(world.salesforce.rest, []) == []


def test_a_mapping_without_events_has_nothing_to_report() -> None:
    """And says so."""
    with pytest.raises(NoEvents):
        shape_of(preset("customers"))


@pytest.mark.parametrize("page", ["docs/settings.md", "docs/campaigns.md", ".env.example"])
def test_the_example_of_a_campaign_is_one_that_we_take(page: str) -> None:
    """Whoever copies it and changes the digits is not refused for its length."""
    text = (Path(__file__).parents[2] / page).read_text(encoding="utf-8")
    examples = re.findall(r"SF_CAMPAIGN_[A-Z0-9_]+=(\w+)", text)
    assert examples
    assert [one for one in examples if not is_id(one)] == []


async def test_of_members_without_end_the_campaigns_of_the_last_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process that lives for weeks; of one that was let go it is read again."""
    monkeypatch.setattr("ops.campaigns.statuses.MEMBERS_KNOWN", 3)
    records, reads = FakeRecords(), 0
    ids = [records.create("CampaignMember", {"CampaignId": "701A", "Status": "Sent"}) for _ in range(5)]
    read = records.read

    async def counted(*asked: Any) -> RecordRead:
        nonlocal reads
        reads += 1
        return await read(*asked)

    records.read = counted  # type: ignore[method-assign]
    statuses = StatusesAdded(records, Statuses(), lambda *_told: None)
    kept = NamedCampaigns(records, statuses, {}, event_key, lambda *_told: None)
    for record_id in [*ids, ids[-1], ids[0]]:
        (answer,) = await kept.update("CampaignMember", [RecordUpdate({"Status": "Sent"}, record_id=record_id)])
        assert answer.succeeded
    assert reads == len(ids) + 1
    assert len(statuses._campaign_of) == 3


class Statuses:
    """Every Campaign has one."""

    async def of(self, campaign_ids: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
        return {each: {"Sent": 1} for each in campaign_ids}

    async def add(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[RowResult]:
        raise AssertionError(rows)


CONTACTS = ("003000000000001AAA", "003000000000009AAA")


def test_when_a_lead_was_converted_stays_known() -> None:
    """However it came to the contact, and through whatever becomes of that; who was no lead has no such moment."""
    state = DocumentState(kind="participant", id="p-1", link=Link("00Q000000000001AAA", 1))
    told = []
    for now, record in ((10, "00Q000000000002AAA"), (20, CONTACTS[0]), (30, CONTACTS[1])):
        moved(state, record, now=now)
        assert state.link is not None
        state.link = load_link(dump_link(state.link), state.position)
        told.append((state.link.linked_at, state.link.converted_at))
    assert told == [(10, 0), (20, 20), (30, 20)]
    moved(other := DocumentState(kind="participant", id="p-2", link=Link(CONTACTS[0], 1)), CONTACTS[1], now=20)
    assert other.link is not None
    assert other.link.converted_at == 0
