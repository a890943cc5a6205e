"""Every answer of `POST /webhooks/<source>`, from a server on loopback."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from support.fakes_webhook import KINDS, SECRET, FakeEventLog, Running, event, listening, signed

from schemas import cloudevents

NOW = datetime(2026, 11, 22, 10, 0, 7, 250_000, tzinfo=UTC)


@pytest_asyncio.fixture
async def running() -> AsyncIterator[Running]:
    """A webhook whose clock is the machine's."""
    async with listening() as running:
        yield running


@pytest_asyncio.fixture
async def client(running: Running) -> AsyncIterator[ClientSession]:
    """A sender."""
    async with ClientSession(running.url) as client:
        yield client


async def post(client: ClientSession, body: bytes, source: str = "tickets", **headers: str) -> tuple[int, Any, Any]:
    """Status, JSON body and headers of the answer to a signed post, with these headers changed."""
    all_headers = {**signed(body), **{name.replace("_", "-"): value for name, value in headers.items()}}
    async with client.post(f"/webhooks/{source}", data=body, headers=all_headers) as answer:
        return answer.status, await answer.json(), answer.headers


async def test_what_is_accepted_is_in_the_log_as_it_was_signed(running: Running, client: ClientSession) -> None:
    """202 with the id; the record's value is the body byte for byte, odd spacing and all."""
    body = b' {"type": "customer.updated" ,\n "data":{"id":"cust-42"},"more":1e3}'
    assert (await post(client, body))[:2] == (202, {"id": "msg_1"})
    (record,) = running.log.records
    assert (record.key, record.value) == (b"customer:cust-42", body)
    assert running.witness.answers == {("tickets", 202): 1}


async def test_the_record_is_a_cloudevent() -> None:
    """The attributes of CloudEvents' Kafka binding, ours for the times, and a trace."""
    async with listening(clock=lambda: int(NOW.timestamp() * 1000)) as running, ClientSession(running.url) as client:
        parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        body = event()
        headers = {**signed(body, at=NOW, webhook_id="evt-7"), "traceparent": parent}
        async with client.post("/webhooks/tickets", data=body, headers=headers) as answer:
            assert answer.status == 202
    read = cloudevents.read(running.log.records[0].headers)
    trace = read.pop("traceparent")
    assert trace[:35] == parent[:35]
    assert trace != parent
    assert read == {
        "ce_specversion": "1.0",
        "ce_id": "evt-7",
        "ce_source": "/webhooks/tickets",
        "ce_type": "customer.updated",
        "ce_subject": "customer/cust-42",
        "ce_time": "2026-11-22T10:00:00.000Z",
        "ce_dataschema": "urn:tandem:platform-event:1",
        "content-type": "application/json",
        "ce_receivedat": "1795341607250",
        "ce_clockoffset": "0",
    }


async def test_the_kind_is_the_mappings_word(running: Running, client: ClientSession) -> None:
    """`badge.printed` speaks of a participant because the mapping says so."""
    assert (await post(client, event("badge.printed", id="p-1")))[0] == 202
    assert running.log.records[0].key == b"participant:p-1"
    assert cloudevents.read(running.log.records[0].headers)["ce_subject"] == "participant/p-1"


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        (None, "2026-11-22T10:00:07.250Z"),
        ("2026-11-22T12:30:00.123456+02:00", "2026-11-22T10:00:07.250Z"),
        ("2026-11-22T11:30:00.123999+02:00", "2026-11-22T09:30:00.123Z"),
        ("2026-11-22T10:00:08Z", "2026-11-22T10:00:07.250Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"),
    ],
)
async def test_when_it_occurred(timestamp: str | None, expected: str) -> None:
    """By our clock, in UTC, never later than it was received; received where it is missing."""
    async with listening(clock=lambda: int(NOW.timestamp() * 1000)) as running, ClientSession(running.url) as client:
        body = b'{"type":"customer.updated","data":{"id":"1"}%s}' % (
            b"" if timestamp is None else f',"timestamp":"{timestamp}"'.encode()
        )
        async with client.post("/webhooks/tickets", data=body, headers=signed(body, at=NOW)) as answer:
            assert answer.status == 202
    assert cloudevents.read(running.log.records[0].headers)["ce_time"] == expected


