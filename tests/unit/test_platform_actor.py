"""The pretend platform at work: signed posts that are repeated until taken, and a log that tells all of it."""

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from standardwebhooks import Webhook, WebhookVerificationError

from schemas.event_reading import modelled
from schemas.platform_event import PlatformEvent
from simulator.platform.actor import CannotLook, PlatformActor
from simulator.platform.author import Author, Habits
from simulator.platform.journal import Journal, Posted, Seen, Sent, read_journal
from simulator.platform.posting import Verdict, body_of, iso, judge, wait_before
from simulator.platform.signing import signed_headers, signing_key

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
QUICK = Habits(hold_seconds=0.05)


class Receiver:
    """A webhook endpoint that verifies with the released library and fails as told."""

    def __init__(self, fail: Callable[[int], str | int | None] = lambda _: None) -> None:
        self.fail = fail
        self.posts = 0
        self.taken: list[PlatformEvent] = []
        self.ids: list[str] = []
        self.bodies: defaultdict[str, set[bytes]] = defaultdict(set)
        self.in_flight = 0
        self.most_in_flight = 0

    async def post(self, request: web.Request) -> web.Response:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            body = await request.read()
            Webhook(SECRET).verify(body, dict(request.headers))
            self.posts += 1
            failure = self.fail(self.posts)
            self.bodies[request.headers["webhook-id"]].add(body)
            if failure == "cut":
                assert request.transport is not None
                request.transport.abort()
                return web.Response(status=500)
            if isinstance(failure, int):
                return web.Response(status=failure, headers={"Retry-After": "0"})
            self.taken.append(PlatformEvent.model_validate_json(body))
            self.ids.append(request.headers["webhook-id"])
            return web.Response(status=202)
        finally:
            self.in_flight -= 1


async def nothing() -> AsyncIterator[tuple[str, int, Mapping[str, Any], int]]:
    """A reader that finds no documents."""
    for none in ():
        yield none


@asynccontextmanager
async def platform(receiver: Receiver, path: Path, **options: Any) -> AsyncIterator[PlatformActor]:
    """An actor that posts to the receiver."""
    app = web.Application()
    app.router.add_post("/webhooks/platform", receiver.post)
    async with TestServer(app) as server:
        with Journal(path) as journal:
            settings = {"read_documents": nothing, "seed": 1, "births": 10, "edits": 60} | options
            script = Author(1, settings.pop("habits", QUICK))
            yield PlatformActor(
                post_url=str(server.make_url("/webhooks/platform")),
                secret=SECRET,
                journal=journal,
                script=script,
                **settings,
            )


async def test_every_event_is_signed_taken_and_logged(tmp_path: Path) -> None:
    """The released library accepts each post, the contract reads each body, and log and receiver agree."""
    receiver = Receiver()
    async with platform(receiver, tmp_path / "log") as actor:
        await actor.run()
        assert actor.done
        sent, _ = read_journal(tmp_path / "log")
        assert Counter(receiver.ids).keys() == {event.event_id for event in sent}
        assert len(sent) == 70
        assert all(event.accepted_at is not None for event in sent)
        assert actor.counters.created == 10
        assert actor.counters.edited == 60
        assert actor.counters.posts == actor.counters.accepted == 70 + actor.counters.duplicates == receiver.posts
        assert actor.counters.duplicates > 0
        assert actor.counters.held_back > 0
        by_id = {event.event_id: event for event in sent}
        for event_id, taken in zip(receiver.ids, receiver.taken, strict=True):
            event = by_id[event_id]
            assert (taken.type, taken.data.id, taken.data.changed) == (event.type, event.document_id, event.changed)
            assert modelled(taken).occurred_at(received_at=2**60) == event.occurred_at
        assert all(len(bodies) == 1 for bodies in receiver.bodies.values())
        assert {document_id for document_id, _ in actor.recent()} <= set(actor.document_ids())


async def test_posts_are_repeated_until_they_are_taken(tmp_path: Path) -> None:
    """Cut connections, 429 and 5xx are tried again with the same id and body; the log has each try."""
    failures = random.Random(4)
    receiver = Receiver(lambda _: failures.choice(["cut", 429, 500, 503, *[None] * 6]))
    async with platform(receiver, tmp_path / "log", edits=30) as actor:
        await actor.run()
    sent, _ = read_journal(tmp_path / "log")
    assert set(receiver.ids) == {event.event_id for event in sent}
    statuses = Counter(posted.status for event in sent for posted in event.posted)
    assert statuses.keys() == {0, 202, 429, 500, 503}
    assert actor.counters.retries == receiver.posts - actor.counters.accepted > 10
    assert actor.counters.refused == actor.counters.given_up == 0
    assert all(len(bodies) == 1 for bodies in receiver.bodies.values())


