"""`tandem check` on the org: each thing that is missing there is one line that names it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic_settings import BaseSettings
from support.org import org_client

from adapters.salesforce.opening import open_salesforce
from adapters.salesforce.settings import SalesforceSettings
from ops.check import of_salesforce
from ops.check_org import Selected, of_allocations, of_change_events, of_kind, of_org, of_version
from ops.finding import Finding, State
from ops.metadata.simulated import schema_file
from ops.sync_settings import SyncSettings
from schemas.mapping import Mapping
from schemas.presets import preset, preset_names
from simulator.org.cometd.settings import CometdSettings

CUSTOMERS = preset("customers")


def changed(**settings: Any) -> Mapping:
    """The preset with other settings of its customer."""
    raw = CUSTOMERS.model_dump(mode="json")
    raw["kinds"]["customer"] |= settings
    return Mapping.model_validate(raw)


@asynccontextmanager
async def checked(**settings: Any) -> AsyncIterator[Callable[..., Any]]:
    """Ask an org with these settings."""
    async with org_client(**settings) as org:
        login = SalesforceSettings(
            client_id=org.org.client_id, client_secret=org.org.client_secret, login_url=org.org.base_url
        )
        async with open_salesforce(login, now=lambda: 1) as salesforce:

            async def ask(mapping: Mapping = CUSTOMERS, *channels: str, **fault: Any) -> list[Finding]:
                if fault:
                    await org.admin("POST", "/faults", fault)
                asked = of_org(salesforce.rest, "62.0", mapping, channels or ("/data/ChangeEvents",))
                return [finding async for finding in asked]

            yield ask


def lines(found: list[Finding], *states: State) -> list[str]:
    return [finding.text for finding in found if finding.state in states]


async def test_an_object_that_is_switched_off_may_be_missing() -> None:
    """One line says so; neither its fields nor its change events are looked for."""
    async with org_client(cometd=CometdSettings(entities=())) as org:
        login = SalesforceSettings(
            client_id=org.org.client_id, client_secret=org.org.client_secret, login_url=org.org.base_url
        )
        async with open_salesforce(login, now=lambda: 1) as salesforce:
            asked = of_org(
                salesforce.rest, "62.0", changed(sobject="Nowhere__c"), ("/data/C",), off=frozenset({"Nowhere__c"})
            )
            found = [finding async for finding in asked]
    assert lines(found, State.FAILED) == []
    assert "customer: Nowhere__c is switched off, so the org is not asked for it" in lines(found, State.GOOD)


async def test_the_command_knows_what_is_switched_off() -> None:
    """By SYNC_*, as every process does."""
    async with org_client(cometd=CometdSettings(entities=())) as org:
        login = SalesforceSettings(
            client_id=org.org.client_id, client_secret=org.org.client_secret, login_url=org.org.base_url
        )
        read: dict[type[BaseSettings], BaseSettings] = {SalesforceSettings: login}
        read[SyncSettings] = SyncSettings(contacts=False)
        found = [finding async for finding in of_salesforce(read, CUSTOMERS)]
    assert lines(found, State.FAILED) == []
    assert "customer: Contact is switched off, so the org is not asked for it" in lines(found, State.GOOD)


async def test_an_org_that_has_all_of_it() -> None:
    """Nothing failed; each allocation, object and channel has its line."""
    async with checked() as ask:
        found = await ask()
    assert lines(found, State.FAILED) == []
    good = lines(found, State.GOOD)
    for line in (
        "speaks API version 62.0",
        "10000000 of 10000000 event deliveries left today",
        "15000 of 15000 bulk batches left today",
        "customer fits the org's Contact",
        "customer: changes of Contact come by /data/ChangeEvents",
    ):
        assert line in good
    (warning,) = lines(found, State.WARNING)
    assert warning.startswith("customer.external_id: Tandem_Customer_Id__c is not case-sensitive")


@pytest.mark.parametrize("name", preset_names())
async def test_an_org_in_which_a_presets_metadata_is_deployed(name: str, tmp_path: Path) -> None:
    """Every object, field, access, external id and change event of every preset is found."""
    mapping, file = preset(name), tmp_path / "schema.yaml"
    file.write_text(schema_file(mapping))
    entities = sorted(mapping.objects())
    async with checked(schema_file=file, cometd={"entities": entities}) as ask:
        found = await ask(mapping)
    assert lines(found, State.FAILED) == []
    assert [line for line in lines(found, State.WARNING) if "is not case-sensitive" not in line] == []
    for kind_name, kind in mapping.kinds.items():
        assert f"{kind_name} fits the org's {kind.sobject}" in lines(found, State.GOOD)


async def test_what_is_missing_is_a_line_each() -> None:
    """An object, a field, an external id, a token field, a right."""
    async with checked() as ask:
        no_object = await ask(changed(sobject="Ticket__c"))
        misfits = await ask(
            changed(
                external_id="Membership_Number__c",
                token="Tandem_Custmer_Write__c",
                fields=[
                    {"platform": "last_name", "salesforce": "LastName"},
                    {"platform": "title", "salesforce": "Titel__c"},
                    {"platform": "name", "salesforce": "Name", "direction": "push"},
                ],
            )
        )
    assert "customer.sobject: the org has no object Ticket__c, or the login may not see it" in lines(
        no_object, State.FAILED
    )
    assert lines(misfits, State.FAILED) == [
        "customer.external_id: Membership_Number__c is not marked as an external id",
        "customer.token: the object has no field Tandem_Custmer_Write__c, or the login may not see it",
        "customer.fields.title: the object has no field Titel__c, or the login may not see it",
        "customer.fields.name: Name is not createable for this login",
        "customer.fields.name: Name is not updateable for this login",
    ]


def test_a_right_to_delete_is_asked_for_where_deletions_follow() -> None:
    """And for nobody else."""
    describe = {"name": "Contact", "queryable": True, "createable": True, "updateable": True, "fields": []}
    line = "customer.sobject: Contact is not deletable for this login"
    for mapping, told in ((CUSTOMERS, False), (changed(on_delete={"platform": "delete"}), True)):
        kind = mapping.kinds["customer"]
        found = list(of_kind("customer", kind, describe, {"customer": "Contact"}, kind))
        assert (line in [finding.text for finding in found]) is told


async def test_change_events_that_are_not_switched_on() -> None:
    """A pulled field would stay as it is for ever: that is a failure, and of a kind that is only pushed a warning."""
    async with checked(cometd=CometdSettings(entities=("Account",))) as ask:
        found = await ask()
        pushed = [field.model_dump(mode="json") | {"direction": "push"} for field in CUSTOMERS.kinds["customer"].fields]
        only_pushed = await ask(changed(fields=pushed))
    line = (
        "customer: no channel of CHANGES_CHANNELS brings the changes of Contact; select Contact for Change Data Capture"
    )
    assert lines(found, State.FAILED) == [line]
    assert line in lines(only_pushed, State.WARNING)


def test_an_object_without_change_events_is_polled() -> None:
    """Named in the settings that is as it should be; for want of a channel it is a warning, since it costs calls."""
    none = Selected({"ChangeEvents": frozenset({"AccountChangeEvent"})})
    channels = ("/data/ChangeEvents",)
    (named,) = of_change_events(CUSTOMERS, channels, none, ("Contact",), poll_missing=True)
    assert (named.state, named.text) == (State.GOOD, "customer: Contact is polled, as CHANGES_POLLED says")
    misspelt, _ = of_change_events(CUSTOMERS, channels, none, ("Contacts",), poll_missing=True)
    told = "CHANGES_POLLED names Contacts, in which no kind is kept: it is not polled"
    assert (misspelt.state, misspelt.text) == (State.WARNING, told)
    (missing,) = of_change_events(CUSTOMERS, channels, none, poll_missing=True)
    assert missing.state is State.WARNING
    assert missing.text.endswith("until then it is polled, which spends API calls")


async def test_change_events_of_a_channel_of_ones_own() -> None:
    """As deploy/salesforce makes it; where it is not subscribed to, the setting is named."""
    cometd = CometdSettings(entities=("Account",), custom_channels={"Tandem__chn": ("Contact",)})
    async with checked(cometd=cometd) as ask:
        assert "customer: changes of Contact come by /data/Tandem__chn" in lines(
            await ask(CUSTOMERS, "/data/Tandem__chn"), State.GOOD
        )
        assert "customer: changes of Contact come by /data/ContactChangeEvent" in lines(
            await ask(CUSTOMERS, "/data/ContactChangeEvent"), State.GOOD
        )
        (failed,) = lines(await ask(), State.FAILED)
        assert failed.endswith("changes of Contact; it is selected for Tandem__chn: set CHANGES_CHANNELS")


async def test_a_login_that_may_not_see_the_setup_is_told_so() -> None:
    """It lets everything run all the same."""
    async with checked() as ask:
        refusal = {"path": "/tooling/|/limits", "status": 403, "code": "INSUFFICIENT_ACCESS", "message": "no"}
        found = await ask(CUSTOMERS, kind="refuse_call", **refusal)
    told = [line for line in lines(found, State.WARNING) if line.startswith("does not tell")]
    assert told == [
        f"does not tell {what}: INSUFFICIENT_ACCESS; it needs View Setup and Configuration"
        for what in ("what is left of its allocations", "which change events are switched on")
    ]
    assert lines(found, State.FAILED) == []


def test_custom_objects_have_change_events_of_their_own_name() -> None:
    """`Ticket__c` is told of by `Ticket__ChangeEvent`."""
    mapping = changed(sobject="Ticket__c")
    selected = Selected({"ChangeEvents": frozenset({"Ticket__ChangeEvent"})})
    (found,) = of_change_events(mapping, ["/data/ChangeEvents"], selected)
    assert found.state is State.GOOD


def test_the_api_version_must_be_one_the_org_speaks() -> None:
    """The line names the variable and what is spoken."""
    spoken = [{"version": "61.0"}, {"version": "62.0"}]
    assert of_version("62.0", spoken).state is State.GOOD
    failed = of_version("67.0", spoken)
    assert (failed.state, failed.text) == (State.FAILED, "SALESFORCE_API_VERSION=67.0 is not among 61.0, 62.0")


@pytest.mark.parametrize(
    ("limits", "state"),
    [
        ({"DailyApiRequests": {"Max": 15000, "Remaining": 14000}}, State.GOOD),
        ({"DailyApiRequests": {"Max": 15000, "Remaining": 100}}, State.WARNING),
        ({}, State.WARNING),
    ],
)
def test_few_calls_left_are_a_warning(limits: dict[str, object], state: State) -> None:
    """An org near its limit still runs, for now."""
    first, *others = of_allocations(limits)
    assert first.state is state
    assert [finding.text for finding in others] == [
        f"does not tell how many {name} are left today" for name in ("event deliveries", "bulk batches", "bulk queries")
    ]
