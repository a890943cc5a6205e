"""What the org says of each commit: change events and its own log."""

from typing import Any

import pytest
from support.org import KEY, OrgClient, org_client

UI = "com/salesforce/api/soap/60.0;client=SfdcInternalAPI/"


def header(event: dict[str, Any]) -> dict[str, Any]:
    """The event's ChangeEventHeader."""
    return dict(event["ChangeEventHeader"])


def body(event: dict[str, Any]) -> dict[str, Any]:
    """The event without its header."""
    return {name: value for name, value in event.items() if name != "ChangeEventHeader"}


async def patch(client: OrgClient, record_id: str, **fields: Any) -> None:
    """Update a Contact."""
    assert await client.call("PATCH", f"/sobjects/Contact/{record_id}", fields) == (204, None)


async def test_a_create_names_what_is_not_empty() -> None:
    """Compounds as objects, system fields, no Id, no SystemModstamp, no changedFields."""
    async with org_client() as client:
        record_id = await client.create(FirstName="Ada", MailingCity="London", Birthdate="1815-12-10", Title="")
        (event,) = client.events()
        told = body(event)
        user = client.org.org.api_user.id
        moment = told.pop("CreatedDate")
        assert moment.endswith(".000Z")
        assert told.pop("LastModifiedDate") == moment
        assert told == {
            "CreatedById": user,
            "LastModifiedById": user,
            "OwnerId": user,
            "Name": {"FirstName": "Ada", "LastName": "Doe"},
            "MailingAddress": {"City": "London"},
            "Birthdate": "1815-12-10",
            "HasOptedOutOfEmail": False,
            "DoNotCall": False,
            "Newsletter__c": False,
        }
        told = header(event)
        assert (told["entityName"], told["recordIds"], told["changeType"]) == ("Contact", [record_id], "CREATE")
        assert told["changeOrigin"] == "com/salesforce/api/rest/60.0;client=Tandem"
        assert (told["sequenceNumber"], told["commitUser"]) == (1, user)
        assert "changedFields" not in told
        assert set(told) == {
            *("entityName", "recordIds", "changeType", "changeOrigin", "transactionKey", "sequenceNumber"),
            *("commitTimestamp", "commitNumber", "commitUser"),
        }


async def test_an_update_names_what_changed_and_null_where_it_was_cleared() -> None:
    """Unchanged fields are absent though they were sent; LastModifiedById only when the user is another."""
    async with org_client() as client:
        record_id = await client.create(FirstName="Ada", MailingCity="London", Phone="1", Title="Countess")
        await patch(client, record_id, FirstName=None, MailingCity="Paris", Phone="1", Title="  Countess ")
        event = client.events()[-1]
        assert header(event)["changedFields"] == ["Name.FirstName", "MailingAddress.City", "LastModifiedDate"]
        told = body(event)
        assert told.pop("LastModifiedDate").endswith(".000Z")
        assert told == {"Name": {"FirstName": None}, "MailingAddress": {"City": "Paris"}}
        await client.edit(record_id, Phone=None)
        event = client.events()[-1]
        assert header(event)["changedFields"] == ["Phone", "LastModifiedDate", "LastModifiedById"]
        assert header(event)["changeOrigin"] == UI
        assert header(event)["commitUser"] == event["LastModifiedById"] != client.org.org.api_user.id
        assert event["Phone"] is None


async def test_deletes_are_headers_and_undeletes_are_whole() -> None:
    """DELETE has no body; UNDELETE has what CREATE has."""
    async with org_client() as client:
        record_id = await client.create(FirstName="Ada")
        await client.admin("POST", "/edits", {"action": "delete", "id": record_id})
        await client.admin("POST", "/edits", {"action": "undelete", "id": record_id})
        _, deleted, undeleted = client.events()
        assert (header(deleted)["changeType"], body(deleted)) == ("DELETE", {})
        assert header(undeleted)["changeType"] == "UNDELETE"
        assert undeleted["Name"] == {"FirstName": "Ada", "LastName": "Doe"}
        assert (await client.read(record_id))["FirstName"] == "Ada"


