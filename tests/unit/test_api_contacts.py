"""`/contacts`: names told apart, what is taken of what is said, whom an address means, and what is answered when."""

from collections.abc import AsyncIterator

import pytest
from support.api_world import RECORD, ApiWorld
from support.fakes_api import NOW, RunningApi, running_api

from consumers.rules.registers import dump_field
from consumers.rules.state import FieldState, Side
from listener.api import contact_form
from listener.api.contacts import Ended
from listener.api.problem import Problem
from schemas.api_key import Scope
from schemas.outcome import Outcome
from schemas.presets import preset

PATH = "/api/integrations/salesforce/contacts"
KIND = preset("ticketing").kinds["customer"]


@pytest.fixture
def world() -> ApiWorld:
    """The outside."""
    return ApiWorld()


@pytest.fixture
async def api(world: ApiWorld) -> AsyncIterator[RunningApi]:
    """The API with every route."""
    async with running_api(world.groups()) as running:
        yield running


async def test_what_is_said_is_an_event_like_any_other(api: RunningApi, world: ApiWorld) -> None:
    """In the topic, under the document's key, from this caller, at the time it was said."""
    body = {"id": "cust-1", "email": "a@example.com", "address": {"city": "Cluj"}, "seen": 3, "changed": ["email"]}
    status, told, response = await api.call("POST", PATH, body)
    assert (status, told["outcome"], told["contact"]["salesforce_id"]) == (201, "applied", RECORD)
    assert response.headers["Location"] == f"{PATH}/cust-1"
    (event,) = world.people.events
    assert (event["type"], event["key"], event["source"]) == (
        "customer.created",
        "customer:cust-1",
        "/api/0123456789ab",
    )
    assert event["data"] == {
        "id": "cust-1",
        "fields": {"email": "a@example.com", "address.city": "Cluj"},
        "changed": ["email"],
        "seen": 3,
    }
    assert event["timestamp"] == "2026-11-30T00:53:20.000Z"
    assert told["contact"]["fields"]["address"] == {"city": "Cluj"}


async def test_a_time_before_now_is_kept_and_one_after_it_is_not(api: RunningApi, world: ApiWorld) -> None:
    """Nobody can say what has not happened yet."""
    for at in ("2026-01-01T10:00:00+02:00", "2030-01-01T00:00:00Z"):
        await api.call("POST", PATH, {"id": "cust-1", "title": "Dr", "occurred_at": at})
    assert [each["timestamp"] for each in world.people.events] == [
        "2026-01-01T08:00:00.000Z",
        "2026-11-30T00:53:20.000Z",
    ]
    assert NOW == 1_796_000_000_000


async def test_raw_names_are_the_same_fields(api: RunningApi, world: ApiWorld) -> None:
    """With values as Salesforce has them; what the platform has no say in is named, and the rest is done."""
    body = {"id": "cust-1", "custom_fields": {"Title": "Dr", "Total_Spent__c": 9, "Customer_Tier__c": "Gold"}}
    _, told, _ = await api.call("POST", PATH, body)
    assert world.people.events[0]["data"]["fields"] == {"title": "Dr"}
    assert {each["field"]: each["reason"] for each in told["ignored"]} == {
        "Total_Spent__c": "Tandem works it out from other documents, and pushes what comes out",
        "Customer_Tier__c": "it comes from Salesforce alone",
    }


async def test_every_mistake_is_named_and_nothing_is_said(api: RunningApi, world: ApiWorld) -> None:
    """Unknown names, values that a field cannot have, one field under both its names."""
    body = {
        "id": "cust-1",
        "frist_name": "Ion",
        "birthdate": "soon",
        "title": "Dr",
        "address": {"planet": "Mars"},
        "custom_fields": {"Title": "Dr", "Nothing__c": 1},
    }
    status, told, _ = await api.call("POST", PATH, body)
    assert status == 422
    assert {each["pointer"] for each in told["errors"]} == {
        "/frist_name",
        "/birthdate",
        "/address/planet",
        "/custom_fields/Title",
        "/custom_fields/Nothing__c",
    }
    assert world.people.events == []


