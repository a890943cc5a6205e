"""Records out of Kafka: one member of a consumer group, which never moves an offset by itself."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
)

from adapters.kafka.growth import METADATA_SECONDS, GroupOffsets, Handled, Hold, elders, note
from adapters.kafka.settings import KafkaSettings
from adapters.kafka.sizes import MAX_BATCH_BYTES
from schemas import cloudevents
from schemas.log_record import Record
from schemas.unavailable import Unavailable

Partition = tuple[str, int]

HELD_SECONDS = 0.2
"""How often it is looked whether a partition that a topic was given may be read."""

REBALANCE_MARGIN_SECONDS = 1.0
"""How much longer than asked a fetch may wait for a rebalance to end."""


class OffsetOutOfRange(Exception):
    """The log does not hold the record at which a partition goes on: a gap, to be recorded before anything else."""

    def __init__(self, partition: Partition, wanted: int, first: int, end: int, since: int = 0) -> None:
        """`since` is of when the last record is that was handled, epoch milliseconds; 0: not known."""
        super().__init__(
            f"{partition[0]}[{partition[1]}]: goes on at offset {wanted}, but the log holds {first} to {end - 1}"
            if first < end
            else f"{partition[0]}[{partition[1]}]: goes on at offset {wanted}, but the log is empty and ends at {end}"
        )
        self.partition = partition
        self.wanted = wanted
        self.first = first
        self.end = end
        self.since = since


OnGap = Callable[[OffsetOutOfRange], Awaitable[None]]
"""Keeps a gap for good, or raises: only when it has returned does the partition go on, from the first record there."""


class RebalanceListener(Protocol):
    """Who is told of partitions that go and come."""

    async def on_revoked(self, partitions: Collection[Partition]) -> None:
        """Awaited before these are given away; `commit` works."""

    async def on_assigned(self, partitions: Collection[Partition]) -> None:
        """Awaited before a record of these is fetched."""


class KafkaRecords(ConsumerRebalanceListener):  # type: ignore[misc]
    """The partitions that we own right now. Made by `open_consumer`.

    All awaiting is done in the caller's task, so a fetched record is in the caller's hands in the same step of the
    event loop in which it left the consumer: no revocation can come between.
    """

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        listener: RebalanceListener,
        request_seconds: float,
        on_gap: OnGap | None = None,
        offsets: GroupOffsets | None = None,
    ) -> None:
        """`offsets` tells what the group has committed; without it a topic that grows is not noticed."""
        self._offsets = offsets
        self._noted: dict[TopicPartition, int] = {}
        """How many partitions the topic had when the group began this one: noted with every offset."""
        self._handled = Handled()
        self._held: dict[TopicPartition, Hold] = {}
        self._looked = 0.0
        self._consumer = consumer
        self._on_gap = on_gap
        self._listener = listener
        self._seconds = request_seconds
        self._paused = False
        self._revocations = 0
        self._settled = asyncio.Event()
        """Set while the listener has been told of everything that is assigned."""

    async def fetch(self, max_records: int, timeout: float) -> list[Record]:
        """Up to `max_records`, in order for each partition; none if none came within `timeout` seconds.

        Raises:
            Unavailable: Kafka does not answer.
            OffsetOutOfRange: records that we have not had are gone, and nobody was named who keeps such a gap.
            KafkaError: it answers, and will not give us these records however often we ask.
        """
        await self._let_go_of_held()
        try:
            async with asyncio.timeout(timeout + REBALANCE_MARGIN_SECONDS):
                found = await self._consumer.getmany(timeout_ms=int(timeout * 1000), max_records=max_records)
                revocations = self._revocations
                while found and not self._settled.is_set():
                    await self._settled.wait()
        except TimeoutError:
            return []
        except NoOffsetForPartitionError:
            await self._begin_at_the_beginning()
            return []
        except OffsetOutOfRangeError as error:
            gap = await self._gap(error)
            if self._on_gap is None:
                raise gap from None
            await self._go_on_behind(gap, self._on_gap)
            return []
        except KafkaError as error:
            if not error.retriable:
                raise  # aiokafka's own tasks have ended, or we may not read this: waiting would be for ever
            raise _unavailable(error) from error
        if revocations != self._revocations:
            return []  # given away while we waited; whoever owns them now gets them
        for at, records in found.items():
            self._handled.fetched(at, records[-1].offset, records[-1].timestamp)
        return [as_record(one) for records in found.values() for one in records]

    def pause(self) -> None:
        """Fetch nothing until `resume`, but stay in the group."""
        if not self._paused:
            self._paused = True
            self._consumer.pause(*self._consumer.assignment())

    def resume(self) -> None:
        """End a pause."""
        if self._paused:
            self._paused = False
            self._consumer.resume(*(at for at in self._consumer.assignment() if at not in self._held))

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Store where each partition goes on. Partitions that are no longer ours are left to whoever owns them.

        Raises:
            Unavailable: not stored, or not known to be.
            KafkaError: we may not store it.
        """
        owned = self._consumer.assignment()
        ours = {TopicPartition(*at): offset for at, offset in offsets.items() if TopicPartition(*at) in owned}
        if not ours:
            return
        try:
            notes = await self._notes(ours)
            async with asyncio.timeout(self._seconds):
                await self._consumer.commit({at: (offset, notes[at]) for at, offset in ours.items()})
        except (GroupAuthorizationFailedError, TopicAuthorizationFailedError):
            raise
        except (KafkaError, OSError, TimeoutError) as error:
            raise _unavailable(error) from error

    async def lag(self) -> dict[Partition, int]:
        """Records not yet committed, for each partition that we own.

        Raises:
            Unavailable: Kafka does not answer.
        """
        owned = list(self._consumer.assignment())
        try:
            async with asyncio.timeout(self._seconds):
                ends = await self._consumer.end_offsets(owned)
                begins = await self._consumer.beginning_offsets(owned)
                committed = {at: await self._consumer.committed(at) for at in owned}
        except (KafkaError, OSError, TimeoutError) as error:
            raise _unavailable(error) from error
        return {(at.topic, at.partition): ends[at] - max(begins[at], committed[at] or 0) for at in owned}

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Called by aiokafka, which gives away everything at each rebalance."""
        self._settled.clear()
        self._revocations += 1
        self._held.clear()
        if revoked:
            await self._listener.on_revoked({(at.topic, at.partition) for at in revoked})
            self._handled.forget(revoked)

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Called by aiokafka once it knows what we own."""
        try:
            if self._paused:
                self._consumer.pause(*assigned)
            await self._listener.on_assigned({(at.topic, at.partition) for at in assigned})
        finally:
            self._settled.set()

    async def _begin_at_the_beginning(self) -> None:
        """Of partitions for which the group has no offset; of no others.

        Either it has never committed one, or the broker has forgotten what it had (`offsets.retention.minutes`, as long
        as topics are kept by default): where the log does not begin with its first record, that is a gap either way.
        """
        try:
            async with asyncio.timeout(self._seconds):
                owned = self._consumer.assignment()
                new = [at for at in owned if await self._consumer.committed(at) is None]
                begins = await self._consumer.beginning_offsets(new) if new else {}
                cut = [at for at in new if begins[at] and self._on_gap is not None]
                ends = await self._consumer.end_offsets(cut) if cut else {}
                whole = [at for at in new if at not in ends]
                if new:
                    await self._hold_what_is_younger(new)
                if whole:
                    await self._consumer.seek_to_beginning(*whole)
        except IllegalStateError:
            return  # given away meanwhile
        except (KafkaError, OSError, TimeoutError) as error:
            raise _unavailable(error) from error
        if self._on_gap is not None:
            for at in cut:
                gap = OffsetOutOfRange((at.topic, at.partition), 0, begins[at], ends[at])
                await self._go_on_behind(gap, self._on_gap)

    async def _hold_what_is_younger(self, new: Sequence[TopicPartition]) -> None:
        """Of partitions without an offset: those that the topic was given later wait for the older ones."""
        if self._offsets is None:
            return
        committed = await self._offsets.read({at.topic for at in new})
        for at in new:
            older = [TopicPartition(at.topic, number) for number in elders(at.partition, committed[at.topic])]
            if not older:
                continue
            begins, ends = await self._consumer.beginning_offsets(older), await self._consumer.end_offsets(older)
            hold = Hold({one.partition: ends[one] for one in older if begins[one] < ends[one]})
            if not hold.is_over(committed[at.topic]):
                self._held[at] = hold
                self._consumer.pause(at)

    async def _let_go_of_held(self) -> None:
        """Look now and then whether the group has handled what lay before the records of partitions that are held."""
        now = asyncio.get_running_loop().time()
        if not self._held or self._offsets is None or now - self._looked < HELD_SECONDS:
            return
        self._looked = now
        committed = await self._offsets.read({at.topic for at in self._held})
        over = [at for at, hold in self._held.items() if hold.is_over(committed[at.topic])]
        for at in over:
            del self._held[at]
            if not self._paused and at in self._consumer.assignment():
                self._consumer.resume(at)

    async def _notes(self, places: Mapping[TopicPartition, int]) -> dict[TopicPartition, str]:
        """What is committed with their offsets. How many partitions were noted first stays, whoever commits."""
        until: dict[TopicPartition, int] = {}
        unknown = [at for at in places if at not in self._noted]
        if unknown and self._offsets is not None:
            committed = await self._offsets.read({at.topic for at in unknown})
            for at in unknown:
                known = committed[at.topic].get(at.partition)
                now = len(self._consumer.partitions_for_topic(at.topic) or ())
                self._noted[at] = (known.partitions if known is not None else 0) or now
                until[at] = known.until if known is not None else 0
        return {
            at: note(self._noted[at], self._handled.until(at, offset, until.get(at, 0))) if at in self._noted else ""
            for at, offset in places.items()
        }

    async def _go_on_behind(self, gap: OffsetOutOfRange, keep: OnGap) -> None:
        """Keep the gap, then go on from the first record there is. To stand still would lose more as the log ages.

        The offset is stored too, so that the next start does not meet the same gap. Where the log was made anew its
        offsets begin again, and what was known of those before counts no more: as if the partition went and came.
        """
        await keep(gap)
        at = TopicPartition(*gap.partition)
        await self._listener.on_revoked({gap.partition})
        await self._listener.on_assigned({gap.partition})
        self._handled.forget([at])
        try:
            self._consumer.seek(at, gap.first)
        except IllegalStateError:
            return  # given away meanwhile: whoever owns it now meets the gap too
        await self.commit({gap.partition: gap.first})

    async def _gap(self, error: OffsetOutOfRangeError) -> OffsetOutOfRange:
        """Raises Unavailable where Kafka does not answer: the same error comes again once it does."""
        ((at, wanted),) = error.args[0].items()
        try:
            async with asyncio.timeout(self._seconds):
                first = (await self._consumer.beginning_offsets([at]))[at]
                end = (await self._consumer.end_offsets([at]))[at]
        except (KafkaError, OSError, TimeoutError) as away:
            raise _unavailable(away) from away
        known = (await self._offsets.read({at.topic}))[at.topic].get(at.partition) if self._offsets else None
        return OffsetOutOfRange((at.topic, at.partition), wanted, first, end, known.until if known else 0)


