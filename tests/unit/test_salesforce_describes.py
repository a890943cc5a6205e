"""Rows that the org would refuse are refused before they are sent, by a description that is fresh."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from adapters.salesforce.describes import FRESH_MS, KEPT_MS, CheckedRecords, Describes
from adapters.salesforce.errors import CallFailed, Fault
from adapters.salesforce.rest import Described
from schemas.records import Failure, RecordUpdate, RowResult
from schemas.unavailable import Unavailable

MINUTE = 60_000


class FakeOrg:
    """One object, whose picklist people may change; it counts how often it is asked, and may be away."""

    def __init__(self) -> None:
        self.values = ["Gold", "Silver"]
        self.asked = 0
        self.away = False
        self.last_modified = ""
        self.since: list[str] = []
        self.without = ""

    async def describe_since(self, sobject: str, since: str = "") -> Described:
        self.asked += 1
        self.since.append(since)
        if self.away:
            raise Unavailable("away")
        if sobject != "Contact":
            return Described(None)
        if since and since == self.last_modified:
            return Described(None, since, unchanged=True)
        return Described(self.definition(), self.last_modified)

    def definition(self) -> dict[str, Any]:
        listed = [{"value": value, "active": True} for value in self.values]
        choices = {"length": 255, "restrictedPicklist": True, "picklistValues": listed}
        fields = [
            {"name": "Tier__c", "type": "picklist", **choices},
            {"name": "Tags__c", "type": "multipicklist", **choices},
            {"name": "LastName", "type": "string", "length": 5},
            {"name": "Spent__c", "type": "currency", "length": 0, "createable": True, "updateable": True},
            {"name": "Total__c", "type": "currency", "length": 0, "createable": False, "updateable": False},
            {"name": "Campaign__c", "type": "reference", "length": 18, "createable": True, "updateable": False},
        ]
        return {"fields": [field for field in fields if field["name"] != self.without]}


class FakeRecords:
    """Takes every row, and remembers it."""

    def __init__(self) -> None:
        self.sent: list[list[RecordUpdate]] = []
        self.refusal = ""
        """The code with which it refuses every row, and every question."""

    def answers(self, ids: Sequence[str]) -> list[RowResult]:
        failure = Failure.REJECTED if self.refusal else None
        return [RowResult(record_id=one, failure=failure, code=self.refusal) for one in ids]

    async def update(self, sobject: str, updates: Sequence[RecordUpdate]) -> list[RowResult]:
        self.sent.append(list(updates))
        return self.answers([update.record_id for update in updates])

    async def upsert(self, sobject: str, external_id_field: str, updates: Sequence[RecordUpdate]) -> list[RowResult]:
        self.sent.append(list(updates))
        return self.answers([update.external_id for update in updates])

    async def asked(self, *asked: object) -> Any:
        if self.refusal:
            failed = CallFailed(Fault(Failure.REJECTED, self.refusal, "no such column"))
            raise Unavailable(str(failed)) from failed
        return asked[0]

    read = find = match = asked

    async def unasked(self, *asked: object) -> Any:
        raise AssertionError(f"nobody asks for this here: {asked}")

    delete = conversions = converted = successors = merged = unasked


class Desk:
    """The checked records with a clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0
        self.org, self.records = FakeOrg(), FakeRecords()
        self.describes = Describes(self.org, lambda: self.now)
        self.checked = CheckedRecords(self.records, self.describes)

    async def update(self, *rows: Mapping[str, Any], sobject: str = "Contact") -> list[RowResult]:
        updates = [RecordUpdate(row, record_id=f"r{place}") for place, row in enumerate(rows)]
        return await self.checked.update(sobject, updates)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.parametrize(
    ("values", "code", "field"),
    [
        ({"Tier__c": "Golden"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "Tier__c"),
        ({"LastName": "Ana", "Tags__c": "Gold;Bronze"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "Tags__c"),
        ({"LastName": "Vasilescu"}, "STRING_TOO_LONG", "LastName"),
        ({"LastName": "Ana", "Total__c": 7}, "INVALID_FIELD_FOR_INSERT_UPDATE", "Total__c"),
        ({"Campaign__c": "701"}, "INVALID_FIELD_FOR_INSERT_UPDATE", "Campaign__c"),
    ],
)
async def test_a_row_that_would_be_refused_is_not_sent(
    desk: Desk, values: dict[str, Any], code: str, field: str
) -> None:
    """It ends as Salesforce would have it, with the field named and no value; the other rows go, in their order."""
    answers = await desk.update({"LastName": "Pop"}, values, {"Tier__c": "Gold"})
    assert [answer.record_id for answer in answers] == ["r0", "", "r2"]
    assert (answers[1].failure, answers[1].code) == (Failure.REJECTED, code)
    assert answers[1].fields == (field,)
    assert not any(str(value) in answers[1].message for value in values.values())
    assert [[row.record_id for row in call] for call in desk.records.sent] == [["r0", "r2"]]


async def test_where_no_row_is_left_no_call_is_made(desk: Desk) -> None:
    """Nothing of the day's calls is spent."""
    await desk.update({"Tier__c": "Golden"})
    await desk.checked.upsert("Contact", "Ext__c", [RecordUpdate({"Tier__c": "Golden"}, external_id="c-1")])
    assert desk.records.sent == []


@pytest.mark.parametrize(
    "values",
    [
        {"Tier__c": None},
        {"Tier__c": "Gold"},
        {"Tags__c": "Silver;Gold"},
        {"Spent__c": 10**9},
        {"Unknown__c": "x" * 999},
    ],
)
async def test_what_nothing_speaks_against_is_sent(desk: Desk, values: dict[str, Any]) -> None:
    """Null clears a picklist, and what is not described is Salesforce's to judge."""
    assert [answer.failure for answer in await desk.update(values)] == [None]


async def test_what_is_fixed_once_the_record_is_there_may_be_made_with_it(desk: Desk) -> None:
    """An upsert may make the record: what nobody may change afterwards is refused there by Salesforce alone."""
    rows = [RecordUpdate({field: "1"}, external_id="c-1") for field in ("Campaign__c", "Total__c")]
    made, refused = await desk.checked.upsert("Contact", "Ext__c", rows)
    assert (made.failure, refused.code, refused.fields) == (None, "INVALID_FIELD_FOR_INSERT_UPDATE", ("Total__c",))


async def test_a_value_added_a_moment_ago_is_not_refused(desk: Desk) -> None:
    """A row is refused only by a description of the last minute; one that fits costs no second look for an hour."""
    await desk.update({"Tier__c": "Gold"})
    desk.org.values.append("Bronze")
    desk.now += FRESH_MS + 1
    assert [answer.failure for answer in await desk.update({"Tier__c": "Bronze"})] == [None]
    asked = desk.org.asked
    desk.now += MINUTE
    await desk.update({"Tier__c": "Bronze"})
    assert desk.org.asked == asked
    desk.now += KEPT_MS
    await desk.update({"Tier__c": "Bronze"})
    assert desk.org.asked == asked + 1


async def test_an_org_that_cannot_be_asked_refuses_nothing(desk: Desk) -> None:
    """Salesforce says itself then what it thinks of the row."""
    desk.org.away = True
    assert [answer.failure for answer in await desk.update({"Tier__c": "Golden"})] == [None]
    assert [answer.failure for answer in await desk.update({"Tier__c": "Golden"}, sobject="Lead")] == [None]


# --- what tells that an object has changed ---


async def test_a_refusal_that_tells_of_a_change_has_the_object_described_anew(desk: Desk) -> None:
    """Long before the hour is over, outright whatever the org says has changed since when, and once."""
    desk.org.last_modified = "Mon, 30 Nov 2026 10:00:00 GMT"
    await desk.update({"LastName": "Pop"})
    assert desk.org.since == [""]
    desk.records.refusal = "INVALID_FIELD_FOR_INSERT_UPDATE"
    desk.now += FRESH_MS + 1
    await desk.update({"LastName": "Pop"})
    desk.records.refusal = ""
    await desk.update({"LastName": "Pop"})
    await desk.update({"LastName": "Pop"})
    assert desk.org.since == ["", ""]


async def test_other_refusals_tell_of_none(desk: Desk) -> None:
    """A validation rule says nothing of the fields."""
    desk.records.refusal = "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    for _try in range(3):
        desk.now += FRESH_MS + 1
        await desk.update({"LastName": "Pop"})
    assert desk.org.asked == 1


async def test_an_org_that_refuses_without_end_is_asked_once_in_a_minute(desk: Desk) -> None:
    """However many rows it refuses meanwhile, and while it does not answer it is asked no more often either."""
    desk.records.refusal = "INVALID_TYPE"
    for _row in range(100):
        desk.now += 1_000
        await desk.update({"LastName": "Pop"})
    assert desk.org.asked == 2
    desk.org.away = True
    for _row in range(100):
        desk.now += 1_000
        await desk.update({"LastName": "Pop"})
    assert desk.org.asked <= 4


@pytest.mark.parametrize("question", ["read", "find", "match"])
async def test_a_question_that_is_refused_tells_too(desk: Desk, question: str) -> None:
    """A whole read is refused for one field that is gone."""
    await desk.update({"LastName": "Pop"})
    desk.records.refusal = "INVALID_FIELD"
    asked = {
        "read": lambda: desk.checked.read("Contact", ["r0"], ["Gone__c"]),
        "find": lambda: desk.checked.find("Contact", "Ext__c", ["c-1"]),
        "match": lambda: desk.checked.match("Contact", "Email", ["a@x.ro"], ["Gone__c"]),
    }
    with pytest.raises(Unavailable):
        await asked[question]()
    desk.now += FRESH_MS + 1
    desk.records.refusal = ""
    await asked[question]()
    await desk.update({"LastName": "Pop"})
    assert desk.org.asked == 2


async def test_a_field_that_is_gone_spoils_no_second_call(desk: Desk) -> None:
    """Once Salesforce has said so, rows with it are not sent, and name the field; the others go."""
    await desk.update({"Spent__c": 1})
    desk.org.without = "Spent__c"
    desk.records.refusal = "INVALID_FIELD"
    await desk.update({"Spent__c": 1}, {"LastName": "Pop"})
    desk.records.refusal = ""
    desk.now += FRESH_MS + 1
    gone, other = await desk.update({"Spent__c": 2}, {"LastName": "Pop"})
    assert (gone.code, gone.fields, other.failure) == ("INVALID_FIELD", ("Spent__c",), None)
    assert desk.describes.changed() == {"Contact"}
    assert desk.describes.changed() == set()
    desk.org.without = ""
    desk.now += FRESH_MS + 1
    assert [answer.failure for answer in await desk.update({"spent__C": 3})] == [None]


async def test_what_is_old_is_asked_for_only_if_it_has_changed(desk: Desk) -> None:
    """The org's own `Last-Modified` goes back to it; what has not changed is kept for an hour more."""
    desk.org.last_modified = "Mon, 30 Nov 2026 10:00:00 GMT"
    await desk.update({"Tier__c": "Gold"})
    desk.now += KEPT_MS + 1
    await desk.update({"Tier__c": "Gold"})
    await desk.update({"Tier__c": "Gold"})
    assert desk.org.since == ["", desk.org.last_modified]
    desk.org.values.append("Bronze")
    desk.org.last_modified = "Mon, 30 Nov 2026 12:00:00 GMT"
    desk.now += KEPT_MS + 1
    assert [answer.failure for answer in await desk.update({"Tier__c": "Bronze"})] == [None]
    assert desk.describes.changed() == {"Contact"}


async def test_what_is_heard_to_have_changed_is_looked_at_in_time(desk: Desk) -> None:
    """A change event bears another schema: the next look says which objects are not as they were."""
    await desk.update({"Tier__c": "Gold"})
    desk.org.values.append("Bronze")
    desk.describes.doubt("Contact")
    assert await desk.describes.look() == set()
    desk.now += FRESH_MS + 1
    assert await desk.describes.look() == {"Contact"}
    asked = desk.org.asked
    desk.now += FRESH_MS + 1
    assert await desk.describes.look() == set()
    assert desk.org.asked == asked
