"""Lookups that name records of several objects."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.fake_documents import FakeDocuments
from support.org import OrgClient, org_client
from support.sync_stage import TIMING, Stage

from adapters.salesforce.describe_check import check_mapping
from adapters.salesforce.opening import Salesforce, open_salesforce
from adapters.salesforce.settings import SalesforceSettings
from consumers.catalog import Catalog
from consumers.rules.retry import RetryPolicy
from consumers.writer.writer import Writer
from schemas.mapping import Mapping
from schemas.mapping_reading import InvalidMapping, parse_mapping
from schemas.outcome import Outcome

A_DAY = 86_400_000


def kind(collection: str, sobject: str, own: str, *fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "collection": collection,
        "sobject": sobject,
        "external_id": f"Tandem_{own}_Id__c",
        "token": f"Tandem_{own}_Write__c",
        "events": {f"{collection.removesuffix('s')}.updated": "values"},
        "fields": list(fields),
    }


def field(platform: str, salesforce: str, **more: Any) -> dict[str, Any]:
    return {"platform": platform, "salesforce": salesforce, **more}


ACCOUNT = kind("accounts", "Account", "Company", field("name", "Name"))
CUSTOMER = kind("customers", "Contact", "Customer", field("last_name", "LastName"))
PARTICIPANT = kind("participants", "Lead", "Participant", field("last_name", "LastName"), field("company", "Company"))
EVENT = kind("events", "Campaign", "Event", field("name", "Name"))
TASK = kind(
    "tasks",
    "Task",
    "Task",
    field("subject", "Subject"),
    field("about", "WhatId", lookup=["account", "event"]),
    field("person", "WhoId", lookup=["customer", "participant"]),
)
KINDS = {
    "account": ACCOUNT,
    "customer": CUSTOMER,
    "participant": PARTICIPANT,
    "event": EVENT,
    "task": TASK,
}


def mapping(**changed: Any) -> dict[str, Any]:
    return {"format": 1, "kinds": KINDS | changed}


@pytest.fixture
def stage() -> Stage:
    made = Stage(FakeDocuments())
    made.catalog = Catalog(Mapping.model_validate(mapping()))
    return made


async def post(stage: Stage, kind_name: str, id_: str, **fields: Any) -> None:
    assert (await stage.post(fields, id_=id_, type_=f"{kind_name}.updated")).outcome is Outcome.APPLIED


async def people(stage: Stage) -> None:
    await post(stage, "customer", "ana", last_name="Pop")
    await post(stage, "participant", "bob", last_name="Roe", company="Roe Ltd")
    await post(stage, "account", "acme", name="Acme")
    await post(stage, "event", "fest", name="Fest")


async def record_of(stage: Stage, collection: str, id_: str) -> str:
    return str((await stage.document(id_, collection))["_sync"]["link"]["id"])


def row(stage: Stage, sobject: str) -> dict[str, Any]:
    (found,) = stage.salesforce.rows[sobject].values()
    return found


async def test_a_value_names_its_kind_and_becomes_that_record(stage: Stage) -> None:
    """Parents of whatever kind are written first, in one pass."""
    await post(stage, "task", "t-1", subject="Call", about="account/acme", person="participant/bob")
    await people(stage)
    await stage.answer_doorbells()
    assert row(stage, "Task")["WhatId"] == await record_of(stage, "accounts", "acme")
    assert row(stage, "Task")["WhoId"] == await record_of(stage, "participants", "bob")
    await stage.settle()
    shown = await stage.document("t-1", "tasks")
    assert (shown["about"], shown["person"]) == ("account/acme", "participant/bob")
    assert shown["salesforce"]["syncStatus"] == "synced"


async def test_what_salesforce_names_comes_back_with_its_kind(stage: Stage) -> None:
    """A record of no document keeps its own id, and is written back as such."""
    await post(stage, "task", "t-1", subject="Call", about="account/acme")
    await people(stage)
    await stage.settle()
    task = await record_of(stage, "tasks", "t-1")
    stage.salesforce.edit("Task", task, {"WhatId": await record_of(stage, "events", "fest")})
    await stage.settle()
    assert (await stage.document("t-1", "tasks"))["about"] == "event/fest"
    stranger = stage.salesforce.create("Account", {"Name": "Stranger"})
    stage.salesforce.edit("Task", task, {"WhatId": stranger})
    await stage.settle()
    assert (await stage.document("t-1", "tasks"))["about"] == stranger
    await stage.post({"about": "account/acme"}, id_="t-1", type_="task.updated", changed=["about"])
    await stage.settle()
    assert row(stage, "Task")["WhatId"] == await record_of(stage, "accounts", "acme")


@pytest.mark.parametrize("value", ["acme", "company/acme", "account/", 7, "account"])
async def test_a_value_that_names_no_kind_is_parked_and_told(stage: Stage, value: Any) -> None:
    """The path and what is allowed; never the value."""
    result = await stage.post({"about": value}, id_="t-1", type_="task.updated")
    assert (result.outcome, result.reason) == (Outcome.PARKED, "invalid_value")
    (parked,) = stage.parked.rows.values()  # type: ignore[attr-defined]
    assert parked.detail == "about: must name a kind and an id, account/id; kinds: account, event"


async def test_a_parent_without_a_record_is_waited_for_and_joined(stage: Stage) -> None:
    await post(stage, "task", "t-1", subject="Call", about="event/fest")
    await stage.settle()
    assert row(stage, "Task").get("WhatId") is None
    await people(stage)
    stage.now += 300_000
    await stage.settle()
    assert row(stage, "Task")["WhatId"] == await record_of(stage, "events", "fest")


# Against the org


@asynccontextmanager
async def world() -> AsyncIterator[tuple[Stage, OrgClient, Salesforce]]:
    stage = Stage(FakeDocuments())
    stage.catalog = Catalog(Mapping.model_validate(mapping()))
    stage.now = time.time_ns() // 1_000_000 - A_DAY
    async with org_client(clock=lambda: stage.now) as org:
        values = {"client_id": org.org.client_id, "client_secret": org.org.client_secret, "login_url": org.org.base_url}
        async with open_salesforce(SalesforceSettings(**values), now=lambda: stage.now) as salesforce:
            stage.writer = Writer(
                catalog=lambda: stage.catalog,
                documents=stage.documents,
                records=salesforce.records,
                log=stage.log,
                parked=stage.parked,
                now=lambda: stage.now,
                timing=TIMING,
                retry=RetryPolicy(tries=5, org_wait=1_000),
            )
            yield stage, org, salesforce


async def test_an_org_takes_what_each_kind_is_kept_in() -> None:
    """The simulated org's tasks are about accounts and campaigns, and about contacts and leads, as Salesforce's are."""
    async with world() as (stage, org, _):
        await people(stage)
        await post(stage, "task", "t-1", subject="Call", about="account/acme", person="participant/bob")
        await post(stage, "task", "t-2", subject="Write", about="event/fest", person="customer/ana")
        await stage.settle()
        made = (await org.query("SELECT WhatId, WhoId FROM Task ORDER BY Subject"))["records"]
        assert [(one["WhatId"][:3], one["WhoId"][:3]) for one in made] == [("001", "00Q"), ("701", "003")]
        assert made[0]["WhoId"] == await record_of(stage, "participants", "bob")
        assert not stage.parked.rows  # type: ignore[attr-defined]


async def test_a_mapping_is_compared_with_what_each_field_takes() -> None:
    async with world() as (_, _, salesforce):
        describes = {one: await salesforce.rest.describe(one) for one in {each["sobject"] for each in KINDS.values()}}
        assert [str(one) for one in check_mapping(Mapping.model_validate(mapping()), describes) if one.blocking] == []
        task = kind("tasks", "Task", "Task", field("about", "WhatId", lookup=["account", "customer"]))
        (told,) = [one for one in check_mapping(Mapping.model_validate(mapping(task=task)), describes) if one.blocking]
        assert str(told) == (
            "task.fields.about: WhatId names records of Account, Opportunity, Campaign, and customer is kept in Contact"
        )


# What is wrong in a mapping


@pytest.mark.parametrize(
    ("about", "problem"),
    [
        ({"lookup": []}, "lookup: is empty; at least one is needed"),
        ({"lookup": ["account", "account"]}, "lookup: [account, account] names a kind twice"),
        ({"lookup": ["account", "deal"]}, 'lookup: "deal" is no kind; allowed: account, customer'),
        ({"lookup": ["account", "Deal"]}, 'lookup[1]: "Deal" is not allowed; '),
    ],
)
def test_a_mapping_says_what_is_wrong_with_a_lookup(about: dict[str, Any], problem: str) -> None:
    fields = [field("subject", "Subject"), field("about", "WhatId", **about)]
    with pytest.raises(InvalidMapping) as caught:
        parse_mapping(mapping(task=kind("tasks", "Task", "Task", *fields)))
    (found,) = caught.value.problems
    assert found.startswith("kinds.task.fields[1].")
    assert problem in found
