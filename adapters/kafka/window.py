"""A part of a topic that is read again, apart from the consumer groups: no offset is moved."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError

from adapters.kafka.consumer import as_record
from adapters.kafka.settings import KafkaSettings
from adapters.kafka.sizes import MAX_BATCH_BYTES
from schemas.log_record import Record
from schemas.unavailable import Unavailable

FETCH_SECONDS: Final = 1.0
FETCH_WAIT_MS: Final = 20
"""How long a broker may hold a fetch back for more: where one partition ends, the next is not to wait for it."""
COORDINATOR_SECONDS: Final = 0.2


class LogWindow:
    """Reads one topic between offsets. Made by `open_window`; every method raises `Unavailable` like the consumer."""

    def __init__(self, consumer: AIOKafkaConsumer, admin: AIOKafkaAdminClient, topic: str, seconds: float) -> None:
        self._consumer = consumer
        self._admin = admin
        self._topic = topic
        self._seconds = seconds
        self._next: dict[int, int] = {}
        """Where the consumer stands: to seek there again would throw away what it has fetched ahead."""

    async def bounds(self) -> dict[int, tuple[int, int]]:
        """By partition: the first offset that the log holds, and the one behind its last."""
        async with _answering(self._seconds):
            at = self._partitions()
            first, end = await self._consumer.beginning_offsets(at), await self._consumer.end_offsets(at)
        return {one.partition: (first[one], end[one]) for one in at}

    async def at_time(self, moment: int) -> dict[int, int]:
        """By partition: the first offset of a record that came at `moment` (epoch ms) or later, or else the end."""
        async with _answering(self._seconds):
            at = self._partitions()
            end = await self._consumer.end_offsets(at)
            found = await self._consumer.offsets_for_times(dict.fromkeys(at, moment))
        return {one.partition: end[one] if (there := found[one]) is None else there.offset for one in at}

    async def handled(self, group: str) -> dict[int, int]:
        """By partition: the offset at which the consumer group goes on; partitions it has not begun are missing."""
        async with _answering(self._seconds):
            while True:
                try:
                    found = await self._admin.list_consumer_group_offsets(group)
                    break
                except GroupCoordinatorNotAvailableError:  # of a cluster that has just begun: it passes
                    await asyncio.sleep(COORDINATOR_SECONDS)
        ours = {at.partition: stood.offset for at, stood in found.items() if at.topic == self._topic}
        return {partition: offset for partition, offset in ours.items() if offset >= 0}

    async def read(self, partition: int, first: int, end: int, limit: int) -> tuple[list[Record], int]:
        """Records from `first` on and before `end`, at most `limit`, and the offset to go on at.

        What the log has removed, or compacted away, is passed over.
        """
        at = TopicPartition(self._topic, partition)
        async with _answering(self._seconds + FETCH_SECONDS):
            self._consumer.pause(*self._consumer.assignment())
            self._consumer.resume(at)
            if self._next.get(partition) != first:
                self._consumer.seek(at, max(first, (await self._consumer.beginning_offsets([at]))[at]))
            found: Mapping[Any, Any] = {}
            while not found:
                position = await self._consumer.position(at)
                if position >= end:
                    return [], end
                found = await self._consumer.getmany(at, timeout_ms=int(FETCH_SECONDS * 1000), max_records=limit)
        self._next[partition] = found[at][-1].offset + 1
        records = [as_record(one) for one in found[at] if one.offset < end]
        return records, min(self._next[partition], end)

    def _partitions(self) -> list[TopicPartition]:
        return sorted(self._consumer.assignment())


@contextlib.asynccontextmanager
async def open_window(settings: KafkaSettings, topic: str) -> AsyncIterator[LogWindow]:
    """All partitions of a topic, to be read in no group.

    Raises:
        Unavailable: no broker answers, or there is no such topic.
    """
    options = settings.client_options()
    milliseconds = int(settings.request_timeout * 1000)
    consumer = AIOKafkaConsumer(
        **options,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        request_timeout_ms=milliseconds,
        fetch_max_wait_ms=FETCH_WAIT_MS,
        max_partition_fetch_bytes=MAX_BATCH_BYTES,
    )
    admin = AIOKafkaAdminClient(**options, request_timeout_ms=milliseconds)
    try:
        async with _answering(settings.request_timeout):
            await consumer.start()
            await admin.start()
            numbers = await _numbers(admin, topic)
            consumer.assign([TopicPartition(topic, number) for number in numbers])
        yield LogWindow(consumer, admin, topic, settings.request_timeout)
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(settings.request_timeout):
                await consumer.stop()
                await admin.close()


async def _numbers(admin: AIOKafkaAdminClient, topic: str) -> list[int]:
    if topic not in await admin.list_topics():
        raise Unavailable(f"there is no topic {topic}")
    (described,) = await admin.describe_topics([topic])
    return sorted(partition["partition"] for partition in described["partitions"])


@contextlib.asynccontextmanager
async def _answering(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except (KafkaError, OSError, TimeoutError) as error:
        raise Unavailable(f"Kafka does not answer: {type(error).__name__}") from error