async def test_commits_are_numbered_in_order() -> None:
    """Numbers and times only grow; a transaction shares both and its key, and numbers its events from 1."""
    async with org_client() as client:
        await client.upsert([{KEY: str(n), "LastName": "x"} for n in range(3)])
        await client.upsert([{KEY: "1", "LastName": "y"}])
        headers = [header(event) for event in client.events()]
        assert [one["sequenceNumber"] for one in headers] == [1, 2, 3, 1]
        assert len({one["transactionKey"] for one in headers}) == 2
        numbers = [one["commitNumber"] for one in headers]
        assert numbers[0] == numbers[1] == numbers[2] < numbers[3] < 2**63
        moments = [one["commitTimestamp"] for one in headers]
        assert moments == sorted(moments)
        records = await client.query("SELECT SystemModstamp, LastModifiedDate FROM Contact")
        assert all(one["SystemModstamp"].endswith(".000+0000") for one in records["records"])


@pytest.mark.parametrize(("setting", "events"), [("none", 1), ("last_modified", 2)])
async def test_an_update_that_changes_nothing(setting: str, events: int) -> None:
    """No event, or one with LastModifiedDate alone; a commit it is either way."""
    async with org_client(no_change_event=setting) as client:
        record_id = await client.create(FirstName="Ada")
        await patch(client, record_id, FirstName="Ada")
        told = client.events()
        assert len(told) == events
        if events == 2:
            assert set(body(told[1])) == {"LastModifiedDate"}
            assert header(told[1])["changedFields"] == ["LastModifiedDate"]
        log = await client.admin("GET", "/commits")
        assert (log[1]["type"], log[1]["after"], log[1]["written"]) == ("UPDATE", {}, {"FirstName": "Ada"})


@pytest.mark.parametrize(("keep", "mark"), [(True, ";client=Tandem"), (False, "")])
async def test_collections_may_drop_the_client_mark(keep: bool, mark: str) -> None:
    """Single rows keep it always; the log keeps it for the observer."""
    async with org_client(collections_keep_client=keep) as client:
        await client.upsert([{KEY: "1", "LastName": "x"}])
        await client.create()
        origins = [header(event)["changeOrigin"] for event in client.events()]
        assert origins == [f"com/salesforce/api/rest/60.0{mark}", "com/salesforce/api/rest/60.0;client=Tandem"]
        assert [one["client"] for one in await client.admin("GET", "/commits")] == ["Tandem", "Tandem"]
        client.client = ""
        await client.create()
        assert header(client.events()[-1])["changeOrigin"] == "com/salesforce/api/rest/60.0"


async def test_identical_changes_may_be_merged() -> None:
    """One event with several record ids; different ones stay apart, creates always."""
    async with org_client(merge_identical_changes=True) as client:
        made = await client.upsert([{KEY: str(n), "LastName": "x"} for n in range(4)])
        assert len(client.events()) == 4
        last = client.org.org.bus.latest()
        ids = [one["id"] for one in made]
        await client.upsert([{KEY: str(n), "FirstName": "odd" if n == 2 else "same"} for n in range(4)])
        merged, odd = client.events(last)
        assert header(merged)["recordIds"] == [ids[0], ids[1], ids[3]]
        assert header(odd)["recordIds"] == [ids[2]]
        assert [header(one)["sequenceNumber"] for one in (merged, odd)] == [1, 2]
        await client.call("DELETE", f"/composite/sobjects?ids={','.join(ids)}")
        assert header(client.events()[-1])["recordIds"] == ids


async def test_several_edits_of_a_record_in_one_transaction_are_one_event() -> None:
    """Of the first operation's type, with the final values; what came to nothing is not told."""
    async with org_client() as client:
        kept = await client.create(Phone="1")
        edits = [{"id": kept, "fields": {"Phone": "2", "Title": "a"}}, {"id": kept, "fields": {"Phone": "3"}}]
        await client.admin("POST", "/edits", {"edits": edits, "together": True})
        assert len(client.events()) == 2
        told = client.events()[-1]
        assert (told["Phone"], told["Title"]) == ("3", "a")
        edits = [{"action": "delete", "id": kept}, {"action": "undelete", "id": kept}]
        await client.admin("POST", "/edits", {"edits": edits, "together": True})
        assert len(client.events()) == 2


