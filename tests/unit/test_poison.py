"""Poison at every edge: it ends as parked, with a reason and its very bytes, and what stands beside it is untouched.

At the webhook it is refused by name. In an answer of Salesforce's it is nobody's outcome, or no answer at all: nothing
is taken for done. The same on real servers is `test_case_15_poison_in_the_log_is_parked_and_blocks_nothing`.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import aiohttp
import orjson
import pytest
from support.fake_documents import FakeDocuments, FakeParked
from support.fakes_webhook import SOURCE, listening, signed
from support.fuzzing.edges import CsvEdge, FuzzedRest, Runs
from support.scripted_salesforce import Answer, ScriptedSalesforce, scripted_salesforce
from support.sync_stage import START, Stage

from adapters.salesforce.bulk import SalesforceBulk
from adapters.salesforce.opening import open_salesforce
from listener.changes.buffer import Event
from listener.changes.records import REASON, UNDECODABLE_KEY, batch_of
from ops.sync.commands import Commands
from schemas import cloudevents, topics
from schemas.bulk import BulkLoad, BulkOperation
from schemas.log_record import Record
from schemas.outcome import Outcome, Result
from schemas.records import Failure, RecordUpdate
from schemas.unavailable import Unavailable

MIB = 2**20
DEEP = b'{"a":' * 2_000 + b"1" + b"}" * 2_000
CONTACT = "003000000000001AAA"
Handle = Callable[[Sequence[Record]], Awaitable[Sequence[Result]]]

ANYWHERE: dict[str, bytes | None] = {
    "not_json": b"{not json",
    "no_value": None,
    "no_bytes": b"",
    "no_utf_8": b'\xff\xfe{"a":1}',
    "a_number": b"7",
    "a_list": b"[]",
    "null": b"null",
    "deep_nesting": DEEP,
    "a_huge_number": b"9" * 400,
    "a_mebibyte_of_brackets": b"[" * MIB,
}


def event(**fields: Any) -> bytes:
    return orjson.dumps({"type": "customer.updated", "data": {"id": "c-9", "fields": fields}})


def change(**told: Any) -> bytes:
    """Of a record that a document is linked to."""
    plain = {"entity": "Contact", "record_id": CONTACT, "type": "UPDATE", "position": [START, 1, 1]}
    return orjson.dumps(plain | {"transaction_key": "t", "fields": {}} | told)


OF_A_TOPIC: dict[str, dict[str, tuple[bytes, str]]] = {
    topics.PLATFORM_EVENTS: {
        "a_lone_surrogate": (event(title="?").replace(b"?", b"\\ud800"), "undecodable"),
        "a_number_beyond_a_double": (event(total_spent=1).replace(b":1}", b":1" + b"0" * 400 + b"}"), "undecodable"),
        "an_object_for_a_text": (event(last_name={"a": 1}), "invalid_value"),
        "nested_lists_for_a_text": (
            event(title=0).replace(b":0}", b":" + b"[" * 500 + b"]" * 500 + b"}"),
            "invalid_value",
        ),
        "a_revision_below_zero": (
            b'{"type":"customer.updated","data":{"id":"c","fields":{},"seen":-1}}',
            "undecodable",
        ),
        "an_id_with_a_colon": (event().replace(b"c-9", b"a:b"), "undecodable"),
        "an_id_of_a_mebibyte": (event().replace(b"c-9", b"x" * MIB), "undecodable"),
        "a_type_of_nobody": (event().replace(b"customer.", b"yeti."), "unknown_event_type"),
    },
    topics.SALESFORCE_CHANGES: {
        "a_lone_surrogate": (change(commit_user="?").replace(b'"?"', b'"\\ud800"'), "undecodable"),
        "a_type_that_is_not_known": (change(type="SNAPSHOT"), "undecodable"),
        "a_text_for_a_position": (change(position=["x", 1, 1]), "undecodable"),
        "a_position_before_1970": (change(position=[-1, 1, 1]), "undecodable"),
        "a_position_beyond_the_calendar": (change(position=[2**60, 1, 1]), "undecodable"),
        "a_position_beyond_64_bits": (change(position=[START, 2**63, 1]), "undecodable"),
        "a_list_for_the_fields": (change(fields=[1]), "undecodable"),
    },
    topics.SALESFORCE_WRITES: {
        "a_kind_of_nobody": (b'{"kind":"yeti","id":"1"}', "unknown_kind"),
        "a_number_for_an_id": (b'{"kind":"customer","id":5}', "undecodable"),
        "neither_id_nor_record": (b'{"kind":"customer"}', "undecodable"),
        "a_lone_surrogate": (b'{"kind":"customer","id":"\\ud800"}', "undecodable"),
    },
    topics.COMMANDS: {
        "a_run_of_nothing": (b'{"id":"r","what":"yetis","by":"ana"}', "cannot_run"),
        "an_id_that_leads_away": (b'{"id":"../..","what":"all","by":"ana"}', "undecodable"),
        "a_day_that_is_none": (b'{"id":"r","what":"all","by":"ana","since":"yesterday"}', "undecodable"),
        "a_mebibyte_of_words": (b'{"id":"r","by":"ana","what":"%s"}' % (b"x" * MIB), "undecodable"),
    },
}
POISONS = [
    pytest.param(topic, value, reason, id=f"{topic}:{name}")
    for topic, own in OF_A_TOPIC.items()
    for name, (value, reason) in ({key: (value, "undecodable") for key, value in ANYWHERE.items()} | own).items()
]


class Bench:
    """A handler of each topic, and good records for it."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.stage = Stage(FakeDocuments())
        handles: dict[str, Handle] = {
            topics.SALESFORCE_WRITES: self.stage.writer.handle,
            topics.COMMANDS: Commands(Runs(), self.stage.parked, lambda: self.stage.catalog, lambda: START).handle,
        }
        self.handle = handles.get(topic, self.stage.reconciler.handle)

    async def good(self, title: str) -> Record:
        """One that is taken in."""
        match self.topic:
            case topics.SALESFORCE_WRITES:
                await self.stage.post({"last_name": "Good", "title": title}, id_=title)
                key, value = self.stage.doorbells.rung.pop()
                return self.stage.record(self.topic, key, value)
            case topics.COMMANDS:
                return self.stage.record(self.topic, b"", orjson.dumps({"id": title, "what": "contacts", "by": "ana"}))
            case _:
                return self.stage.event({"last_name": "Good", "title": title}, id_=title)

    def bad(self, value: bytes | None) -> Record:
        """One whose key and headers are nobody's, either."""
        return Record(
            self.topic, 3, 7_777, b"\xff\x00", value, {"ce_id": "evt"}, START, raw_headers=[("ce_id", b"evt")]
        )


