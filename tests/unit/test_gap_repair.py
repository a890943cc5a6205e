"""Gaps close by themselves: by what means, from where a try goes on, and what is found. Everything in memory."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from support.fake_documents import FakeDocuments
from support.fake_gaps import FakeBacklog, FakeChanges, FakeLooks, FakeObjectGaps
from support.sync_stage import START, Stage
from support.sync_world import mapping

from consumers.catalog import Catalog
from consumers.repair.repairer import MET_AGAIN, NOT_IN_LOG, Closed, NeedsPerson, Published, Repaired, Repairer, Waits
from consumers.repair.rounds import Rounds
from consumers.rules.repair import (
    ByHand,
    MappedObjects,
    Reading,
    Swept,
    Window,
    means_for,
    next_look,
    next_try,
)
from schemas import gap_change, topics
from schemas.change import Change, ChangeType, Told
from schemas.codec import decode
from schemas.gap import Found, GapReason, GapRow, GapState, Handling, ObjectProgress
from schemas.outcome import Outcome
from schemas.polling import ModifiedRow
from schemas.position import CommitPosition
from schemas.record_id import to_18
from schemas.unavailable import Unavailable

OBJECTS = ("Account", "Contact", "Visit__c")
MAPPED = MappedObjects(OBJECTS)
HOUR = 3_600_000
OVERLAP = 900_000


def gap(reason: GapReason = GapReason.POSITION_REFUSED, **values: Any) -> GapRow:
    """An open gap of two hours."""
    options: dict[str, Any] = {"channel": "/data/ChangeEvents", "since": START, "until": START + 2 * HOUR} | values
    return GapRow(id=f"gap-{reason}", reason=reason, state=GapState.OPEN, **options)


def seen(number: int, *, minutes: int = 0, deleted: bool = False) -> ModifiedRow:
    """A contact, changed so many minutes after the gap began."""
    return ModifiedRow(to_18(f"003{number:012}"), START + minutes * 60_000, deleted=deleted)


@pytest.mark.parametrize(
    ("row", "means"),
    [
        (gap(), Window(OBJECTS, START - OVERLAP)),
        (gap(GapReason.POSITION_EXPIRED), Window(OBJECTS, START - OVERLAP)),
        (gap(GapReason.POSITION_AGING, channel="/data/ContactChangeEvent"), Window(("Contact",), START - OVERLAP)),
        (gap(channel="/data/Visit__ChangeEvent"), Window(("Visit__c",), START - OVERLAP)),
        (gap(channel="/data/Sales__chn"), Window(OBJECTS, START - OVERLAP)),
        (gap(channel="/data/LeadChangeEvent"), Window((), START - OVERLAP)),
        (gap(since=0), Window(OBJECTS, 0)),
        (gap(GapReason.OVERFLOW, entity="Contact"), Window(("Contact",), START - OVERLAP)),
        (gap(GapReason.OVERFLOW, entity="Lead"), Window((), START - OVERLAP)),
        (gap(GapReason.WILDCARD, entity="Account"), Window(("Account",), 0, every_record=True)),
        (gap(GapReason.GAP_EVENT, entity="Contact", record_ids=("a", "b")), Reading("Contact", ("a", "b"))),
        (gap(GapReason.OFFSET_OUT_OF_RANGE, channel=topics.SALESFORCE_CHANGES), Window(OBJECTS, 0)),
    ],
)
def test_each_reason_has_its_means(row: GapRow, means: Window | Reading) -> None:
    """A window has no later end: a record changed again since shows the later time alone."""
    assert means_for(row, MAPPED, overlap=OVERLAP) == means


def test_of_our_own_topics_one_sweeps_and_one_needs_a_person() -> None:
    """Doorbells ring again by themselves; a platform event that Kafka has removed only the platform still has."""
    lost = partial(gap, GapReason.OFFSET_OUT_OF_RANGE)
    assert isinstance(means_for(lost(channel=topics.SALESFORCE_WRITES), MAPPED, overlap=0), Swept)
    assert isinstance(means_for(gap(GapReason.COMPARISON, entity="Contact"), MAPPED, overlap=0), Swept)
    for topic, asks in (
        (topics.PLATFORM_EVENTS, "ask the platform to post again"),
        (topics.PLATFORM_CHANGES, "have it read what it keeps of ours anew"),
        (topics.COMMANDS, "ask for them again"),
    ):
        means = means_for(lost(channel=topic), MAPPED, overlap=0)
        assert isinstance(means, ByHand)
        assert asks in means.why


def test_doorbells_of_records_without_a_document_are_looked_for_in_salesforce() -> None:
    """The sweep knows documents alone; a record made in Salesforce that is to become one has none yet."""
    assert Catalog(mapping(on_unlinked="create")).mapped_objects() == MappedObjects(("Contact",), taken_in=("Contact",))
    assert Catalog(mapping()).mapped_objects() == MappedObjects(("Contact",))
    row = gap(GapReason.OFFSET_OUT_OF_RANGE, channel=topics.SALESFORCE_WRITES)
    taken_in = MappedObjects(OBJECTS, taken_in=("Contact",))
    assert means_for(row, taken_in, overlap=0) == Window(("Contact",), 0)


def test_waits_grow_up_to_the_longest() -> None:
    """The first is short."""
    assert [next_try(failures, first=10, longest=60) for failures in (0, 1, 2, 3, 5_000)] == [10, 20, 40, 60, 60]


def test_it_is_looked_again_soon_while_the_reconcilers_are_waited_for() -> None:
    """And as seldom as asked for while nothing is, or only what takes its time."""
    assert next_look([], 10) == next_look([gap()], 10) == 10
    assert next_look([gap(), gap(published_to={0: 7})], 10) == 1
    assert next_look([gap(published_to={0: 7})], 0.5) == 0.5


class World:
    """A repairer over rows, records and a log in memory, with the customer's document store of the stage."""

    def __init__(self, *records: ModifiedRow, **looks: Any) -> None:
        self.stage = Stage(FakeDocuments())
        assert isinstance(self.stage.gaps, FakeObjectGaps)
        self.gaps = self.stage.gaps
        self.looks = FakeLooks({"Contact": list(records)}, **looks)
        self.changes = FakeChanges()
        self.backlog = FakeBacklog()

    async def repair(self, row: GapRow) -> Repaired:
        """By a repairer that has never repaired anything."""
        return await self.repairer().repair(row)

    def repairer(self) -> Repairer:
        return Repairer(
            catalog=lambda: self.stage.catalog,
            gaps=self.gaps,
            looks=self.looks,
            changes=self.changes,
            backlog=self.backlog,
            documents=self.stage.documents,
            org_id="00D000000000001EAA",
            overlap=OVERLAP,
            now=lambda: self.stage.now,
        )

    def published(self) -> list[Change]:
        return [decode(Change, record.value) for record in self.changes.records]


