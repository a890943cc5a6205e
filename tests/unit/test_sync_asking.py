"""From a request to a run: kinds and steps, times of the clock, records of the commands topic, a person's options."""

from collections.abc import Mapping
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from pydantic import ValidationError
from support.fake_documents import FakeParked

from consumers.catalog import Catalog
from consumers.rules.sync_verdict import Verdict
from ops.schedule_settings import ScheduleSettings
from ops.sync.asking import CannotRun, kinds_named, new_run
from ops.sync.commands import CANNOT_RUN, Commands
from ops.sync.parts import may_bring
from ops.sync.planning import calls, plan_lines
from ops.sync.schedule import Schedule
from ops.sync.slots import Every
from ops.sync_command import Stopped, read_filter, read_since, run_sync
from schemas import mapping as contract
from schemas import topics
from schemas.log_record import Record
from schemas.outcome import Outcome
from schemas.record_filter import Comparison
from schemas.sync_run import Purpose, Run, RunDirection, RunRequest, RunState, Task

NOW = 1_700_000_000_000


def kind(sobject: str, name: str, *lookups: str) -> dict[str, Any]:
    """A kind that names others."""
    named = [{"platform": f"{one}_id", "salesforce": f"{one.title()}__c", "lookup": one} for one in lookups]
    fields = [{"platform": "name", "salesforce": "Name__c"}, *named]
    return {
        "collection": f"{name}s",
        "sobject": sobject,
        "external_id": f"{name}_id__c",
        "token": f"{name}_write__c",
        "fields": fields,
    }


CATALOG = Catalog(
    contract.Mapping.model_validate(
        {
            "kinds": {
                "attendee": kind("Contact", "attendee", "company"),
                "company": kind("Account", "company"),
                "customer": kind("Contact", "customer", "company"),
                "visit": kind("Visit__c", "visit", "customer"),
            }
        }
    ),
    frozenset({"Visit__c"}),
)


def asked(**request: Any) -> Run:
    """A run, as the catalog above makes it."""
    return new_run(RunRequest.model_validate({"id": "r", **request}), CATALOG, now=NOW)


def names(what: str) -> list[str]:
    """The kinds that are meant."""
    return [one.name for one in kinds_named(what, CATALOG)]


def test_what_is_named_by_product_kind_or_object() -> None:
    """Parents first; what is switched off is left out of `all`, and refused by name."""
    assert names("contacts") == names("Contact") == ["attendee", "customer"]
    assert names("accounts") == ["company"]
    assert names("customer") == ["customer"]
    assert names("all") == ["company", "attendee", "customer"]
    with pytest.raises(CannotRun, match="Visit__c is switched off"):
        names("visit")
    with pytest.raises(CannotRun, match="nothing that is called tickets; it may be: all, contacts, leads"):
        names("tickets")


def test_records_are_looked_at_before_documents() -> None:
    """Of all kinds: what they hold is known then."""
    steps = [(step.task, step.kind) for step in asked(what="contacts").steps]
    assert steps == [(Task.PULL, "attendee"), (Task.PULL, "customer"), (Task.PUSH, "attendee"), (Task.PUSH, "customer")]
    assert {step.task for step in asked(direction="push").steps} == {Task.PUSH}
    assert {step.task for step in asked(purpose="compare").steps} == {Task.COMPARE}
    assert {step.task for step in asked(purpose="refresh").steps} == {Task.REFRESH}


def test_a_request_that_makes_no_sense_is_told() -> None:
    """A filter on what one of the kinds does not map; a comparison of a part; a time without a zone."""
    with pytest.raises(CannotRun, match="the filter names visit_id, which company does not map"):
        asked(filter={"path": "visit_id", "equals": "v"})
    with pytest.raises(CannotRun, match="the filter compares company_id, by which customer names other records"):
        asked(what="customer", filter={"none": [{"path": "company_id", "equals": "acme"}]})
    assert asked(what="customer", filter={"path": "company_id", "present": True}).steps
    with pytest.raises(CannotRun, match="a compare looks at everything"):
        asked(purpose="compare", since="2026-01-01T00:00:00Z")
    with pytest.raises(ValidationError, match="timezone"):
        asked(since="2026-01-01T00:00:00")
    with pytest.raises(ValidationError, match="id"):
        asked(id="two words")