async def test_a_refused_event_is_not_repeated(tmp_path: Path) -> None:
    """400 ends it, and counts."""
    receiver = Receiver(lambda post: 400 if post == 3 else None)
    async with platform(receiver, tmp_path / "log", edits=0, habits=Habits(duplicate=0)) as actor:
        await actor.run()
    assert (actor.counters.refused, actor.counters.accepted, receiver.posts) == (1, 9, 10)


async def test_the_deadline_ends_the_tries(tmp_path: Path) -> None:
    """With nobody there every event is given up in time, and the log says that no answer came."""
    with Journal(tmp_path / "log") as journal:
        actor = PlatformActor(
            post_url=f"http://127.0.0.1:{unused_port()}/",
            secret=SECRET,
            journal=journal,
            read_documents=nothing,
            script=Author(1, Habits(duplicate=0)),
            births=3,
            edits=0,
            deadline_seconds=0.3,
        )
        await asyncio.wait_for(actor.run(), 30)
    sent, _ = read_journal(tmp_path / "log")
    assert actor.counters.given_up == 3
    assert {posted.status for event in sent for posted in event.posted} == {0}
    assert all(event.accepted_at is None for event in sent)


async def test_no_more_posts_at_once_than_allowed(tmp_path: Path) -> None:
    """Concurrency is bounded, held-back events do not use it up."""
    receiver = Receiver()
    async with platform(
        receiver, tmp_path / "log", concurrency=3, habits=Habits(held_back=0.5, hold_seconds=0.2)
    ) as one:
        await one.run()
    assert receiver.most_in_flight <= 3
    assert len(set(receiver.ids)) == 70


async def test_events_keep_to_their_rate(tmp_path: Path) -> None:
    """Sixty events at 200 a second take 0.3 seconds."""
    receiver = Receiver()
    async with platform(receiver, tmp_path / "log", births=1, rate=200.0) as actor:
        began = asyncio.get_running_loop().time()
        await actor.run()
        assert asyncio.get_running_loop().time() - began >= 0.29


async def test_what_the_reader_sees_is_logged_once_a_revision(tmp_path: Path) -> None:
    """Each new revision is a row; unknown documents and known revisions are not; later records may repeat it."""
    revisions = iter(range(1, 10_000))

    async def documents() -> AsyncIterator[tuple[str, int, Mapping[str, Any], int]]:
        revision = next(revisions)
        for _ in range(2):
            yield "cust-1-1", revision, {"title": f"as read {revision}", "customer_tier": "Growth"}, 1_000 + revision
        yield "somebody-else", 1, {}, 1

    receiver = Receiver()
    async with platform(
        receiver,
        tmp_path / "log",
        births=1,
        rate=300.0,
        read_documents=documents,
        read_every_seconds=0.01,
        habits=Habits(whole=1.0, stale=1.0, tells_seen=1.0, respelled=0.0, nothing_new=1.0, held_back=0.0),
    ) as actor:
        await actor.run()
    _, seen = read_journal(tmp_path / "log")
    assert [each.revision for each in seen] == [seen[0].revision + index for index in range(len(seen))]
    assert len(seen) == actor.counters.revisions_seen > 1
    number = seen[0].revision
    fields = {"title": f"as read {number}", "customer_tier": "Growth"}
    assert seen[0] == Seen("cust-1-1", number, 1_000 + number, fields)
    repeated = [each.data for each in receiver.taken if each.data.seen is not None]
    assert repeated
    assert all(each.fields["title"] == f"as read {each.seen}" for each in repeated)


async def test_nobody_edits_what_could_not_be_looked_at(tmp_path: Path) -> None:
    """While the documents cannot be read nothing is decided, and how far behind that is is told; then all goes on."""
    away = True

    async def reader() -> AsyncIterator[tuple[str, int, Mapping[str, Any], int]]:
        if away:
            raise CannotLook
        for none in ():
            yield none

    receiver = Receiver()
    options = {"read_documents": reader, "read_every_seconds": 0.01, "sight_seconds": 60.0, "births": 5, "edits": 0}
    async with platform(receiver, tmp_path / "log", rate=1000.0, **options) as actor:
        running = asyncio.create_task(actor.run())
        while not (actor.counters.unread and actor.behind == 5):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        assert receiver.posts == actor.counters.created == 0
        away = False
        await running
        assert actor.counters.created == 5
        assert actor.behind == 0


