"""Every edge as a function of bytes that returns whatever the bytes are, and says what is wrong with what came of them.

What an edge may raise is what its documentation names; everything else is a finding, and so is an answer that is none.
"""

import base64
import hmac
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import orjson
from aiohttp import HttpVersion11
from multidict import CIMultiDict

from adapters.salesforce import soql
from adapters.salesforce.bulk import SalesforceBulk
from adapters.salesforce.bulk_query import BulkQueries, Place, QueryFailed
from adapters.salesforce.calls import Stream
from adapters.salesforce.errors import CallFailed
from adapters.salesforce.grants import read_grant
from adapters.salesforce.records import SalesforceRecords
from adapters.salesforce.replies import Reply
from adapters.salesforce.rest import Rest
from adapters.salesforce.retry import QuickRetries
from adapters.salesforce.settings import SalesforceSettings
from consumers.catalog import Catalog
from consumers.reconciler.incoming import read
from listener.changes import bayeux
from listener.changes.bayeux import Advice, BadReply, Refusal
from listener.changes.buffer import Event
from listener.changes.records import batch_of
from listener.webhook.handler import Webhook
from listener.webhook.settings import WebhookSettings
from ops.sync.commands import Commands
from schemas import topics
from schemas.bulk import BulkLoad, BulkOperation
from schemas.log_record import Record
from schemas.mapping_reading import InvalidMapping, parse_mapping
from schemas.mapping_yaml import dump_mapping, load_mapping
from schemas.outcome import Outcome, Result
from schemas.presets import preset
from schemas.records import RecordUpdate
from schemas.session import LoginFailed, Session
from schemas.sync_run import Run
from schemas.transforms import InvalidValue
from schemas.unavailable import Unavailable
from support.fake_documents import FakeDocuments, FakeParked
from support.fakes_webhook import KEY, SECRET, SOURCE, FakeEventLog
from support.fuzzing.mutator import Mutator, recorded
from support.sync_stage import START, Stage

Edge = Callable[[bytes], Awaitable[None]]

MAPPING: Final = preset("ticketing")
RECORDS_KEPT: Final = 200
"""After so many inputs the stores of a stage are emptied, so that no input costs more for those before it."""
IDS: Final = ("003000000000001AAA", "003000000000002AAQ")


_CONTACT: Final = re.compile(rb"003Td[0-9]{10}IAA")


class Finding(AssertionError):
    """Something came of an input that must not."""


def check(holds: bool, what: str) -> None:
    """Raise a finding where it does not hold."""
    if not holds:
        raise Finding(what)


# The webhook


@dataclass
class Content:
    """A body that came along with its headers."""

    whole: bytes

    def is_eof(self) -> bool:
        return True

    def exception(self) -> None:
        return None

    def read_nowait(self) -> bytes:
        return self.whole


@dataclass
class Request:
    """What the handler looks at of a request."""

    content: Content
    headers: CIMultiDict[str]
    method: str = "POST"
    keep_alive: bool = True
    version: Any = HttpVersion11
    transport: None = None

    @property
    def content_length(self) -> int:
        return len(self.content.whole)


class WebhookEdge:
    """A signed body: 202 and a record that the reconciler can end somehow, or a 4xx that holds none of its values."""

    def __init__(self, seed: int) -> None:
        del seed
        catalog = Catalog(MAPPING)
        self.log = FakeEventLog()
        self.catalog = catalog
        self.statuses: dict[int, int] = {}

        def kind(type_: str) -> str | None:
            mapped = catalog.event(type_)
            return mapped.kind.name if mapped else None

        settings = WebhookSettings(secrets={SOURCE: SECRET}, port=0)
        self.webhook = Webhook(
            settings=settings,
            log=self.log,
            kind_of_event=kind,
            answered=lambda *_: None,
            notice=lambda *_args, **_fields: None,
            clock=lambda: START,
        )

    async def __call__(self, raw: bytes) -> None:
        request = Request(Content(raw), CIMultiDict(_signed(raw)))
        response = await self.webhook.answer(SOURCE, request)  # type: ignore[arg-type]
        self.statuses[response.status] = self.statuses.get(response.status, 0) + 1
        check(response.status in {202, 400, 413}, f"answered {response.status}")
        if response.status == 202:
            made = self.log.records.pop()
            check(made.value == raw, "another body is in the log than was posted")
            read(_record(topics.PLATFORM_EVENTS, made.key, made.value), self.catalog)
        check(not self.log.records, "a refused event is in the log")


