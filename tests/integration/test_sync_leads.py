"""Runs of a kind that is kept in Lead and Contact: on the real MongoDB and a simulated org, with no event to help."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.lead_stage import LEAD
from support.sync_world import Database, SyncWorld, counts, mapping, sync_world

from consumers.catalog import Catalog
from ops.sync.asking import CannotRun
from schemas.mapping import Mapping
from schemas.sync_run import RunState

pytestmark = pytest.mark.integration
KEY = "Tandem_Customer_Id__c"


def in_leads(**settings: Any) -> dict[str, Any]:
    """The customer of the world, who may be a lead."""
    fields = mapping().model_dump(mode="json")["kinds"]["customer"]["fields"]
    company = {"platform": "company", "salesforce": "Company"}
    return {"lead": LEAD, "create": "lead", "on_unlinked": "create", "fields": [*fields, company], **settings}


@pytest.fixture
async def world(database: Database) -> AsyncIterator[SyncWorld]:
    """One customer in a contact and two in leads, at rest."""
    async with sync_world(database, **in_leads(match={"by": ["Email"]})) as made:
        made.edit(action="create", fields={"LastName": "L0", "Email": "0@x.org"})
        await made.post(0, email="0@x.org", title="Ms")
        for number in (1, 2):
            await made.post(number, title="Ms")
        await made.settle()
        yield made


def lead_of(customers: dict[str, dict[str, Any]], id_: str) -> str:
    return str(customers[id_]["salesforce"]["leadId"])


async def test_both_objects_are_looked_at_each_by_its_own_names(world: SyncWorld) -> None:
    """By `all` and by the kind; an object by its name alone is looked at alone."""
    for what in ("all", "customer"):
        run = await world.run(what, direction="both")
        assert counts(run) == {"pull": {"up_to_date": 3}, "push": {"up_to_date": 3}}, what
    assert counts(await world.run("contacts", direction="both")) == {
        "pull": {"up_to_date": 1},
        "push": {"up_to_date": 1, "not_asked": 2},
    }
    assert counts(await world.run("leads", direction="both")) == {
        "pull": {"up_to_date": 2},
        "push": {"up_to_date": 2, "not_asked": 1},
    }
    customers = await world.customers()
    world.edit(object="Lead", id=lead_of(customers, "cust-1"), fields={"City": "Bath", "Company": "Navy"})
    new = world.edit(action="create", object="Lead", fields={"LastName": "New", "Company": "Army"})
    assert counts(await world.run("leads", direction="pull")) == {"pull": {"update": 1, "up_to_date": 1, "create": 1}}
    await world.settle()
    customers = await world.customers()
    assert customers["cust-1"]["address"]["city"] == "Bath"
    assert (customers["cust-1"]["company"], customers[new]["company"]) == ("Navy", "Army")
    assert counts(await world.run("all", direction="pull")) == {"pull": {"up_to_date": 4}}


async def test_a_comparison_misses_nobody_for_being_in_the_other_object(world: SyncWorld) -> None:
    """And finds what is gone from either, and what sales have converted unheard."""
    run = await world.run("all", purpose="compare")
    assert (run.state, counts(run)) == (RunState.DONE, {"compare": {"up_to_date": 3}})
    customers = await world.customers()
    world.edit(action="delete", object="Lead", id=lead_of(customers, "cust-1"))
    contact = await world.org.convert(lead_of(customers, "cust-2"), no_opportunity=True)
    found = counts(await world.run("all", purpose="compare"))["compare"]
    assert (found["missing"], found["update"]) == (1, 1)
    await world.settle()
    customers = await world.customers()
    assert customers["cust-1"]["salesforce"]["syncStatus"] == "gone"
    assert customers["cust-2"]["salesforce"]["contactId"] == contact
    assert set(customers) == {"cust-0", "cust-1", "cust-2"}, "the contact is no new customer"
    assert counts(await world.run("all", purpose="compare"))["compare"].get("missing") is None


async def test_a_run_goes_on_among_the_leads(world: SyncWorld) -> None:
    """Its cursor is a lead's id by then: contacts are not begun again."""
    run = await world.ask("all", purpose="compare")
    walk = world.parts.walk(run, run.steps[0])
    advances = [advance async for advance in walk.advances("")]
    assert sum(advance.passed for advance in advances) == await walk.total() == 3
    last = next(advance.cursor for advance in advances if advance.cursor.startswith("00Q"))
    again = [advance async for advance in walk.advances(last)]
    assert sum(advance.passed for advance in again) == 0


async def test_what_may_not_be_made_is_told_so(world: SyncWorld) -> None:
    """By `create` or without consent; and a filter that an object cannot have is named."""
    raw = world.stage.catalog.mapping.model_dump(mode="json")
    raw["kinds"]["customer"] |= {"create": "none"}
    world.stage.catalog = Catalog(Mapping.model_validate(raw))
    await world.post(7, email="7@x.org")
    await world.settle()
    assert await world.plan("all", direction="push") == {"push": {"up_to_date": 3, "unmade": 1}}
    with pytest.raises(CannotRun, match="the filter names title, which Lead has not: ask for one object alone"):
        await world.plan("all", direction="pull", filter={"path": "title", "equals": "Ms"})
    assert await world.plan("contacts", direction="pull", filter={"path": "title", "equals": "Ms"}) == {
        "pull": {"up_to_date": 1}
    }


async def test_one_object_off_leaves_the_other(world: SyncWorld) -> None:
    """`SYNC_LEADS` keeps runs from leads, and they cannot be asked for."""
    world.stage.catalog = Catalog(world.stage.catalog.mapping, frozenset({"Lead"}))
    assert counts(await world.run("all", direction="both")) == {
        "pull": {"up_to_date": 1},
        "push": {"up_to_date": 1, "not_asked": 2},
    }
    with pytest.raises(CannotRun, match="Lead is switched off"):
        await world.ask("leads")
