"""Many records in a call: order, partial success, locks, refused calls, foreign replies."""

from collections.abc import AsyncIterator

import pytest
from support.scripted_salesforce import (
    DATE_MS,
    Answer,
    ScriptedSalesforce,
    Seen,
    errors,
    row_error,
    scripted_salesforce,
)

from adapters.salesforce.login import Login
from adapters.salesforce.opening import open_salesforce
from adapters.salesforce.records import MERGES_IN_A_ROW, SPLIT_LATER, SalesforceRecords
from adapters.salesforce.rest import Rest
from schemas.record_id import to_18
from schemas.records import Converted, Failure, RecordUpdate, RowResult
from schemas.unavailable import Unavailable

NOW = 1_700_000_000_000
IDS = [to_18(f"0035g00000Qr{number:03}") for number in range(200)]


def updates(count: int) -> list[RecordUpdate]:
    return [RecordUpdate({"LastName": f"Name {place}"}, record_id=IDS[place]) for place in range(count)]


def done(record_id: str, **more: object) -> dict[str, object]:
    return {"id": record_id, "success": True, "errors": [], **more}


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedSalesforce]:
    async with scripted_salesforce() as salesforce:
        yield salesforce


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
async def records(scripted: ScriptedSalesforce, waits: list[float]) -> AsyncIterator[SalesforceRecords]:
    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async with open_salesforce(scripted.settings(call_timeout=0.5), now=lambda: NOW) as org:
        yield SalesforceRecords(org.rest, chance=lambda: 0.0, sleep=sleep)


async def test_an_update_names_every_record_and_stands_alone(
    scripted: ScriptedSalesforce, records: SalesforceRecords
) -> None:
    """Rows carry type and id, empty text and null both clear, and no row's failure undoes another."""
    scripted.answers.append(Answer(json=[done(IDS[0])]))
    [result] = await records.update(
        "Contact", [RecordUpdate({"Email": None, "Phone": "", "T__c": 2}, record_id=IDS[0])]
    )
    assert result == RowResult(record_id=IDS[0])
    assert (scripted.seen[0].method, scripted.seen[0].path) == ("PATCH", "/services/data/v62.0/composite/sobjects")
    assert scripted.seen[0].body == {
        "allOrNone": False,
        "records": [
            {"attributes": {"type": "Contact"}, "id": IDS[0], "Email": None, "Phone": None, "T__c": 2},
        ],
    }


async def test_an_upsert_goes_by_external_id(scripted: ScriptedSalesforce, records: SalesforceRecords) -> None:
    """The field that finds the record is in the path and in each row; whether it was made is told."""
    scripted.answers.append(Answer(json=[done(IDS[0], created=True), done(IDS[1], created=False)]))
    rows = [RecordUpdate({"LastName": "A"}, external_id="c/1"), RecordUpdate({"LastName": "B"}, external_id="c 2")]
    assert await records.upsert("Contact", "Ext__c", rows) == [
        RowResult(record_id=IDS[0], created=True),
        RowResult(record_id=IDS[1]),
    ]
    assert scripted.seen[0].path == "/services/data/v62.0/composite/sobjects/Contact/Ext__c"
    assert [row["Ext__c"] for row in scripted.seen[0].body["records"]] == ["c/1", "c 2"]


async def test_each_row_has_its_own_outcome_in_order(scripted: ScriptedSalesforce, records: SalesforceRecords) -> None:
    """Partial success is told row by row (failure case 17)."""
    answered = [done(IDS[0]), row_error("STRING_TOO_LONG", fields=("LastName",)), row_error("ENTITY_IS_DELETED")]
    scripted.answers.append(Answer(json=answered))
    results = await records.update("Contact", updates(3))
    assert [result.failure for result in results] == [None, Failure.REJECTED, Failure.GONE]
    assert [result.record_id for result in results] == IDS[:3]
    assert (results[1].code, results[1].message) == ("STRING_TOO_LONG", "told in words")


