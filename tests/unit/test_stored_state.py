"""What is read of a stored document and what is written back: no more than was spoken of, and the same in the end."""

import copy
import json
from typing import Any

from support.fake_documents import FakeDocuments
from support.sync_stage import Stage

from consumers.reconciler.batch import document_write
from consumers.rules.state import DocumentState, Retry, Side
from consumers.rules.stored import dump, load, narrow, updated
from consumers.rules.timing import Timing
from consumers.rules.writes import due_at, due_values
from schemas.storage import DocumentWrite

FIELDS = {"email": "ada@example.org", "last_name": "Lovelace", "title": "Countess", "address": {"city": "Iasi"}}


async def synced() -> tuple[Stage, dict[str, Any]]:
    stage = Stage(FakeDocuments())
    await stage.post(FIELDS)
    await stage.settle()
    return stage, await stage.document()


async def applied(document: dict[str, Any], changes: dict[str, Any], gone: list[str]) -> dict[str, Any]:
    documents = FakeDocuments({"customers": {"cust-1": copy.deepcopy(document)}})
    stage = Stage(documents)
    write = DocumentWrite(id="cust-1", revision=document["revision"], decision="d", set=changes, unset=gone)
    assert await documents.write("customers", [write]) == set()
    return await stage.document()


async def both_ways(document: dict[str, Any], state: DocumentState, stage: Stage, due: int | None) -> None:
    """Written whole or written narrowly, the document is the same."""
    kind = stage.catalog.kinds["customer"]
    changes, gone = narrow(copy.deepcopy(state), kind, now=stage.now, due_at=due, decision="d")
    whole = dump(state, kind, now=stage.now, due_at=due, decision="d")
    before, stored = copy.deepcopy(document), await applied(document, changes, gone)
    assert stored == await applied(document, whole, [])
    assert updated(document, changes, gone) == stored, "what the writer goes on from without reading it again"
    assert document == before


async def test_an_edit_of_one_field_writes_one_field() -> None:
    """A whole record that names its change costs no more than the change."""
    stage, document = await synced()
    kind = stage.catalog.kinds["customer"]
    state = load(document, "cust-1", kind)
    field = state.field("Title")
    field.show("Baroness", field.source or "platform", made_at=1, at=2, revision=3)  # type: ignore[arg-type]
    changes, gone = narrow(state, kind, now=stage.now, due_at=stage.now, decision="d")
    assert [path for path in changes if path.startswith("_sync.fields.")] == ["_sync.fields.Title"]
    assert changes["title"] == "Baroness"
    assert "email" not in changes
    assert gone == []
    await both_ways(document, state, stage, stage.now)


async def test_what_is_over_is_taken_out() -> None:
    """A reason to read and a retry that were stored, a due time that has passed, a field that is no longer mapped."""
    stage, document = await synced()
    document["_sync"] |= {"read": "a long text", "retry": {"tries": 1, "at": 5, "code": "X"}, "due_at": 7}
    document["_sync"]["fields"]["Gone__c"] = '{"now":["platform",1,1,1]}'
    kind = stage.catalog.kinds["customer"]
    state = load(document, "cust-1", kind)
    assert state.retry == Retry(1, 5, "X")
    state.read_reason, state.retry = "", None
    _, gone = narrow(copy.deepcopy(state), kind, now=stage.now, due_at=None, decision="d")
    assert set(gone) == {"_sync.fields.Gone__c", "_sync.read", "_sync.retry", "_sync.due_at"}
    await both_ways(document, state, stage, None)


async def test_the_due_time_is_written_though_it_is_the_stored_one() -> None:
    """The sweep may have moved it since without a new revision."""
    stage, document = await synced()
    document["_sync"]["due_at"] = 7
    kind = stage.catalog.kinds["customer"]
    changes, _ = narrow(load(document, "cust-1", kind), kind, now=stage.now, due_at=7, decision="d")
    assert changes["_sync.due_at"] == 7


async def test_a_second_bell_that_is_near_enough_is_left_where_it_is() -> None:
    """It never comes later than one set now would, nor so soon that the first cannot be answered before."""
    stage, document = await synced()
    kind = stage.catalog.kinds["customer"]

    def moved(bell: int | None, due: int, ring_again: int = 5_000) -> int | None:
        if bell is not None:
            document["_sync"]["due_at"] = bell
        state = load(document, "cust-1", kind)
        write = document_write(state, kind, now=10_000, due=due, ring_again=ring_again, decision="d")
        assert "_sync.due_at" not in write.unset
        return write.set.get("_sync.due_at")

    assert moved(None, 10_000) == 15_000
    assert moved(15_000, 10_000) is None
    assert moved(11_001, 10_000) is None
    assert moved(11_000, 10_000) == 15_000
    assert moved(15_001, 10_000) == 15_000
    assert moved(9_000, 10_000) == 15_000
    assert moved(12_000, 13_000) == 13_000
    assert moved(10_000, 10_000, ring_again=0) == 10_000


async def test_who_asks_only_whether_anything_is_due_looks_first_at_what_was_decided_on() -> None:
    """The other fields of a long record are left as stored, and are looked at where nothing of those is due."""
    stage, document = await synced()
    kind = stage.catalog.kinds["customer"]
    for name, value in (("Email", "new@example.org"), ("Title", "Baroness")):
        state = load(document, "cust-1", kind)
        state.field(name).show(value, Side.PLATFORM, made_at=1, at=2, revision=3)
        assert due_at(state, kind, Timing(), now=stage.now) == stage.now
        assert state.fields.in_hand() == [name]
        assert due_values(state, kind) == {name: value}
    later = copy.deepcopy(document) | {"title": "Baroness"}
    state = load(later, "cust-1", kind)
    state.field("Email")
    assert due_at(state, kind, Timing(), now=stage.now) == stage.now
    unchanged = load(document, "cust-1", kind)
    unchanged.field("Email")
    assert due_at(unchanged, kind, Timing(), now=stage.now) is None


async def test_fields_asked_for_one_by_one_are_those_read_at_once() -> None:
    """Whoever looks at all of them sees all of them, whatever was looked at before."""
    stage, document = await synced()
    kind = stage.catalog.kinds["customer"]
    one_by_one, at_once = load(document, "cust-1", kind), load(document, "cust-1", kind)
    names = sorted(document["_sync"]["fields"])
    for name in names:
        shown = "now" in json.loads(document["_sync"]["fields"][name])
        assert (name in one_by_one.fields.set_ones()) is shown
        assert one_by_one.fields.surely_agree(name) is at_once.fields.surely_agree(name)
        assert (one_by_one.field(name).source is not None) is shown
        assert (name in one_by_one.fields.set_ones()) is shown
    assert dict(one_by_one.fields.items()) == dict(at_once.fields.items())
    assert sorted(at_once.fields) == names
    assert len(load(document, "cust-1", kind).fields) == len(names)
    assert "Nothing__c" not in one_by_one.fields.set_ones()
    assert "Nothing__c" not in one_by_one.fields


async def test_a_field_that_differs_is_due_though_nobody_took_it_apart() -> None:
    """And one that agrees is not."""
    stage, document = await synced()
    kind = stage.catalog.kinds["customer"]
    assert due_values(load(document, "cust-1", kind), kind) == {}
    document["title"] = "Baroness"
    assert due_values(load(document, "cust-1", kind), kind) == {"Title": "Baroness"}
