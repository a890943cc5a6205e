"""What earlier releases have written is read by this one: every record, every document, the mapping."""

from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import orjson
import pytest
from support.asked import Asked
from support.corpus import Corpus, kept, missing, open_corpus, plain, told

from adapters.mongo.gap_rows import _row as gap_row
from adapters.mongo.mappings import COLLECTION, _mapping
from adapters.mongo.runs import _load as load_run
from adapters.mongo.users import _load as load_user
from consumers.catalog import Catalog
from consumers.rules.stored import dump, load
from ops.admin.sign import Level
from ops.alerts.stored import _alert as load_alert
from ops.parked import record_of
from schemas import topics
from schemas.change import ChangeType
from schemas.operators import Role

PATHS = kept()
OPAQUE = {
    ".fields",
    ".refusal.values",
    ".writes.values",
    ".link.positions",
    ".link.edits",
    ".enriched.within",
    ".enriched.beside",
    ".audit",
    ".told",
}
"""Maps by names that are not the store's own."""


def named(path: Path) -> str:
    """`0.1.0/ticketing`."""
    return f"{path.parent.name}/{path.name.removesuffix('.json.gz')}"


@pytest.fixture(params=PATHS, ids=named, scope="module")
def corpus(request: pytest.FixtureRequest) -> Corpus:
    """One that is kept."""
    return open_corpus(request.param)


@pytest.fixture
def catalog(corpus: Corpus) -> Catalog:
    """By the mapping that was in force."""
    mapping = _mapping(corpus.rows[COLLECTION][-1])
    assert mapping is not None
    return Catalog(mapping)


def test_this_release_has_its_own() -> None:
    """A release is kept before it is out (`make corpus`): the next one cannot make it any more."""
    assert version("tandem-sync") in {path.parent.name for path in PATHS}


def test_every_record_and_document_says_what_it_said(corpus: Corpus, catalog: Catalog) -> None:
    """Read by today's code, compared with what the release itself read there; what is new is no difference."""
    now = told(corpus.log(), corpus.rows, catalog)
    assert corpus.told.keys() == now.keys()
    assert list(missing(corpus.told, now)) == []


def test_a_corpus_holds_some_of_everything(corpus: Corpus) -> None:
    """All topics, every kind's documents, and a row of whatever is kept for more than minutes."""
    by_topic = {name: [one for one in corpus.log() if one.topic == name] for name in topics.EVERY}
    assert all(by_topic.values())
    assert {"GAP_UPDATE", ChangeType.UPDATE} & {
        said["change"]["type"] for said in corpus.told.values() if "change" in said
    }
    for collection in (
        "salesforce_sync_logs",
        "salesforce_connections",
        "tandem_alerts",
        "tandem_endpoints",
        "tandem_gaps",
        "tandem_operations",
        "tandem_parked",
        "tandem_positions",
        "tandem_runs",
        "tandem_users",
    ):
        assert corpus.rows[collection], collection


def test_every_part_of_a_document_that_is_read_is_in_one(
    corpus: Corpus, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What no kept document has, the next release could misread and no test would know.

    A `format` is written once there is a second one; what is left of an older layout is in no document of this one.
    """
    asked: set[str] = set()
    there: set[str] = set()

    def registers(text: str) -> Asked:
        found = Asked(orjson.loads(text), asked, "field")
        there.update(found.paths())
        return found

    monkeypatch.setattr("consumers.rules.registers.orjson", SimpleNamespace(loads=registers, dumps=orjson.dumps))
    for kind in catalog.kinds.values():
        for document in corpus.rows.get(kind.collection, ()):
            stored = Asked(document["_sync"], asked, opaque=OPAQUE, by_name=(".awaited",))
            there.update(stored.paths())
            state = load({**document, "_sync": stored}, document["_id"], kind)
            assert all(field.source or field.salesforce or field.platform for field in state.fields.values())
    assert asked - there == {".format"}
    assert ".reviews" in there


def test_people_alerts_and_the_endpoint_are_read(corpus: Corpus) -> None:
    """Who may sign in, who asked for quiet, and where the platform is told."""
    (user,) = [load_user(row) for row in corpus.rows["tandem_users"]]
    assert (user.name, user.role, user.disabled) == ("ada", Role.ADMIN, False)
    (alert,) = [load_alert(row) for row in corpus.rows["tandem_alerts"]]
    assert (alert.level, alert.told_level, alert.silenced_by) == (Level.ILL, Level.ILL, "ada")
    (endpoint,) = corpus.rows["tandem_endpoints"]
    assert (endpoint["url"], endpoint["enabled"]) == ("https://platform.example.com/told", False)
    assert endpoint["failing_since"] > 0


def test_every_document_is_written_back_as_it_was(corpus: Corpus, catalog: Catalog) -> None:
    """Loaded, and stored again with nothing decided: every part of it is there still."""
    for kind in catalog.kinds.values():
        for document in corpus.rows.get(kind.collection, ()):
            state = load(document, document["_id"], kind)
            due = state.stored_due_at
            again = dump(state, kind, now=0, due_at=due, decision="d")
            before = {**document["_sync"], "decisions": ""}
            for drained in ("audit", "told"):
                if not before.get(drained):
                    before.pop(drained, None)  # an empty list says no more than none
            assert list(missing(plain(before), plain({**again["_sync"], "decisions": ""}))) == [], document["_id"]


def test_the_mapping_of_then_is_valid_and_means_the_same(corpus: Corpus) -> None:
    """Every version that was published."""
    for row in corpus.rows[COLLECTION]:
        mapping = _mapping(row)
        assert mapping is not None
        assert list(missing(row["mapping"], mapping.model_dump(mode="json", exclude_defaults=True))) == []


def test_parked_records_can_be_redriven(corpus: Corpus) -> None:
    """Their bytes, key and headers, as they were, and how often they were tried."""
    for row in corpus.rows["tandem_parked"]:
        record = record_of(row, 2)
        assert record.value == row["value"]
        assert record.key == row["key"]
        assert row["state"] in ("parked", "resolved")


def test_gaps_and_runs_are_read(corpus: Corpus) -> None:
    """What waits to be repaired or worked at goes on under the next release."""
    assert {str(gap_row(row).reason) for row in corpus.rows["tandem_gaps"]} >= {
        "position_refused",
        "overflow",
        "comparison",
    }
    for row in corpus.rows["tandem_runs"]:
        run = load_run(row)
        assert run is not None
        assert run.steps