async def test_a_source_whose_clock_is_behind_is_corrected() -> None:
    """After twenty deliveries a minute late by their own clock, a minute is added, and said in the header."""
    async with listening(clock=lambda: int(NOW.timestamp() * 1000)) as running, ClientSession(running.url) as client:
        for number in range(20):
            body = event(id=f"c-{number}")
            headers = signed(body, at=NOW - timedelta(seconds=60))
            async with client.post("/webhooks/tickets", data=body, headers=headers) as answer:
                assert answer.status == 202
    offsets = [cloudevents.read(record.headers)["ce_clockoffset"] for record in running.log.records]
    # Sent at :07 by their clock, cut to the second, received at :07.25 a minute later.
    assert offsets == ["0"] * 19 + ["59750"]
    assert cloudevents.read(running.log.records[-1].headers)["ce_time"] == "2026-11-22T10:00:07.250Z"


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"", ["body: not JSON at position 0"]),
        (b'{"type":', ["body: not JSON at position 8"]),
        (b'{"type":NaN}', ["body: not JSON at position 8"]),
        (b"[" * 5000, None),
        (b"[]", ["body: Input should be a valid dictionary or instance of PlatformEvent"]),
        (b"{}", ["type: Field required", "data: Field required"]),
        (
            b'{"type":"customer.moved","data":{"id":"a b","seen":-1,"fields":[],"changed":"phone"}}',
            [
                "data.id: String should match pattern '^[^\\s:]+$'",
                "data.fields: Input should be a valid dictionary",
                "data.changed: Input should be a valid tuple",
                "data.seen: Input should be greater than or equal to 0",
                "type: Input should be an event type that the mapping names",
            ],
        ),
        (b'{"type":"Customer","data":{"id":"1"}}', None),
        (
            b'{"type":"customer.updated","timestamp":"2026-11-22T10:00:00","data":{"id":"1"}}',
            ["timestamp: Input should have timezone info"],
        ),
        (
            b'{"type":"customer.updated","timestamp":"1969-12-31T23:59:59Z","data":{"id":"1"}}',
            ["timestamp: Input should not be before 1970"],
        ),
        (event("order.completed"), ["type: Input should be an event type that the mapping names"]),
    ],
)
async def test_400_names_every_wrong_field(
    running: Running, client: ClientSession, body: bytes, fields: list[str] | None
) -> None:
    """All that is wrong in one answer, by its place."""
    status, said, _ = await post(client, body)
    assert (status, said["error"]) == (400, "invalid")
    assert said["fields"] == fields if fields is not None else len(said["fields"]) == 1
    assert not running.log.asked


@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        ({"webhook_id": ""}, "webhook-id: missing"),
        ({"webhook_id": "msg_2"}, "webhook-signature: made with another secret or for another body"),
        ({"webhook_timestamp": "0"}, "webhook-timestamp: more than five minutes ago"),
        ({"webhook_timestamp": "soon"}, "webhook-timestamp: must be whole seconds since 1970"),
        ({"webhook_signature": "v1,AAAA"}, "webhook-signature: made with another secret or for another body"),
    ],
)
async def test_401_what_is_not_proven(
    running: Running, client: ClientSession, headers: dict[str, str], detail: str
) -> None:
    """Another secret, another body, another time: refused before it is parsed."""
    status, said, _ = await post(client, b"not even JSON", **headers)
    assert (status, said) == (401, {"error": "unverified", "detail": detail})
    assert not running.log.asked


async def test_404_before_anything_else(running: Running, client: ClientSession) -> None:
    """Of an unknown source nothing else is looked at, and its name is no metric label."""
    for source in ("nobody", "", "Tickets", "tickets/", "tickets/x", "%74ickets/.."):
        status, said, _ = await post(client, b"x", source, Content_Type="text/plain", webhook_signature="")
        assert (status, said["error"]) in ((404, "unknown_source"), (404, "not_found"))
    assert set(running.witness.answers) <= {("unknown", 404)}


@pytest.mark.parametrize("content_type", ["text/plain", "application/jsonx", "application/xml; q=application/json", ""])
async def test_415_other_content_types(running: Running, client: ClientSession, content_type: str) -> None:
    """Only JSON, and that is said before the signature is looked at."""
    status, said, _ = await post(client, event(), Content_Type=content_type, webhook_signature="")
    assert (status, said["error"]) == (415, "content_type")
    assert not running.log.asked


