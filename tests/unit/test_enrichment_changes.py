"""What changes in Salesforce makes old: the cache, what stands in documents; and who has become a member."""

import copy
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.enrichment_world import EnrichmentWorld, enrichment_world
from support.fakes_changes import eventually

from consumers.catalog import Catalog
from schemas import topics
from schemas.mapping import Mapping
from schemas.outcome import Outcome
from schemas.presets import preset
from schemas.record_filter import Comparison

ANA: dict[str, Any] = {"email": "ana@acme.example", "name": "Ana Pop"}
MEMBER = "00vdL0000000001AAA"


@pytest.fixture
async def world() -> AsyncIterator[EnrichmentWorld]:
    async with enrichment_world() as made:
        yield made


def asking_consent() -> Mapping:
    """The preset, with a field of the person's own choice that says whether they may be looked up."""
    mapping = preset("hackathon")
    kind = mapping.kinds["participant"]
    assert kind.enrichment is not None
    enrichment = kind.enrichment.model_copy(update={"consent": Comparison(path="country", equals="yes")})
    participant = kind.model_copy(update={"enrichment": enrichment})
    return mapping.model_copy(update={"kinds": {**mapping.kinds, "participant": participant}})


async def hear(world: EnrichmentWorld, entity: str, record_id: str, type_: str = "UPDATE", **fields: Any) -> Outcome:
    """One change, handed to the handler; how it ended."""
    return await world.hear(entity, record_id, type_, **fields)


async def test_a_change_of_the_record_has_the_person_looked_up_again(world: EnrichmentWorld) -> None:
    """Without anybody's asking, and past the cache; what was known stands until then."""
    contact = world.people.add("Contact", Email="ana@acme.example", Title="Dev")
    told = await world.register(**ANA)
    world.people.rows["Contact"][0]["Title"] = "CTO"
    assert await hear(world, "Contact", contact, Title="CTO") is Outcome.APPLIED
    assert (await world.stored(told.id))["salesforce"]["title"] == "Dev"
    await world.work()
    assert (await world.stored(told.id))["salesforce"]["title"] == "CTO"


async def test_an_answer_that_was_on_its_way_is_asked_for_once_more(world: EnrichmentWorld) -> None:
    """A change is heard while a call is out that began before it: neither that nor what the cache has of it lasts."""
    contact = world.people.add("Contact", Email="ana@acme.example", Title="Dev")
    told = await world.register(**ANA)
    row, look = world.people.rows["Contact"][0], world.people.look
    await hear(world, "Contact", contact, Title="CTO")

    async def overtaken(*asked: Any) -> Any:
        answer = await look(*asked)
        world.stage.now += 1_000
        row["Title"] = "CTO"
        await hear(world, "Contact", contact, Title="CTO")
        return answer

    world.people.look = overtaken  # type: ignore[method-assign]
    assert {end.outcome for end in await world.work()} == {Outcome.DEFERRED}
    world.people.look = look  # type: ignore[method-assign]
    world.stage.now += 1_000
    assert await world.sweep.ask_for_due() == 1
    assert {end.outcome for end in await world.work()} == {Outcome.APPLIED}
    assert (await world.stored(told.id))["salesforce"]["title"] == "CTO"
    world.stage.now += 3_600_000
    assert await world.sweep.ask_for_due() == 0


@pytest.mark.parametrize("waits", [True, False])
async def test_a_change_while_somebody_is_looked_up_for_the_first_time_is_not_lost(
    world: EnrichmentWorld, waits: bool
) -> None:
    """No document has the record yet by which they would be found: what is told is asked for once more, and the cache
    keeps nothing of it. So it is while somebody waits, and in the background."""
    contact = world.people.add("Contact", Email="ana@acme.example", Title="Dev")
    row, look = world.people.rows["Contact"][0], world.people.look

    async def overtaken(*asked: Any) -> Any:
        answer = await look(*asked)
        world.stage.now += 1_000
        row["Title"] = "CTO"
        await hear(world, "Contact", contact, Title="CTO")
        world.stage.now += 1_000
        return answer

    world.people.look = overtaken  # type: ignore[method-assign]
    if waits:
        id_ = (await world.register(**ANA)).id
    else:
        id_ = "p-1"
        await world.post("participant.registered", id_, email="ana@acme.example", last_name="Pop")
        world.stage.now += 10_000
        await world.sweep.ask_for_due()
        assert {end.outcome for end in await world.work()} == {Outcome.DEFERRED}
    assert (await world.stored(id_))["salesforce"]["title"] == "Dev"
    await eventually(lambda: not world.lookups.waiting)
    assert not world.cache.rows
    world.people.look = look  # type: ignore[method-assign]
    world.stage.now += 1_000
    await world.sweep.ask_for_due()
    await world.work()
    assert (await world.stored(id_))["salesforce"]["title"] == "CTO"
    world.stage.now += 3_600_000
    assert await world.sweep.ask_for_due() == 0


