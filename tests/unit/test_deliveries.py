"""Deliveries to the platform's URL: what answers mean, in which order, and when the URL is left alone."""

import asyncio
from dataclasses import dataclass, field, replace

import orjson
import pytest
from support.deliveries_behaviour import DeliveriesBehaviour, delivery
from support.fake_deliveries import FakeDeliveries, FakeEndpoints
from support.fake_documents import FakeParked
from support.fake_erasures import FakeErasures

from consumers.deliver.courier import FAILED_LONG, UNWANTED, Courier
from consumers.deliver.keeper import FORGOTTEN, KEPT_BEFORE, NO_URL, Keeper
from consumers.rules.deliveries import HOUR, Again, Delivered, DeliveryPolicy, GivenUp, Unwanted
from schemas import cloudevents, marks, topics
from schemas.delivery import Answer, DeliveryState, Endpoint
from schemas.log_record import Record
from schemas.outcome import Outcome
from schemas.telling import record_of

POLICY = DeliveryPolicy()


class TestFakeDeliveries(DeliveriesBehaviour):
    """The fake keeps the same promises."""

    @pytest.fixture
    def deliveries(self) -> FakeDeliveries:
        return FakeDeliveries()


@pytest.mark.parametrize("status", [200, 202, 204])
def test_any_2xx_is_taken(status: int) -> None:
    """Whatever its body."""
    assert POLICY.after(Answer(status), 0, now=0, chance=0.0) == Delivered()


@pytest.mark.parametrize("status", [0, 301, 302, 307, 400, 401, 404, 429, 500, 503])
def test_everything_else_is_tried_again_in_growing_waits_and_given_up_at_last(status: int) -> None:
    """A redirect is no answer either: it is not followed."""
    waits = []
    for tries in range(len(POLICY.waits)):
        ending = POLICY.after(Answer(status), tries, now=0, chance=0.0)
        assert isinstance(ending, Again)
        waits.append(ending.at)
    assert waits == sorted(waits)
    assert sum(waits) > 72 * HOUR
    assert POLICY.after(Answer(status), len(POLICY.waits), now=0, chance=0.0) == GivenUp()


def test_gone_means_that_nothing_more_is_wanted() -> None:
    """As Standard Webhooks has it."""
    assert POLICY.after(Answer(410), 0, now=0, chance=0.0) == Unwanted()


def test_a_receiver_may_ask_for_more_time_and_not_for_all_of_it() -> None:
    """`Retry-After`, up to a day."""
    assert POLICY.after(Answer(429, "", 600), 0, now=5, chance=0.0) == Again(5 + 600_000)
    assert POLICY.after(Answer(429, "", 10**9), 0, now=0, chance=0.0) == Again(24 * HOUR)


@dataclass
class FakePoster:
    """Answers what it is told to, and remembers what was posted."""

    answers: dict[str, list[Answer]] = field(default_factory=dict)
    posted: list[str] = field(default_factory=list)
    hang: set[str] = field(default_factory=set)
    turns: dict[str, int] = field(default_factory=dict)
    """How many turns of the event loop a post takes, where it takes any."""

    async def post(self, url: str, event_id: str, body: bytes, traceparent: str = "") -> Answer:
        self.posted.append(event_id)
        for _turn in range(self.turns.get(event_id, 0)):
            await asyncio.sleep(0)
        if event_id in self.hang:
            await asyncio.Event().wait()
        answers = self.answers.get(event_id, [])
        return answers.pop(0) if answers else Answer(200)


@dataclass
class Office:
    """A courier with everything in memory."""

    now: int = 1_000
    deliveries: FakeDeliveries = field(default_factory=FakeDeliveries)
    endpoints: FakeEndpoints = field(default_factory=lambda: FakeEndpoints(Endpoint("https://example.com/hook")))
    poster: FakePoster = field(default_factory=FakePoster)
    disabled: list[str] = field(default_factory=list)
    ended: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    erased: FakeErasures = field(default_factory=FakeErasures)

    def courier(self) -> Courier:
        return Courier(
            deliveries=self.deliveries,
            endpoints=self.endpoints,
            poster=self.poster,
            now=lambda: self.now,
            policy=POLICY,
            look_seconds=0.01,
            renew_seconds=0.01,
            told=lambda outcome, *_: self.ended.put_nowait(outcome),
            on_disabled=self.disabled.append,
            chance=lambda: 0.0,
            erased=self.erased,
        )


