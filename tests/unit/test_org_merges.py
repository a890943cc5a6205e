"""Merges that people make in the org: what becomes of the records, what is told, and the way back."""

from typing import Any

import pytest
from support.org import KEY, OrgClient, org_client

TOKEN = "Tandem_Customer_Write__c"


async def masters(client: OrgClient, *ids: str, sobject: str = "Contact") -> list[tuple[bool, str | None]]:
    """Whether each is deleted, and what it was merged into."""
    listed = ", ".join(f"'{each}'" for each in ids)
    soql = f"SELECT IsDeleted, MasterRecordId FROM {sobject} WHERE Id IN ({listed}) ORDER BY Id"
    page = await client.query(soql, "queryAll")
    return [(row["IsDeleted"], row["MasterRecordId"]) for row in page["records"]]


async def made(client: OrgClient, sobject: str, **fields: Any) -> str:
    """The id of a new record."""
    status, told = await client.call("POST", f"/sobjects/{sobject}", fields)
    assert status == 201, told
    return str(told["id"])


async def edited(client: OrgClient, **edit: Any) -> dict[str, Any]:
    """The result of a user's edit."""
    (result,) = await client.admin("POST", "/edits", edit)
    return dict(result)


def told(client: OrgClient, after: int) -> list[tuple[str, str, tuple[str, ...]]]:
    """Of each event since so many: entity, type, records."""
    headers = [event["ChangeEventHeader"] for event in client.events()[after:]]
    return [(one["entityName"], one["changeType"], tuple(one["recordIds"])) for one in headers]


def refusal(result: dict[str, Any]) -> str:
    """The code by which an edit failed."""
    assert not result["success"]
    return str(result["errors"][0]["statusCode"])


async def test_the_master_takes_what_was_chosen_and_nothing_else() -> None:
    """The losers' ids and tokens end with them; they are in the recycle bin and name the master."""
    async with org_client() as client:
        master = await client.create(**{KEY: "1", TOKEN: "1:1", "Phone": "1", "Title": "CEO"})
        first = await client.create(**{KEY: "2", TOKEN: "2:1", "Phone": "2", "Title": "CTO", "Email": "b@x.org"})
        second = await client.create(Phone="3")
        assert await masters(client, master, first) == [(False, None), (False, None)]
        assert (await client.merge(master, first[:15], second, Phone="2"))["id"] == master
        kept = await client.read(master)
        assert {name: kept[name] for name in (KEY, TOKEN, "Phone", "Title", "Email", "MasterRecordId")} == {
            KEY: "1",
            TOKEN: "1:1",
            "Phone": "2",
            "Title": "CEO",
            "Email": None,
            "MasterRecordId": None,
        }
        assert await masters(client, master, first, second) == [(False, None), (True, master), (True, master)]
        status, error = await client.call("GET", f"/sobjects/Contact/{first}")
        assert (status, error[0]["errorCode"]) == (404, "ENTITY_IS_DELETED")
        assert (await client.query("SELECT Id FROM Contact"))["totalSize"] == 1


async def test_a_losers_unique_value_can_be_chosen() -> None:
    """It is free by then; what is chosen is checked as in any save."""
    async with org_client() as client:
        master, loser = await client.create(**{KEY: "1"}), await client.create(**{KEY: "2", TOKEN: "2:1"})
        other = await client.create(**{KEY: "3"})
        assert refusal(await client.merge(master, loser, **{KEY: "3"})) == "DUPLICATE_VALUE"
        assert await masters(client, master, loser, other) == [(False, None)] * 3
        assert (await client.merge(master, loser, **{KEY: "2", TOKEN: "2:1"}))["success"]
        assert (await client.read(master))[KEY] == "2"


async def test_a_merge_is_told_in_one_transaction() -> None:
    """DELETE for each loser, UPDATE for the master with what changed; no event says that it was a merge."""
    async with org_client() as client:
        master, first, second = [await client.create(Phone=str(n)) for n in range(3)]
        await client.merge(master, first, second, Phone="2")
        assert told(client, 3) == [
            ("Contact", "DELETE", (first,)),
            ("Contact", "DELETE", (second,)),
            ("Contact", "UPDATE", (master,)),
        ]
        events = client.events()[3:]
        headers = [event.pop("ChangeEventHeader") for event in events]
        assert len({one["transactionKey"] for one in headers}) == 1
        assert [one["sequenceNumber"] for one in headers] == [1, 2, 3]
        assert {one["changeOrigin"] for one in headers} == {"com/salesforce/api/soap/60.0;client=SfdcInternalAPI/"}
        assert events[:2] == [{}, {}]
        assert set(events[2]) == {"Phone", "LastModifiedDate", "LastModifiedById"}
        log = (await client.admin("GET", "/commits"))[3:]
        assert [(one["type"], one["user"], one["record_id"]) for one in log] == [
            ("DELETE", "ana.popescu@tandem.example", first),
            ("DELETE", "ana.popescu@tandem.example", second),
            ("UPDATE", "ana.popescu@tandem.example", master),
        ]


@pytest.mark.parametrize(("habit", "events"), [("none", 1), ("last_modified", 2)])
async def test_a_master_that_takes_nothing_is_told_as_any_unchanged_record(habit: Any, events: int) -> None:
    """Its modification moves all the same. Deletions can be one event."""
    async with org_client(no_change_event=habit, merge_identical_changes=True) as client:
        master, first, second = [await client.create() for _ in range(3)]
        await client.merge(master, first, second)
        assert told(client, 3)[0] == ("Contact", "DELETE", (first, second))
        assert len(told(client, 3)) == events
        assert (await client.read(master))["LastModifiedById"] != (await client.read(master))["CreatedById"]


