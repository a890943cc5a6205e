"""What is parked, for whoever shows it: found, redriven and discarded, record by record and write by write."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from adapters.mongo.operations import MongoOperations
from adapters.mongo.parked import ParkedQueue, Wanted
from consumers.catalog import Catalog
from consumers.ports import Documents, ErasedList, SyncLog
from consumers.reconciler.rehearsal import Rehearsal
from consumers.rules.kinds import Kind
from consumers.rules.redrive import send_again
from consumers.rules.retry import RetryPolicy
from consumers.rules.state import DocumentState
from consumers.rules.stored import load
from consumers.rules.timing import Timing
from consumers.rules.writes import due_at
from consumers.writer.desk import Desk
from consumers.writer.visit import Visit
from ops.parked_items import Item, item_of_record, item_of_write, record_of, refused_document
from schemas import marks, topics
from schemas.cloudevents import Headers
from schemas.outcome import Outcome


class CannotDo(Exception):
    """Why nothing was done, in one line that holds no value of a field."""


class Publisher(Protocol):
    """Puts records into topics."""

    async def deliver(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        """Return once the record is in the topic for good.

        Raises:
            Unavailable: not acknowledged in time; it may be there.
            ValueError: no topic of ours would ever take it.
        """


@dataclass(slots=True)
class Count:
    """How many, and since when (epoch milliseconds)."""

    number: int = 0
    oldest: int = 0
    newest: int = 0


@dataclass(slots=True)
class Found:
    """The oldest of what was asked for, or the newest, and how many there are of each reason and topic."""

    items: list[Item] = field(default_factory=list)
    counts: dict[tuple[str, str], Count] = field(default_factory=dict)
    more: bool = False
    """There are more than were counted: `number` and `counts` are at least so many."""

    @property
    def number(self) -> int:
        """How many there are in all."""
        return sum(count.number for count in self.counts.values())


NO_SUCH: Final = "there is nothing of this id"
OURS: Final = topics.EVERY
CLOSED: Final = "it is closed already: "


@dataclass(frozen=True, slots=True)
class Parking:
    """The queue and what is done about it. `now` gives epoch milliseconds; `who` does it, and `note` says why."""

    queue: ParkedQueue
    documents: Documents
    erasures: ErasedList | None
    operations: MongoOperations
    log: SyncLog
    catalog: Catalog
    timing: Timing
    now: Callable[[], int]

    async def find(self, wanted: Wanted, limit: int, most: int = 0, *, newest: bool = False) -> Found:
        """What is parked: the oldest `limit` of it, the oldest first; with `newest` the newest, the newest first.

        With `most` so many are counted, of the records and of each kind's writes, and no more are looked at.

        Raises:
            CannotDo: there is no such kind.
            Unavailable: MongoDB does not answer.
        """
        found, first = Found(), _newest if newest else _oldest
        async for item in self._all(wanted, found, most, newest):
            count = found.counts.setdefault((item.reason, item.topic), Count(oldest=item.last_at))
            count.number += 1
            count.oldest, count.newest = min(count.oldest, item.last_at), max(count.newest, item.last_at)
            found.items.append(item)
            if len(found.items) >= 2 * limit:
                found.items = first(found.items, limit)
        found.items = first(found.items, limit)
        return found

    async def by_ids(self, ids: Sequence[str]) -> list[Item]:
        """These, in the order in which they were parked.

        Raises:
            CannotDo: one is not there.
            Unavailable: MongoDB does not answer.
        """
        found = {item.id: item for item in [await self._by_id(one) for one in dict.fromkeys(ids)]}
        return _oldest(list(found.values()), len(found))

    async def row(self, item: Item) -> Mapping[str, Any]:
        """All that is kept of it: the parked record with its bytes, or the document's refusal and link."""
        if item.is_write:
            kind = self._kind(item.kind)
            document = (await self.documents.read(kind.collection, [item.document])).get(item.document)
            witnesses = await self.queue.witnesses(item.kind, item.document)
            return {**(refused_document(document) if document else {}), "rows": witnesses}
        return await self.queue.record(item.id) or {}

    async def foretell(self, items: Sequence[Item]) -> AsyncIterator[tuple[Item, str]]:
        """What a redrive of each would come to, as things are; nothing is changed.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        rehearsal = Rehearsal(self.documents, self.erasures, self.catalog, self.timing, self.now)
        for item in items:
            if item.is_write:
                yield item, "would be sent again, with what is due by then"
                continue
            row = await self.queue.record(item.id)
            if row is None:
                yield item, NO_SUCH
            elif item.topic == topics.SALESFORCE_WRITES:
                yield item, "would have the writer look at it again"
            elif item.topic not in topics.ALL:
                yield item, "would be handled again"
            else:
                (told,) = await rehearsal.decide([record_of(row, item.attempts + 1)])
                result = told.result
                end = "be parked again" if result.outcome is Outcome.PARKED else f"end as {result.outcome}"
                yield item, f"would {end}{f': {result.reason}' if result.reason else ''}"

    async def redrive(self, item: Item, publisher: Publisher, *, who: str, note: str) -> str:
        """Publish a parked record again, or let a refused write go out again; what was done, in words.

        An operator's row says so before anything happens. A record that is published and not marked, since this process
        was killed between the two, comes to its end all the same, and twice is as good as once.

        Raises:
            Unavailable: MongoDB or Kafka does not answer; it may have been published.
        """
        operation = await self._begin("redrive", item, who=who, note=note)
        told = await (self._send_again(item, who, note) if item.is_write else self._publish(item, publisher, who, note))
        await self.operations.end(operation, {"result": told})
        return told

    async def discard(self, item: Item, *, who: str, note: str) -> str:
        """Close it by a person's word; what was done, in words. A refused write's document is not touched.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        operation = await self._begin("discard", item, who=who, note=note)
        at = self.now()
        if item.is_write:
            document = await self._refused(item)
            if document is None:
                told = "is refused no more"
            else:
                refusal = document["_sync"]["refusal"]
                await self.queue.discard_write(item.kind, item.document, refusal, by=who, note=note, at=at)
                told = "discarded; the document stays as it is until one of its values changes"
        else:
            done = await self.queue.discard(item.id, by=who, note=note, at=at)
            told = "discarded" if done else await self._why_closed(item)
        await self.operations.end(operation, {"result": told})
        return told

    async def end_of(self, item: Item) -> str | None:
        """How a redriven one has ended, in words; None while nobody knows.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        if item.is_write:
            kind = self._kind(item.kind)
            document = (await self.documents.read(kind.collection, [item.document])).get(item.document)
            if document is None:
                return "there is no such document any more"
            state = load(document, item.document, kind)
            if state.refusal is not None:
                return f"refused again: {state.refusal.code}"
            return "written, or nothing was due" if due_at(state, kind, self.timing, now=self.now()) is None else None
        row = await self.queue.record(item.id)
        if row is None:
            return NO_SUCH
        if row["state"] == "resolved":
            reason = row.get("outcome_reason", "")
            return f"{row.get('outcome')}{f': {reason}' if reason else ''}"
        if row["state"] == "parked" and row.get("attempts", 1) > item.attempts:
            return f"parked again: {row['reason']}"
        return None

    async def _all(self, wanted: Wanted, found: Found, most: int, newest: bool) -> AsyncIterator[Item]:
        kinds = [self._kind(wanted.kind)] if wanted.kind else list(self.catalog.kinds.values())
        number = 0
        async for row in self.queue.records(wanted, most, newest=newest):
            number += 1
            yield item_of_record(row)
        found.more |= bool(most) and number == most
        if not wanted.takes_writes():
            return
        for kind in kinds:
            number = 0
            async for document in self.queue.refused(kind.collection, wanted, kind.name, most, newest=newest):
                number += 1
                item = item_of_write(document, kind)
                if wanted.key in ("", item.key, item.id):
                    yield item
            found.more |= bool(most) and number == most

    async def _by_id(self, given: str) -> Item:
        row = await self.queue.record(given)
        if row is not None and not (row["topic"] == topics.SALESFORCE_WRITES and row.get("document")):
            return item_of_record(row)
        if row is not None:
            kind, document_id = row["kind"], row["document"]
            if row["reason"] == "document_refused":
                return item_of_record(row)
        else:
            kind, _, document_id = given.partition(":")
        if kind not in self.catalog.kinds or not document_id:
            raise CannotDo(
                f"{given}: {NO_SUCH}; a parked record is <topic>:<partition>:<offset>, a refused write <kind>:<id>"
            )
        of_kind = self.catalog.kinds[kind]
        document = (await self.documents.read(of_kind.collection, [document_id])).get(document_id)
        if document is None:
            raise CannotDo(f"{given}: there is no {kind} {document_id} in {of_kind.collection}")
        if not document.get("_sync", {}).get("refusal"):
            raise CannotDo(f"{given}: no write of it is refused")
        return item_of_write(document, of_kind)

    async def _begin(self, what: str, item: Item, *, who: str, note: str) -> str:
        row = {
            "_id": f"{what}:{uuid.uuid4().hex}",
            "what": what,
            "item": item.id,
            "kind": item.kind,
            "document": item.document,
            "reason": item.reason,
            "by": who,
            "note": note,
            "at": self.now(),
            "result": "begun",
        }
        await self.operations.add([row])
        return str(row["_id"])

    async def _publish(self, item: Item, publisher: Publisher, who: str, note: str) -> str:
        row = await self.queue.record(item.id)
        if row is None:
            return NO_SUCH
        if row["topic"] not in OURS:
            return f"{row['topic']} is no topic of ours; discard it"
        attempt = row.get("attempts", 1) + 1
        if not await self.queue.note_redrive(item.id, attempt, by=who, note=note, at=self.now()):
            return await self._why_closed(item)
        record = record_of(row, attempt)
        headers = marks.for_redrive(record.raw_headers, marks.Redriven(item.id, attempt), record.timestamp)
        try:
            await publisher.deliver(row["topic"], record.key, record.value, headers)
        except ValueError as error:
            return f"not redriven: {error}"
        await self.queue.mark_redriven(item.id, attempt)
        return "redriven"

    async def _send_again(self, item: Item, who: str, note: str) -> str:
        kind = self._kind(item.kind)
        # Nobody rings here: what is due at once is due in the document at once, and the sweep's next round rings.
        timing = replace(self.timing, ring_again=0)
        desk = Desk(
            documents=self.documents,
            log=self.log,
            now=self.now,
            timing=timing,
            retry=RetryPolicy(),
            on_conflict=lambda _row: None,
            kinds=lambda: self.catalog.kinds,
        )
        told: list[str] = []

        def decide(visit: Visit, now: int) -> None:
            told[:] = [_sent(visit.state, kind, timing, now=now, refused=send_again(visit.state))]

        visit = Visit(kind, item.document)
        await desk.settle([visit], decide)
        if visit.found is None:
            return "there is no such document any more"
        if visit.refused:
            return f"MongoDB will not store the document: {visit.refused}; nothing was changed"
        await self.queue.mark_witnesses(item.kind, item.document, by=who, note=note, at=self.now())
        return told[0]

    async def _refused(self, item: Item) -> Mapping[str, Any] | None:
        kind = self._kind(item.kind)
        document = (await self.documents.read(kind.collection, [item.document])).get(item.document)
        return document if document and document.get("_sync", {}).get("refusal") else None

    async def _why_closed(self, item: Item) -> str:
        row = await self.queue.record(item.id)
        return NO_SUCH if row is None else f"{CLOSED}{row['state']}"

    def _kind(self, name: str) -> Kind:
        if name not in self.catalog.kinds:
            raise CannotDo(f'"{name}" is no kind of the mapping; there are: {", ".join(self.catalog.kinds)}')
        return self.catalog.kinds[name]


async def watch(
    parking: Parking,
    items: Sequence[Item],
    tell: Callable[[Item, str], None],
    wait: Callable[[], Awaitable[bool]],
) -> list[Item]:
    """Tell how redriven ones end, as they do; those that have not when `wait` says that it is enough.

    Raises:
        Unavailable: MongoDB does not answer.
    """
    waiting = list(items)
    while waiting:
        for item in list(waiting):
            end = await parking.end_of(item)
            if end is not None:
                tell(item, end)
                waiting.remove(item)
        if waiting and not await wait():
            break
    return waiting


def _oldest(items: list[Item], limit: int) -> list[Item]:
    return sorted(items, key=lambda item: (item.at, item.topic, item.order, item.id))[:limit]


def _newest(items: list[Item], limit: int) -> list[Item]:
    return sorted(items, key=lambda item: (item.last_at, item.topic, item.order, item.id), reverse=True)[:limit]


def _sent(state: DocumentState, kind: Kind, timing: Timing, *, now: int, refused: bool) -> str:
    if not refused:
        return "is refused no more"
    due = due_at(state, kind, timing, now=now)
    if due is None:
        return "cleared; nothing is due any more"
    return "sent again" if due <= now else "cleared; waits for its time"