@pytest.mark.parametrize(
    ("every", "now", "last"),
    [
        (Every(time(3, 0), 24, UTC), "2026-11-22T02:59:59", "2026-11-21T03:00:00"),
        (Every(time(3, 0), 24, UTC), "2026-11-22T03:00:00", "2026-11-22T03:00:00"),
        (Every(time(22, 0), 6, UTC), "2026-11-22T05:00:00", "2026-11-22T04:00:00"),
        (Every(time(3, 0), 24, ZoneInfo("Europe/Bucharest")), "2026-11-22T02:00:00", "2026-11-22T01:00:00"),
        (Every(time(3, 30), 24, ZoneInfo("Europe/Bucharest")), "2026-03-29T12:00:00", "2026-03-29T01:30:00"),
    ],
)
def test_the_last_time_of_the_clock(every: Every, now: str, last: str) -> None:
    """By its zone, also on the day on which clocks leave the time out."""
    assert every.last(datetime.fromisoformat(now).replace(tzinfo=UTC)) == datetime.fromisoformat(last).replace(
        tzinfo=UTC
    )


class Kept:
    """Runs in memory."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}

    async def add(self, run: Run) -> bool:
        if run.id in self.runs:
            return False
        self.runs[run.id] = run
        return True

    async def waits(self, purpose: Purpose) -> bool:
        return any(not run.state.ended and run.request.purpose is purpose for run in self.runs.values())

    def end(self) -> None:
        """All are done."""
        done = {"state": RunState.DONE}
        self.runs = {run_id: run.model_copy(update=done) for run_id, run in self.runs.items()}

    async def begun(self, prefix: str) -> bool:
        return any(run_id.startswith(prefix) for run_id in self.runs)


async def test_each_time_has_its_run_once_over_all_processes() -> None:
    """A new installation waits for its first time; one that was away makes up for the last, and for no more."""
    kept, now = Kept(), int(datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp() * 1000)

    def process() -> Schedule:
        return Schedule({Purpose.COMPARE: Every(time(3, 0), 24, UTC)}, kept, lambda: CATALOG, lambda: now)

    one, other = process(), process()
    assert await one.begin() == []
    now += 15 * 3_600_000
    assert [run.id for run in await one.begin()] == ["compare:2026-11-23T03:00Z"]
    assert await other.begin() == []
    now += 5 * 86_400_000
    assert await process().begin() == []  # the last one is at work still
    kept.end()
    assert [run.id for run in await process().begin()] == ["compare:2026-11-28T03:00Z"]
    assert {run.request.by for run in kept.runs.values()} == {"schedule"}


def test_the_settings_of_the_clock() -> None:
    """`HH:MM`; hours that do not part a day, and zones that are none, are refused; 0 is never."""
    given: Mapping[str, Any] = {"compare_at": "04:30", "refresh_hours": 0, "zone": "Europe/Bucharest"}
    settings = ScheduleSettings(**given)
    assert settings.compare() == Every(time(4, 30), 24, ZoneInfo("Europe/Bucharest"))
    assert settings.refresh() is None
    for wrong in ({"compare_hours": 5}, {"zone": "Mars/Olympus"}, {"compare_at": "half past"}):
        with pytest.raises(ValidationError):
            ScheduleSettings(**wrong)


def record(value: bytes, offset: int = 0) -> Record:
    """Of the commands topic."""
    return Record(topics.COMMANDS, 0, offset, b"k", value, {}, NOW)


async def test_a_request_on_the_topic_makes_one_run() -> None:
    """The same id again is a duplicate; what cannot be read, or is of nothing, is parked with its bytes."""
    kept, parked = Kept(), FakeParked()
    commands = Commands(kept, parked, lambda: CATALOG, lambda: NOW)
    request = orjson.dumps(
        {"id": "load-1", "what": "contacts", "direction": "pull", "filter": {"path": "name", "equals": "x"}}
    )
    values = [request, request, b"{", b'{"id": "load-2", "what": "tickets"}', b'{"id": "load-3", "colour": "red"}']
    results = await commands.handle([record(value, offset) for offset, value in enumerate(values)])
    assert [result.outcome for result in results] == [
        Outcome.APPLIED,
        Outcome.DUPLICATE,
        Outcome.PARKED,
        Outcome.PARKED,
        Outcome.PARKED,
    ]
    assert list(kept.runs) == ["load-1"]
    assert kept.runs["load-1"].request.filter == Comparison(path="name", equals="x")
    assert [row.reason for row in parked.rows.values()] == ["undecodable", CANNOT_RUN, "undecodable"]
    assert [row.value for row in parked.rows.values()] == values[2:]
    assert "colour" in list(parked.rows.values())[2].detail


def test_since_as_a_person_writes_it() -> None:
    """A date, a moment, or so long ago."""
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert read_since("", now=now) is None
    assert read_since("2026-11-01", now=now) == datetime(2026, 11, 1, tzinfo=UTC)
    assert read_since("2026-11-01T08:00:00+02:00", now=now) == datetime(2026, 11, 1, 6, tzinfo=UTC)
    assert read_since("36h", now=now) == datetime(2026, 11, 21, 0, tzinfo=UTC)
    assert read_since("7d", now=now) == datetime(2026, 11, 15, 12, tzinfo=UTC)
    with pytest.raises(Stopped, match="a date, a moment"):
        read_since("last week", now=now)
    with pytest.raises(Stopped, match="--created-since soon"):
        read_since("soon", now=now, option="--created-since")


def test_a_filter_as_a_person_writes_it(tmp_path: Path) -> None:
    """YAML or JSON, or a file; a wrong one is told by its place."""
    assert read_filter("") is None
    assert read_filter("{path: tier, equals: gold}") == Comparison(path="tier", equals="gold")
    assert read_filter('{"path": "born", "at_least": "2000-01-01"}') == Comparison(path="born", at_least="2000-01-01")
    assert read_filter("{path: born, at_least: 2000-01-01}") == Comparison(path="born", at_least="2000-01-01")
    file = tmp_path / "filter.yaml"
    file.write_text("any: [{path: a, present: true}]", encoding="utf-8")
    assert read_filter(f"@{file}") is not None
    for wrong, told in (
        ("{path: tier}", "exactly one test"),
        ("{", "neither YAML nor JSON"),
        ("@/no/such/file", "cannot be read"),
    ):
        with pytest.raises(Stopped, match=told):
            read_filter(wrong)


def test_which_channels_may_bring_an_objects_changes() -> None:
    """That of all objects, the object's own, and any that an admin has made."""
    assert may_bring("/data/ChangeEvents", "Contact")
    assert may_bring("/data/ContactChangeEvent", "Contact")
    assert may_bring("/data/Visit__ChangeEvent", "Visit__c")
    assert may_bring("/data/Tandem__chn", "Visit__c")
    assert not may_bring("/data/LeadChangeEvent", "Contact")


