"""What Tandem was told of and has not handled, or may not have been told of, is explained; nothing else is by it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from support.fake_topic import FakeTopic
from support.verify_world import ADA, LATER, OVERLAP, World

from consumers.rules.repair import MappedObjects, hidden_since
from consumers.rules.verify_reasons import TRULY_DIFFERENT, Difference, Why
from ops import verify_command
from ops.settings import WrongSettings
from ops.verify_backlog import Backlog
from ops.verify_findings import Report
from ops.verify_untold import InKafka
from ops.verify_view import end_lines, lines_of_json, report_view
from schemas import topics
from schemas.gap import GapReason, GapRow, GapState
from schemas.polling import ModifiedRow
from schemas.unavailable import Unavailable


@pytest.fixture
def world() -> World:
    return World()


def whys(report: Report) -> set[Why]:
    return {why for why, _code in report.reasons}


def told_by(report: Report) -> str:
    console = Console(width=200, soft_wrap=True)
    with console.capture() as captured:
        console.print(report_view(report, values=False, repaired=False))
    return captured.get()


def gap(reason: GapReason, *, since: int = 0, channel: str = "", entity: str = "") -> GapRow:
    return GapRow(f"{reason}:{channel}:{since}", reason, channel, GapState.OPEN, since, since, entity=entity)


async def edited(world: World, record_id: str) -> None:
    world.edit_unheard(record_id, Title="Countess")


async def deleted(world: World, record_id: str) -> None:
    await world.stage.salesforce.delete("Contact", [record_id])
    world.stage.changes.clear()
    world.stage.now += LATER


async def given_anothers_id(world: World, record_id: str) -> None:
    world.edit_unheard(record_id, Tandem_Customer_Id__c="cust-2")


@pytest.mark.parametrize("happens", [edited, deleted, given_anothers_id])
async def test_what_waits_in_kafka_is_not_handled_yet(world: World, happens: Callable[[World, str], Any]) -> None:
    """However long ago it was: it is no reason for an exit code, and a repair asks nothing of it."""
    record_id = await world.at_rest()
    await happens(world, record_id)
    assert (await world.verify()).truly_different == 1
    world.waiting.put(record_id)
    report = await world.verify(repair=True)
    assert whys(report) == {Why.NOT_HANDLED}
    assert (report.truly_different, report.asked_again, report.findings, world.changes.records) == (0, 0, [], [])


async def test_a_backlog_without_a_change_of_the_record_explains_nothing(world: World) -> None:
    """Its event was lost, or it was changed long before: others' changes hide that not."""
    record_id = await world.at_rest()
    world.waiting.put(record_id)
    world.waiting.handle_all()
    world.edit_unheard(record_id, Title="Countess")
    world.waiting.put("003000000000009AAA")
    report = await world.verify()
    assert whys(report) == {Why.DIFFERENT}
    assert (report.truly_different, report.unseen) == (1, "")


async def test_a_change_that_is_handled_explains_nothing_any_more(world: World) -> None:
    """And where the sides are the same again, nobody asks Kafka."""
    record_id = await world.at_rest()
    world.edit_unheard(record_id, Title="Countess")
    world.waiting.put(record_id)
    world.waiting.handle_all()
    assert await world.reasons() == {Why.DIFFERENT}
    await world.verify(repair=True)
    await world.look_again()
    world.opened = 0
    assert await world.reasons() == set()
    assert world.opened == 0


async def test_what_no_change_of_salesforces_would_mend_stays_truly_different(world: World) -> None:
    """The document was changed past Tandem, whatever waits of its record."""
    record_id = await world.at_rest()
    world.documents.collections["customers"]["cust-1"]["title"] = "by hand"
    world.waiting.put(record_id)
    world.gaps.add(gap(GapReason.WILDCARD, entity="Contact"))
    assert await world.reasons() == {Why.STUCK}


async def test_what_is_handled_while_the_sides_are_compared_was_not_handled(world: World) -> None:
    """The document is read before the change of it is handled, and Kafka is asked after that."""
    record_id = await world.at_rest()
    world.edit_unheard(record_id, Title="Countess")
    world.waiting.put(record_id)
    bounds = world.waiting.bounds

    async def handled_meanwhile() -> Any:
        world.waiting.handle_all()
        return await bounds()

    world.waiting.bounds = handled_meanwhile  # type: ignore[method-assign]
    assert await world.reasons() == {Why.NOT_HANDLED}


@pytest.mark.parametrize("key", ["003*", "000000000000000AAA"])
async def test_a_change_that_stands_for_any_record_explains_too(world: World, key: str) -> None:
    """A wildcard of the object, and an overflow, which names none."""
    record_id = await world.at_rest()
    world.edit_unheard(record_id, Title="Countess")
    world.waiting.put("001*")
    assert await world.reasons() == {Why.DIFFERENT}
    world.waiting.put(key)
    assert await world.reasons() == {Why.NOT_HANDLED}