async def test_a_window_is_published_and_closed_with_what_was_found() -> None:
    """Each record as a change that has it read; deleted ones as such; the row says how many."""
    world = World(seen(1, minutes=-60), seen(2), seen(3, minutes=5, deleted=True), seen(4, minutes=600))
    row = world.gaps.add(gap())
    assert await world.repair(row) == Closed(
        Found(looked=3, published=3, deleted=1),
        "every record changed since: Contact; 0 of them had changed unheard",
    )
    assert [(change.record_id, change.type, change.told) for change in world.published()] == [
        (seen(2).record_id, ChangeType.GAP_UPDATE, Told.STAMP),
        (seen(3).record_id, ChangeType.GAP_DELETE, Told.ROW),
        (seen(4).record_id, ChangeType.GAP_UPDATE, Told.STAMP),
    ]
    closed = world.gaps.rows[row.id]
    assert (closed.state, closed.closed_by, closed.found) == (GapState.CLOSED, "repair", Found(3, 3, 1))


async def test_a_gap_is_closed_once_what_was_published_is_handled() -> None:
    """Not before the reconcilers have come so far; and what is in the log is published no second time."""
    world = World(seen(1), seen(2))
    world.backlog.end, world.backlog.handled = 7, 5
    row = world.gaps.add(gap())
    for handled in (5, 6):
        world.backlog.handled, world.backlog.end = handled, world.backlog.end + 1
        assert await world.repair(world.gaps.rows[row.id]) == Published(Found(2, 2))
        kept = world.gaps.rows[row.id]
        assert (kept.state, kept.published_to) == (GapState.REPAIRING, {0: 8})
    world.backlog.handled = 8
    assert isinstance(await world.repair(world.gaps.rows[row.id]), Closed)
    assert len(world.changes.records) == 2
    assert world.gaps.rows[row.id].state is GapState.CLOSED