async def test_415_compressed(running: Running, client: ClientSession) -> None:
    """A signature covers the bytes as sent; nothing is unpacked for a stranger."""
    status, said, _ = await post(client, event(), Content_Encoding="gzip")
    assert (status, said["error"]) == (415, "content_encoding")


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
async def test_json_by_other_spellings(client: ClientSession, content_type: str) -> None:
    """Media types have parameters and no case."""
    assert (await post(client, event(), Content_Type=content_type))[0] == 202


async def test_405_other_methods(client: ClientSession) -> None:
    """A webhook is posted; a check is asked for."""
    async with client.get("/webhooks/tickets") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")
        assert await answer.json() == {"error": "post_only", "detail": "webhooks are posted"}
    async with client.post("/health") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


async def test_413_by_one_byte(running: Running) -> None:
    """The limit itself is taken, one byte more is not."""
    body = event()
    for limit, expected in ((len(body), 202), (len(body) - 1, 413)):
        async with listening(max_body_bytes=limit) as small, ClientSession(small.url) as client:
            assert (await post(client, body))[0] == expected
            assert len(small.log.records) == (expected == 202)


async def test_503_where_the_log_does_not_take_it(running: Running, client: ClientSession) -> None:
    """Not acknowledged, told when to come again, said once in the log lines; and 202 again once it is back."""
    running.log.away = True
    for _ in range(3):
        status, said, headers = await post(client, event())
        assert (status, said["error"], headers["Retry-After"]) == (503, "unavailable", "5")
    running.log.away = False
    assert (await post(client, event()))[0] == 202
    assert len(running.log.records) == 1
    assert [name for name, _ in running.witness.notices] == ["event_log_away", "event_log_back"]
    assert running.witness.answers == {("tickets", 503): 3, ("tickets", 202): 1}


async def test_500_for_a_fault_of_ours() -> None:
    """What nobody foresaw is never acknowledged, and is logged by its type."""

    class Broken(FakeEventLog):
        async def append(self, **_: Any) -> None:
            raise KeyError("a value nobody may see")

    async with listening(log=Broken()) as running, ClientSession(running.url) as client:
        status, said, _ = await post(client, event())
        assert (status, said) == (500, {"error": "internal", "detail": "not taken, post it again"})
    ((name, fields),) = running.witness.notices
    assert (name, fields["error"]) == ("webhook_failed", "KeyError")
    assert running.witness.answers == {("tickets", 500): 1}


async def test_two_secrets_while_they_rotate() -> None:
    """Either verifies."""
    old = "whsec_" + "A" * 44
    async with listening(secrets={"tickets": f"{old},{SECRET}"}) as running, ClientSession(running.url) as client:
        for secret in (old, SECRET):
            body = event()
            async with client.post("/webhooks/tickets", data=body, headers=signed(body, secret=secret)) as answer:
                assert answer.status == 202


async def test_a_mapping_that_changes_is_heard() -> None:
    """Event types are asked for with each request, so that a new mapping needs no restart."""
    kinds = dict(KINDS)
    async with listening(kind_of_event=kinds.get) as running, ClientSession(running.url) as client:
        assert (await post(client, event("order.completed")))[0] == 400
        kinds["order.completed"] = "order"
        assert (await post(client, event("order.completed")))[0] == 202


async def test_alive_and_ready(running: Running, client: ClientSession) -> None:
    """Alive is the process, ready is the log; where it is away, it is named."""
    async with client.get("/health") as alive, client.get("/ready?x=1") as ready:
        assert (alive.status, ready.status) == (200, 200)
    running.log.away = True
    async with client.get("/health") as alive, client.get("/ready") as ready:
        assert (alive.status, ready.status) == (200, 503)
        assert await ready.json() == {"ready": False, "away": ["event_log"]}


async def test_ready_does_not_wait_for_ever() -> None:
    """A log that does not answer is away."""
    log = FakeEventLog()
    log.open.clear()
    async with (
        listening(log=log, ready_seconds=0.05) as running,
        ClientSession(running.url) as client,
        asyncio.timeout(30),
        client.get("/ready") as ready,
    ):
        assert ready.status == 503