def _signed(raw: bytes) -> dict[str, str]:
    at = str(START // 1000)
    digest = hmac.digest(KEY, f"msg_1.{at}.".encode() + raw, "sha256")
    return {
        "Content-Type": "application/json",
        "webhook-id": "msg_1",
        "webhook-timestamp": at,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


# Kafka's records


def _record(topic: str, key: bytes, value: bytes | None, offset: int = 0) -> Record:
    headers = {"ce_id": "msg-1", "ce_receivedat": str(START)}
    raw_headers = [(name, text.encode()) for name, text in headers.items()]
    return Record(topic, 0, offset, key, value, headers, START, raw_headers=raw_headers)


class StageEdge:
    """A record of a topic, between two good ones: it ends in one of the seven ways, and they are taken in."""

    def __init__(self, seed: int) -> None:
        del seed
        self.inputs = 0
        self.outcomes: dict[str, int] = {}
        self._renew()

    def _renew(self) -> None:
        self.stage = Stage(FakeDocuments())
        self.stage.catalog = Catalog(MAPPING)

    async def __call__(self, raw: bytes) -> None:
        self.inputs += 1
        if self.inputs % RECORDS_KEPT == 0:
            self._renew()
        await self.take(raw)

    async def take(self, raw: bytes) -> None:
        """The edge itself."""
        raise NotImplementedError

    def told(self, results: list[Result], count: int) -> None:
        """Each has ended, those beside the broken one well."""
        check(len(results) == count, "not one end for each record")
        for result in results:
            check(isinstance(result.outcome, Outcome), "no outcome")
        self.outcomes[results[1].outcome] = self.outcomes.get(results[1].outcome, 0) + 1
        check(results[0].outcome is Outcome.APPLIED, f"the record before it ended as {results[0]}")
        check(results[2].outcome is Outcome.APPLIED, f"the record behind it ended as {results[2]}")

    def neighbour(self, title: str) -> Record:
        """A good platform event."""
        self.stage.now += 10
        return self.stage.event({"last_name": "Good", "title": title}, id_=f"good-{self.inputs}", changed=["title"])


class PlatformEdge(StageEdge):
    """`platform.events`, through the whole reconciler."""

    async def take(self, raw: bytes) -> None:
        self.stage.now += 10
        bad = _record(topics.PLATFORM_EVENTS, b"\xff\x00", raw, self.inputs)
        results = await self.stage.reconciler.handle([self.neighbour("before"), bad, self.neighbour("behind")])
        self.told(list(results), 3)


class ChangesEdge(StageEdge):
    """`salesforce.changes`, through the whole reconciler, of records that are linked to documents."""

    def _renew(self) -> None:
        super()._renew()
        self.linked = False

    async def take(self, raw: bytes) -> None:
        if not self.linked:
            for number in range(3):
                await self.stage.post({"last_name": "Linked", "title": "CTO"}, id_=f"c-{number}")
            await self.stage.settle()
            self.linked = True
        linked = list(self.stage.salesforce.rows["Contact"])
        raw = _CONTACT.sub(lambda found: linked[found[0][-4] % len(linked)].encode(), raw)
        bad = _record(topics.SALESFORCE_CHANGES, b"\xff", raw, self.inputs)
        results = await self.stage.reconciler.handle([self.neighbour("before"), bad, self.neighbour("behind")])
        self.told(list(results), 3)
        self.stage.doorbells.rung.clear()


class DoorbellsEdge(StageEdge):
    """`salesforce.writes`, through the writer."""

    async def take(self, raw: bytes) -> None:
        await self.stage.reconciler.handle([self.neighbour("before"), self.neighbour("before")])
        bells, self.stage.doorbells.rung[:] = self.stage.doorbells.rung[:1], []
        good = [_record(topics.SALESFORCE_WRITES, key, value) for key, value in bells]
        bad = _record(topics.SALESFORCE_WRITES, b"", raw, self.inputs)
        results = await self.stage.writer.handle([*good, bad, *good])
        self.told(list(results), 3)


class Runs:
    """`tandem_runs`, of which none is worked at."""

    async def add(self, run: Run) -> bool:
        """As the port."""
        return bool(run.id)


class CommandsEdge(StageEdge):
    """`tandem.commands`."""

    async def take(self, raw: bytes) -> None:
        handler = Commands(Runs(), FakeParked(), lambda: self.stage.catalog, lambda: START)
        good = _record(topics.COMMANDS, b"run-1", b'{"id":"run-1","what":"contacts","by":"ana"}')
        results = await handler.handle([good, _record(topics.COMMANDS, b"", raw, 1), good])
        self.told(list(results), 3)


# Salesforce's answers


class CometdEdge:
    """A body of the streaming endpoint: a reply with records that the reconciler can end somehow, or a lost reply."""

    def __init__(self, seed: int) -> None:
        del seed
        self.catalog = Catalog(MAPPING)
        self.events = 0

    async def __call__(self, raw: bytes) -> None:
        try:
            reply = bayeux.read_reply(raw)
        except BadReply as bad:
            check(len(str(bad)) < 100, "a message that quotes the body")
            return
        advice = Advice()
        for meta in reply.meta:
            advice = advice.merged(meta.advice)
            check(
                0 <= advice.interval <= 60_000 and 0 < advice.timeout <= 600_000, f"advice out of all reason: {advice}"
            )
            bayeux.asks_for_login(meta)
            bayeux.ends_session(meta)
            bayeux.ending_of(meta, advice)
            bayeux.is_position_refused(meta.error or Refusal(0, "", ""))
            str(meta.why)
        events = [Event(each.channel, each.replay_id, each.data, START) for each in reply.deliveries]
        left = events
        while left:
            batch = batch_of(left, "00D000000000001EAA", 10, {})
            check(batch.events > 0, "a batch of nothing")
            check(len(batch.records) >= batch.events, "an event without a record")
            left = left[batch.events :]
            for made in batch.records:
                self.events += 1
                read(_record(topics.SALESFORCE_CHANGES, made.key, made.value), self.catalog)
                check(all(isinstance(value, bytes) for _name, value in made.headers), "a header that is no bytes")


class FuzzedRest(Rest):
    """REST whose every answer is the input, with some status; its streams are the input in blocks."""

    def __init__(self, chance: random.Random) -> None:
        settings = SalesforceSettings(client_id="a", client_secret="b", login_url="https://acme.my.salesforce.com")
        super().__init__(None, FixedLogin(), settings, now=lambda: START)  # type: ignore[arg-type]
        self.chance = chance
        self.raw = b""

    async def _send(self, *_request: Any) -> Reply:
        status = self.chance.choice((200, 200, 200, 200, 201, 300, 400, 401, 403, 404, 429, 500, 503))
        dates = (
            "Sun, 22 Nov 2026 10:00:00 GMT",
            "Sun, 22 Nov 2026 10:00:00 GMT",
            "never",
            "Sun, 99 Nov 99999 10:00:00",
        )
        return Reply(status, {"Date": self.chance.choice(dates)}, self.raw, START)

    @asynccontextmanager
    async def stream(self, _path: str, *, params: Mapping[str, str] | None = None) -> AsyncIterator[Stream]:
        """The input, cut anywhere."""
        del params
        cut = self.chance.randint(0, len(self.raw))

        async def blocks() -> AsyncIterator[bytes]:
            for block in (self.raw[:cut], self.raw[cut:]):
                yield block

        yield Stream({"Sforce-NumberOfRecords": self.chance.choice(("0", "1", "2", "x", "9" * 5_000))}, blocks())


class FixedLogin:
    """Always logged in."""

    async def current(self) -> Session:
        """As the port."""
        return Session("https://acme.my.salesforce.com", "token")

    async def renew(self, refused: Session) -> Session:
        """As the port."""
        return refused


async def _no_wait(_seconds: float) -> None:
    return


class RestEdge:
    """An answer of REST: an outcome for each row, rows, or `Unavailable`; of a login, a grant or `LoginFailed`."""

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        self.rest = FuzzedRest(chance)
        self.records = SalesforceRecords(self.rest, retries=QuickRetries(), chance=chance.random, sleep=_no_wait)
        self.answered = 0

    async def __call__(self, raw: bytes) -> None:
        self.rest.raw = raw
        updates = [RecordUpdate({"Title": "x"}, record_id=IDS[0]), RecordUpdate({"Title": "y"}, record_id=IDS[1])]
        made = [RecordUpdate({"Title": "x"}, external_id="c-1")]
        for asked, rows in (
            (lambda: self.records.update("Contact", updates), 2),
            (lambda: self.records.upsert("Contact", "Tandem_Customer_Id__c", made), 1),
            (lambda: self.records.delete("Contact", IDS), 2),
        ):
            check(len(await asked()) == rows, "not one outcome for each row")
        questions: list[Callable[[], Awaitable[object]]] = [
            lambda: self.records.read("Contact", IDS, ["Title"]),
            lambda: self.records.find("Contact", "Tandem_Customer_Id__c", ["c-1"]),
            lambda: self.records.match("Contact", "Email", ["a@x.io"], ["Email"]),
            lambda: self.records.successors("Contact", IDS),
            lambda: self.records.conversions("Lead", ["00Q000000000001AAA"]),
        ]
        for question in questions:
            try:
                await question()
                self.answered += 1
            except Unavailable:
                continue
        asks: list[Callable[[], Awaitable[object]]] = [
            self.rest.limits,
            self.rest.versions,
            lambda: self.rest.describe("Contact"),
        ]
        for ask in asks:
            try:
                await ask()
            except CallFailed:
                continue
        try:
            read_grant(200, raw, login_url="https://login.salesforce.com")
        except LoginFailed:
            return


class CsvEdge:
    """The lists of a Bulk job and the pages of a query: rows, or `Unavailable`."""

    TYPES: Final = {"Email": "double", "LastName": "int", "Phone": "boolean", "Title": "datetime", "sf__Id": "long"}

    def __init__(self, seed: int) -> None:
        self.rest = FuzzedRest(random.Random(seed))
        self.bulk = SalesforceBulk(self.rest)
        self.queries = BulkQueries(self.rest, sleep=_no_wait)
        self.rows = 0

    async def __call__(self, raw: bytes) -> None:
        self.rest.raw = raw
        load = BulkLoad("Contact", BulkOperation.UPSERT, "Tandem_Customer_Write__c", "Tandem_Customer_Id__c")
        try:
            async for outcome in self.bulk.outcomes("750000000000001AAA", load):
                self.rows += bool(outcome.key)
        except Unavailable:
            pass
        try:
            async for batch in self.queries._page("750000000000001AAA", self.TYPES, Place()):
                self.rows += len(batch.rows)
        except (Unavailable, QueryFailed):
            return


# The mapping, and the values that it says what to do with


class MappingEdge:
    """A person's YAML: a mapping that is written and read back as it was, or a list of what is wrong."""

    def __init__(self, seed: int) -> None:
        del seed
        self.good = 0

    async def __call__(self, raw: bytes) -> None:
        try:
            mapping = load_mapping(raw.decode("utf-8", "replace"))
        except InvalidMapping as wrong:
            check(bool(wrong.problems), "refused without a reason")
            return
        self.good += 1
        check(load_mapping(dump_mapping(mapping)) == mapping, "written and read back it is another mapping")
        Catalog(mapping)


class StoredMappingEdge:
    """A mapping as it is stored: the same, from plain values."""

    def __init__(self, seed: int) -> None:
        del seed
        self.good = 0

    async def __call__(self, raw: bytes) -> None:
        try:
            values = orjson.loads(raw)
        except orjson.JSONDecodeError:
            return
        try:
            Catalog(parse_mapping(values))
            self.good += 1
        except InvalidMapping as wrong:
            check(bool(wrong.problems), "refused without a reason")


class ValuesEdge:
    """Any JSON value in any mapped field: a form for either side and a key, or a reason without the value."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        kinds = [*Catalog(MAPPING).kinds.values(), *Catalog(preset("hackathon")).kinds.values()]
        self.rules = [rule for kind in kinds for rule in kind.fields]

    async def __call__(self, raw: bytes) -> None:
        try:
            value = orjson.loads(raw)
        except orjson.JSONDecodeError:
            return
        for rule in self.chance.sample(self.rules, 3):
            hash(rule.values.key(value))
            shown = rule.values.pull(value)
            check(rule.same(shown, value), f"{rule.dotted}: shown, it is another value")
            try:
                written = rule.values.push(value)
            except InvalidValue as wrong:
                check(len(str(wrong)) < 400, "a reason that quotes the value")
                continue
            check(rule.same(written, value), f"{rule.dotted}: written, it is another value")
            soql.quote(str(written).encode("utf-8", "replace").decode())


@dataclass(frozen=True)
class Target:
    """An edge, and how its inputs are made."""

    name: str
    edge: Callable[[int], Edge]
    inputs: Callable[[int], Mutator]
    share: int
    """Of a thousand; what costs much has few."""


def _json(name: str) -> Callable[[int], Mutator]:
    return lambda seed: Mutator(seed, recorded(name))


def _values(seed: int) -> Mutator:
    """Everything that stands as a value in the recorded events."""
    texts = [
        orjson.dumps(value) for raw in recorded("webhook") for value in orjson.loads(raw)["data"]["fields"].values()
    ]
    return Mutator(seed, texts)


def _yaml(seed: int) -> Mutator:
    return Mutator(seed, [dump_mapping(preset(name)).encode() for name in ("customers", "hackathon")], structured=False)


def _stored(seed: int) -> Mutator:
    return Mutator(seed, [orjson.dumps(preset("customers").model_dump(mode="json", exclude_defaults=True))])


TARGETS: Final = (
    Target("webhook", WebhookEdge, _json("webhook"), 345),
    Target("platform.events", PlatformEdge, _json("webhook"), 40),
    Target("salesforce.changes", ChangesEdge, _json("changes"), 40),
    Target("salesforce.writes", DoorbellsEdge, _json("doorbells"), 15),
    Target("tandem.commands", CommandsEdge, _json("commands"), 100),
    Target("cometd", CometdEdge, _json("cometd"), 250),
    Target("rest", RestEdge, _json("rest"), 40),
    Target("csv", CsvEdge, lambda seed: Mutator(seed, recorded("csv"), structured=False), 90),
    Target("values", ValuesEdge, _values, 70),
    Target("mapping", StoredMappingEdge, _stored, 9),
    Target("mapping.yaml", MappingEdge, _yaml, 1),
)
