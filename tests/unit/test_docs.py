"""The documentation says what the code does: it is compared with the code, name by name."""

import ast
import itertools
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.doc_pages import Page, called, calls, constants, exists, package, read_pages, texts
from support.lead_stage import LEAD
from support.merge_examples import page as merge_page
from support.merge_examples.book import examples, rule_of

from adapters.mongo import collections as mongo_collections
from adapters.mongo.settings import MongoSettings
from adapters.salesforce.error_codes import CODES
from adapters.salesforce.lists import RecordLists
from adapters.telemetry.metrics import Metrics
from consumers.catalog import Catalog
from consumers.rules import state as states
from consumers.rules.enriched import Enriched
from consumers.rules.kinds import Kind
from consumers.rules.stored import dump, load
from consumers.rules.sync_verdict import Verdict
from listener.webhook.answers import CLIENT_GONE
from listener.webhook.signature import decode_secret, verify
from ops.commands_page import commands
from ops.processes import deliver, enrich, reconcile, schedule, write
from ops.settings import variables
from ops.settings_groups import ALL, OF_PROCESS
from ops.sync.asking import new_run
from ops.sync.planning import plan_lines
from schemas import cloudevents, topics
from schemas.change import Change
from schemas.doorbell import Doorbell
from schemas.field_mapping import Policy
from schemas.mapping import Mapping
from schemas.outcome import Outcome
from schemas.platform_event import PlatformEvent
from schemas.position import CommitPosition
from schemas.presets import preset, preset_names
from schemas.records import Failure
from schemas.sync_run import Purpose, Run, RunDirection, RunRequest, RunState

TOGETHER = frozenset({"all", "up"})
"""Several of the others in one."""
GROUPS = {
    reconcile.GROUP,
    write.GROUP,
    deliver.GROUP,
    enrich.GROUP,
    enrich.GROUP_CHANGES,
    schedule.GROUP,
}
OUR_FOLDERS = ("schemas", "adapters", "listener", "consumers", "ops", "simulator", "tests", "docs", "benchmarks")
LATER = frozenset({"union", "max", "min"}) - set(Policy)
"""Words of the design that the code does not know yet."""
SAYS_SO = re.compile(r"next release|not yet|later release", re.IGNORECASE)


@pytest.fixture(scope="module")
def root(pytestconfig: pytest.Config) -> Path:
    """Where the documentation is: beside `pyproject.toml`."""
    return pytestconfig.rootpath


@pytest.fixture(scope="module")
def pages(root: Path) -> dict[str, Page]:
    """Every page by its path."""
    return read_pages(root)


@pytest.fixture(scope="module")
def tests_by_file(root: Path) -> dict[str, set[str]]:
    """The names of the tests in each file."""
    return {
        str(file.relative_to(root)): set(re.findall(r"def (test_\w+)", file.read_text()))
        for file in (root / "tests").rglob("test_*.py")
    }


def collection_names() -> set[str]:
    """Every collection beside the documents that the source names."""
    nodes = (
        node
        for file in package("adapters").joinpath("mongo").glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
    )
    found = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {name for name in found if re.fullmatch(r"(salesforce|tandem)_[a-z_]+", name)}


def missing(page: Page, names: Any) -> set[str]:
    """Those that the page does not quote."""
    return {str(name) for name in names} - page.spans


def test_every_link_leads_somewhere(root: Path, pages: dict[str, Page]) -> None:
    """Files and headings."""
    broken = []
    for page in pages.values():
        for link in page.links:
            target, _, anchor = link.partition("#")
            path = str((root / page.name).parent.joinpath(target).resolve().relative_to(root)) if target else page.name
            if not exists(root, path) or (anchor and path in pages and anchor not in pages[path].anchors):
                broken.append(f"{page.name}: {link}")
    assert not broken


def test_every_file_and_test_named_is_there(
    root: Path, pages: dict[str, Page], tests_by_file: dict[str, set[str]]
) -> None:
    """A path in backticks, and a name that begins as tests do."""
    known = set().union(*tests_by_file.values())
    wrong = []
    for page in pages.values():
        for span in page.spans:
            top = span.partition("/")[0]
            is_path = re.fullmatch(r"[\w.]+/[\w./-]*", span) and (root / top).exists() | (top in OUR_FOLDERS)
            if (is_path and not exists(root, span)) or (re.fullmatch(r"test_\w+", span) and span not in known):
                wrong.append(f"{page.name}: {span}")
    assert not wrong