async def test_only_locked_rows_are_tried_again_and_only_three_times(
    scripted: ScriptedSalesforce, records: SalesforceRecords, waits: list[float]
) -> None:
    """A lock is over in a moment: the locked rows alone go again, with the echo mark, and then it is told (case 20)."""
    lock = row_error("UNABLE_TO_LOCK_ROW")
    scripted.answers.append(Answer(json=[done(IDS[0]), lock, row_error("DUPLICATE_VALUE"), lock]))
    scripted.answers.append(Answer(json=[lock]))
    scripted.answers.append(Answer(json=[done(IDS[3])]))
    scripted.answers.append(Answer(json=[lock]))
    results = await records.update("Contact", updates(4))
    assert [result.failure for result in results] == [None, Failure.NOT_RUN, Failure.DUPLICATE, None]
    assert (results[1].code, results[1].org_wide) == ("UNABLE_TO_LOCK_ROW", False)
    sent = [[row["id"] for row in seen.body["records"]] for seen in scripted.seen]
    assert sent == [IDS[:4], [IDS[1]], [IDS[3]], [IDS[1]]]
    assert waits == [0.25, 0.5]
    assert {seen.headers["Sforce-Call-Options"] for seen in scripted.seen} == {"client=Tandem"}


async def test_locked_rows_go_again_in_smaller_calls(scripted: ScriptedSalesforce, records: SalesforceRecords) -> None:
    """A smaller call holds its locks for a shorter time: two calls at the second try, four at the third."""
    scripted.otherwise = lambda seen: Answer(json=[row_error("UNABLE_TO_LOCK_ROW") for _each in seen.body["records"]])
    results = await records.update("Contact", updates(10))
    assert {result.code for result in results} == {"UNABLE_TO_LOCK_ROW"}
    assert [len(seen.body["records"]) for seen in scripted.seen] == [10, 5, 5, 3, 3, 3, 1]


async def test_a_repeat_without_an_answer_leaves_the_row_unknown(
    scripted: ScriptedSalesforce, records: SalesforceRecords
) -> None:
    """The rows that were done stay done; the row whose repeat was lost is unknown, and not tried again."""
    scripted.answers.append(Answer(json=[done(IDS[0]), row_error("UNABLE_TO_LOCK_ROW")]))
    scripted.answers.append(Answer(lost=True))
    results = await records.update("Contact", updates(2))
    assert [result.failure for result in results] == [None, Failure.UNKNOWN]
    assert len(scripted.seen) == 2


@pytest.mark.parametrize(
    ("answer", "failure", "org_wide"),
    [
        (Answer(lost=True), Failure.UNKNOWN, True),
        (Answer(stalled=True), Failure.UNKNOWN, True),
        (Answer(502, text="<html>"), Failure.UNKNOWN, True),
        (Answer(200, text="<html>"), Failure.UNKNOWN, True),
        (errors(500, "UNKNOWN_EXCEPTION"), Failure.UNKNOWN, False),
        (errors(503, "SERVER_UNAVAILABLE"), Failure.NOT_RUN, True),
        (errors(403, "REQUEST_LIMIT_EXCEEDED"), Failure.NOT_RUN, True),
        (errors(404, "NOT_FOUND"), Failure.NOT_RUN, True),
    ],
)
async def test_a_failed_call_is_every_rows_outcome_and_is_not_repeated(
    scripted: ScriptedSalesforce, records: SalesforceRecords, answer: Answer, failure: Failure, org_wide: bool
) -> None:
    """Nothing is raised; an org that is down or over its limits is not pressed with quick repeats."""
    scripted.answers.append(answer)
    results = await records.update("Contact", updates(3))
    assert [(result.failure, result.org_wide) for result in results] == [(failure, org_wide)] * 3
    assert [result.record_id for result in results] == IDS[:3]
    assert len(scripted.seen) == 1


@pytest.mark.parametrize(
    "reply",
    [
        [done(IDS[0])],
        [done(IDS[0]), done(IDS[1]), done(IDS[2])],
        {"results": []},
        [done(IDS[0]), None],
        [done(IDS[1]), done(IDS[0])],
        [done(IDS[0]), {"id": IDS[1], "errors": []}],
        [done(IDS[0]), done("not an id")],
        None,
    ],
)
async def test_a_reply_that_does_not_match_row_by_row_is_nobodys_outcome(
    scripted: ScriptedSalesforce, records: SalesforceRecords, reply: object
) -> None:
    """Too short, too long, other ids, other shapes: no row is guessed to be done."""
    scripted.answers.append(Answer(json=reply))
    results = await records.update("Contact", updates(2))
    assert [(result.failure, result.code) for result in results] == [(Failure.UNKNOWN, "UNEXPECTED_REPLY")] * 2


