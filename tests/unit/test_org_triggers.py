"""Triggers and validation rules of the org."""

from typing import Any

import pytest
from support.org import KEY, OrgClient, org_client

from simulator.org.errors import SalesforceError
from simulator.org.settings import OrgSettings
from simulator.org.triggers import TriggerRule, Triggers


def parse(_name: str, value: Any) -> Any:
    """Values as they are."""
    return value


def run(rule: dict[str, Any], before: dict[str, Any] | None, changes: dict[str, Any], who: str = "api") -> Any:
    """What one rule makes of a save."""
    triggers = Triggers()
    triggers.add(TriggerRule.model_validate({"object": "Contact"} | rule))
    return triggers.run("Contact", before, changes, who=who, parse=parse)


@pytest.mark.parametrize(
    ("rule", "before", "changes", "made"),
    [
        ({"action": "upper", "field": "City"}, {"City": "x"}, {"City": "cluj"}, {"City": "CLUJ"}),
        ({"action": "lower", "field": "City"}, None, {"City": "CLUJ"}, {"City": "cluj"}),
        ({"action": "upper", "field": "City"}, {"City": "x"}, {"City": None}, {"City": None}),
        ({"action": "upper", "field": "City"}, {"City": "x"}, {"Phone": "1"}, {}),
        ({"action": "append", "field": "City", "value": "!"}, None, {"City": "a"}, {"City": "a!"}),
        ({"action": "keep", "field": "City"}, {"City": "old"}, {"City": "new"}, {"City": "old"}),
        ({"action": "set", "field": "City", "value": "X"}, None, {"City": "a"}, {"City": "X"}),
        ({"action": "set", "field": "City", "target": "Area", "value": "in {}"}, None, {"City": "a"}, {"Area": "in a"}),
        ({"action": "set", "target": "Seen", "value": True}, {}, {}, {"Seen": True}),
        ({"action": "set", "field": "City", "value": "X", "matches": "^c"}, None, {"City": "a"}, {}),
        ({"action": "set", "field": "City", "value": "X", "matches": "^c"}, None, {"City": "cc"}, {"City": "X"}),
        ({"action": "set", "field": "City", "value": "X", "on": ["create"]}, {"City": ""}, {"City": "a"}, {}),
        ({"action": "set", "field": "City", "value": "X", "who": "user"}, None, {"City": "a"}, {}),
        ({"action": "set", "field": "City", "value": "X", "probability": 0.0}, None, {"City": "a"}, {}),
        ({"action": "set", "object": "Account", "field": "City", "value": "X"}, None, {"City": "a"}, {}),
    ],
)
def test_a_rule_does_what_it_says_where_it_applies(rule: Any, before: Any, changes: Any, made: Any) -> None:
    """By object, operation, field, text, actor and chance."""
    assert run(rule, before, changes) == made


def test_rules_see_what_earlier_rules_made() -> None:
    """In the order in which they were added."""
    triggers = Triggers()
    triggers.add(TriggerRule(object="C", action="set", field="A", target="B", value="{}b"))
    last = triggers.add(TriggerRule(object="C", action="upper", field="B"))
    assert triggers.run("C", None, {"A": "a"}, who="api", parse=parse) == {"B": "AB"}
    assert triggers.fired(last.id) == 1
    assert triggers.remove(last.id) == 1
    assert triggers.run("C", None, {"A": "a"}, who="api", parse=parse) == {"B": "ab"}
    assert triggers.remove() == 1
    assert triggers.rules() == []


def test_a_counted_rule_fires_so_often() -> None:
    """And a refusal has the words it was given."""
    triggers = Triggers()
    triggers.add(TriggerRule(object="C", action="refuse", field="A", message="No.", count=2))
    for _ in range(2):
        with pytest.raises(SalesforceError) as refused:
            triggers.run("C", None, {"A": "a"}, who="user", parse=parse)
        assert (refused.value.code, refused.value.message) == ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "No.")
    assert triggers.run("C", None, {"A": "a"}, who="user", parse=parse) == {}


def test_chance_comes_from_the_seed() -> None:
    """The same seed fires at the same saves."""

    def fired(seed: int) -> list[bool]:
        triggers = Triggers(seed)
        triggers.add(TriggerRule(object="C", action="upper", field="A", probability=0.5))
        return [bool(triggers.run("C", None, {"A": "a"}, who="api", parse=parse)) for _ in range(50)]

    assert fired(1) == fired(1) != fired(2)
    assert 10 < sum(fired(1)) < 40


async def test_a_rewritten_value_is_what_is_stored_and_told() -> None:
    """One event with the rewritten value; a value put back leaves only LastModifiedDate to tell."""
    async with org_client(no_change_event="last_modified") as client:
        await client.admin("POST", "/triggers", {"object": "Contact", "field": "MailingCity", "action": "upper"})
        await client.admin("POST", "/triggers", {"object": "Contact", "field": "Phone", "action": "keep"})
        (made,) = await client.upsert([{KEY: "1", "LastName": "x", "MailingCity": "Cluj"}])
        assert client.events()[0]["MailingAddress"] == {"City": "CLUJ"}
        await client.upsert([{KEY: "1", "Phone": "1"}])
        assert client.events()[1]["ChangeEventHeader"]["changedFields"] == ["LastModifiedDate"]
        assert (await client.read(made["id"]))["MailingCity"] == "CLUJ"
        assert [one["fired"] for one in await client.admin("GET", "/triggers")] == [1, 1]