def test_a_promise_names_tests_of_the_files_it_names(
    pages: dict[str, Page], tests_by_file: dict[str, set[str]]
) -> None:
    """Eleven promises; one that is kept names files and tests, one that is not says so, and README says the same."""
    page = pages["docs/promises.md"]
    short = {row[0]: row[2] for row in pages["README.md"].rows("What it promises")[1:]}
    table = {re.sub(r"\D.*", "", row[0].strip("[")): row[2] for row in page.rows("Promises")[1:]}
    assert list(short) == list(table) == [str(number) for number in range(1, 12)]
    for number, standing in table.items():
        section = Page("", page.section(f"{number}."))
        files = {span for span in section.spans if span.startswith("tests/")}
        named = {span for span in section.spans if re.fullmatch(r"test_\w+", span)}
        assert standing.startswith("not yet") == short[number].startswith("not yet"), number
        assert standing.startswith("partly") == short[number].startswith("in part"), number
        if standing.startswith("not yet"):
            assert section.text.strip().startswith("**Not yet.**"), number
            continue
        assert all(f"**{part}.**" in section.text for part in ("Means", "Kept by", "Tested by", "Ends")), number
        assert files, number
        assert named <= set().union(*(tests_by_file.get(file, set()) for file in files)), number


def test_every_page_is_in_the_index(pages: dict[str, Page]) -> None:
    """Of the documentation, and of the decisions; each decision has its date and its parts."""
    top = {name.removeprefix("docs/") for name in pages if re.fullmatch(r"docs/\w+\.md", name)} - {"README.md"}
    assert top <= set(pages["docs/README.md"].links)
    decisions = {name.rpartition("/")[2]: page for name, page in pages.items() if "/decisions/0" in name}
    assert len(decisions) >= 8
    assert set(decisions) == set(pages["docs/decisions/README.md"].links)
    for name, page in decisions.items():
        assert page.text.startswith(f"# {name[:4]} "), name
        assert re.search(r"^\d{4}-\d{2}-\d{2}$", page.text, re.MULTILINE), name
        assert all(f"**{part}.**" in page.text for part in ("Question", "Options", "Evidence", "Choice")), name


def test_later_work_is_called_so(pages: dict[str, Page]) -> None:
    """What the code does not know is spoken of only where the paragraph says that it is to come."""
    silent = [
        f"{page.name}: {word}"
        for page in pages.values()
        for paragraph in page.paragraphs
        for word in LATER & set(re.findall(r"`(\w+)`", paragraph))
        if not (SAYS_SO.search(paragraph) or (page.name == "CHANGELOG.md" and word in page.section("Not yet")))
    ]
    assert not silent


def test_every_merge_rule_has_its_tests_and_an_example(pages: dict[str, Page], root: Path) -> None:
    """Each under its own number; a rule without a test is of the next release, and says so."""
    page = pages["docs/merge.md"]
    tests, with_example = merge_page.tests_of(root), {rule_of(name) for name in examples()}
    assert tests.keys() <= page.spans
    for number in range(1, 30):
        section = Page("", page.section(f"Rule {number}"))
        of_rule = {test for test in tests if number in merge_page.rules_of(test)}
        later = section.text.strip().startswith("*Next release.*")
        blocks = {(number, "example")} if number in with_example else set()
        assert section.text.strip(), number
        assert of_rule <= section.spans, number
        assert bool(of_rule) != later, number
        assert later or blocks, f"rule {number} has no example in tests/support/merge_examples"
        assert merge_page.blocks(section.text) == (blocks if later else blocks | {(number, "tests")}), number
    assert not missing(page, Policy)


def test_the_examples_of_the_merge_are_what_the_rules_do_now(pages: dict[str, Page], root: Path) -> None:
    """And the lists of tests are those of today: `make pages` would change nothing."""
    text = pages[merge_page.PAGE].text
    assert text.splitlines() == merge_page.with_examples(text, root).splitlines(), "make pages writes it anew"


def test_topics_groups_and_headers(pages: dict[str, Page]) -> None:
    """Everything about Kafka that somebody else could read or set."""
    page = pages["docs/kafka.md"]
    by_topic = {row[0].strip("`"): row[4] for row in page.rows("The topics")[1:] if len(row) == 5}
    assert by_topic.keys() == set(topics.EVERY)
    assert {group for groups in by_topic.values() for group in re.findall(r"`([\w.]+)`", groups)} == GROUPS
    headers = [value for name, value in vars(cloudevents).items() if name.isupper() and name != "SPEC_VERSION"]
    assert not missing(page, headers)


