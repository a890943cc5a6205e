"""What `Records` promises, on the fake; `test_salesforce_against_org.py` runs the same on the real adapter."""

import pytest
from support.fake_salesforce import FakeRecords
from support.records_behaviour import People, RecordsBehaviour

from schemas.change import Change, ChangeType
from schemas.records import Failure, RecordUpdate
from schemas.unavailable import Unavailable


class PeopleOfTheFake:
    """What people do in the fake."""

    def __init__(self, fake: FakeRecords) -> None:
        self._fake = fake

    async def merge(self, master: str, *losers: str) -> None:
        self._fake.merge("Contact", master, losers)

    async def undelete(self, record_id: str) -> None:
        self._fake.undelete("Contact", record_id)

    async def convert(self, lead_id: str) -> str:
        return self._fake.convert(lead_id)


class TestFakeRecords(RecordsBehaviour):
    """The fake does what the adapter does."""

    @pytest.fixture
    def records(self) -> FakeRecords:
        return FakeRecords()

    @pytest.fixture
    def people(self, records: FakeRecords) -> People:
        return PeopleOfTheFake(records)


def contact(name: str = "Popescu", external_id: str = "c-1", **values: object) -> RecordUpdate:
    return RecordUpdate({"LastName": name, **values}, external_id=external_id)


async def test_a_call_can_be_lost_before_after_or_until_later() -> None:
    """The three ends that a call without an answer can have."""
    fake = FakeRecords()
    fake.fail_next_call()
    fake.fail_next_call(lands="at_once")
    fake.fail_next_call(lands="later")
    for external_id in ("never", "at once", "later"):
        [result] = await fake.upsert("Contact", "Ext__c", [contact(external_id=external_id)])
        assert result.failure is Failure.UNKNOWN
    found = await fake.find("Contact", "Ext__c", ["never", "at once", "later"])
    assert list(found) == ["at once"]
    assert [result.created for result in fake.land_late()] == [True]
    assert list(await fake.find("Contact", "Ext__c", ["never", "later"])) == ["later"]


async def test_rows_fail_by_script() -> None:
    """A row that matches fails as often as was said, and alone."""
    fake = FakeRecords()
    fake.fail_rows(lambda update: update.external_id == "b", Failure.NOT_RUN, "UNABLE_TO_LOCK_ROW", times=1)
    rows = [contact(external_id=name) for name in "abc"]
    first = await fake.upsert("Contact", "Ext__c", rows)
    assert [(result.succeeded, result.code) for result in first] == [
        (True, ""),
        (False, "UNABLE_TO_LOCK_ROW"),
        (True, ""),
    ]
    assert all(result.succeeded for result in await fake.upsert("Contact", "Ext__c", rows))


async def test_an_org_that_is_away_is_not_run_and_not_read() -> None:
    """No row is to blame, and a read is never an empty one."""
    fake = FakeRecords(away=True)
    [result] = await fake.upsert("Contact", "Ext__c", [contact()])
    assert (result.failure, result.org_wide) == (Failure.NOT_RUN, True)
    with pytest.raises(Unavailable):
        await fake.read("Contact", ["0035g00000QrStUAAV"], ["LastName"])
    with pytest.raises(Unavailable):
        await fake.find("Contact", "Ext__c", ["c-1"])


async def test_every_commit_is_told_as_a_change() -> None:
    """Ours with the mark and what triggers made of it, a person's without; each later than the one before."""
    heard: list[Change] = []
    fake = FakeRecords(on_change=heard.append)
    fake.triggers.append(lambda _sobject, _row, values: {"Tier__c": "gold"} if values.get("Title") == "CEO" else {})
    [made] = await fake.upsert("Contact", "Ext__c", [contact(Phone=None, Write__c="c-1:1")])
    await fake.update("Contact", [RecordUpdate({"Title": "CEO", "Write__c": "c-1:2"}, record_id=made.record_id)])
    fake.edit("Contact", made.record_id[:15], {"Title": ""})
    fake.remove("Contact", made.record_id)
    assert [change.type for change in heard] == [
        ChangeType.CREATE,
        ChangeType.UPDATE,
        ChangeType.UPDATE,
        ChangeType.DELETE,
    ]
    without_dates = [
        {name: value for name, value in change.fields.items() if not name.endswith("Date")} for change in heard
    ]
    assert without_dates == [
        {"LastName": "Popescu", "Ext__c": "c-1", "Write__c": "c-1:1"},
        {"Title": "CEO", "Write__c": "c-1:2", "Tier__c": "gold"},
        {"Title": None},
        {},
    ]
    assert [change.client for change in heard] == ["Tandem", "Tandem", "", ""]
    positions = [change.position for change in heard]
    assert positions == sorted(set(positions))
    assert {change.record_id for change in heard} == {made.record_id}
    assert heard == fake.changes


@pytest.mark.parametrize(("told", "types"), [(True, 2), (False, 1)])
async def test_an_update_that_changes_nothing(told: bool, types: int) -> None:
    """It brings either an event with LastModifiedDate alone, or none: nobody documents which."""
    fake = FakeRecords(tell_unchanged=told)
    [made] = await fake.upsert("Contact", "Ext__c", [contact()])
    await fake.update("Contact", [RecordUpdate({"LastName": "Popescu"}, record_id=made.record_id)])
    assert len(fake.changes) == types
    assert set(fake.changes[-1].fields) >= {"LastModifiedDate"}


async def test_a_deletion_fails_by_script_and_can_land_late() -> None:
    """As a write does: rows alone, whole calls, and calls without an answer."""
    fake = FakeRecords()
    one, two = [fake.create("Contact", {"LastName": name}) for name in ("Popescu", "Ionescu")]
    fake.fail_rows(lambda update: update.record_id == two, Failure.REJECTED, "DELETE_FAILED")
    results = await fake.delete("Contact", [one, two])
    assert [result.code for result in results] == ["", "DELETE_FAILED"]
    fake.fail_next_call(lands="later")
    [result] = await fake.delete("Contact", [two])
    assert (result.failure, two in fake.rows["Contact"]) == (Failure.UNKNOWN, True)
    assert [result.succeeded for result in fake.land_late()] == [True]
    assert two in fake.deleted
    assert [change.client for change in fake.changes if change.type is ChangeType.DELETE] == ["Tandem"] * 2
    fake.away = True
    [result] = await fake.delete("Contact", [two])
    assert (result.failure, result.org_wide) == (Failure.NOT_RUN, True)
    with pytest.raises(Unavailable):
        await fake.successors("Contact", [two])


async def test_a_merge_is_told_as_deletions_and_an_update() -> None:
    """In one transaction; an undelete makes the record its own again, whole."""
    fake = FakeRecords()
    master, first, second = [fake.create("Contact", {"LastName": name, "Ext__c": name}) for name in "abc"]
    fake.merge("Contact", master, [first, second], {"LastName": "b"})
    told = fake.changes[-3:]
    assert [(change.type, change.record_id) for change in told] == [
        (ChangeType.DELETE, first),
        (ChangeType.DELETE, second),
        (ChangeType.UPDATE, master),
    ]
    assert len({change.transaction_key for change in told}) == 1
    assert (fake.rows["Contact"][master]["LastName"], fake.rows["Contact"][master]["Ext__c"]) == ("b", "a")
    assert await fake.successors("Contact", [first, second]) == {first: master, second: master}
    fake.undelete("Contact", first)
    assert (fake.changes[-1].type, fake.changes[-1].fields["Ext__c"]) == (ChangeType.UNDELETE, "b")
    assert await fake.successors("Contact", [first, second]) == {second: master}
