"""People by e-mail: one call of the day's for Contacts and Leads, from a simulated org as from its fake."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.enrichment_world import FakePeople
from support.org_world import World, world_of

from adapters.salesforce.opening import open_salesforce
from adapters.salesforce.people import SalesforcePeople
from adapters.salesforce.settings import SalesforceSettings
from consumers.catalog import Catalog
from consumers.rules.enrichment import queries
from schemas.mapping import Mapping
from schemas.people import LookFailed
from schemas.presets import preset

ILL: list[dict[str, Any]] = [
    {"kind": "request_lost"},
    {"kind": "server_error", "status": 502, "body": "gateway"},
    {"kind": "server_error", "status": 503},
    {"kind": "delay", "delay_ms": 60_000},
    {"kind": "unauthorized", "revoke": True},
    {"kind": "limit"},
    {"kind": "refuse_call", "status": 400, "code": "INVALID_FIELD", "message": "No such column"},
]


def people_only() -> Mapping:
    whole = preset("hackathon").model_dump(mode="json", exclude_defaults=True)
    kind = whole["kinds"]["participant"]
    kind["fields"] = [each for each in kind["fields"] if "derive" not in each and "lookup" not in each]
    return Mapping.model_validate({"kinds": {"participant": kind}})


ASKED = queries(Catalog(people_only()).kinds["participant"])


@pytest.fixture
async def org(tmp_path: Path) -> AsyncIterator[World]:
    async with world_of(people_only(), tmp_path) as world:
        yield world


async def test_an_org_and_its_fake_say_the_same(org: World) -> None:
    """Whatever the case of the address; converted Leads are none; what is missing is None."""
    fake = FakePeople()
    status, account = await org.org.call("POST", "/sobjects/Account", {"Name": "Acme Inc."})
    assert status == 201
    contact = await org.org.create(Email="Ana@acme.example", Title="CTO", AccountId=account["id"])
    for email in ("ana@acme.example", "bo@acme.example"):
        body = {"LastName": "Doe", "Company": "Acme", "Email": email}
        status, lead = await org.org.call("POST", "/sobjects/Lead", body)
        assert status == 201
    await org.org.convert(lead["id"])
    theirs = {"Account__Name": "Acme Inc.", "Account__Id": account["id"]}
    fake.add("Contact", Email="Ana@acme.example", Title="CTO", **theirs)
    fake.add("Lead", Email="ana@acme.example", Company="Acme")
    fake.add("Lead", Email="bo@acme.example", Company="Acme", IsConverted=True)
    fake.add("Contact", Email="bo@acme.example", Account__Name="Acme")
    calls = org.org.org.org.usage.used()
    async with opened(org) as people:
        for one in (people, fake):
            found = await one.look(ASKED, ["ANA@acme.example", "bo@acme.example", "o'hara@acme.example"])
            assert not isinstance(found, LookFailed)
            contacts, leads = found
            named = sorted((str(row["Email"]).lower(), row["Title"], row["Account.Name"]) for row in contacts)
            assert named == [("ana@acme.example", "CTO", "Acme Inc."), ("bo@acme.example", None, "Acme")]
            assert [row["Account.Id"] for row in contacts if row["Title"] == "CTO"] == [account["id"]]
            assert [(row["Email"], row["Company"]) for row in leads] == [("ana@acme.example", "Acme")]
            assert all(len(row["Id"]) == 18 for row in (*contacts, *leads))
    assert org.org.org.org.usage.used() - calls == 1
    assert contact in {row["Id"] for row in contacts} or isinstance(one, FakePeople)


async def test_an_ill_org_is_told_as_such(org: World) -> None:
    """Down, slow, logged out, over its limits, refusing: a word for it, and never an exception."""
    async with opened(org, call_timeout=0.2) as people:
        assert not isinstance(await people.look(ASKED, ["ana@acme.example"]), LookFailed)
        for fault in ILL:
            await org.org.admin("POST", "/faults", {"path": "services/data", **fault})
            answer = await people.look(ASKED, ["ana@acme.example"])
            assert isinstance(answer, LookFailed), fault
            assert answer.code
            assert answer.org_wide is (fault["kind"] != "refuse_call")
            await org.org.admin("DELETE", "/faults")


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {"compositeResponse": "no"},
        {"compositeResponse": [{}, {}]},
        {"compositeResponse": [{"httpStatusCode": 200, "body": {"done": True, "records": [{"Email": "no id"}]}}] * 2},
        {"compositeResponse": [{"httpStatusCode": 200, "body": {"done": True, "records": 7}}] * 2},
        {"compositeResponse": [{"httpStatusCode": 500, "body": None}] * 2},
        {"compositeResponse": [{"httpStatusCode": 200, "body": {"done": True, "records": []}}]},
    ],
)
async def test_garbage_is_no_answer(answer: Any) -> None:
    """A body that is not of the promised shape speaks of the way there, not of who was asked about."""
    found = await SalesforcePeople(Answering(answer), version="v62.0").look(ASKED, ["ana@acme.example"])  # type: ignore[arg-type]
    assert isinstance(found, LookFailed)
    assert found.org_wide


class Answering:
    """A REST client whose every call is answered so."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    async def call(self, *_args: Any, **_more: Any) -> "Answering":
        return self

    def json(self) -> Any:
        return self._answer


class opened:  # noqa: N801 - reads as a function
    """The real adapter on the org."""

    def __init__(self, world: World, **settings: Any) -> None:
        org = world.org.org
        values = {"client_id": org.client_id, "client_secret": org.client_secret, "login_url": org.base_url}
        self._settings = SalesforceSettings(**values | settings)
        self._open = open_salesforce(self._settings, now=lambda: world.stage.now)

    async def __aenter__(self) -> SalesforcePeople:
        salesforce = await self._open.__aenter__()
        return SalesforcePeople(salesforce.rest, version=self._settings.version)

    async def __aexit__(self, *error: Any) -> None:
        await self._open.__aexit__(*error)