def test_how_many_of_each_process_and_who_shares_what(pages: dict[str, Page]) -> None:
    """Nothing that can be started is left out, and no group whose partitions are shared."""
    page = pages["docs/scale.md"]
    rows = " ".join(row[0] for row in page.rows("What to run")[1:])
    assert {name for name in OF_PROCESS if name not in TOGETHER and f"`tandem {name}`" not in rows} == set()
    assert not missing(page, GROUPS)


def test_each_kind_of_a_preset_is_listed(pages: dict[str, Page]) -> None:
    """By its name, in the row of its preset."""
    text = pages["docs/mapping.md"].text
    listed = dict(re.findall(r"^\| `(\w+)` \| (`.*) \|$", text.partition("\n## ")[0], re.MULTILINE))
    assert {name: set(re.findall(r"`(\w+)` (?:\(|alone)", row)) for name, row in listed.items()} == {
        name: set(preset(name).kinds) for name in preset_names()
    }


def test_every_answer_of_the_webhook(pages: dict[str, Page]) -> None:
    """Status and word, both ways."""
    answered = {
        (call.args[0].value, call.args[1].value)
        for call in calls("listener.webhook")
        if called(call) == "Refusal"
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[1], ast.Constant)
    } - {(CLIENT_GONE, "gone")}
    told = {
        (int(row[0]), word)
        for row in pages["docs/kafka.md"].rows("Answers")[1:]
        for word in re.findall(r"`(\w+)`", row[1])
    }
    assert len(answered) >= 12
    assert answered == told


def test_the_examples_are_of_the_contract(pages: dict[str, Page]) -> None:
    """Each JSON block of the topics, and the document, is read as the code reads it."""
    event, change, bell = pages["docs/kafka.md"].fences("json")
    assert PlatformEvent.model_validate_json(event).data.changed == ("phone",)
    assert Change.model_validate_json(change).fields
    assert Doorbell.model_validate_json(bell).record_id
    (example,) = pages["docs/document.md"].fences("json")
    document = json.loads(example)
    kind = Catalog(preset("customers")).kinds["customer"]
    stored = load(document, document["_id"], kind)
    stored.decisions = stored.decisions[1:]
    assert {name: field.source for name, field in stored.fields.items()} == dict.fromkeys(
        ("LastName", "Phone"), "platform"
    )
    again = dump(stored, kind, now=0, due_at=stored.stored_due_at, decision=document["_sync"]["decisions"].split()[0])
    assert again["_sync"] == document["_sync"]
    assert again["salesforce"] == {**document["salesforce"], "lastSyncedAt": 0}


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_the_signing_example_signs(pages: dict[str, Page]) -> None:
    """It is run as it stands, but for the sending."""
    (script,) = pages["docs/kafka.md"].fences("sh")
    shown = subprocess.run(
        ["sh", "-ec", 'curl() { for each in "$@"; do printf \'%s\\n\' "$each"; done; }\n' + script],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    ).stdout.splitlines()
    headers = dict(line.split(": ", 1) for line in shown if re.match(r"[a-z-]+: ", line))
    (secret,) = re.findall(r"WEBHOOK_SECRETS_TICKETS=(whsec_\w+)", pages["docs/kafka.md"].text)
    body = shown[-1].encode()
    attempt = verify(
        secrets=[decode_secret(secret)],
        body=body,
        webhook_id=headers["webhook-id"],
        webhook_timestamp=headers["webhook-timestamp"],
        webhook_signature=headers["webhook-signature"],
        now=int(headers["webhook-timestamp"]),
    )
    assert attempt.id.startswith("evt-")
    assert PlatformEvent.model_validate_json(body).data.id == "cust-42"


def test_every_outcome_and_reason(pages: dict[str, Page]) -> None:
    """The reasons are taken from the source: whatever is given with an outcome, parked, or waited for."""
    page = pages["docs/outcomes.md"]
    assert [row[0].strip("`") for row in page.rows("Outcomes and reasons")[1 : 1 + len(Outcome)]] == list(Outcome)
    reasons: set[str] = set()
    named = constants("consumers")
    for call in calls("consumers"):
        if called(call) in ("Result", "Unmapped", "wait"):
            reasons |= set(texts(call, named))
        elif called(call) == "Unreadable":
            reasons |= set(list(texts(call, named))[:1])
        elif called(call) == "parked_record":
            reasons |= {text for text in texts(call, named) if re.fullmatch(r"[a-z_]+", text)}
    assert len(reasons) > 20
    assert not missing(page, reasons - {""})
    assert not missing(page, (*Failure, "DUPLICATE_EXTERNAL_ID"))