def test_a_plan_tells_what_is_done_first_and_what_it_costs() -> None:
    """What acts stands above what is skipped; calls are those of full batches."""
    run = asked(what="customer")
    pull, push = run.steps
    told = {str(Verdict.UP_TO_DATE): 7_000, str(Verdict.UPDATE): 3_000, str(Verdict.LINK): 1}
    pull = pull.model_copy(update={"passed": 10_001, "counts": told})
    push = push.model_copy(update={"passed": 1, "counts": {str(Verdict.CREATE): 401}})
    planned = run.model_copy(update={"steps": (pull, push)})
    assert calls(planned, lambda rows: rows // 1_000) == (10 + 2 + 1 + 2 + 1, 1 + 3)
    assert list(plan_lines(planned, lambda rows: rows // 1_000)) == [
        "pull customer: 10,001 records looked at",
        "            1    records to be linked to the document that they name",
        "        3,000    that differ from what is known of them: to be read",
        "        7,000  - up to date",
        "push customer: 1 document looked at",
        "          401    to be made in Salesforce, where no record matches",
        "API calls: 16 to list and read, 4 at most to write, if they go out full",
    ]
    nothing = run.model_copy(update={"steps": (push.model_copy(update={"passed": 0, "counts": {}}),)})
    assert "nothing is to be done" in "\n".join(plan_lines(nothing, lambda _rows: 0))


def test_a_run_is_not_begun_where_nobody_can_be_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is connected to; a wrong filter or time is told as early."""
    options: dict[str, Any] = {
        "direction": RunDirection.BOTH,
        "purpose": Purpose.SYNC,
        "created_since": "",
        "dry_run": False,
    }
    assert run_sync("all", since="", filter_text="", sure=False, **options) == 1
    assert "`--yes` runs without a question" in capsys.readouterr().err
    assert run_sync("all", since="soon", filter_text="", sure=True, **options) == 1
    assert run_sync("all", since="", filter_text="{path: tier}", sure=True, **options) == 1
    told = capsys.readouterr().err
    assert "--since soon: a date" in told
    assert "--filter: " in told