async def test_a_gap_that_hid_nothing_waits_for_nobody() -> None:
    """However much there is in the log."""
    world = World(seen(1, minutes=-60))
    world.backlog.end, world.backlog.handled = 9, 0
    assert await world.repair(world.gaps.add(gap())) == Closed(
        Found(), "every record changed since: Contact; 0 of them had changed unheard"
    )


async def test_what_is_published_later_is_waited_for_too() -> None:
    """The mapping has another object by then; and a gap that was met again is repaired from the beginning."""
    world = World(seen(1))
    world.backlog.end, world.backlog.handled = 3, 0
    row = world.gaps.add(gap())
    assert isinstance(await world.repair(row), Published)
    raw = world.stage.catalog.mapping.model_dump(mode="json")
    company = {**raw["kinds"]["customer"], "sobject": "Account", "collection": "companies", "events": {}}
    world.stage.map_kinds(raw | {"kinds": {**raw["kinds"], "company": company}})
    world.looks.records["Account"] = [ModifiedRow(to_18("001000000000001"), START, deleted=False)]
    world.backlog.end, world.backlog.handled = 4, 3
    assert isinstance(await world.repair(world.gaps.rows[row.id]), Published)
    assert world.gaps.rows[row.id].published_to == {0: 4}
    world.gaps.add(replace(row, until=row.until + HOUR))
    world.backlog.end, world.backlog.handled = 6, 4
    assert isinstance(await world.repair(world.gaps.rows[row.id]), Published)
    assert world.gaps.rows[row.id].published_to == {0: 6}


async def test_what_a_comparison_has_looked_for_is_only_waited_for() -> None:
    """It has published everything; it is named as who closed the gap, with what it found."""
    world = World(seen(1))
    world.backlog.end, world.backlog.handled = 5, 4
    row = world.gaps.add(gap(published_to={0: 5}, covered_by="compare-1", covered_note="12 looked at"))
    assert await world.repair(row) == Published(Found())
    world.backlog.handled = 5
    assert await world.repair(row) == Closed(Found(), "12 looked at")
    closed = world.gaps.rows[row.id]
    assert (closed.closed_by, closed.note, world.looks.asked) == ("compare-1", "12 looked at", [])


@pytest.mark.parametrize("covered_by", ["", "compare-1"])
async def test_what_was_published_to_a_log_that_is_gone_is_looked_for_anew(covered_by: str) -> None:
    """The log ends before it: another one stands in its place, and no group will ever have come so far."""
    world = World(seen(1))
    done = {"Contact": ObjectProgress(Found(1, 1), done=True)}
    row = world.gaps.add(gap(progress=done, published_to={0: 900}, covered_by=covered_by))
    world.backlog.end = world.backlog.handled = 3
    assert await world.repair(row) == Waits(NOT_IN_LOG)
    anew = world.gaps.rows[row.id]
    assert (anew.state, anew.progress, anew.published_to, anew.covered_by) == (GapState.OPEN, {}, {}, "")
    assert anew.error == NOT_IN_LOG
    assert await world.repair(anew) == Closed(
        Found(1, 1), "every record changed since: Contact; 0 of them had changed unheard"
    )
    assert [change.record_id for change in world.published()] == [seen(1).record_id]
    assert world.gaps.rows[row.id].closed_by == "repair"