async def test_an_address_means_who_has_it(api: RunningApi, world: ApiWorld) -> None:
    """In whatever case; where nobody has it, one new person; where two have it, the caller has to say which."""
    world.people.documents["cust-7"] = {"_id": "cust-7", "revision": 1, "email": "Seven@example.com"}
    _, told, _ = await api.call("POST", PATH, {"email": "seven@EXAMPLE.com", "title": "Dr"})
    assert told["id"] == "cust-7"
    new = [(await api.call("POST", PATH, {"email": "new@example.com"}))[1]["id"] for _ in range(2)]
    assert new[0] == new[1] != "cust-7"
    world.people.documents["cust-8"] = {"_id": "cust-8", "revision": 1, "email": "seven@example.com"}
    for method, path, body in (
        ("POST", PATH, {"email": "seven@example.com"}),
        ("GET", f"{PATH}/seven@example.com", None),
    ):
        status, told, _ = await api.call(method, path, body)
        assert (status, told["type"]) == (409, "urn:tandem:problem:several")
        assert {each["detail"] for each in told["errors"]} == {"customer/cust-7", "customer/cust-8"}


async def test_who_takes_over_an_address_is_somebody_else(api: RunningApi, world: ApiWorld) -> None:
    """The first who had it has another one now; a record of theirs must not be overwritten."""
    _, first, _ = await api.call("POST", PATH, {"email": "shared@example.com", "last_name": "One"})
    await api.call("POST", PATH, {"id": first["id"], "email": "one@example.com", "changed": ["email"]})
    _, second, _ = await api.call("POST", PATH, {"email": "shared@example.com", "last_name": "Two"})
    assert second["id"] != first["id"]
    assert world.people.documents[first["id"]]["last_name"] == "One"


async def test_a_mended_request_is_another_event(api: RunningApi, world: ApiWorld) -> None:
    """It may come under the same key, and hears nothing of how the one before it ended."""
    named = {"Idempotency-Key": "k"}
    world.people.outcome = Ended(Outcome.PARKED, "invalid_value")
    assert (await api.call("POST", PATH, {"id": "cust-1", "title": "Dr"}, headers=named))[0] == 409
    world.people.outcome = None
    assert (await api.call("POST", PATH, {"id": "cust-1", "title": "Dr"}, headers=named))[0] == 409
    assert (await api.call("POST", PATH, {"id": "cust-1", "title": "Prof"}, headers=named))[0] == 202
    first, again, mended = (event["id"] for event in world.people.events)
    assert first == again != mended


async def test_a_store_that_goes_away_once_the_event_is_in(api: RunningApi, world: ApiWorld) -> None:
    """The event is in Kafka, and is applied later: that is a 202, with a key and without."""
    world.people.store_away, api.kept.fails = True, {"finish", "drop"}
    for headers in ({}, {"Idempotency-Key": "k"}):
        status, told, _ = await api.call("POST", PATH, {"id": "cust-1", "title": "Dr"}, headers=headers)
        assert (status, told["id"], told["outcome"]) == (202, "cust-1", None)
    assert len(world.people.events) == 2


async def test_who_was_deleted_has_no_address_any_more(api: RunningApi, world: ApiWorld) -> None:
    """Their document stays, and whoever has the address since is the only one who answers to it."""
    gone = {"_sync": {"existence": {"exists": False}}}
    world.people.documents["cust-1"] = {"_id": "cust-1", "revision": 2, "email": "a@example.com", **gone}
    status, _, _ = await api.call("GET", f"{PATH}/a@example.com")
    assert status == 404
    world.people.documents["cust-2"] = {"_id": "cust-2", "revision": 1, "email": "A@example.com", "salesforce": {}}
    status, told, _ = await api.call("GET", f"{PATH}/a@example.com")
    assert (status, told["id"]) == (200, "cust-2")
    status, told, _ = await api.call("POST", PATH, {"email": "a@example.com", "title": "Dr"})
    assert (status, told["id"]) == (200, "cust-2")