@contextlib.asynccontextmanager
async def open_consumer(
    settings: KafkaSettings,
    group: str,
    topics: Sequence[str],
    listener: RebalanceListener,
    on_gap: OnGap | None = None,
) -> AsyncIterator[KafkaRecords]:
    """A member of `group` that reads `topics`; it leaves the group at the end.

    `on_gap` keeps what the log no longer holds; without it that ends the reading.

    Raises:
        Unavailable: no broker answers.
    """
    options: dict[str, Any] = settings.client_options()
    consumer = AIOKafkaConsumer(
        **options,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="none",
        session_timeout_ms=int(settings.session_timeout * 1000),
        heartbeat_interval_ms=int(settings.session_timeout * 1000 / 3),
        max_poll_interval_ms=int(settings.poll_interval * 1000),
        rebalance_timeout_ms=int(settings.rebalance_timeout * 1000),
        request_timeout_ms=int(settings.request_timeout * 1000),
        max_partition_fetch_bytes=MAX_BATCH_BYTES,
        metadata_max_age_ms=int(METADATA_SECONDS * 1000),
    )
    offsets = GroupOffsets(settings, group)
    records = KafkaRecords(consumer, listener, settings.request_timeout, on_gap, offsets)
    try:
        await _start(consumer, settings)
        consumer.subscribe(list(topics), listener=records)  # only now: `start` would wait for the whole group otherwise
        yield records
    finally:
        await _close(consumer, settings.request_timeout)


