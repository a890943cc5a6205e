"""Looking closely at one thing: every decision about it is told, with no value in it, and of others nothing is."""

from typing import Any

import orjson
import pytest
from support.fake_documents import FakeDocuments, FakeLog
from support.sync_stage import START, Stage

from consumers.reconciler.batch import commit_name
from listener.changes.ports import ChangeRecord
from ops.processes.received import ReceivedClosely
from schemas.change import Change, ChangeType
from schemas.codec import encode
from schemas.debugging import HIDDEN, NOTHING, Debugged, DebugMark, masked
from schemas.position import CommitPosition

ADA = {"last_name": "Lovelace", "email": "ada@example.org", "phone": "+1 555 0100"}
KEY = b"k" * 32


def mark(
    kind: str = "customer", document_id: str = "cust-1", record_id: str = "", until: int = START + 10**9
) -> DebugMark:
    return DebugMark(kind, document_id, record_id, until, by="ops", why="", at=START, key=KEY)


class Watched:
    """A stage in which something is looked at; what was said of it."""

    def __init__(self, *marks: DebugMark) -> None:
        self.said: list[dict[str, Any]] = []
        self.stage = Stage(FakeDocuments())
        self.stage.debugged = Debugged(marks)
        self.stage.on_decision = self.said.append

    def told(self, step: str) -> list[dict[str, Any]]:
        return [row for row in self.said if row["step"] == step]

    def rules(self, row: dict[str, Any]) -> dict[str, str]:
        return {each["path"]: each["rule"].partition(":")[0] for each in row["fields"]}


async def test_a_document_is_told_from_the_event_to_the_answer() -> None:
    """What came, which rule decided each field, what was written, what Salesforce answered; and each is in the log."""
    watched = Watched(mark())
    stage = watched.stage
    await stage.post(ADA)
    await stage.settle()
    (event,) = watched.told("event")
    assert watched.rules(event) == {"last_name": "5", "email": "5", "phone": "5"}
    assert (event["outcome"], event["revision"], event["due_at"]) == ("applied", 1, START)
    steps = [row["reason"].partition(":")[0] for row in watched.told("next")]
    assert steps[:1] == ["looks the record up by external id"]
    assert {"reads the record whole", "has nothing to do"} <= set(steps)
    answers = watched.told("answer")
    assert [row["outcome"] for row in answers] == ["applied"]
    sent = {each["field"]: each["came"] for each in answers[0]["fields"]}
    came = {each["field"]: each["came"] for each in event["fields"]}
    assert sent["LastName"] == came["LastName"]
    assert watched.told("read")
    assert watched.told("end")
    assert isinstance(stage.log, FakeLog)
    assert [row for row in stage.log.rows.values() if row["type"] == "decision"] == watched.said


async def test_no_value_is_told() -> None:
    """Neither in the rows nor in what is said, whichever side it came from; the same values have the same letters."""
    watched = Watched(mark())
    stage = watched.stage
    await stage.post(ADA)
    await stage.settle()
    stage.now += 1_000
    stage.salesforce.edit("Contact", stage.contact()["Id"], {"Title": "Countess", "Phone": "+15550100"})
    await stage.settle()
    said = orjson.dumps(watched.said).decode()
    for value in (*ADA.values(), "Countess", "+15550100"):
        assert value not in said
    changes = [each for row in watched.told("change") for each in row["fields"]]
    assert [each["came"].partition(",")[0] for each in changes if each["path"] == "title"] == ["8 characters"]


async def test_of_other_things_nothing_is_told() -> None:
    """Nor of anything once the time is over."""
    watched = Watched(mark(document_id="cust-2"), mark(until=START))
    await watched.stage.post(ADA)
    await watched.stage.settle()
    assert watched.said == []


async def test_a_record_is_looked_at_by_its_id_alone() -> None:
    """Of one that belongs to no document what is done with its changes is told; of one that does, all of it."""
    watched = Watched(mark("", "", "003000000000009AAA"))
    stage = watched.stage
    await stage.post(ADA)
    await stage.settle()
    assert watched.said == []
    watched = Watched(mark("", "", stage.contact()["Id"]))
    stage.debugged, stage.on_decision = watched.stage.debugged, watched.said.append
    stage.now += 1_000
    stage.salesforce.edit("Contact", stage.contact()["Id"], {"Title": "Countess"})
    await stage.settle()
    (change,) = watched.told("change")
    assert watched.rules(change) == {"title": "12"}
    assert change["document"] == "cust-1"