async def test_children_move_to_the_master_without_triggers() -> None:
    """By every lookup, each told by an event; nobody becomes their own parent."""
    async with org_client() as client:
        master, loser = [await made(client, "Account", Name=name) for name in "ab"]
        child = await made(client, "Account", Name="c", ParentId=loser)
        contact = await client.create(AccountId=loser)
        gone = await client.create(AccountId=loser)
        await client.call("DELETE", f"/sobjects/Contact/{gone}")
        await client.admin("POST", "/triggers", {"object": "Contact", "action": "set", "target": "Title", "value": "x"})
        before = len(client.events())
        assert (await edited(client, action="merge", object="Account", id=master, losers=[loser]))["success"]
        assert told(client, before) == [
            ("Account", "DELETE", (loser,)),
            ("Account", "UPDATE", (child,)),
            ("Contact", "UPDATE", (contact,)),
        ]
        moved = await client.read(contact)
        assert (moved["AccountId"], moved["Title"]) == (master, None)
        assert (await client.call("GET", f"/sobjects/Account/{child}"))[1]["ParentId"] == master
        boss, twin = await client.create(), await client.create()
        await client.edit(boss, ReportsToId=twin)
        assert (await client.merge(boss, twin))["success"]
        assert (await client.read(boss))["ReportsToId"] is None


async def test_an_undeleted_loser_is_its_own_again() -> None:
    """Whole, and without a master; what was taken from it stays with the master."""
    async with org_client() as client:
        account = await made(client, "Account", Name="a")
        loser = await client.create(**{KEY: "2", "Phone": "2", "AccountId": account})
        master, child = await client.create(), await client.create(ReportsToId=loser)
        await client.merge(master, loser, Phone="2")
        assert (await edited(client, action="undelete", id=loser))["success"]
        assert await masters(client, loser, master) == [(False, None), (False, None)]
        event = client.events()[-1]
        assert event["ChangeEventHeader"]["changeType"] == "UNDELETE"
        assert (event[KEY], event["Phone"], event["AccountId"]) == ("2", "2", account)
        assert "MasterRecordId" not in event
        assert (await client.read(child))["ReportsToId"] == master
        assert (await client.read(master))["Phone"] == "2"


async def test_a_loser_whose_unique_value_was_taken_stays_in_the_bin() -> None:
    """As any deleted record whose value another has by now."""
    async with org_client() as client:
        master, loser = await client.create(), await client.create(**{KEY: "2"})
        await client.merge(master, loser, **{KEY: "2"})
        assert refusal(await edited(client, action="undelete", id=loser)) == "DUPLICATE_VALUE"
        assert await masters(client, loser) == [(True, master)]


async def test_a_master_can_be_merged_again() -> None:
    """Each loser names the record that took its place at the time: the chain is there to be followed."""
    async with org_client() as client:
        first, second, third = [await client.create() for _ in range(3)]
        await client.merge(second, first)
        await client.merge(third, second)
        assert await masters(client, first, second, third) == [(True, second), (True, third), (False, None)]


async def test_leads_are_merged_too() -> None:
    """As contacts and accounts are."""
    async with org_client() as client:
        master, loser = [await made(client, "Lead", LastName=name, Company="Acme") for name in "ab"]
        assert (await edited(client, action="merge", object="Lead", id=master, losers=[loser]))["success"]
        assert await masters(client, master, loser, sobject="Lead") == [(False, None), (True, master)]


async def test_a_merge_that_cannot_be_done_changes_nothing() -> None:
    """By code: too many, twice the same, the master itself, one that is gone, never was, or is another object's."""
    async with org_client() as client:
        master, one, two, three, gone = [await client.create() for _ in range(5)]
        await client.call("DELETE", f"/sobjects/Contact/{gone}")
        account = await made(client, "Account", Name="a")
        before = len(await client.admin("GET", "/commits"))
        for losers, code in [
            ([one, two, three], "MERGE_FAILED"),
            ([one, one], "MERGE_FAILED"),
            ([one, master], "MERGE_FAILED"),
            ([one, gone], "ENTITY_IS_DELETED"),
            ([account], "INVALID_CROSS_REFERENCE_KEY"),
            (["003x"], "INVALID_CROSS_REFERENCE_KEY"),
        ]:
            assert refusal(await client.merge(master, *losers)) == code
        assert refusal(await client.merge(gone, one)) == "ENTITY_IS_DELETED"
        user = (await client.query("SELECT Id FROM User"))["records"][0]["Id"]
        assert refusal(await edited(client, action="merge", object="User", id=user, losers=[one])) == "INVALID_TYPE"
        rule = {"object": "Contact", "field": "Phone", "action": "refuse"}
        await client.admin("POST", "/triggers", rule)
        assert refusal(await client.merge(master, one, Phone="1")) == "FIELD_CUSTOM_VALIDATION_EXCEPTION"
        assert len(await client.admin("GET", "/commits")) == before
        assert (await client.merge(master, one, two))["success"]


async def test_nobody_writes_the_master_of_a_record() -> None:
    """It is the system's."""
    async with org_client() as client:
        master, other = await client.create(), await client.create()
        body = {"MasterRecordId": master}
        status, error = await client.call("PATCH", f"/sobjects/Contact/{other}", body)
        assert (status, error[0]["errorCode"]) == (400, "INVALID_FIELD_FOR_INSERT_UPDATE")