async def test_a_record_whose_document_is_still_to_be_made(world: World) -> None:
    """Its change waits for the reconciler, then its doorbell for the writer."""
    world.stage.map(on_unlinked="create")
    made = world.stage.salesforce.create("Contact", {"LastName": "Hopper", "Email": "grace@example.org"})
    world.stage.changes.clear()
    world.looks.records["Contact"] = [ModifiedRow(made, world.stage.now, deleted=False)]
    world.stage.now += LATER
    assert await world.reasons() == {Why.NO_DOCUMENT}
    world.waiting.put(made)
    assert await world.reasons() == {Why.NOT_HANDLED}
    world.waiting.handle_all()
    world.ringing.put(made)
    report = await world.verify()
    assert (whys(report), report.truly_different) == ({Why.NOT_HANDLED}, 0)
    world.ringing.handle_all()
    assert await world.reasons() == {Why.NO_DOCUMENT}
    world.gaps.add(gap(GapReason.OFFSET_OUT_OF_RANGE, channel=topics.SALESFORCE_WRITES))
    assert await world.reasons() == {Why.IN_GAP}


async def test_a_doorbell_explains_no_edit_that_was_never_heard_of(world: World) -> None:
    """The writer reads no record that nobody told it to; nor does the loss of its doorbells hide an edit."""
    world.stage.map(on_unlinked="create")
    record_id = await world.at_rest()
    world.edit_unheard(record_id, Title="Countess")
    world.ringing.put(record_id)
    world.gaps.add(gap(GapReason.OFFSET_OUT_OF_RANGE, channel=topics.SALESFORCE_WRITES))
    assert await world.reasons() == {Why.DIFFERENT}


async def test_what_a_gap_may_hide_is_explained_until_it_is_closed(world: World) -> None:
    """Only what was changed since the gap, or the overlap before it: older edits it cannot have hidden."""
    record_id = await world.at_rest()
    world.edit_unheard(record_id, Title="Countess")
    changed = world.stage.now - LATER
    second = 1_000  # what Salesforce tells of a time
    late = world.gaps.add(
        gap(GapReason.POSITION_REFUSED, since=changed + OVERLAP + second, channel="/data/ChangeEvents")
    )
    assert await world.reasons() == {Why.DIFFERENT}
    await world.gaps.close(late, by="a person", note="", at=0)
    early = world.gaps.add(
        gap(GapReason.POSITION_REFUSED, since=changed + OVERLAP - second, channel="/data/ChangeEvents")
    )
    report = await world.verify(repair=True)
    assert (whys(report), report.truly_different, report.asked_again) == ({Why.IN_GAP}, 0, 0)
    await world.gaps.close(early, by="a person", note="", at=0)
    assert await world.reasons() == {Why.DIFFERENT}


async def test_a_record_that_is_gone_may_be_in_any_gap_of_its_object(world: World) -> None:
    """When it was deleted nobody can read any more."""
    await deleted(world, await world.at_rest())
    world.gaps.add(gap(GapReason.OVERFLOW, since=world.stage.now + LATER, entity="Account"))
    assert await world.reasons() == {Why.MISSING}
    world.gaps.add(gap(GapReason.OVERFLOW, since=world.stage.now + 2 * LATER, entity="Contact"))
    assert await world.reasons() == {Why.IN_GAP}


async def test_without_kafka_all_is_compared_as_without_it_and_told(world: World) -> None:
    """At its opening, and in the middle; once away, it is asked no more."""
    record_id = await world.at_rest()
    world.edit_unheard(record_id, Title="Countess")
    world.waiting.put(record_id)
    world.waiting.away = True
    report = await world.verify()
    assert (whys(report), report.truly_different) == ({Why.DIFFERENT}, 1)
    (line,) = [line for line in told_by(report).splitlines() if "Kafka" in line]
    assert line == (
        "could not look at all that waits in Kafka, where a change may not be handled yet: "
        "Kafka does not answer: TimeoutError"
    )
    assert '"not_looked_at_in_kafka":"Kafka does not answer: TimeoutError"' in lines_of_json(report, values=False)

    async def nowhere() -> InKafka:
        world.opened += 1
        raise Unavailable("no broker")

    world.open_kafka = nowhere  # type: ignore[method-assign]
    await world.stage.post(ADA, id_="cust-2")
    await world.stage.settle()
    world.opened = 0
    for document in world.documents.collections["customers"].values():
        document["title"] = "by hand"
    await world.stage.post(ADA, id_="cust-3")
    await world.stage.settle()
    world.documents.collections["customers"]["cust-3"]["title"] = "by hand"
    report = await world.verify()
    assert (report.unseen, report.truly_different, world.opened) == ("no broker", 3, 1)


async def test_kafka_that_goes_away_in_the_middle_explains_nothing_more(world: World) -> None:
    """Between the mark and the look: the comparison comes to its end."""
    record_id = await world.at_rest()
    world.edit_unheard(record_id, Title="Countess")
    world.waiting.put(record_id)

    async def away() -> Any:
        raise Unavailable("gone")

    world.waiting.bounds = away  # type: ignore[method-assign]
    report = await world.verify()
    assert (whys(report), report.unseen) == ({Why.DIFFERENT}, "gone")


