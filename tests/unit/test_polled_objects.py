"""Which objects are polled: by the settings, or for want of a channel; asked of the simulated org."""

import asyncio
from collections.abc import Mapping as Rows
from typing import Any

import pytest
from support.org import org_client
from support.running import Notes

from adapters.salesforce.opening import open_salesforce
from adapters.salesforce.settings import SalesforceSettings
from adapters.telemetry.metrics import Metrics
from consumers.catalog import Catalog
from listener.changes.feed import Objects
from listener.changes.settings import ChangesSettings
from ops.check_org import Selected
from ops.processes.frame import Frame
from ops.processes.polled import ASK_AGAIN_SECONDS, ASK_SECONDS, PolledObjects, objects_of
from schemas.mapping import Mapping
from schemas.presets import preset
from simulator.org.cometd.settings import CometdSettings

TICKETING = preset("ticketing")
ALL = frozenset(TICKETING.objects())
FIVE = ("Contact", "Account", "Opportunity", "Campaign", "CampaignMember")


def selected(**channels: tuple[str, ...]) -> Selected:
    return Selected({name: frozenset(members) for name, members in channels.items()})


@pytest.mark.parametrize(
    ("settings", "switched_on", "polled"),
    [
        ({}, selected(ChangeEvents=("ContactChangeEvent", "AccountChangeEvent")), ALL - {"Contact", "Account"}),
        ({"poll_missing": False}, selected(ChangeEvents=("ContactChangeEvent",)), frozenset()),
        ({"polled": "Campaign,User"}, None, frozenset({"Campaign"})),
        ({}, None, frozenset()),
        ({"channels": "/data/Tandem__chn"}, selected(ChangeEvents=("ContactChangeEvent",)), ALL),
        ({"channels": "/data/ContactChangeEvent"}, selected(ChangeEvents=("ContactChangeEvent",)), ALL - {"Contact"}),
    ],
)
def test_what_no_channel_brings_is_polled(settings: Rows[str, Any], switched_on: Selected | None, polled: Any) -> None:
    """Of the mapped objects; where the org does not tell, each is taken to have events."""
    found, missing = objects_of(TICKETING, ChangesSettings(**settings), switched_on)
    assert found == Objects(by_events=ALL - polled, polled=polled)
    assert missing == (frozenset() if "polled" in settings else polled)


def test_a_person_who_may_be_a_lead_is_polled_in_both_objects() -> None:
    """Also where no kind is kept in Lead alone."""
    raw = preset("customers").model_dump(mode="json")
    lead = {"external_id": "L_Id__c", "token": "L_Write__c", "fields": {"LastName": "LastName"}}
    raw["kinds"]["customer"]["lead"] = lead
    found, _ = objects_of(Mapping.model_validate(raw), ChangesSettings(), selected(ChangeEvents=("LeadChangeEvent",)))
    assert found == Objects(by_events=frozenset({"Lead"}), polled=frozenset({"Contact"}))


def test_what_is_switched_off_is_not_polled() -> None:
    """Whatever the settings or the org say of it; nor are its events waited for."""
    off = frozenset({"Campaign", "Account", "Contact"})
    switched_on = selected(ChangeEvents=("ContactChangeEvent",))
    found, missing = objects_of(TICKETING, ChangesSettings(polled="Campaign"), switched_on, off)
    assert found == Objects(by_events=frozenset(), polled=ALL - off)
    assert missing == ALL - off


async def test_the_org_is_asked_and_who_looks_is_told() -> None:
    """Five objects have change events without an add-on; the sixth is polled, and one line says so."""
    async with org_client(cometd=CometdSettings(entities=FIVE)) as org:
        login = SalesforceSettings(
            client_id=org.org.client_id, client_secret=org.org.client_secret, login_url=org.org.base_url
        )
        notes = Notes()
        frame = Frame(stage="subscribe", log=notes, metrics=Metrics(), stop=asyncio.Event())
        async with open_salesforce(login, now=lambda: 1) as salesforce:
            catalog = Catalog(TICKETING)
            objects = PolledObjects(lambda: catalog, salesforce.rest, ChangesSettings(polled="Contacts"), frame)
            assert objects.current().polled == frozenset()
            refusal = {"kind": "refuse_call", "path": "/tooling/", "status": 403, "code": "INSUFFICIENT_ACCESS"}
            await org.admin("POST", "/faults", refusal | {"message": "no"})
            assert await objects.ask() == ASK_AGAIN_SECONDS
            assert notes.last("change_events_not_seen") == {"reason": "Salesforce: INSUFFICIENT_ACCESS"}
            await org.admin("DELETE", "/faults")
            assert await objects.ask() == ASK_SECONDS
            assert objects.current().polled == ALL - set(FIVE)
            catalog = Catalog(TICKETING, off=ALL - {"Account"})
            assert objects.current() == Objects(by_events=frozenset({"Account"}), polled=frozenset())
            catalog = Catalog(TICKETING)
            objects.tell()
            objects.tell()
        told = [details for _level, event, details in notes.rows if event == "objects_polled"]
        assert told == [
            {"polled": sorted(ALL - set(FIVE)), "without_channel": sorted(ALL - set(FIVE)), "not_mapped": ["Contacts"]}
        ]