async def test_an_upserted_row_without_an_id_is_unknown(
    scripted: ScriptedSalesforce, records: SalesforceRecords
) -> None:
    """A success must say which record it was."""
    scripted.answers.append(Answer(json=[{"success": True, "errors": [], "created": True}]))
    [result] = await records.upsert("Contact", "Ext__c", [RecordUpdate({}, external_id="1")])
    assert result.failure is Failure.UNKNOWN


async def test_a_failed_row_that_names_no_error_is_unknown(
    scripted: ScriptedSalesforce, records: SalesforceRecords
) -> None:
    """Not done, for no reason given: nobody knows."""
    scripted.answers.append(Answer(json=[{"success": False, "errors": []}]))
    [result] = await records.update("Contact", updates(1))
    assert (result.failure, result.code) == (Failure.UNKNOWN, "UNEXPECTED_REPLY")


async def test_a_row_that_cannot_be_sent_does_not_stop_the_others(
    scripted: ScriptedSalesforce, records: SalesforceRecords
) -> None:
    """A value without a form, or no id: refused here, and its value is not told."""
    scripted.answers.append(Answer(json=[done(IDS[1])]))
    rows = [
        RecordUpdate({"LastName": {"secret": "value"}}, record_id=IDS[0]),
        RecordUpdate({"LastName": "B"}, record_id=IDS[1]),
        RecordUpdate({"LastName": "C"}, record_id="nonsense"),
    ]
    results = await records.update("Contact", rows)
    assert [result.code for result in results] == ["INVALID_ROW", "", "INVALID_ROW"]
    assert results[0].failure is Failure.REJECTED
    assert "secret" not in results[0].message
    assert len(scripted.seen[0].body["records"]) == 1


async def test_one_row_that_has_the_call_refused_is_found(
    scripted: ScriptedSalesforce, records: SalesforceRecords
) -> None:
    """A body refused whole for one row's value is cut in halves until that row stands alone."""

    def answer(seen: Seen) -> Answer:
        rows = seen.body["records"]
        if any(row["LastName"] == "Name 137" for row in rows):
            return errors(400, "JSON_PARSER_ERROR")
        return Answer(json=[done(row["id"]) for row in rows])

    scripted.otherwise = answer
    results = await records.update("Contact", updates(200))
    assert [place for place, result in enumerate(results) if not result.succeeded] == [137]
    assert (results[137].failure, results[137].code) == (Failure.REJECTED, "JSON_PARSER_ERROR")
    assert [result.record_id for result in results] == IDS
    assert len(scripted.seen) <= 17


async def test_looking_for_refused_rows_has_an_end(scripted: ScriptedSalesforce, records: SalesforceRecords) -> None:
    """Where every row is refused the calls are bounded, and rows not yet looked at are left for later."""
    scripted.otherwise = lambda _: errors(400, "JSON_PARSER_ERROR")
    results = await records.update("Contact", updates(200))
    assert len(scripted.seen) <= 33
    assert {result.code for result in results} == {"JSON_PARSER_ERROR", SPLIT_LATER}
    assert all(result.failure is Failure.NOT_RUN for result in results if result.code == SPLIT_LATER)


async def test_nothing_to_write_is_no_call(scripted: ScriptedSalesforce, records: SalesforceRecords) -> None:
    """An empty list costs nothing; more than 200 is the caller's mistake."""
    assert await records.update("Contact", []) == []
    with pytest.raises(ValueError, match="at most 200"):
        await records.update("Contact", updates(1) * 201)
    assert scripted.seen == []