async def test_a_refusal_fails_its_row_alone() -> None:
    """FIELD_CUSTOM_VALIDATION_EXCEPTION with the administrator's words."""
    rule = TriggerRule(object="Contact", action="refuse", field="Title", matches="^Dr", message="No doctors.")
    async with org_client(triggers=(rule,)) as client:
        results = await client.upsert(
            [{KEY: "1", "LastName": "x", "Title": "Dr."}, {KEY: "2", "LastName": "x", "Title": "Mr."}]
        )
        assert [one["success"] for one in results] == [False, True]
        error = {"statusCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "No doctors.", "fields": ["Title"]}
        assert results[0]["errors"] == [error]


async def test_what_a_trigger_sets_is_checked_like_anything_else() -> None:
    """A trigger cannot store what the field does not hold."""
    rule = TriggerRule(object="Contact", action="append", field="LastName", value="x" * 100)
    async with org_client(triggers=(rule,)) as client:
        status, told = await client.call("POST", "/sobjects/Contact", {"LastName": "x"})
        assert (status, told[0]["errorCode"]) == (400, "STRING_TOO_LONG")


@pytest.mark.parametrize(
    "rule", [{"object": "Nothing"}, {"field": "Nothing"}, {"target": "nothing"}, {"action": "fly"}]
)
async def test_a_rule_about_nothing_is_refused(rule: dict[str, str]) -> None:
    """An unknown object, field, target or action."""
    async with org_client() as client:
        sent = {"object": "Contact", "field": "Title", "action": "upper"} | rule
        url = f"{client.org.base_url}/admin/triggers"
        async with client.http.post(url, json=sent) as reply:
            assert reply.status == 400
        assert await client.admin("GET", "/triggers") == []


def test_rules_can_be_settings() -> None:
    """As JSON would give them."""
    settings = OrgSettings.model_validate({"triggers": [{"object": "Contact", "action": "upper", "field": "Title"}]})
    assert settings.triggers[0].action == "upper"


async def counted(client: OrgClient) -> int:
    """How many contacts there are."""
    return int((await client.query("SELECT COUNT() FROM Contact"))["totalSize"])


async def test_an_edit_is_guarded_by_what_it_expects() -> None:
    """A user who saw another value does not edit; one who saw this one does."""
    async with org_client() as client:
        record_id = await client.create(Phone="1", Newsletter__c=True)
        edit = {"id": record_id, "fields": {"Phone": "3"}}
        (refused,) = await client.admin("POST", "/edits", edit | {"expect": {"Phone": "2"}})
        assert refused["errors"][0]["statusCode"] == "EXPECTATION_FAILED"
        (done,) = await client.admin("POST", "/edits", edit | {"expect": {"Phone": "1", "Newsletter__c": True}})
        assert done["success"]


async def test_users_edit_under_their_own_names() -> None:
    """One user for each name, also after many edits; edits of a list are transactions of their own."""
    async with org_client() as client:
        edits = [{"action": "create", "fields": {"LastName": str(n)}} for n in range(3)]
        results = await client.admin("POST", "/edits", {"user": "ion.vlad@x.org", "edits": [*edits, {"id": "003x"}]})
        assert [one["success"] for one in results] == [True, True, True, False]
        log = await client.admin("GET", "/commits")
        assert {one["user"] for one in log} == {"ion.vlad@x.org"}
        assert len({one["transaction_key"] for one in log}) == 3
        users = await client.query("SELECT Name FROM User ORDER BY Name")
        assert [one["Name"] for one in users["records"]] == ["Integration", "Ion Vlad"]


async def test_edits_together_are_done_or_not() -> None:
    """One bad edit undoes the others."""
    async with org_client() as client:
        edits = [{"action": "create", "fields": {"LastName": "x"}}, {"action": "create", "fields": {}}]
        results = await client.admin("POST", "/edits", {"edits": edits, "together": True})
        codes = [one["errors"][0]["statusCode"] for one in results]
        assert codes == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "REQUIRED_FIELD_MISSING"]
        assert await counted(client) == 0
        await client.admin("POST", "/edits", edits)
        assert await counted(client) == 1


async def test_a_record_can_be_edited_by_its_key_and_restored_only_from_the_bin() -> None:
    """`key` finds it in any case; what is not deleted cannot be undeleted, nor what would be had twice."""
    async with org_client() as client:
        await client.upsert([{KEY: "Cust-1", "LastName": "x"}])
        (done,) = await client.admin("POST", "/edits", {"key": {KEY: "cust-1"}, "fields": {"Phone": "1"}})
        assert (await client.read(done["id"]))["Phone"] == "1"
        (refused,) = await client.admin("POST", "/edits", {"action": "undelete", "id": done["id"]})
        assert refused["errors"][0]["statusCode"] == "UNDELETE_FAILED"
        await client.admin("POST", "/edits", {"action": "delete", "id": done["id"]})
        await client.upsert([{KEY: "cust-1", "LastName": "y"}])
        (refused,) = await client.admin("POST", "/edits", {"action": "undelete", "id": done["id"]})
        assert refused["errors"][0]["statusCode"] == "DUPLICATE_VALUE"
