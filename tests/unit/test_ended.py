"""A log line for whatever did not end as plainly applied: where it is found and why, and nothing that it held."""

import asyncio
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
import pytest
from support.fakes_webhook import FakeEventLog, event, listening, signed

from adapters.telemetry.logs import open_logs
from adapters.telemetry.metrics import Metrics
from adapters.telemetry.settings import LogFormat, LogLevel, TelemetrySettings
from consumers.deliver import keeper
from consumers.reconciler import forget
from ops.processes.deliver import posts_told
from ops.processes.ended import Ends
from ops.processes.frame import Frame
from ops.processes.parts import results_told
from schemas import topics
from schemas.delivery import Answer, Delivery
from schemas.doorbell import ring_for
from schemas.log_record import Record
from schemas.outcome import Outcome, Result

VALUE = "Ștefănescu-value"
RECORD_ID = "003xx000004TmiQAAS"


@dataclass
class Told:
    """A frame whose log is read back."""

    frame: Frame
    written: io.StringIO = field(default_factory=io.StringIO)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Without what every line has."""
        lines = [orjson.loads(line) for line in self.written.getvalue().splitlines()]
        for line in lines:
            assert line.pop("timestamp")
            assert (line.pop("event"), line.pop("stage")) == ("outcome", "test")
        return lines


@pytest.fixture(params=[LogLevel.DEBUG])
def told(request: pytest.FixtureRequest) -> Iterator[Told]:
    written = io.StringIO()
    settings = TelemetrySettings(log_level=request.param, log_format=LogFormat.JSON)
    with open_logs(settings, stage="test", stream=written) as log:
        yield Told(Frame(stage="test", log=log, metrics=Metrics(), stop=asyncio.Event()), written)


def record(key: bytes | None, topic: str = topics.PLATFORM_EVENTS, value: bytes | None = None) -> Record:
    """One that holds a value wherever one can be."""
    value = value or orjson.dumps({"data": {"id": "cust-42", "fields": {"lastName": VALUE}}})
    headers = {"ce_subject": VALUE, "ce_id": VALUE}
    return Record(topic, 3, 17, key, value, headers, 1, [(name, text.encode()) for name, text in headers.items()])


@pytest.mark.parametrize(
    ("outcome", "level"),
    [
        (Outcome.PARKED, "warning"),
        (Outcome.DEFERRED, "info"),
        (Outcome.STALE, "info"),
        (Outcome.DUPLICATE, "info"),
        (Outcome.IGNORED, "info"),
        (Outcome.ECHO, "debug"),
    ],
)
def test_what_is_not_applied_has_a_line(told: Told, outcome: Outcome, level: str) -> None:
    """With its outcome and reason, whom it is about and where it stands in Kafka; and none of what it held."""
    results_told(told.frame)(topics.PLATFORM_EVENTS, [record(b"customer:cust-42")], [Result(outcome, "undecodable")])
    assert told.lines == [
        {
            "level": level,
            "outcome": str(outcome),
            "reason": "undecodable",
            "kind": "customer",
            "document_id": "cust-42",
            "topic": "platform.events",
            "partition": 3,
            "offset": 17,
        }
    ]
    assert VALUE not in told.written.getvalue()


def test_every_outcome_has_been_thought_of(told: Told) -> None:
    """One line each, but for what was plainly applied."""
    ends = [Result(outcome) for outcome in Outcome]
    results_told(told.frame)(topics.PLATFORM_EVENTS, [record(b"customer:cust-42")] * len(ends), ends)
    assert [line["outcome"] for line in told.lines] == [each for each in Outcome if each is not Outcome.APPLIED]


@pytest.mark.parametrize("told", [LogLevel.INFO], indirect=True)
def test_our_own_writes_coming_back_fill_no_log(told: Told) -> None:
    """There is an echo for every write: its line is for who asks for `LOG_LEVEL=debug`."""
    results_told(told.frame)(topics.SALESFORCE_CHANGES, [record(RECORD_ID.encode())], [Result(Outcome.ECHO)])
    assert told.lines == []


@pytest.mark.parametrize(
    ("topic", "key", "value", "named"),
    [
        (topics.SALESFORCE_CHANGES, RECORD_ID.encode(), None, {"record_id": RECORD_ID}),
        (
            topics.SALESFORCE_WRITES,
            RECORD_ID.encode(),
            ring_for("customer", "cust-42", RECORD_ID),
            {"record_id": RECORD_ID, "kind": "customer", "document_id": "cust-42"},
        ),
        (topics.SALESFORCE_WRITES, RECORD_ID.encode(), ring_for("customer", "", RECORD_ID), {"record_id": RECORD_ID}),
        (topics.SALESFORCE_WRITES, RECORD_ID.encode(), VALUE.encode(), {"record_id": RECORD_ID}),
        (topics.PLATFORM_EVENTS, VALUE.encode(), None, {}),
        (topics.PLATFORM_EVENTS, f"Customer {VALUE}:1".encode(), None, {}),
        (topics.PLATFORM_EVENTS, b"\xff\xfe", None, {}),
        (topics.PLATFORM_EVENTS, None, None, {}),
    ],
)
def test_a_key_is_told_where_it_is_one_of_ours(
    told: Told, topic: str, key: bytes | None, value: bytes | None, named: dict[str, str]
) -> None:
    """A doorbell names the document; a key that somebody else wrote may hold anything, and is not repeated."""
    results_told(told.frame)(topic, [record(key, topic, value)], [Result(Outcome.PARKED, "undecodable")])
    (line,) = told.lines
    assert {name: line[name] for name in ("kind", "document_id", "record_id") if name in line} == named
    assert (line["topic"], line["partition"], line["offset"]) == (topic, 3, 17)
    assert VALUE not in told.written.getvalue()


@pytest.mark.parametrize("result", [forget.FORGOTTEN, forget.ASKED_BEFORE, keeper.FORGOTTEN])
def test_nobody_is_named_who_was_erased(told: Told, result: Result) -> None:
    """The line says that something was dropped and where it stood."""
    results_told(told.frame)(topics.PLATFORM_EVENTS, [record(b"customer:cust-42")], [result])
    (line,) = told.lines
    assert (line["reason"], line["offset"]) == (result.reason, 17)
    assert "cust-42" not in told.written.getvalue()


def test_a_reason_is_no_longer_than_a_sentence(told: Told) -> None:
    """Codes come from outside."""
    results_told(told.frame)(topics.PLATFORM_EVENTS, [record(None)], [Result(Outcome.DEFERRED, "X" * 5000)])
    assert len(told.lines[0]["reason"]) == 200


async def test_a_refused_webhook_has_a_line(told: Told) -> None:
    """Its code and status, for 4xx and 5xx; nothing that was posted, neither in the body nor as a source or header."""
    log, refused = FakeEventLog(), Ends(told.frame).webhook
    async with listening(log=log, refused=refused) as webhook, aiohttp.ClientSession() as http:
        good, bad = event(), event(id=f"{VALUE} with blanks")
        posts = [
            ("tickets", good, signed(good)),
            (VALUE, good, signed(good)),
            ("tickets", good, signed(bad, webhook_id=VALUE)),
            ("tickets", bad, signed(bad)),
        ]
        for source, body, headers in posts:
            async with http.post(f"{webhook.url}/webhooks/{source}", data=body, headers=headers):
                pass
        log.away = True
        async with http.post(f"{webhook.url}/webhooks/tickets", data=good, headers=signed(good)):
            pass
    common = {"level": "info", "outcome": "refused", "topic": "platform.events"}
    assert told.lines == [
        common | {"source": "unknown", "status": 404, "reason": "unknown_source"},
        common | {"source": "tickets", "status": 401, "reason": "unverified"},
        common | {"source": "tickets", "status": 400, "reason": "invalid"},
        common | {"source": "tickets", "status": 503, "reason": "unavailable"},
    ]
    assert VALUE not in told.written.getvalue()


@pytest.mark.parametrize(
    ("outcome", "level"), [("again", "info"), ("given_up", "warning"), ("unwanted", "warning"), ("delivered", None)]
)
def test_a_post_that_was_not_taken_has_a_line(told: Told, outcome: str, level: str | None) -> None:
    """Which delivery, of which document, and what was answered; not what was posted."""
    delivery = Delivery("evt-1", "customer", "cust-42", "customer.updated", 4, VALUE.encode(), made_at=1, tries=2)
    posts_told(told.frame)(outcome, delivery, Answer(503, "status"))
    line = {
        "level": level,
        "outcome": outcome,
        "reason": "status",
        "status": 503,
        "kind": "customer",
        "document_id": "cust-42",
        "event_id": "evt-1",
        "tries": 3,
    }
    assert told.lines == ([line] if level else [])
    assert f'tandem_deliveries_total{{outcome="{outcome}"}} 1.0' in told.frame.metrics.render().decode()
    assert VALUE not in told.written.getvalue()