async def _start(consumer: AIOKafkaConsumer, settings: KafkaSettings) -> None:
    try:
        async with asyncio.timeout(settings.request_timeout):
            await consumer.start()
    except (KafkaError, OSError, TimeoutError) as error:
        raise Unavailable(f"no Kafka broker answers at {settings.bootstrap_servers}: {type(error).__name__}") from error


async def _close(consumer: AIOKafkaConsumer, seconds: float) -> None:
    """`stop` waits for the group's coordinator, which is forever where no broker answers."""
    try:
        async with asyncio.timeout(seconds):
            await consumer.stop()
    except TimeoutError:
        if consumer._fetcher is not None:  # noqa: SLF001 - aiokafka offers no other way to give up
            await consumer._fetcher.close()  # noqa: SLF001
        await consumer._client.close()  # noqa: SLF001


def as_record(found: ConsumerRecord) -> Record:
    """As the consumers take it."""
    return Record(
        topic=found.topic,
        partition=found.partition,
        offset=found.offset,
        key=found.key,
        value=found.value,
        headers=cloudevents.ReadHeaders(found.headers),
        timestamp=found.timestamp,
        raw_headers=found.headers,
    )


def _unavailable(error: Exception) -> Unavailable:
    return Unavailable(f"Kafka does not answer: {type(error).__name__}")