async def test_a_conflict_names_the_rule_of_the_audit() -> None:
    """Both sides changed the phone: the policy decides, and its rule is told."""
    watched = Watched(mark())
    stage = watched.stage
    await stage.post(ADA)
    await stage.settle()
    seen_at = stage.now
    stage.now += 1_000
    stage.salesforce.edit("Contact", stage.contact()["Id"], {"Phone": "+1 555 0199"})
    await stage.hear()
    watched.said.clear()
    await stage.post({"phone": "+1 555 0111"}, changed=["phone"], seen=1)
    (event,) = watched.told("event")
    audits = [row for row in stage.log.rows.values() if row["type"] == "audit"]  # type: ignore[attr-defined]
    assert seen_at < stage.now
    assert audits
    assert [each["rule"] for each in event["fields"]] == [audits[-1]["rule"]]


async def test_an_event_that_comes_again_is_told_again() -> None:
    """It is a decision of its own: the first ends as applied, the second as a duplicate, by rule 2."""
    watched = Watched(mark())
    event = watched.stage.event(ADA)
    again = watched.stage.record(event.topic, event.key or b"", event.value or b"", dict(event.headers))
    await watched.stage.reconciler.handle([event])
    await watched.stage.reconciler.handle([again])
    assert [row["outcome"] for row in watched.told("event")] == ["applied", "duplicate"]
    assert set(watched.rules(watched.told("event")[1]).values()) == {"2"}


async def test_a_batch_that_is_handled_again_is_the_same_row() -> None:
    """What a kill leaves behind: the record comes again from its offset, and is told once."""
    watched = Watched(mark())
    event = watched.stage.event(ADA)
    await watched.stage.reconciler.handle([event])
    await watched.stage.reconciler.handle([event])
    assert len(watched.told("event")) == 1


@pytest.mark.parametrize(
    ("value", "told"), [(None, NOTHING), ("Ada", "3 characters"), ("A", "1 character"), (7, "1 character")]
)
def test_a_value_is_told_by_its_length(value: Any, told: str) -> None:
    """And by letters that nobody can make without the key."""
    assert masked(value, value, KEY).partition(",")[0] == told
    if value is not None:
        assert masked(value, value, KEY) == masked(value, value, KEY) != masked(value, value, b"other")
        assert masked(value, value, KEY, sensitive=True) == HIDDEN


def test_values_that_the_mapping_takes_for_the_same_have_the_same_letters() -> None:
    """`+1 555 0100` and `+15550100` differ in length alone."""
    one, other = masked("+1 555 0100", "+15550100", KEY), masked("+15550100", "+15550100", KEY)
    assert one != other
    assert one.partition(", ")[2] == other.partition(", ")[2]


def test_where_nothing_is_looked_at_nothing_is_found() -> None:
    """And an empty record id is nobody's."""
    assert not Debugged()
    assert Debugged([mark()]).thing("customer", "cust-1", "", now=START) is not None
    assert Debugged([mark()]).record("", now=START) is None
    assert Debugged([mark(until=START)]).thing("customer", "cust-1", "", now=START) is None


async def test_the_subscriber_tells_of_records_that_it_knows() -> None:
    """A change of the record is in Kafka: under the name that the reconciler gives it; of another record nothing."""
    log, said = FakeLog(), list[dict[str, Any]]()
    marked = Debugged([mark(record_id="003000000000001AAA")])
    closely = ReceivedClosely(lambda: marked, log, said.append, lambda: START)
    change = Change(
        entity="Contact",
        record_id="003000000000001AAA",
        type=ChangeType.UPDATE,
        position=CommitPosition(START, 7, 1),
        transaction_key="t",
        fields={"Title": "Countess"},
    )
    other = change.model_copy(update={"record_id": "003000000000002AAA"})
    records = [ChangeRecord(each.record_id.encode(), encode(each), {}) for each in (change, other)]
    await closely.received([*records, ChangeRecord(b"003000000000001AAA", b"{", {})])
    await closely.received(records)
    assert [(row["step"], row["event"], row["document"]) for row in said] == [
        ("received", commit_name(change), "cust-1"),
        ("received", "unreadable", "cust-1"),
    ]
    assert list(log.rows.values()) == said
    assert "Countess" not in repr(said)
    assert said[0]["reason"] == "it is in salesforce.changes"