def test_every_collection_and_index(pages: dict[str, Page]) -> None:
    """Names and keys, both ways."""
    page = pages["docs/document.md"]
    names = collection_names()
    kept = {kind.collection for kind in preset("customers").kinds.values()}
    assert not missing(page, names)
    first_table = itertools.takewhile(lambda row: row[0] != "key", page.rows("What is stored in MongoDB")[1:])
    told = {re.findall(r"`(\w+)`", row[0])[0] for row in first_table}
    assert told == names | kept | {f"{collection}_public" for collection in kept}
    declared = {
        (where, index.document["name"], tuple(index.document["key"]))
        for where, indexes in {"every kind's": mongo_collections.DOCUMENT_INDEXES, **mongo_collections.INDEXES}.items()
        for index in indexes
    }
    assert declared == {
        (row[0].strip("`"), row[1].strip("`"), tuple(re.findall(r"`([\w.$*]+)`", row[2])))
        for row in page.rows("Indexes")[1:]
    }


def test_something_bounds_every_collection(pages: dict[str, Page]) -> None:
    """Each is asked what bounds it: a TTL index that the code declares, by a setting that there is; or, in words, what
    else keeps it small."""
    page = pages["docs/document.md"]
    told = {row[0].strip("`"): row[2] for row in page.rows("What bounds each")[1:]}
    assert told.keys() == collection_names() | {"every kind's"}
    days = {f"MONGODB_{name.upper()}" for name in MongoSettings.model_fields if name.endswith("_days")}
    assert days == set(re.findall(r"MONGODB_\w+_DAYS", " ".join(told.values())))
    for collection, until in told.items():
        declared = mongo_collections.INDEXES.get(collection, ())
        expiring = [index for index in declared if "expireAfterSeconds" in index.document]
        assert bool(expiring) == until.startswith("TTL: "), collection
        assert until.startswith(("TTL: ", "never: ", "the platform's own affair")), collection


def full_state() -> states.DocumentState:
    """A document of which everything is known that can be stored."""
    at = CommitPosition(1, 2, 3)
    state = states.DocumentState(
        kind="customer",
        id="c",
        existence=states.Existence(True, 1, ("e",), 1),
        link=states.Link(
            "r",
            1,
            gone=True,
            converted=True,
            account="a",
            converted_at=1,
            opportunity="o",
            merged_into="d",
            handed_over=True,
            touched=frozenset({"Phone"}),
            left=frozenset({"Phone"}),
            edits={"Phone": states.SalesforceRegister("a", at)},
        ),
        position=at,
        heard_at=1,
        row_mark=999,
        writes=[states.Write(1, {"Phone": "a"}, 1, 1, states.WriteState.LANDED, 1, first=True)],
        read_reason="x",
        refusal=states.Refusal({"Phone": "a"}, "CODE", "m", 1, fields=("Phone",)),
        retry=states.Retry(1, 1, "CODE", locked=True),
        awaited={"Phone": states.Awaited("p", 1, 1, "event/e")},
        underived=True,
        uncounted=True,
        keeps=True,
        audit=[{"_id": "x"}],
        enriched=Enriched(email="a@b.c", within={"accountName": "x"}, member_id="m"),
        told=[{"_id": "y"}],
    )
    field = state.field("Phone")
    field.platform = states.PlatformRegister("a", 1, 1, ("e",))
    field.salesforce = states.SalesforceRegister("a", at)
    field.source, field.value, field.agreed, field.shown = states.Side.PLATFORM, "a", at, ("b",)
    field.overruled = field.merged = True
    field.theirs = states.Theirs(1, 1, 1, "d")
    field.review = states.Review(states.Side.SALESFORCE, "c", 1, 1)
    return state


def reviewing_kind() -> Kind:
    """The preset's customer, where a person chooses the phone, and who may be a Lead."""
    raw = preset("customers").model_dump(mode="json")
    phone = next(field for field in raw["kinds"]["customer"]["fields"] if field["salesforce"] == "Phone")
    phone["policy"] = "review"
    raw["kinds"]["customer"]["lead"] = LEAD
    return Catalog(Mapping.model_validate(raw)).kinds["customer"]


def test_every_key_of_a_document(pages: dict[str, Page]) -> None:
    """The keys are those that a document has of which everything is known; the states of writes too."""
    page = pages["docs/document.md"]
    stored = dump(full_state(), reviewing_kind(), now=1, due_at=1, decision="d")
    sync, (text,) = stored["_sync"], stored["_sync"]["fields"].values()
    field = json.loads(text)
    assert {row[0].strip("`") for row in page.rows("`_sync`: what only Tandem reads")[1:]} == set(sync)
    assert {row[0].strip("`") for row in page.rows("`_sync.fields.<field>`")[1:]} == set(field)
    of_lead = full_state()
    of_lead.link = states.Link("00Q5g0000000001AAA", 1)
    public = stored["salesforce"] | dump(of_lead, reviewing_kind(), now=1, due_at=1, decision="d")["salesforce"]
    told = {row[0].strip("`") for row in page.rows("`salesforce`: what the platform may read")[1:]}
    assert told == set(public)
    inner = [sync[name] for name in ("existence", "link", "refusal", "retry")] + sync["writes"]
    assert not missing(page, {key for part in inner for key in part})
    assert not missing(page, states.WriteState)