async def test_a_gap_that_was_met_again_is_not_begun_anew_by_the_repair_before() -> None:
    """What was done since is kept."""
    world = World()
    row = world.gaps.add(gap(published_to={0: 900}, covered_by="compare-1"))
    world.gaps.add(gap(published_to={0: 2}))
    world.backlog.end = 3
    assert await world.repair(row) == Waits(MET_AGAIN)
    assert world.gaps.rows[row.id].published_to == {0: 2}


async def test_what_a_gap_hid_is_not_written_over_while_its_look_waits_in_the_log() -> None:
    """The platform's value is newer than the repair has begun, and older than the look is handled."""
    world = World()
    stage = world.stage
    await stage.post({"last_name": "Lovelace", "title": "Engineer"})
    await stage.settle()
    record_id, hidden = stage.contact()["Id"], stage.now + 60_000
    stage.now = hidden
    stage.salesforce.edit("Contact", record_id, {"Title": "Countess"})
    stage.changes.clear()
    stage.now += HOUR
    world.looks.records["Contact"] = [ModifiedRow(record_id, hidden, deleted=False)]
    world.gaps.add(gap(since=hidden - 1, until=stage.now))
    world.backlog.end, world.backlog.handled = 1, 0

    async def round_of_repair() -> None:
        for row in await world.gaps.unrepaired():
            await world.repair(row)
        stage.unheard = frozenset({"Contact"}) if await world.gaps.unrepaired() else frozenset()

    await round_of_repair()
    await stage.post({"title": "Analyst"}, changed=["title"])
    await stage.answer_doorbells()
    assert stage.contact()["Title"] == "Countess"
    await stage.reconciler.handle([stage.change(change) for change in world.published()])
    world.backlog.handled = 1
    await round_of_repair()
    assert stage.unheard == frozenset()
    await stage.settle()
    (row,) = [row for row in stage.log.rows.values() if row["type"] == "audit"]  # type: ignore[attr-defined]
    assert (row["platform"]["value"], row["salesforce"]["value"]) == ("Analyst", "Countess")
    assert (await stage.document())["title"] == stage.contact()["Title"] == "Countess"


async def test_a_wildcard_has_every_record_read_whatever_its_time() -> None:
    """What a conversion of a field does leaves `SystemModstamp` alone."""
    world = World(seen(1, minutes=-60_000), seen(2))
    await world.repair(world.gaps.add(gap(GapReason.WILDCARD, entity="Contact")))
    assert [change.told for change in world.published()] == [Told.ROW, Told.ROW]


