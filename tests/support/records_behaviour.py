"""What every `consumers.ports.Records` does, fake or real: inherit, and give it as the fixture `records`.

The fixture `people` does what only people in Salesforce do.

The object is Contact with the text fields `Tandem_Customer_Id__c` (external id, unique) and `Tandem_Customer_Write__c`.
"""

from typing import Protocol

import pytest

from consumers.ports import Records
from schemas.records import Failure, RecordUpdate

EXTERNAL_ID = "Tandem_Customer_Id__c"
TOKEN = "Tandem_Customer_Write__c"
NEVER_WAS = "003000000000Zz9AAE"
FIELDS = ["LastName", "Email", "Phone", TOKEN]


def contact(external_id: str, name: str | None = "Popescu", **values: object) -> RecordUpdate:
    return RecordUpdate({"LastName": name, **values}, external_id=external_id)


async def made(records: Records, external_id: str, **values: object) -> str:
    """The id of a new record."""
    [result] = await records.upsert("Contact", EXTERNAL_ID, [contact(external_id, **values)])
    assert result.succeeded, result
    return result.record_id


class People(Protocol):
    """Those who work in Salesforce itself, with Contacts, and with Leads that become some."""

    async def merge(self, master: str, *losers: str) -> None:
        """Merge records into one, which takes none of the others' values."""

    async def undelete(self, record_id: str) -> None:
        """Take a record out of the recycle bin."""

    async def convert(self, lead_id: str) -> str:
        """Convert a lead to a new contact; its id."""