async def test_an_account_that_is_renamed_is_named_so_in_the_documents_of_its_people(world: EnrichmentWorld) -> None:
    """Past the cache, for all of them and nobody else, in one call; what is not shown of it costs none."""
    acme, other = "001dL0000000001AAA", "001dL0000000002AAA"
    told = {}
    for name, account in (("ana", acme), ("bo", acme), ("cy", other)):
        world.people.add("Contact", Email=f"{name}@acme.example", Account__Id=account, Account__Name="Acme")
        told[name] = await world.register(email=f"{name}@acme.example", name=name.title())
    world.people.calls.clear()
    assert await hear(world, "Account", acme, Industry="Energy") is Outcome.IGNORED
    assert await hear(world, "Account", acme, "CREATE", Name="Acme") is Outcome.IGNORED
    assert not world.requests.asked
    for row in world.people.rows["Contact"]:
        row["Account.Name"] = "Acme Europe"
    assert await hear(world, "Account", acme, Name="Acme Europe") is Outcome.APPLIED
    await world.work()
    shown = {name: (await world.stored(one.id))["salesforce"]["accountName"] for name, one in told.items()}
    assert shown == {"ana": "Acme Europe", "bo": "Acme Europe", "cy": "Acme"}
    assert world.people.calls == [["ana@acme.example", "bo@acme.example"]]