def test_commands_and_processes(pages: dict[str, Page]) -> None:
    """Every command is told of, and no other; every process is in the picture of the architecture."""
    known = set(commands())
    first = {name.partition(" ")[0] for name in known}
    prose = " ".join(page.text for page in pages.values())
    assert set(re.findall(r"`tandem ([a-z-]*[a-z])", prose)) == first
    assert set(re.findall(r"^tandem ([a-z-]*[a-z])", prose, re.MULTILINE)) <= first
    told = {row[0].strip("`").removeprefix("tandem ") for row in pages["docs/architecture.md"].rows("Processes")[1:]}
    assert told == set(OF_PROCESS)


def test_every_environment_variable(pages: dict[str, Page]) -> None:
    """All are in the page of the settings, and no page names one that sets nothing."""
    known = {variable for group in ALL for name in group.model_fields for variable in variables(group, name)}
    assert known - {"WEBHOOK_SECRETS"} <= {span.partition("=")[0] for span in pages["docs/settings.md"].spans}
    prefixes = "|".join(sorted({variable.partition("_")[0] for variable in known}))
    strange = {
        f"{page.name}: {variable}"
        for page in pages.values()
        for variable in re.findall(rf"(?<![\w.])((?:{prefixes})_[A-Z_]+[A-Z])\b(?!_)", page.text)
        if variable not in known | set(CODES) and not variable.startswith("WEBHOOK_SECRETS")
    }
    assert not strange


def test_the_runbook_names_metrics_that_move(pages: dict[str, Page]) -> None:
    """Every metric named exists; those that nothing counts yet are named as such, and they alone."""
    metrics = Metrics()
    known = {described.name for described in metrics.describe()}
    collections = collection_names()
    for page in pages.values():
        named = {span for span in page.spans if re.fullmatch(r"tandem_[a-z_]+", span)} - collections
        assert named <= known, page.name
    source = " ".join(file.read_text() for file in package("ops").rglob("*.py"))
    before = set(metrics.render().decode().splitlines())
    for name, method in vars(Metrics).items():
        if (
            not name.startswith("_")
            and name not in ("render", "describe", "partition_lost")
            and f".{name}" not in source
        ):
            made = {"int": 1, "float": 1.0, "bool": True, "str": "x"}
            given = {key: made[kind.__name__] for key, kind in method.__annotations__.items() if key != "return"}
            method(metrics, **given)
    moved = {line for line in metrics.render().decode().splitlines() if not line.startswith("#")} - before
    still = {name for name in known if any(re.match(rf"{name}(_\w+)?[{{ ]", line) for line in moved)}
    (sentence,) = [
        part for part in pages["docs/runbook.md"].paragraphs if part.startswith("Declared and not counted")
    ] or [""]
    assert set(re.findall(r"`(tandem_\w+)`", sentence)) == still


def test_every_verdict_and_state_of_a_run(pages: dict[str, Page]) -> None:
    """The verdicts both ways; states and what may be asked for are named."""
    page = pages["docs/sync.md"]
    assert {row[0].strip("`") for row in page.rows("Verdicts")[1:]} == set(Verdict)
    assert not missing(pages["docs/document.md"], RunState)
    assert not missing(page, [*Purpose, *RunDirection])


def test_the_plan_shown_is_one(pages: dict[str, Page]) -> None:
    """The page on runs shows what `tandem sync` prints of these counts."""
    catalog = Catalog(preset("customers"))
    pull, push = new_run(RunRequest(id="r", what="customer"), catalog, now=1).steps
    found = {"create": 120, "update": 31, "up_to_date": 9_849}
    pull = pull.model_copy(update={"passed": 10_000, "counts": found})
    push = push.model_copy(update={"passed": 9_912, "counts": {"create": 30, "link": 2, "up_to_date": 9_880}})
    planned = Run(id="r", request=RunRequest(id="r"), steps=(pull, push), asked_at=1)
    lists = RecordLists(None, None, None)  # type: ignore[arg-type]
    (shown,) = pages["docs/sync.md"].fences("console")
    assert shown.splitlines() == list(plan_lines(planned, lists.calls))