@pytest.mark.parametrize("away_at", range(1, 5))
async def test_a_repair_that_is_cut_off_goes_on_behind_what_is_kept(away_at: int) -> None:
    """Before any page: the next try by another process asks from the last row kept, and counts all tries together."""
    records = [seen(number, minutes=number // 3, deleted=number == 5) for number in range(8)]
    world = World(*records, away_at=away_at)
    row = world.gaps.add(gap())
    with pytest.raises(Unavailable):
        await world.repair(row)
    kept = world.gaps.rows[row.id]
    assert kept.error == "the org is away"
    assert kept.state is (GapState.OPEN if away_at == 1 else GapState.REPAIRING)
    assert isinstance(await world.repair(kept), Closed)
    after = records[2 * (away_at - 1) - 1] if away_at > 1 else None
    assert world.looks.asked[-1] == ("Contact", START - OVERLAP, after)
    assert [change.record_id for change in world.published()] == [each.record_id for each in records]
    assert world.gaps.rows[row.id].found == Found(8, 8, 1)


async def test_killed_between_the_log_and_the_cursor_a_page_is_published_twice() -> None:
    """The same changes with the same ids, which the ordinary path takes for one."""
    world = World(seen(1), seen(2))
    row = world.gaps.add(gap())
    await world.repair(row)
    world.gaps.rows[row.id] = row
    await world.repair(row)
    first, second = world.changes.records[:2], world.changes.records[2:]
    assert [(one.key, one.value) for one in first] == [(two.key, two.value) for two in second]


async def test_a_gap_met_again_meanwhile_is_not_closed() -> None:
    """What was repaired before does not cover what was missed since; the next round begins anew."""
    world = World(seen(1), seen(2), seen(3))
    row = world.gaps.add(gap())
    again = world.gaps.add(replace(row, until=row.until + HOUR))
    assert isinstance(await world.repair(row), Waits)
    assert world.gaps.rows[row.id] == again
    assert isinstance(await world.repair(again), Closed)


async def test_an_object_that_is_refused_holds_no_other_up() -> None:
    """The gap stays open with the reason; what is through is not looked at again."""
    world = World(seen(1), refused=frozenset({"Account"}))
    raw = world.stage.catalog.mapping.model_dump(mode="json")
    company = {**raw["kinds"]["customer"], "sobject": "Account", "collection": "companies", "events": {}}
    world.stage.map_kinds(raw | {"kinds": {**raw["kinds"], "company": company}})
    row = world.gaps.add(gap())
    with pytest.raises(Unavailable, match="INVALID_TYPE"):
        await world.repair(row)
    kept = world.gaps.rows[row.id]
    assert kept.progress["Contact"].done
    world.looks.refused = frozenset()
    assert isinstance(await world.repair(kept), Closed)
    assert [sobject for sobject, _since, _after in world.looks.asked].count("Contact") == 1


async def test_platform_events_that_are_gone_need_a_person() -> None:
    """Nothing is published and nothing closed."""
    world = World(seen(1))
    row = world.gaps.add(gap(GapReason.OFFSET_OUT_OF_RANGE, channel=topics.PLATFORM_EVENTS))
    assert isinstance(await world.repair(row), NeedsPerson)
    assert world.gaps.rows[row.id].state is GapState.OPEN
    assert not world.changes.records


async def test_a_gap_event_closes_when_its_records_have_been_read() -> None:
    """The event has the record read; the gap waits for that, and names no record that belongs to nobody."""
    world = World()
    stage = world.stage
    await stage.post({"last_name": "Lovelace"})
    await stage.settle()
    record_id = stage.contact()["Id"]
    position = CommitPosition(stage.now, 9, 1)
    changes = [
        Change(entity="Contact", record_id=each, type=ChangeType.GAP_UPDATE, position=position, transaction_key="t9")
        for each in (record_id, to_18("003000000000777"))
    ]
    results = await stage.reconciler.handle([stage.change(change) for change in changes])
    assert [result.outcome for result in results] == [Outcome.APPLIED, Outcome.IGNORED]
    (row,) = world.gaps.rows.values()
    assert (row.reason, set(row.record_ids)) == (GapReason.GAP_EVENT, {change.record_id for change in changes})
    waits = await world.repair(row)
    assert waits == Waits("1 of 1 documents have still to read their record")
    await stage.settle()
    assert await world.repair(row) == Closed(Found(looked=2, published=1), "1 documents have read their record")
    await stage.reconciler.handle([stage.change(changes[0])])
    assert world.gaps.rows[row.id].state is GapState.CLOSED


async def test_a_gap_event_of_a_record_without_a_document_closes_when_the_writer_has_looked_at_it() -> None:
    """Its doorbell is rung by whoever handles the event, after the gap is kept: both are waited for, one by one."""
    world = World()
    stage = world.stage
    stage.map(on_unlinked="create")
    record_id = to_18("003000000000777")
    row = world.gaps.add(gap(GapReason.GAP_EVENT, entity="Contact", record_ids=(record_id,)))
    still = Published(Found(looked=1))
    world.backlog.end, world.backlog.handled = 7, 6
    assert await world.repair(row) == still
    world.backlog.end, world.backlog.rung, world.backlog.visited = 9, 4, 3
    assert await world.repair(world.gaps.rows[row.id]) == still
    kept = world.gaps.rows[row.id]
    assert (kept.published_to, kept.rung_to) == ({0: 7}, {})
    world.backlog.handled = 7
    assert await world.repair(kept) == still
    kept = world.gaps.rows[row.id]
    assert (kept.published_to, kept.rung_to) == ({0: 7}, {0: 4})
    world.backlog.visited, world.backlog.rung = 4, 6
    assert await world.repair(kept) == Closed(Found(looked=1), "0 documents have read their record")


@pytest.mark.parametrize("topic", ["changes", "writes"])
async def test_a_gap_event_whose_doorbell_is_gone_has_the_record_looked_at_again(topic: str) -> None:
    """Nobody else would ring: the event was handled, and no sweep knows a record without a document."""
    world = World()
    record_id = unheard_contact(world)
    waits = {"published_to": {0: 7}} if topic == "changes" else {"published_to": {0: 7}, "rung_to": {0: 4}}
    row = world.gaps.add(gap(GapReason.GAP_EVENT, entity="Contact", record_ids=(record_id,), **waits))
    world.backlog.end, world.backlog.rung = (6, 4) if topic == "changes" else (7, 3)
    assert await world.repair(row) == Waits(NOT_IN_LOG)
    (look,) = world.published()
    assert (look.record_id, look.told) == (record_id, Told.ROW)
    world.backlog.end = 8
    await world.stage.reconciler.handle([world.stage.change(look)])
    await world.stage.settle()
    assert isinstance(await world.repair(world.gaps.rows[row.id]), Closed)
    assert world.gaps.rows[row.id].note == "1 documents have read their record"


async def test_a_document_that_was_made_while_its_gap_waited_reads_its_record_first() -> None:
    """The writer links it, and reads it in a later step."""
    world = World()
    stage = world.stage
    record_id = unheard_contact(world)
    row = world.gaps.add(gap(GapReason.GAP_EVENT, entity="Contact", record_ids=(record_id,)))

    async def handling(topic: str, _ends: Mapping[int, int]) -> Handling:
        if topic == topics.SALESFORCE_WRITES:
            await stage.reconciler.handle([stage.change(gap_change.differing("Contact", record_id, stage.now))])
            await stage.answer_doorbells()
        return Handling.DONE

    world.backlog.handling = handling  # type: ignore[method-assign]
    assert await world.repair(row) == Waits("1 of 1 documents have still to read their record")


def unheard_contact(world: World) -> str:
    """A contact that is to become a document, of which no event has told."""
    world.stage.map(on_unlinked="create")
    record_id = world.stage.salesforce.create("Contact", {"LastName": "Lovelace", "Email": "ada@example.org"})
    world.stage.changes.clear()
    return record_id


async def test_a_gap_event_of_a_record_that_no_kind_takes_in_waits_for_nobody() -> None:
    """Nobody rings for it."""
    world = World()
    world.backlog.end, world.backlog.handled = 7, 0
    row = world.gaps.add(gap(GapReason.GAP_EVENT, entity="Contact", record_ids=(to_18("003000000000777"),)))
    assert isinstance(await world.repair(row), Closed)


async def test_a_look_of_ours_is_no_gap() -> None:
    """Nor is an ordinary change: only events that told too little are."""
    world = World(seen(1))
    await world.repair(world.gaps.add(gap()))
    for change in world.published():
        await world.stage.reconciler.handle([world.stage.change(change)])
    await world.stage.post({"last_name": "Lovelace"})
    await world.stage.settle()
    assert list(world.gaps.rows) == [gap().id]


async def test_what_a_refused_position_hid_is_in_the_document_after_the_repair() -> None:
    """An edit, a deletion, and an edit that another one on another field followed: all of it by the ordinary path."""
    world = World()
    stage = world.stage
    for name in ("a", "b", "c", "d"):
        await stage.post({"last_name": name, "title": "before"}, id_=name)
    await stage.settle()
    ids = {row["LastName"]: row["Id"] for row in stage.salesforce.rows["Contact"].values()}
    hidden = stage.now
    stage.salesforce.edit("Contact", ids["a"], {"Title": "hidden"})
    stage.salesforce.edit("Contact", ids["b"], {"Title": "hidden too"})
    await stage.salesforce.delete("Contact", [ids["c"]])
    stage.changes.clear()
    stage.now += 3 * HOUR
    stage.salesforce.edit("Contact", ids["b"], {"Department": "told"})
    await stage.settle()
    assert (await stage.document("b"))["title"] == "before"
    world.looks.records["Contact"] = [
        ModifiedRow(ids["a"], hidden + 1, deleted=False),
        ModifiedRow(ids["b"], hidden + 3 * HOUR, deleted=False),
        ModifiedRow(ids["c"], hidden + 2, deleted=True),
        ModifiedRow(ids["d"], hidden - HOUR // 6, deleted=False),  # heard of before the gap
    ]
    row = world.gaps.add(gap(since=hidden - 1, until=hidden + HOUR))
    told = await world.repair(row)
    assert isinstance(told, Closed)
    # What was heard of b since tells the later time alone.
    assert told.found == Found(looked=4, published=4, deleted=1, unheard=2)
    assert "2 of them had changed unheard" in told.note
    await stage.reconciler.handle([stage.change(change) for change in world.published()])
    await stage.settle()
    assert [(await stage.document(name))["title"] for name in ("a", "b")] == ["hidden", "hidden too"]
    assert (await stage.document("c"))["salesforce"]["syncStatus"] == "gone"
    revisions = [(await stage.document(name))["revision"] for name in ("a", "b", "c")]
    await stage.reconciler.handle([stage.change(change) for change in world.published()])
    await stage.settle()
    shown = [(await stage.document(name))["title"] for name in ("a", "b")]
    assert shown == ["hidden", "hidden too"]
    assert (await stage.document("c"))["revision"] == revisions[2]


async def test_rounds_wait_longer_for_what_fails_and_let_the_others_through() -> None:
    """One gap of an object that is refused, and one that is not."""
    world = World(seen(1))
    world.gaps.add(gap(GapReason.OVERFLOW, entity="Contact"))
    told: list[Any] = []
    clock = 0.0
    rounds = Rounds(
        gaps=world.gaps,
        repairer=world.repairer(),
        told=lambda row, repaired: told.append((row.reason, type(repaired))),
        first=10,
        longest=60,
        clock=lambda: clock,
    )
    world.looks.refused = frozenset({"Contact"})
    assert len(await rounds.once()) == 1
    assert len(await rounds.once()) == 1
    clock = 10.0
    await rounds.once()
    assert told == [(GapReason.OVERFLOW, Unavailable)] * 2
    world.looks.refused = frozenset()
    clock = 29.0
    assert len(await rounds.once()) == 1
    clock = 30.0
    assert await rounds.once() == []
    assert told[2:] == [(GapReason.OVERFLOW, Closed)]


async def test_a_gap_that_somebody_asks_for_is_tried_now_and_once() -> None:
    """However long it was to wait after tries that failed; of one that has failed again the wait goes on."""
    world = World()
    waiting = world.gaps.add(gap(GapReason.OVERFLOW, entity="Contact"))
    told: list[type] = []
    rounds = Rounds(
        gaps=world.gaps,
        repairer=world.repairer(),
        told=lambda _row, repaired: told.append(type(repaired)),
        first=10,
        longest=60,
        clock=lambda: 0.0,
    )
    world.looks.refused = frozenset({"Contact"})
    await rounds.once()
    await rounds.once()
    assert told == [Unavailable]
    world.gaps.rows[waiting.id] = replace(world.gaps.rows[waiting.id], asked_at=START, asked_by="grace")
    await rounds.once()
    await rounds.once()
    assert told == [Unavailable, Unavailable]
    world.looks.refused = frozenset()
    world.gaps.rows[waiting.id] = replace(world.gaps.rows[waiting.id], asked_at=START + 1)
    assert await rounds.once() == []
    assert told == [Unavailable, Unavailable, Closed]