async def test_an_address_of_somebody_deleted_is_somebody_news(api: RunningApi, world: ApiWorld) -> None:
    """Also where the address was theirs by an id that we had given."""
    _, first, _ = await api.call("POST", PATH, {"email": "a@example.com", "last_name": "One"})
    world.people.documents[first["id"]]["_sync"] = {"existence": {"exists": False}}
    status, second, _ = await api.call("POST", PATH, {"email": "a@example.com", "last_name": "Two"})
    assert status == 201
    assert second["id"] != first["id"]


async def test_neither_id_nor_address(api: RunningApi) -> None:
    """Nobody can tell who is meant."""
    status, told, _ = await api.call("POST", PATH, {"first_name": "Ion"})
    assert (status, told["errors"][0]["pointer"]) == (422, "/id")


@pytest.mark.parametrize(
    ("outcome", "sync", "status"),
    [
        (None, "synced", 202),
        (Ended(Outcome.APPLIED, ""), "pending", 202),
        (Ended(Outcome.APPLIED, ""), "error", 201),
        (Ended(Outcome.STALE, "3"), "synced", 201),
    ],
)
async def test_what_takes_longer_is_a_202(
    api: RunningApi, world: ApiWorld, outcome: Ended | None, sync: str, status: int
) -> None:
    """What is known by then is told, and where to look."""
    world.people.outcome, world.people.status = outcome, sync
    found, told, response = await api.call("POST", PATH, {"id": "cust-1", "email": "a@example.com"})
    assert (found, told["outcome"]) == (status, None if outcome is None else str(outcome.outcome))
    assert response.headers["Location"] == f"{PATH}/cust-1"


async def test_what_was_parked_is_told(api: RunningApi, world: ApiWorld) -> None:
    """With its reason, as a person on call sees it."""
    world.people.outcome = Ended(Outcome.PARKED, "unstorable")
    status, told, _ = await api.call("POST", PATH, {"id": "cust-1", "email": "a@example.com"})
    assert (status, told["type"]) == (409, "urn:tandem:problem:not_taken")
    assert "unstorable" in told["detail"]


async def test_a_log_that_is_away_is_a_503(api: RunningApi, world: ApiWorld) -> None:
    """And nothing was said."""
    world.people.away = True
    status, told, _ = await api.call("POST", PATH, {"id": "cust-1", "email": "a@example.com"})
    assert (status, told["type"]) == (503, "urn:tandem:problem:unavailable")


async def test_one_idempotency_key_is_one_event(api: RunningApi, world: ApiWorld) -> None:
    """Also where the first answer was lost before it was kept: the event's id follows from the key."""
    body, named = {"id": "cust-1", "title": "Dr"}, {"Idempotency-Key": "k"}
    await api.call("POST", PATH, body, headers=named)
    api.kept.by_name.clear()
    await api.call("POST", PATH, body, headers=named)
    first, second = world.people.events
    assert first["id"] == second["id"]


async def test_a_contact_is_found_by_each_of_its_names(api: RunningApi, world: ApiWorld) -> None:
    """A platform id that looks like a record id, or has an @ in it, is one all the same."""
    record = "003AbCdEfGhIjKlMAA"[:15]
    for name in ("cust-1", record, "a@b"):
        world.people.documents[name] = {"_id": name, "revision": 1, "email": f"{len(name)}@example.com"}
    for name in ("cust-1", record, "a@b", "6@example.com"):
        status, told, response = await api.call("GET", f"{PATH}/{name}")
        assert (status, response.headers["ETag"]) == (200, '"1"'), name
        assert told["id"] in (name, "cust-1")
    assert (await api.call("GET", f"{PATH}/nobody"))[0] == 404


async def test_a_kind_must_be_named_where_there_are_several(api: RunningApi) -> None:
    """And one that is not kept in Contact is none here."""
    status, told, _ = await api.call("GET", f"{PATH}/cust-1?kind=order")
    assert (status, told["errors"][0]["parameter"]) == (422, "kind")