async def test_events_can_be_late() -> None:
    """The record is there at once, its event only later."""
    now = [1_735_787_045_000]
    async with org_client(lambda: now[0], event_delay_ms=5_000) as client:
        await client.create()
        assert client.events() == []
        now[0] += 5_000
        (event,) = client.events()
        assert header(event)["commitTimestamp"] == 1_735_787_045_000


async def test_gap_events_can_be_had() -> None:
    """Put on the bus as such, or in place of a record's own event."""
    async with org_client() as client:
        record_id = await client.create()
        await client.admin("POST", "/faults", {"kind": "gap_event", "path": "Contact", "count": 1})
        await patch(client, record_id, FirstName="unseen")
        event = client.events()[-1]
        assert (header(event)["changeType"], header(event)["recordIds"]) == ("GAP_UPDATE", [record_id])
        assert body(event) == {}
        assert "changedFields" not in header(event)
        gap = {"type": "GAP_OVERFLOW", "record_ids": ["000000000000000AAA"]}
        replay_id = (await client.admin("POST", "/gaps", gap))["replay_id"]
        assert client.org.org.bus.latest() == replay_id
        assert header(client.events()[-1])["changeType"] == "GAP_OVERFLOW"
        assert (await client.read(record_id))["FirstName"] == "unseen"


async def test_a_transaction_can_overflow() -> None:
    """One event stands for all it did to an object, and names no record; other objects' events are told."""
    async with org_client() as client:
        first, second = await client.create(), await client.create()
        before = client.org.org.bus.latest()
        await client.admin("POST", "/faults", {"kind": "overflow_event", "path": "Contact", "count": 1})
        edits = [{"id": one, "fields": {"FirstName": "unseen"}} for one in (first, second)]
        edits.append({"action": "create", "object": "Account", "fields": {"Name": "told"}})
        await client.admin("POST", "/edits", {"edits": edits, "together": True})
        told = {header(event)["entityName"]: event for event in client.events(before)}
        assert len(client.events(before)) == 2
        overflow = header(told["Contact"])
        assert (overflow["changeType"], overflow["recordIds"]) == ("GAP_OVERFLOW", ["000000000000000AAA"])
        assert body(told["Contact"]) == {}
        assert header(told["Account"])["changeType"] == "CREATE"
        await patch(client, first, FirstName="seen")
        assert header(client.events()[-1])["changeType"] == "UPDATE"


async def test_the_log_tells_who_set_what() -> None:
    """Before and after by field, the API's, a user's and a trigger's hand told apart."""
    async with org_client() as client:
        rule = {"object": "Contact", "field": "Title", "action": "set", "target": "Department", "value": "of {}"}
        await client.admin("POST", "/triggers", rule)
        (made,) = await client.upsert([{KEY: "1", "LastName": "x", "Title": "Head"}])
        await client.edit(made["id"], Title=None, LastName="x", Newsletter__c=True)
        create, update = await client.admin("GET", "/commits")
        assert (create["type"], create["entity"], create["record_id"]) == ("CREATE", "Contact", made["id"])
        assert create["before"] == {}
        assert create["after"]["Department"] == "of Head"
        assert create["by"] == {KEY: "api", "LastName": "api", "Title": "api", "Department": "trigger"}
        assert create["user"] == "integration@tandem.example"
        assert update["before"] == {"Title": "Head", "Department": "of Head", "Newsletter__c": False}
        assert update["after"] == {"Title": None, "Department": "of", "Newsletter__c": True}
        assert update["by"] == {"Title": "user", "Department": "trigger", "Newsletter__c": "user"}
        assert update["written"] == {"Title": None, "LastName": "x", "Newsletter__c": True}
        assert (update["origin"], update["client"]) == (UI, "")
        assert await client.admin("GET", f"/commits?after={create['number']}&limit=1") == [update]