async def test_an_account_with_very_many_people_holds_nobody_up(
    world: EnrichmentWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are marked by the thousand, none read or written by itself; and looked up part by part, in full calls."""
    acme, many = "001dL0000000001AAA", 2_300
    world.people.add("Contact", Email="p0@acme.example", Account__Id=acme, Account__Name="Acme")
    told = await world.register(email="p0@acme.example", name="P Zero")
    documents = world.due.collections["participants"]
    for number in range(1, many):
        twin = copy.deepcopy(documents[told.id])
        twin["_id"], twin["email"] = f"p-{number}", f"p{number}@acme.example"
        documents[twin["_id"]] = twin
    calls: list[str] = []
    for name in ("read", "write", "look_again"):
        monkeypatch.setattr(world.due, name, counting(calls, name, getattr(world.due, name)))
    assert await hear(world, "Account", acme, Name="Acme Europe") is Outcome.APPLIED
    assert calls == ["look_again"] * 3
    assert len(world.requests.asked) == 1_000
    world.requests.asked.clear()
    asked = []
    for _part in range(3):
        await world.sweep.ask_for_due()
        assert await world.sweep.ask_for_due() == 0, "the next part has its own time"
        asked.append(len(world.requests.asked))
        world.requests.asked.clear()
        for one in list(documents.values())[: sum(asked)]:
            one["_sync"]["enriched"].pop("due", None)  # they are looked up
        world.stage.now += 10_000
    assert asked == [1_000, 1_000, 300]


def counting(calls: list[str], name: str, method: Any) -> Any:
    """The method, whose calls are noted by their name."""

    async def counted(*given: Any) -> Any:
        calls.append(name)
        return await method(*given)

    return counted


async def test_who_registers_by_a_webhook_is_looked_up_without_being_asked_for(world: EnrichmentWorld) -> None:
    """Once, in the background, when an API's own look would have begun; an edit and a repetition ask nobody."""
    contact = world.people.add("Contact", Email="ana@acme.example", Title="CTO")
    await world.post("participant.registered", "p-1", email="ana@acme.example", last_name="Pop")
    assert not world.people.calls, "the reconciler itself asks nobody"
    assert await world.sweep.ask_for_due() == 0
    world.stage.now += 10_000
    assert await world.sweep.ask_for_due() == 1
    await world.work()
    stored = await world.stored("p-1")
    assert (stored["salesforce"]["contactId"], stored["salesforce"]["title"]) == (contact, "CTO")
    await world.post("participant.registered", "p-1", email="ana@acme.example", last_name="Popescu")
    await world.post("participant.updated", "p-1", last_name="Pop-Popescu")
    world.stage.now += 3_600_000
    assert await world.sweep.ask_for_due() == 0


async def test_who_has_opted_out_or_shows_no_address_is_not_looked_up(world: EnrichmentWorld) -> None:
    """A webhook's registration is no other word for consent."""
    await world.post("participant.registered", "p-1", email="ana@acme.example", last_name="Pop", opted_out=True)
    await world.post("participant.registered", "p-2", last_name="Doe")
    await world.post("participant.updated", "p-3", email="cy@acme.example", last_name="Roe")
    world.stage.now += 3_600_000
    assert await world.sweep.ask_for_due() == 0


async def test_being_looked_up_may_have_a_consent_of_its_own(world: EnrichmentWorld) -> None:
    """Without it nobody is asked about, by either way of registering; with it they are, and it can be taken back."""
    world.stage.catalog = Catalog(asking_consent())
    world.people.add("Contact", Email="ana@acme.example", Title="CTO")
    told = await world.register(**ANA, consent=True)
    assert told.document is not None
    assert "title" not in told.document["salesforce"]
    await world.post("participant.updated", told.id, last_name="Popescu")
    world.stage.now += 3_600_000
    assert await world.sweep.ask_for_due() == 0
    assert not world.people.calls
    await world.post("participant.updated", told.id, country="yes")
    world.stage.now += 10_000
    assert await world.sweep.ask_for_due() == 1
    await world.work()
    assert (await world.stored(told.id))["salesforce"]["title"] == "CTO"
    await world.post("participant.updated", told.id, country="no")
    stored = await world.stored(told.id)
    assert "title" not in stored["salesforce"]
    assert stored.get("isExistingCustomer") is None


async def test_who_registers_by_the_api_is_looked_up_once(world: EnrichmentWorld) -> None:
    """The reconciler hears of the same registration, sooner or later than the document is stored."""
    world.people.add("Contact", Email="ana@acme.example")
    await world.register(**ANA)
    await world.hear_registrations()
    world.stage.now += 3_600_000
    assert await world.sweep.ask_for_due() == 0
    assert world.people.calls == [["ana@acme.example"]]


async def test_nobody_of_this_address_is_forgotten_when_there_is_somebody(world: EnrichmentWorld) -> None:
    """A Contact that sales have just made is found at once."""
    await world.register(**ANA)
    contact = world.people.add("Contact", Email="Ana@acme.example")
    await hear(world, "Contact", contact, "CREATE", Email="Ana@acme.example")
    again = await world.register(**ANA)
    assert again.document is not None
    assert again.document["salesforce"]["contactId"] == contact


@pytest.mark.parametrize(
    ("entity", "fields"), [("Contact", {"Tandem_Participant_Write__c": "p:1"}), ("Opportunity", {"Name": "x"})]
)
async def test_what_is_shown_of_nobody_costs_no_look(
    world: EnrichmentWorld, entity: str, fields: dict[str, Any]
) -> None:
    """Above all our own writes of our own fields."""
    contact = world.people.add("Contact", Email="ana@acme.example")
    await world.register(**ANA)
    assert await hear(world, entity, contact, **fields) is Outcome.IGNORED
    assert not world.requests.asked


async def test_what_cannot_be_read_is_anothers_to_park(world: EnrichmentWorld) -> None:
    """The reconciler reads the same topic."""
    stage = world.stage
    (result,) = await world.changes.handle([stage.record(topics.SALESFORCE_CHANGES, b"k", b"no JSON")])
    assert result.outcome is Outcome.IGNORED