@pytest.mark.parametrize(("topic", "value", "reason"), POISONS)
async def test_poison_in_a_topic_is_parked_and_its_neighbours_are_taken_in(
    topic: str, value: bytes | None, reason: str
) -> None:
    """Its bytes, key and place are kept; the reason names no value."""
    bench = Bench(topic)
    batch = [await bench.good("before"), bench.bad(value), await bench.good("behind")]
    results = await bench.handle(batch)
    assert [result.outcome for result in results] == [Outcome.APPLIED, Outcome.PARKED, Outcome.APPLIED]
    assert isinstance(bench.stage.parked, FakeParked)
    (row,) = bench.stage.parked.rows.values()
    assert (row.topic, row.partition, row.offset, row.key) == (topic, 3, 7_777, b"\xff\x00")
    assert (row.value, row.reason) == (value, reason)
    assert row.detail
    assert len(row.detail) < 1_000


async def test_large_and_odd_but_well_formed_is_taken_in() -> None:
    """A mebibyte in one field, a field of nobody, and keys that mean something elsewhere: no poison, and no command."""
    stage = Stage(FakeDocuments())
    odd = {
        "title": "x" * (MIB - 1_000),
        "$where": "1",
        "_sync": {"due_at": 0},
        "_id": "other",
        "__proto__": {},
        "a.b.c": 1,
    }
    assert (await stage.post(odd | {"last_name": "Good"}, id_="c-9")).outcome is Outcome.APPLIED
    document = await stage.document("c-9")
    assert (document["_id"], document["title"]) == ("c-9", odd["title"])
    assert document["_sync"]["due_at"] > 0
    assert not {"$where", "__proto__", "a"} & document.keys()


@pytest.mark.parametrize("name", sorted(set(ANYWHERE) - {"no_value", "a_mebibyte_of_brackets"}))
async def test_poison_at_the_webhook_is_refused_by_name(name: str) -> None:
    """400 and what is wrong, nothing in the log; the next event on the same connection is taken."""
    raw = ANYWHERE[name] or b""
    async with listening() as running, aiohttp.ClientSession() as http:
        url = f"{running.url}/webhooks/{SOURCE}"
        async with http.post(url, data=raw, headers=signed(raw)) as reply:
            told = await reply.json()
            assert (reply.status, told["error"]) == (400, "invalid")
            assert told["fields"]
        assert running.log.records == []
        good = event(last_name="Good")
        async with http.post(url, data=good, headers=signed(good)) as reply:
            assert reply.status == 202
        assert [made.value for made in running.log.records] == [good]