async def test_a_failed_post_comes_again_and_then_what_is_behind_it() -> None:
    """Per document in order."""
    office = Office(poster=FakePoster({"one": [Answer(503)]}))
    courier = office.courier()
    await office.deliveries.keep([delivery("one", revision=1), delivery("two", revision=2)], office.now)
    assert await courier.once() == 1
    assert await courier.once() == 0
    office.now += POLICY.waits[0]
    assert await courier.once() == 1
    assert await courier.once() == 1
    assert office.poster.posted == ["one", "one", "two"]
    assert set(office.deliveries.state.values()) == {DeliveryState.DELIVERED}


async def test_a_post_that_hangs_holds_back_no_other_document() -> None:
    """Beside it all others are posted."""
    office = Office(poster=FakePoster(hang={"slow"}))
    await office.deliveries.keep([delivery("slow", "cust-1")], office.now)
    await office.deliveries.keep([delivery(f"d{n}", f"cust-{n}") for n in range(2, 30)], office.now)
    working = asyncio.create_task(office.courier().work(asyncio.Event()))
    try:
        async with asyncio.timeout(30):
            for _post in range(28):
                assert await office.ended.get() == "delivered"
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    assert office.deliveries.state["slow"] is DeliveryState.PENDING


async def test_a_post_that_takes_long_is_held_anew() -> None:
    """Nobody else posts it meanwhile; what has ended is let go."""
    office = Office(poster=FakePoster(hang={"slow"}))
    await office.deliveries.keep([delivery("slow", "cust-1"), delivery("quick", "cust-2")], office.now)
    working = asyncio.create_task(office.courier().work(asyncio.Event()))
    try:
        async with asyncio.timeout(30):
            assert await office.ended.get() == "delivered"
            held = {await office.deliveries.held_anew.get()}
            held_later = [await office.deliveries.held_anew.get() for _ in range(3)]
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    assert held <= {"slow", "quick"}
    assert held_later[-2:] == ["slow", "slow"]


async def test_posts_that_end_soon_after_each_other_are_followed_by_one_look() -> None:
    """Not by one each: a look goes over all that waits."""
    office = Office(poster=FakePoster(turns={f"d{n}": 5 * n for n in range(40)}))
    await office.deliveries.keep([delivery(f"d{n}", f"cust-{n}") for n in range(40)], office.now)
    stop = asyncio.Event()
    working = asyncio.create_task(office.courier().work(stop))
    try:
        async with asyncio.timeout(30):
            for _post in range(40):
                assert await office.ended.get() == "delivered"
            looks = office.deliveries.looks
            stop.set()
            await working
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    assert looks <= 10


async def test_a_url_that_was_not_failing_is_not_told_that_it_has_taken_one() -> None:
    """That would be one write for each delivery; one that was failing is."""
    office = Office(poster=FakePoster({"one": [Answer(500)]}))
    courier = office.courier()
    await office.deliveries.keep([delivery("one"), delivery("two", "cust-2")], office.now)
    assert await courier.once() == 2
    assert office.endpoints.takings == 0
    office.now += POLICY.waits[0]
    assert await courier.once() == 1
    assert office.endpoints.takings == 1
    assert office.endpoints.endpoint == Endpoint("https://example.com/hook")


async def test_what_is_being_posted_is_finished_at_the_end() -> None:
    """Told to stop, it takes nothing new."""
    office = Office()
    stop = asyncio.Event()
    await office.deliveries.keep([delivery("one")], office.now)
    working = asyncio.create_task(office.courier().work(stop))
    async with asyncio.timeout(30):
        assert await office.ended.get() == "delivered"
        stop.set()
        await working
    assert office.deliveries.state["one"] is DeliveryState.DELIVERED


async def test_after_long_failure_the_url_is_left_alone_and_what_waits_is_kept() -> None:
    """One success begins the time anew."""
    office = Office(poster=FakePoster({"one": [Answer(500)] * 3}))
    courier = office.courier()
    await office.deliveries.keep([delivery("one")], office.now)
    await courier.once()
    office.now += POLICY.disable_after
    await courier.once()
    assert office.disabled == [FAILED_LONG]
    assert office.endpoints.endpoint is not None
    assert not office.endpoints.endpoint.enabled
    office.now += 100 * HOUR
    assert await courier.once() == 0
    assert office.deliveries.state["one"] is DeliveryState.PENDING


async def test_gone_disables_the_url_at_once_and_costs_no_try() -> None:
    """The delivery waits for a person."""
    office = Office(poster=FakePoster({"one": [Answer(410)]}))
    await office.deliveries.keep([delivery("one")], office.now)
    await office.courier().once()
    assert office.disabled == [UNWANTED]
    assert office.deliveries.rows["one"].tries == 0


def told(revision: int = 3, event_id: str = "told_1") -> Record:
    row = {
        "_id": event_id,
        "type": "customer.changed",
        "kind": "customer",
        "document": "cust-1",
        "revision": revision,
        "at": 1_700_000_000_000,
        "fields": {"phone": "+40700000002"},
        "cause": {"by": "salesforce"},
    }
    key, value, headers = record_of(row)
    return Record(topics.PLATFORM_CHANGES, 0, 0, key, value, cloudevents.read(headers), 5, headers)