def test_a_field_that_is_an_object_is_gone_into_by_paths_alone() -> None:
    """A dotted name says the same; a value of a path is not gone into."""
    taken = contact_form.taken(KIND, {"address.city": "Cluj", "address": {"country": "RO"}}, {})
    assert taken.fields == {"address.city": "Cluj", "address.country": "RO"}
    with pytest.raises(Problem) as refused:
        contact_form.taken(KIND, {"title": {"a": 1}}, {})
    assert refused.value.errors[0].pointer == "/title"


async def test_a_key_that_may_only_say_is_told_no_contact(api: RunningApi, world: ApiWorld) -> None:
    """What it said was taken, and how that ended: neither the person as stored nor what Salesforce has of them."""
    world.people.documents["cust-7"] = {"_id": "cust-7", "revision": 1, "email": "seven@example.com", "phone": "+1"}
    body = {"email": "seven@example.com", "title": "Dr"}
    saying = api.keys.add(Scope.EVENTS, id="aaaaaaaaaaaa")
    status, told, response = await api.call("POST", PATH, body, key=saying)
    assert (status, told["id"], told["outcome"], told["contact"]) == (200, "cust-7", "applied", None)
    assert "ETag" not in response.headers
    assert (await api.call("GET", f"{PATH}/cust-7", key=saying))[0] == 403
    reading = api.keys.add(Scope.EVENTS, Scope.READ, id="bbbbbbbbbbbb")
    _, told, _ = await api.call("POST", PATH, body, key=reading)
    assert (told["contact"]["salesforce_id"], told["contact"]["fields"]["phone"]) == (RECORD, "+1")


def _register(source: Side, *, merged: bool = False) -> str:
    """A field whose value came from there, as it is stored."""
    return dump_field(FieldState(source=source, merged=merged))


async def test_what_salesforce_knows_of_who_is_looked_up_needs_the_scope_for_it(
    api: RunningApi, world: ApiWorld
) -> None:
    """Link, object, status and every value that came from there: else an address would tell who is a customer."""
    _, version = world.mappings.published[-1]
    world.mappings.published.append((preset("hackathon"), version))
    known = {"email": "ana@example.com", "title": "CTO", "customer_tier": "growth", "skills": ["Go", "Perl"]}
    world.people.documents["part-1"] = {
        "_id": "part-1",
        "revision": 2,
        **known,
        "department": "Research",
        "_sync": {
            "fields": {
                "Department": _register(Side.SALESFORCE),
                "Title": _register(Side.PLATFORM),
                "Skills__c": _register(Side.PLATFORM, merged=True),
            }
        },
        "salesforce": {"syncStatus": "synced", "recordId": RECORD, "lastSyncedAt": NOW},
    }
    reading = api.keys.add(Scope.EVENTS, Scope.READ, id="bbbbbbbbbbbb")
    enriching = api.keys.add(Scope.EVENTS, Scope.READ, Scope.ENRICH, id="cccccccccccc")
    assert (await api.call("GET", f"{PATH}/{RECORD}", key=reading))[0] == 404
    assert (await api.call("GET", f"{PATH}/{RECORD}", key=enriching))[1]["id"] == "part-1"
    for method, path, body in (
        ("GET", f"{PATH}/ana@example.com", None),
        ("POST", PATH, {"email": "ana@example.com", "title": "CTO"}),
    ):
        _, told, _ = await api.call(method, path, body, key=reading)
        shown = told if body is None else told["contact"]
        assert (shown["salesforce_id"], shown["object"], shown["sync"]) == (None, None, None)
        assert shown["fields"].keys() == {"email", "title"}
        assert not any(theirs in str(told) for theirs in ("growth", "Research", "Perl"))
        _, told, _ = await api.call(method, path, body, key=enriching)
        shown = told if body is None else told["contact"]
        assert (shown["salesforce_id"], shown["object"], shown["sync"]["status"]) == (RECORD, "Contact", "synced")
        assert (shown["fields"]["department"], shown["fields"]["skills"]) == ("Research", ["Go", "Perl"])
        assert shown["fields"]["customer_tier"] == shown["custom_fields"]["Customer_Tier__c"] == "growth"