def test_poison_in_the_stream_is_a_record_that_will_be_parked() -> None:
    """Between two good events; each of the three has its record, and the position is behind them all."""
    good = {"entityName": "Contact", "recordIds": [CONTACT], "changeType": "UPDATE", "commitTimestamp": START}
    good |= {"commitNumber": 1, "sequenceNumber": 1, "transactionKey": "t"}
    for bad in (
        None,
        7,
        "text",
        {"payload": []},
        {"payload": {"ChangeEventHeader": good | {"recordIds": [7]}}},
        {"payload": {"ChangeEventHeader": good | {"changeType": "SNAPSHOT"}}},
        {"payload": {"ChangeEventHeader": good | {"commitTimestamp": 2**60}}},
        {"payload": {"ChangeEventHeader": good | {"commitNumber": 2**70}}},
        {"payload": {"ChangeEventHeader": good, "LastName": "\ud800"}},
        {"payload": {"ChangeEventHeader": good, "LastName": json.loads("[" * 400 + "]" * 400)}},
    ):
        events = [Event("/data/C", 1, {"payload": {"ChangeEventHeader": good}}, START), Event("/data/C", 2, bad, START)]
        events.append(Event("/data/C", 3, {"payload": {"ChangeEventHeader": good}}, START))
        batch = batch_of(events, "00D000000000001EAA", 100, {})
        assert [record.key for record in batch.records] == [CONTACT.encode(), UNDECODABLE_KEY, CONTACT.encode()]
        assert cloudevents.read(batch.records[1].headers)[REASON]
        assert batch.positions["/data/C"].replay_id == 3


@pytest.mark.parametrize(
    "answer",
    [
        Answer(text="<html>ok</html>"),
        Answer(text="[" * 5_000),
        Answer(json={}),
        Answer(json=None),
        Answer(json=[{"id": CONTACT, "success": True}] * 3),
        Answer(json=[{"id": 7, "success": True}]),
        Answer(json=[{"id": CONTACT, "success": "yes"}]),
        Answer(json=[{"id": "003000000000009AAA", "success": True, "errors": []}]),
        Answer(json=[{"id": CONTACT, "success": False, "errors": "many"}]),
        Answer(json=[{"id": CONTACT, "success": False, "errors": [{"statusCode": 7}]}]),
        Answer(status=500, text="[" * 5_000),
    ],
    ids=lambda answer: str(answer.json)[:30] if answer.text is None else answer.text[:10],
)
async def test_poison_in_an_answer_is_nobodys_outcome(answer: Answer) -> None:
    """A row is not taken for done by it, nor for refused: what became of it is unknown, and its token will tell."""
    async with scripted_salesforce() as scripted, _records(scripted) as salesforce:
        scripted.answers.append(answer)
        (result,) = await salesforce.records.update("Contact", [RecordUpdate({"Title": "x"}, record_id=CONTACT)])
        assert result.failure is Failure.UNKNOWN
        assert not result.succeeded
        scripted.answers.append(answer)
        with pytest.raises(Unavailable):
            await salesforce.records.find("Contact", "Tandem_Customer_Id__c", ["c-1"])


def _records(scripted: ScriptedSalesforce) -> Any:
    return open_salesforce(scripted.settings(), now=lambda: START)


HEADER = b'"sf__Id","sf__Created","sf__Error","Tandem_Customer_Write__c"\n'


@pytest.mark.parametrize(
    "text",
    [
        b"<html>ok</html>",
        b'"sf__Id","sf__Created"\n"003000000000001AAA","true"\n',
        HEADER + b'"003000000000001AAA","true"\n',
        HEADER + b'"003000000000001AAA","true","","c-1:1',
        HEADER + b'"003000000000001AAA","true","","\xff"\n',
        HEADER + b'"not an id","true","","c-1:1"\n',
        HEADER + b'"003000000000001AAA","true","","' + b"x" * 200_000 + b'"\n',
    ],
    ids=["html", "no_token", "a_short_row", "cut_off", "no_utf_8", "no_id", "a_cell_too_long"],
)
async def test_poison_in_the_lists_of_a_job_ends_nothing(text: bytes) -> None:
    """Not all of it could be read, so the job is asked after again."""
    rest = FuzzedRest(CsvEdge(1).rest.chance)
    rest.raw = text
    load = BulkLoad("Contact", BulkOperation.UPSERT, "Tandem_Customer_Write__c", "Tandem_Customer_Id__c")
    with pytest.raises(Unavailable):
        async for _outcome in SalesforceBulk(rest).outcomes("750000000000001AAA", load):
            pass