async def test_a_reader_that_fails_ends_the_run(tmp_path: Path) -> None:
    """A platform that cannot read its documents says so."""

    async def broken() -> AsyncIterator[tuple[str, int, Mapping[str, Any], int]]:
        raise ConnectionError("no database")
        yield "", 0, {}, 0

    async with platform(Receiver(), tmp_path / "log", rate=10.0, read_documents=broken) as actor:
        with pytest.raises(ExceptionGroup) as raised:
            await actor.run()
    assert raised.group_contains(ConnectionError, match="no database")


def test_an_intent_without_an_outcome_is_readable(tmp_path: Path) -> None:
    """The row is written before the first post: a log that ends there tells an event with no posts."""
    event = Sent("evt_1", "customer.updated", "cust-1", 5, {"title": "Buyer"}, ("title",), ("title",), 3)
    with Journal(tmp_path / "log") as journal:
        journal.sent(event)
        assert read_journal(tmp_path / "log") == ([event], [])
        journal.posted("evt_1", Posted(7, 503))
        journal.posted("evt_1", Posted(9, 202))
    ((read,), _) = read_journal(tmp_path / "log")
    assert read.posted == [Posted(7, 503), Posted(9, 202)]
    assert read.accepted_at == 9


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.TAKEN),
        (202, Verdict.TAKEN),
        (0, Verdict.AGAIN),
        (408, Verdict.AGAIN),
        (429, Verdict.AGAIN),
        (500, Verdict.AGAIN),
        (503, Verdict.AGAIN),
        (302, Verdict.REFUSED),
        (400, Verdict.REFUSED),
        (401, Verdict.REFUSED),
        (413, Verdict.REFUSED),
    ],
)
def test_answers(status: int, verdict: Verdict) -> None:
    """Only what may go well another time is tried another time."""
    assert judge(status) is verdict


def test_waits_double_up_to_a_limit() -> None:
    """Jitter takes off at most half; the receiver's own wish is followed up to five seconds."""
    chance = random.Random(1)
    for attempt, longest in [(1, 0.1), (2, 0.2), (4, 0.8), (7, 5.0), (99, 5.0)]:
        waits = {wait_before(attempt, None, chance) for _ in range(50)}
        assert len(waits) > 1
        assert all(longest / 2 <= wait <= longest for wait in waits)
    assert wait_before(1, "3", chance) == 3.0
    assert wait_before(1, "3600", chance) == 5.0
    assert wait_before(1, "Wed, 21 Oct 2026 07:28:00 GMT", chance) <= 0.1


def test_the_body_of_a_named_change() -> None:
    """Dotted paths with `changed` and `seen`; a whole record is nested and has neither."""
    city = {"address.city": "Tarnwick P3"}
    named = Sent("e", "customer.updated", "c-1", 1_795_345_200_007, city, tuple(city), tuple(city), 4)
    event = PlatformEvent.model_validate_json(body_of(named))
    assert event.data.fields == city
    assert (event.data.changed, event.data.seen) == (("address.city",), 4)
    assert modelled(event).occurred_at(received_at=2**60) == 1_795_345_200_007
    whole = Sent("e", "customer.updated", "c-1", 0, {"address.city": "A", "address.country": "B", "title": "C"}, ())
    data = PlatformEvent.model_validate_json(body_of(whole)).data
    assert data.fields == {"address": {"city": "A", "country": "B"}, "title": "C"}
    assert data.changed is None
    assert iso(1_500) == "1970-01-01T00:00:01.500Z"


@pytest.mark.parametrize("secret", ["whsec_c2VjcmV0IQ==", "whsec_c2VjcmV0IQ", "c2VjcmV0IQ=="])
def test_a_secret_is_read_as_the_library_reads_it(secret: str) -> None:
    """With prefix or padding or without, the released library accepts the signature, and no other body."""
    headers = signed_headers(signing_key(secret), "msg_1", int(time.time()), b"{}")
    assert Webhook(secret).verify(b"{}", headers) == {}
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(b"[]", headers)