async def test_kafka_that_nobody_answers_for_is_unavailable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Within the time that a request may take."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("KAFKA_REQUEST_TIMEOUT", "1")
    async with verify_command.AsyncExitStack() as stack:
        with pytest.raises(Unavailable, match="Kafka does not answer"):
            await verify_command._open_kafka(stack)


@pytest.mark.parametrize(
    ("why", "code"), [(Why.NOT_HANDLED, 0), (Why.IN_GAP, 0), (Why.DIFFERENT, verify_command.EXIT_DIFFERENT)]
)
def test_only_what_is_truly_different_is_an_exit_code(why: Why, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka that could not be asked is none either."""

    async def compare(_wanted: Any, report: Report) -> None:
        report.add("customer", "cust-1", "003000000000001AAA", [Difference(why, "title")])
        report.unseen = "no broker"

    monkeypatch.setattr(verify_command, "_compare", compare)
    assert verify_command.run(verify_command.Wanted(), values=False, as_json=True) == code


async def test_kafka_that_is_not_set_up_is_told_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """As away: the comparison needs it for nothing else."""

    def wrong(*_groups: Any) -> Any:
        raise WrongSettings(["KAFKA_BOOTSTRAP_SERVERS is missing"])

    monkeypatch.setattr(verify_command, "read_settings", wrong)
    async with verify_command.AsyncExitStack() as stack:
        with pytest.raises(Unavailable, match="KAFKA_BOOTSTRAP_SERVERS is missing"):
            await verify_command._open_kafka(stack)


async def test_a_backlog_is_read_once_by_partition_and_from_what_is_handled() -> None:
    """What the log has removed is passed over; a key is found in whichever partition it is unhandled."""
    topic = FakeTopic()
    topic.put("a", "b", "c", "b")
    topic.put("d", "e", partition=1)
    topic.done, topic.removed = {0: 2}, {1: 1}
    backlog = Backlog(topic, "t", "g")
    await backlog.mark()
    assert await backlog.among([b"a", b"b", b"c", b"d", b"e"]) == {b"b", b"c", b"e"}
    topic.put("f")
    assert await backlog.among([b"a", b"f"]) == {b"f"}
    assert topic.reads == [(0, 2), (1, 1), (0, 4)]
    topic.done = {0: 3}
    await backlog.mark()
    assert await backlog.among([b"b", b"c", b"f"]) == {b"b", b"f"}
    topic.handle_all()
    await backlog.mark()
    assert await backlog.among([b"b", b"e", b"f"]) == set()
    assert topic.reads == [(0, 2), (1, 1), (0, 4)]


async def test_a_backlog_beyond_all_measure_is_looked_at_in_part_and_told(world: World) -> None:
    """What is not looked at explains nothing."""
    record_id = await world.at_rest()
    world.edit_unheard(record_id, Title="Countess")
    world.most = 2
    world.waiting.put("a", "b", record_id)
    world.waiting.put(record_id, partition=1)
    assert (await world.verify()).truly_different == 0
    world.waiting = FakeTopic({0: [b"a", b"b"], 1: [record_id.encode()]})
    report = await world.verify()
    assert report.truly_different == 1
    assert report.unseen == "records of more than 2 keys wait in salesforce.changes"


def test_a_gap_hides_what_its_repair_looks_at() -> None:
    """The earliest of several; of what no look repairs nothing."""
    objects = MappedObjects(("Contact", "Account"), ("Contact",))

    def hidden(*gaps: GapRow) -> dict[str, int]:
        return hidden_since(gaps, objects, overlap=5)

    refused = gap(GapReason.POSITION_REFUSED, since=100, channel="/data/ContactChangeEvent")
    assert hidden() == {}
    assert hidden(refused, gap(GapReason.OVERFLOW, since=50, entity="Contact")) == {"Contact": 45}
    assert hidden(gap(GapReason.OFFSET_OUT_OF_RANGE, since=9, channel=topics.SALESFORCE_CHANGES)) == {
        "Contact": 0,
        "Account": 0,
    }
    assert hidden(gap(GapReason.GAP_EVENT, entity="Contact")) == {}
    assert hidden(gap(GapReason.OFFSET_OUT_OF_RANGE, channel=topics.PLATFORM_EVENTS)) == {}


def test_what_is_not_handled_or_in_a_gap_is_not_truly_different() -> None:
    """And says when to compare again."""
    assert not {Why.NOT_HANDLED, Why.IN_GAP} & TRULY_DIFFERENT
    report = Report()
    report.reasons[Why.NOT_HANDLED, ""] = 2
    assert list(end_lines(report, repaired=True)) == [
        "nothing is truly different",
        "2 differences may only wait: compare again once Kafka is read to its end and the gaps are closed",
    ]