async def test_rows_are_read_whole_by_id(scripted: ScriptedSalesforce, records: SalesforceRecords) -> None:
    """One call; ids of 15 characters come back as 18, a missing record is absent, both clocks are told."""
    answered = [{"attributes": {"type": "Contact"}, "Id": IDS[0], "Email": None}, None]
    scripted.answers.append(Answer(json=answered))
    read = await records.read("Contact", [IDS[0][:15], IDS[1], "nonsense", IDS[0]], ["Email", "Id"])
    assert read.rows == {IDS[0]: {"Id": IDS[0], "Email": None}}
    assert (read.began_at, read.server_time) == (NOW, DATE_MS)
    assert (scripted.seen[0].method, scripted.seen[0].path) == (
        "POST",
        "/services/data/v62.0/composite/sobjects/Contact",
    )
    assert scripted.seen[0].body == {"ids": IDS[:2], "fields": ["Id", "Email"]}


@pytest.mark.parametrize(
    "answer",
    [
        Answer(lost=True),
        errors(503, "SERVER_UNAVAILABLE"),
        errors(400, "INVALID_FIELD"),
        Answer(json=[]),
        Answer(json=[{"Id": IDS[1]}]),
        Answer(json=[{"Email": "x"}]),
        Answer(text="<html>"),
        Answer(json=[{"Id": IDS[0]}], headers={"Date": "no date"}),
    ],
)
async def test_a_read_that_fails_is_never_an_empty_one(
    scripted: ScriptedSalesforce, records: SalesforceRecords, answer: Answer
) -> None:
    """Absent means that Salesforce said so; whatever else went wrong is raised."""
    scripted.answers.append(answer)
    with pytest.raises(Unavailable):
        await records.read("Contact", [IDS[0]], ["Email"])


async def test_records_are_found_by_external_id(scripted: ScriptedSalesforce, records: SalesforceRecords) -> None:
    """Every match is told, also several of one id; text is compared as Salesforce compares it."""
    rows = [{"Id": IDS[0], "Ext__c": "o'1"}, {"Id": IDS[1], "Ext__c": "O'1"}, {"Id": IDS[2], "Ext__c": "two"}]
    scripted.answers.append(Answer(json={"done": True, "records": rows}))
    assert await records.find("Contact", "Ext__c", ["o'1", "two", "none"]) == {
        "o'1": [IDS[0]],
        "O'1": [IDS[1]],
        "two": [IDS[2]],
    }
    assert scripted.seen[0].query["q"] == (r"SELECT Id, Ext__c FROM Contact WHERE Ext__c IN ('o\'1','two','none')")


async def test_a_find_that_fails_is_never_an_empty_one(
    scripted: ScriptedSalesforce, records: SalesforceRecords
) -> None:
    """Not found would lead to a second record."""
    scripted.answers.append(Answer(502, text="<html>"))
    with pytest.raises(Unavailable, match="HTTP_502"):
        await records.find("Contact", "Ext__c", ["1"])


async def test_many_external_ids_are_asked_for_in_several_queries(
    scripted: ScriptedSalesforce, records: SalesforceRecords
) -> None:
    """No address grows beyond what Salesforce takes, and every id is asked for once."""
    scripted.otherwise = lambda _: Answer(json={"done": True, "records": []})
    wanted = [f"{number:05}-{'é' * 40}" for number in range(200)]
    assert await records.find("Contact", "Ext__c", wanted) == {}
    assert len(scripted.seen) > 1
    asked = [part for seen in scripted.seen for part in seen.query["q"].split("(")[1].rstrip(")").split(",")]
    assert asked == [f"'{each}'" for each in wanted]


async def test_a_login_that_ran_out_costs_no_row_anything(scripted: ScriptedSalesforce, waits: list[float]) -> None:
    """A 401 in the middle of an update is answered by a new login, without the row's noticing."""
    async with open_salesforce(scripted.settings(), now=lambda: NOW) as org:
        assert isinstance(org.login, Login)
        assert isinstance(org.rest, Rest)
        await org.login.current()
        scripted.expire_tokens()
        scripted.answers.append(Answer(json=[done(IDS[0])]))
        [result] = await org.records.update("Contact", updates(1))
    assert result.succeeded
    assert [seen.headers["Sforce-Call-Options"] for seen in scripted.seen] == ["client=Tandem"] * 2