async def test_a_record_of_the_topic_is_kept_as_it_stands() -> None:
    """Its bytes are what is signed; a second one is a duplicate."""
    office = Office()
    keeper = Keeper(office.deliveries, office.endpoints, FakeParked(), lambda: office.now)
    first, second = await keeper.handle([told(), told()])
    assert (first.outcome, second) == (Outcome.APPLIED, KEPT_BEFORE)
    (kept,) = office.deliveries.rows.values()
    assert (kept.kind, kept.document_id, kept.revision) == ("customer", "cust-1", 3)
    assert orjson.loads(kept.body)["data"]["changed"] == ["phone"]


async def test_without_a_url_nothing_is_kept() -> None:
    """The topic is there for others; nothing heaps up."""
    office = Office(endpoints=FakeEndpoints())
    keeper = Keeper(office.deliveries, office.endpoints, FakeParked(), lambda: office.now)
    assert await keeper.handle([told()]) == [NO_URL]
    assert not office.deliveries.rows


async def test_what_a_newer_release_tells_is_parked() -> None:
    """It is written with the number of its format; one of before that is of the first."""
    office, parked = Office(), FakeParked()
    keeper = Keeper(office.deliveries, office.endpoints, parked, lambda: office.now)
    written = told()
    assert written.headers[cloudevents.DATA_SCHEMA] == "urn:tandem:platform-change:1"
    of_before = {name: text for name, text in written.headers.items() if name != cloudevents.DATA_SCHEMA}
    newer = {**of_before, cloudevents.ID: "told_2", cloudevents.DATA_SCHEMA: "urn:tandem:platform-change:2"}
    ends = await keeper.handle([replace(written, headers=each) for each in (of_before, newer)])
    assert [(end.outcome, end.reason) for end in ends] == [(Outcome.APPLIED, ""), (Outcome.PARKED, "newer_format")]
    (row,) = parked.rows.values()
    assert "is of format 2, and this release reads up to 1" in row.detail


@pytest.mark.parametrize("set_up", [True, False])
async def test_what_was_published_again_by_a_person_is_told_how_it_ended(set_up: bool) -> None:
    """Else its row in the list of what is parked waits for ever."""
    office, parked = Office(), FakeParked()
    keeper = Keeper(office.deliveries, office.endpoints if set_up else FakeEndpoints(), parked, lambda: office.now)
    first = told()
    headers = marks.for_redrive(first.raw_headers, marks.Redriven("platform.changes:0:7", 2), 5)
    (end,) = await keeper.handle([replace(first, headers=cloudevents.read(headers), raw_headers=headers)])
    (ended,) = parked.concluded
    assert (ended.redriven, ended.outcome) == (marks.Redriven("platform.changes:0:7", 2), end.outcome)


async def test_what_cannot_be_read_is_parked() -> None:
    """Somebody else's record in our topic."""
    office, parked = Office(), FakeParked()
    keeper = Keeper(office.deliveries, office.endpoints, parked, lambda: office.now)
    strange = Record(topics.PLATFORM_CHANGES, 0, 7, b"k", b"{}", {cloudevents.ID: "x"}, 5, [])
    (end,) = await keeper.handle([strange])
    assert (end.outcome, end.reason) == (Outcome.PARKED, "undecodable")
    assert list(parked.rows) == [(topics.PLATFORM_CHANGES, 0, 7)]


async def test_of_an_erased_person_nothing_is_kept_and_nothing_parked() -> None:
    """Whatever was told while nobody delivered, and also what cannot be read, by its key."""
    office, parked = Office(), FakeParked()
    keeper = Keeper(office.deliveries, office.endpoints, parked, lambda: office.now, office.erased)
    await office.erased.ask("customer", "cust-1", 1, "a test")
    strange = Record(topics.PLATFORM_CHANGES, 0, 7, b"customer:cust-1", b"Ada", {cloudevents.ID: "x"}, 5, [])
    assert await keeper.handle([told(), strange]) == [FORGOTTEN, FORGOTTEN]
    assert not office.deliveries.rows
    assert not parked.rows


async def test_what_waits_of_somebody_who_is_erased_is_never_posted() -> None:
    """It goes; what waits of others is posted."""
    office = Office()
    await office.deliveries.keep([delivery("hers"), delivery("his", "cust-2")], office.now)
    await office.erased.ask("customer", "cust-1", 1, "a test")
    assert await office.courier().once() == 1
    assert office.poster.posted == ["his"]
    assert office.deliveries.rows.keys() == {"his"}
