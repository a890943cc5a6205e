"""What is dropped because somebody was erased: what is about them, and about what cannot be without them."""

from typing import Any

import pytest
from support.enrichment_world import hackathon_stage
from support.fake_erasures import FakeErasures
from support.sync_stage import Stage

from consumers.reconciler.forget import FORGOTTEN
from schemas.change import Change, ChangeType
from schemas.erasure import record_name
from schemas.outcome import Outcome, Result
from schemas.position import CommitPosition
from schemas.presets import preset

LEAD = "00QdL0000000001AAA"


@pytest.fixture
async def stage() -> Stage:
    made = hackathon_stage()
    assert made.erasures is not None
    await made.erasures.ask("participant", "part-ana", 1, "a test")
    return made


async def post(stage: Stage, type_: str, id_: str, **fields: Any) -> Result:
    return await stage.post(fields, id_=id_, type_=type_)


async def test_what_cannot_be_without_an_erased_person_is_dropped_with_them(stage: Stage) -> None:
    """A registration and a project that nobody had heard of when she was erased; those of others are taken in."""
    hers = {"participant_id": "part-ana", "event_id": "hack-1"}
    assert await post(stage, "registration.created", "reg-new", **hers, status="registered") == FORGOTTEN
    assert await post(stage, "project.created", "proj-new", **hers, title="Hers") == FORGOTTEN
    his = await post(stage, "registration.created", "reg-ben", participant_id="part-ben", event_id="hack-1")
    assert his.outcome is Outcome.APPLIED
    assert (await stage.documents.read("registrations", ["reg-new", "reg-ben"])).keys() == {"reg-ben"}
    assert await stage.documents.read("projects", ["proj-new"]) == {}


async def test_who_is_only_mentioned_is_dropped_from_nothing(stage: Stage) -> None:
    """As the erasure goes: a project goes on without its event, so the erasure of that takes no project with it."""
    assert stage.erasures is not None
    await stage.erasures.ask("event", "hack-1", 1, "a test")
    told = {"participant_id": "part-ben", "event_id": "hack-1", "title": "His"}
    assert (await post(stage, "project.created", "proj-ben", **told)).outcome is Outcome.APPLIED


async def test_the_mention_of_an_erased_person_does_not_come_back(stage: Stage) -> None:
    """As the erasure takes it out of the documents of others: the rest of what is said of them is taken in."""
    raw = preset("hackathon").model_dump(mode="json")
    mention = {"platform": "referred_by", "salesforce": "Referred_By__c", "lookup": "participant", "direction": "push"}
    raw["kinds"]["participant"]["fields"].append(mention)
    stage.map_kinds(raw)
    for said in ({}, {"changed": ["referred_by", "title"]}):
        told = {"referred_by": "part-ana", "title": f"Of {len(said)}"}
        result = await stage.post(told, id_="part-ben", type_="participant.updated", **said)
        assert result.outcome is Outcome.APPLIED
        document = await stage.document("part-ben", "participants")
        assert document["title"] == told["title"]
        assert "part-ana" not in str(document)
        stage.now += 1_000
    await stage.post({"referred_by": "part-cleo"}, id_="part-ben", type_="participant.updated")
    assert (await stage.document("part-ben", "participants"))["referred_by"] == "part-cleo"


async def test_a_lookup_of_several_kinds_names_whom_by_kind_and_id(stage: Stage) -> None:
    """Then the kind stands before the id."""
    raw = preset("hackathon").model_dump(mode="json")
    (named,) = [each for each in raw["kinds"]["project"]["fields"] if each["platform"] == "participant_id"]
    named["lookup"] = ["participant", "company"]
    stage.map_kinds(raw)
    hers = await post(stage, "project.created", "proj-new", participant_id="participant/part-ana", title="Hers")
    assert hers == FORGOTTEN
    other = await post(stage, "project.created", "proj-acme", participant_id="company/part-ana", title="Theirs")
    assert other.outcome is Outcome.APPLIED


async def test_a_record_below_an_erased_one_is_dropped_too(stage: Stage) -> None:
    """A campaign member of hers, of which Salesforce tells late."""
    assert isinstance(stage.erasures, FakeErasures)
    await stage.erasures.add([record_name(LEAD)], 1)
    change = Change(
        entity="CampaignMember",
        record_id="00vdL0000000001AAA",
        type=ChangeType.CREATE,
        position=CommitPosition(timestamp=1, number=1, sequence=1),
        transaction_key="t-1",
        fields={"LeadId": LEAD, "CampaignId": "701dL0000000001AAA"},
    )
    assert await stage.reconciler.handle([stage.change(change)]) == [FORGOTTEN]