async def test_a_deletion_names_its_records_in_the_address(
    scripted: ScriptedSalesforce, records: SalesforceRecords
) -> None:
    """Each stands alone, is named once whatever form its id was given in, and has its own outcome in order."""
    scripted.answers.append(
        Answer(json=[done(IDS[0]), row_error("DELETE_FAILED"), row_error("INVALID_CROSS_REFERENCE_KEY")])
    )
    results = await records.delete("Contact", [IDS[0], IDS[1], IDS[2], IDS[0][:15], "nonsense"])
    assert [result.failure for result in results] == [
        None,
        Failure.REJECTED,
        Failure.GONE,
        None,
        Failure.REJECTED,
    ]
    assert [result.record_id for result in results] == [*IDS[:3], IDS[0], "nonsense"]
    [seen] = scripted.seen
    assert (seen.method, seen.path, seen.body) == ("DELETE", "/services/data/v62.0/composite/sobjects", None)
    assert seen.query == {"ids": ",".join(IDS[:3]), "allOrNone": "false"}
    assert seen.headers["Sforce-Call-Options"] == "client=Tandem"


async def test_locked_deletions_go_again_and_lost_ones_do_not(
    scripted: ScriptedSalesforce, records: SalesforceRecords, waits: list[float]
) -> None:
    """A lock is certainly not run; a call without an answer may have been."""
    scripted.answers.append(Answer(json=[row_error("UNABLE_TO_LOCK_ROW"), done(IDS[1])]))
    scripted.answers.append(Answer(lost=True))
    results = await records.delete("Contact", IDS[:2])
    assert [result.failure for result in results] == [Failure.UNKNOWN, None]
    assert [seen.query["ids"] for seen in scripted.seen] == [",".join(IDS[:2]), IDS[0]]
    assert waits == [0.25]


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (errors(403, "REQUEST_LIMIT_EXCEEDED"), Failure.NOT_RUN),
        (errors(503, "SERVER_UNAVAILABLE"), Failure.NOT_RUN),
        (Answer(503, text="<html>"), Failure.UNKNOWN),
        (Answer(json=[done(IDS[1]), done(IDS[0])]), Failure.UNKNOWN),
    ],
)
async def test_a_failed_deletion_is_every_rows_outcome(
    scripted: ScriptedSalesforce, records: SalesforceRecords, answer: Answer, failure: Failure
) -> None:
    """As for an update: nothing raised, nothing repeated, nobody guessed to be done."""
    scripted.answers.append(answer)
    results = await records.delete("Contact", IDS[:2])
    assert [result.failure for result in results] == [failure] * 2
    assert len(scripted.seen) == 1


def merged(*pairs: tuple[str, str | None]) -> Answer:
    """A page of deleted records and what they were merged into."""
    return Answer(json={"done": True, "records": [{"Id": each, "MasterRecordId": master} for each, master in pairs]})


async def test_a_chain_of_merges_is_followed_to_its_end(
    scripted: ScriptedSalesforce, records: SalesforceRecords
) -> None:
    """One query for each link of the longest chain, and one that finds no more."""
    scripted.answers.append(merged((IDS[0], IDS[1]), (IDS[4], IDS[5][:15]), (IDS[6], None)))
    scripted.answers.append(merged((IDS[1], IDS[2])))
    scripted.answers.append(merged())
    wanted = [IDS[0][:15], IDS[4], IDS[6], "nonsense"]
    assert await records.successors("Contact", wanted) == {IDS[0]: IDS[2], IDS[4]: IDS[5]}
    assert {seen.path for seen in scripted.seen} == {"/services/data/v62.0/queryAll"}
    head = "SELECT Id, MasterRecordId FROM Contact WHERE (Id IN ("
    assert [seen.query["q"] for seen in scripted.seen] == [
        f"{head}'{IDS[0]}','{IDS[4]}','{IDS[6]}') AND IsDeleted = true)",
        f"{head}'{IDS[1]}','{IDS[5]}') AND IsDeleted = true)",
        f"{head}'{IDS[2]}') AND IsDeleted = true)",
    ]