class RecordsBehaviour:
    """Each test is a promise of the port."""

    async def test_an_upsert_makes_a_record_once(self, records: Records) -> None:
        """Doing it twice equals doing it once: the second finds what the first made."""
        rows = [contact("cust-1", **{TOKEN: "cust-1:1"}), contact("cust'2/é")]
        first = await records.upsert("Contact", EXTERNAL_ID, rows)
        second = await records.upsert("Contact", EXTERNAL_ID, rows)
        assert [(result.succeeded, result.created) for result in first] == [(True, True)] * 2
        assert [(result.succeeded, result.created) for result in second] == [(True, False)] * 2
        assert [result.record_id for result in first] == [result.record_id for result in second]
        assert all(len(result.record_id) == 18 for result in first)

    async def test_an_update_changes_what_it_names_and_nothing_else(self, records: Records) -> None:
        """Null and empty text clear a field, a field that is absent stays."""
        record_id = await made(records, "cust-3", Email="ana@example.com", Phone="+40 1")
        update = RecordUpdate({"Phone": "", TOKEN: "cust-3:2"}, record_id=record_id)
        assert [result.succeeded for result in await records.update("Contact", [update])] == [True]
        read = await records.read("Contact", [record_id], FIELDS)
        assert read.rows[record_id] == {
            "Id": record_id,
            "LastName": "Popescu",
            "Email": "ana@example.com",
            "Phone": None,
            TOKEN: "cust-3:2",
        }

    async def test_each_row_has_its_own_outcome_in_the_order_asked(self, records: Records) -> None:
        """A refused row in the middle neither stops nor moves the others."""
        rows = [contact("cust-4"), contact("cust-5", None), contact("cust-6")]
        results = await records.upsert("Contact", EXTERNAL_ID, rows)
        assert [result.failure for result in results] == [None, Failure.REJECTED, None]
        assert results[1].code == "REQUIRED_FIELD_MISSING"
        found = await records.find("Contact", EXTERNAL_ID, ["cust-4", "cust-5", "cust-6"])
        assert found == {"cust-4": [results[0].record_id], "cust-6": [results[2].record_id]}

    async def test_two_hundred_rows_keep_their_order(self, records: Records) -> None:
        """The largest call: every outcome belongs to its row."""
        rows = [contact(f"many-{number}", name=f"Name {number}") for number in range(200)]
        results = await records.upsert("Contact", EXTERNAL_ID, rows)
        assert len({result.record_id for result in results}) == 200
        read = await records.read("Contact", [result.record_id for result in results], ["LastName"])
        assert [read.rows[result.record_id]["LastName"] for result in results] == [
            row.values["LastName"] for row in rows
        ]

    async def test_records_are_matched_by_a_text_in_whatever_case(self, records: Records) -> None:
        """With all that was asked of them; several may match, and what holds another text or none does not."""
        one = await made(records, "match-1", Email="Ida.Rhodes@example.com")
        two = await made(records, "match-2", Email="ida.rhodes@example.com", Phone="+40 7")
        await made(records, "match-3", Email="other.o'hara@example.com")
        await made(records, "match-4")
        rows = await records.match("Contact", "Email", ["IDA.RHODES@example.com", "nobody@example.com"], FIELDS)
        assert {row["Id"]: (row["LastName"], row["Phone"]) for row in rows} == {
            one: ("Popescu", None),
            two: ("Popescu", "+40 7"),
        }
        assert [
            row["Email"] for row in await records.match("Contact", "Email", ["OTHER.O'Hara@example.com"], FIELDS)
        ] == ["other.o'hara@example.com"]

    async def test_a_record_that_never_was_is_gone(self, records: Records) -> None:
        """An update by an unknown id fails alone, and a read leaves it out."""
        record_id = await made(records, "cust-7")
        rows = [RecordUpdate({"Phone": "1"}, record_id=each) for each in (NEVER_WAS, record_id)]
        results = await records.update("Contact", rows)
        assert [result.failure for result in results] == [Failure.GONE, None]
        read = await records.read("Contact", [NEVER_WAS, record_id, "nonsense"], ["Phone"])
        assert read.rows == {record_id: {"Id": record_id, "Phone": "1"}}

    async def test_a_row_that_cannot_be_sent_fails_alone(self, records: Records) -> None:
        """No id, or a value without a form in Salesforce."""
        record_id = await made(records, "cust-8")
        rows = [
            RecordUpdate({"Phone": "2"}),
            RecordUpdate({"Phone": {"no": "form"}}, record_id=record_id),
            RecordUpdate({"Phone": "2"}, record_id=record_id),
        ]
        results = await records.update("Contact", rows)
        assert [result.failure for result in results] == [Failure.REJECTED, Failure.REJECTED, None]
        assert results[0].code == results[1].code == "INVALID_ROW"

    async def test_ids_of_15_characters_mean_the_same_record(self, records: Records) -> None:
        """Rows are told by their 18-character ids whichever form was asked for."""
        record_id = await made(records, "cust-9")
        [result] = await records.update("Contact", [RecordUpdate({"Phone": "3"}, record_id=record_id[:15])])
        assert result.record_id == record_id
        assert list((await records.read("Contact", [record_id[:15]], ["Phone"])).rows) == [record_id]

    async def test_a_read_tells_both_clocks(self, records: Records) -> None:
        """Ours before the request, and Salesforce's at its answer in whole seconds."""
        record_id = await made(records, "cust-10")
        first = await records.read("Contact", [record_id], ["LastName"])
        second = await records.read("Contact", [record_id], ["LastName"])
        assert 0 < first.began_at <= second.began_at
        assert 0 < first.server_time <= second.server_time
        assert first.server_time % 1_000 == 0

    async def test_what_is_not_there_is_not_found(self, records: Records) -> None:
        """Ids that match no record are missing; nothing asked, nothing found."""
        assert await records.find("Contact", EXTERNAL_ID, ["nobody"]) == {}
        assert await records.find("Contact", EXTERNAL_ID, []) == {}

    async def test_nothing_to_write_is_nothing_done(self, records: Records) -> None:
        """An empty list has no outcomes."""
        assert await records.update("Contact", []) == []
        assert await records.upsert("Contact", EXTERNAL_ID, []) == []
        assert await records.delete("Contact", []) == []

    async def test_each_record_is_deleted_once_and_alone(self, records: Records) -> None:
        """One that is gone already, one that never was and one that is no id stop none of the others."""
        first, second, kept = [await made(records, f"cust-1{number}") for number in (1, 2, 3)]
        [result] = await records.delete("Contact", [first])
        assert (result.succeeded, result.record_id) == (True, first)
        results = await records.delete("Contact", [first, NEVER_WAS, "nonsense", second[:15], second])
        assert [result.failure for result in results] == [Failure.GONE, Failure.GONE, Failure.REJECTED, None, None]
        assert [result.code for result in results[:3]] == [
            "ENTITY_IS_DELETED",
            "INVALID_CROSS_REFERENCE_KEY",
            "INVALID_ROW",
        ]
        assert [result.record_id for result in results[3:]] == [second, second]
        assert set((await records.read("Contact", [first, second, kept], ["LastName"])).rows) == {kept}
        assert await records.find("Contact", EXTERNAL_ID, ["cust-11", "cust-12"]) == {}

    async def test_two_hundred_records_are_deleted_in_a_call(self, records: Records) -> None:
        """The largest call; one more is the caller's mistake."""
        rows = [contact(f"rid-{number}") for number in range(200)]
        ids = [result.record_id for result in await records.upsert("Contact", EXTERNAL_ID, rows)]
        with pytest.raises(ValueError, match="at most 200"):
            await records.delete("Contact", [*ids, NEVER_WAS])
        results = await records.delete("Contact", ids)
        assert [result.record_id for result in results if result.succeeded] == ids
        assert (await records.read("Contact", ids, ["LastName"])).rows == {}

    async def test_what_was_only_deleted_has_no_successor(self, records: Records) -> None:
        """Nor has what lives, what never was, or what cannot be merged."""
        deleted, alive = await made(records, "cust-14"), await made(records, "cust-15")
        await records.delete("Contact", [deleted])
        assert await records.successors("Contact", [deleted, alive, NEVER_WAS, "nonsense"]) == {}
        assert await records.successors("Contact", []) == {}
        assert await records.successors("Campaign", [deleted]) == {}

    async def test_what_was_merged_has_a_successor(self, records: Records, people: People) -> None:
        """By 18-character id, also where it is deleted by now; the losers' values and ids are no longer found."""
        master, first, second, other, last = [await made(records, f"cust-2{number}") for number in range(5)]
        await people.merge(master, first, second)
        wanted = [first[:15], second, master, NEVER_WAS]
        assert await records.successors("Contact", wanted) == {first: master, second: master}
        assert [result.failure for result in await records.delete("Contact", [first])] == [Failure.GONE]
        assert await records.find("Contact", EXTERNAL_ID, ["cust-20", "cust-21"]) == {"cust-20": [master]}
        await people.merge(other, master)
        await people.merge(last, other)
        ends = {first: last, second: last, master: last, other: last}
        assert await records.successors("Contact", [first, second, master, other, last]) == ends
        await records.delete("Contact", [last])
        assert await records.successors("Contact", [first, last]) == {first: last}

    async def test_what_was_merged_into_a_record_is_known_of_it_too(self, records: Records, people: People) -> None:
        """Over any number of merges; what was only deleted, or brought back, was merged into nothing."""
        first, second, master, deleted, alone = [await made(records, f"cust-4{number}") for number in range(5)]
        assert await records.merged("Contact", [master, alone, NEVER_WAS, "nonsense"]) == {}
        await people.merge(second, first)
        assert await records.merged("Contact", [second[:15]]) == {second: [first]}
        await people.merge(master, second)
        await records.delete("Contact", [deleted])
        found = await records.merged("Contact", [master, deleted, alone])
        assert {each: set(merged) for each, merged in found.items()} == {master: {first, second}}
        await people.undelete(second)
        assert await records.merged("Contact", [master]) == {}
        assert await records.merged("Contact", [second]) == {second: [first]}
        assert await records.merged("Campaign", [master]) == {}
        assert await records.merged("Contact", []) == {}

    async def test_what_was_undeleted_is_its_own_again(self, records: Records, people: People) -> None:
        """And what was merged into it ends with it."""
        first, second, third = [await made(records, f"cust-3{number}") for number in range(3)]
        await people.merge(second, first)
        await people.merge(third, second)
        await people.undelete(second)
        assert await records.successors("Contact", [first, second]) == {first: second}
        assert set((await records.read("Contact", [second, third], [])).rows) == {second, third}
        assert await records.find("Contact", EXTERNAL_ID, ["cust-31"]) == {"cust-31": [second]}

    async def test_only_leads_are_converted(self, records: Records) -> None:
        """Of any other object nothing is asked, and nothing is told."""
        assert await records.conversions("Contact", [await made(records, "cust-50")]) == {}
        assert await records.conversions("Lead", []) == {}

    async def test_a_conversion_is_told_both_ways_and_ends_the_writing(self, records: Records, people: People) -> None:
        """The lead says so itself, and is still found by its external id; no contact but that one is of a lead."""
        values = {"LastName": "Popescu", "Company": "Analytical"}
        update = RecordUpdate(values, external_id="cust-51")
        [lead] = [row.record_id for row in await records.upsert("Lead", EXTERNAL_ID, [update])]
        other = await made(records, "cust-52")
        assert await records.conversions("Lead", [lead]) == {}
        contact_id = await people.convert(lead)
        became = await records.conversions("Lead", [lead])
        assert {each: what.contact_id for each, what in became.items()} == {lead: contact_id}
        assert await records.converted("Lead", [contact_id, other]) == {contact_id: [lead]}
        assert await records.converted("Contact", [contact_id]) == {}
        assert await records.find("Lead", EXTERNAL_ID, ["cust-51"]) == {"cust-51": [lead]}
        assert (await records.read("Lead", [lead], ["IsConverted"])).rows[lead]["IsConverted"] is True
        [refused] = await records.update("Lead", [RecordUpdate({"LastName": "X"}, record_id=lead)])
        assert refused.failure is Failure.CONVERTED