async def test_a_chain_of_merges_has_an_end(scripted: ScriptedSalesforce, records: SalesforceRecords) -> None:
    """One that comes back on itself is left, and a very long one after so many queries."""
    scripted.answers.extend([merged((IDS[0], IDS[1])), merged((IDS[1], IDS[0]))])
    assert await records.successors("Contact", [IDS[0]]) == {IDS[0]: IDS[1]}
    assert len(scripted.seen) == 2

    def the_next(seen: Seen) -> Answer:
        [asked] = [each for each in IDS if each in seen.query["q"]]
        return merged((asked, IDS[IDS.index(asked) + 1]))

    scripted.otherwise = the_next
    assert await records.successors("Contact", [IDS[0]]) == {IDS[0]: IDS[MERGES_IN_A_ROW]}
    assert len(scripted.seen) == 2 + MERGES_IN_A_ROW


async def test_only_what_can_be_merged_is_asked_for(scripted: ScriptedSalesforce, records: SalesforceRecords) -> None:
    """Other objects have no such field, and nothing asked is no call."""
    assert await records.successors("Campaign", IDS[:2]) == {}
    assert await records.successors("Contact", ["nonsense"]) == {}
    assert scripted.seen == []


@pytest.mark.parametrize(
    "answer",
    [
        Answer(lost=True),
        errors(503, "SERVER_UNAVAILABLE"),
        errors(400, "INVALID_FIELD"),
        merged((IDS[0], "nonsense")),
        merged(("nonsense", IDS[0])),
    ],
)
async def test_successors_that_cannot_be_had_are_never_none(
    scripted: ScriptedSalesforce, records: SalesforceRecords, answer: Answer
) -> None:
    """A record that was merged would be taken for one that was deleted."""
    scripted.answers.append(answer)
    with pytest.raises(Unavailable):
        await records.successors("Contact", [IDS[0]])


async def test_converted_leads_tell_what_they_became(scripted: ScriptedSalesforce, records: SalesforceRecords) -> None:
    """One query; a lead without a contact has nothing, and no other object is asked."""
    became = {"ConvertedContactId": IDS[1][:15], "ConvertedAccountId": IDS[2], "ConvertedOpportunityId": None}
    rows = [{"Id": IDS[0], **became}, {"Id": IDS[2], **dict.fromkeys(became)}]
    scripted.answers.append(Answer(json={"done": True, "records": rows}))
    found = await records.conversions("Lead", [IDS[0][:15], IDS[2], "nonsense"])
    assert found == {IDS[0]: Converted(IDS[1], IDS[2], "")}
    assert await records.conversions("Contact", IDS[:1]) == {}
    where = f"(Id IN ('{IDS[0]}','{IDS[2]}') AND IsConverted = true)"
    asked = f"SELECT Id, ConvertedContactId, ConvertedAccountId, ConvertedOpportunityId FROM Lead WHERE {where}"
    assert [seen.query["q"] for seen in scripted.seen] == [asked]
    scripted.answers.append(errors(403, "REQUEST_LIMIT_EXCEEDED"))
    with pytest.raises(Unavailable, match="REQUEST_LIMIT_EXCEEDED"):
        await records.conversions("Lead", IDS[:1])


async def test_contacts_tell_the_leads_that_became_them(
    scripted: ScriptedSalesforce, records: SalesforceRecords
) -> None:
    """One query; several leads may have become one contact, and no other object is asked."""
    rows = [{"Id": each[:15], "ConvertedContactId": IDS[1][:15]} for each in (IDS[0], IDS[2])]
    scripted.answers.append(Answer(json={"done": True, "records": rows}))
    assert await records.converted("Lead", [IDS[1][:15], "nonsense"]) == {IDS[1]: [IDS[0], IDS[2]]}
    assert await records.converted("Contact", IDS[:1]) == {}
    where = f"(ConvertedContactId IN ('{IDS[1]}') AND IsConverted = true)"
    assert [seen.query["q"] for seen in scripted.seen] == [f"SELECT Id, ConvertedContactId FROM Lead WHERE {where}"]
    scripted.answers.append(errors(403, "REQUEST_LIMIT_EXCEEDED"))
    with pytest.raises(Unavailable, match="REQUEST_LIMIT_EXCEEDED"):
        await records.converted("Lead", IDS[:1])
