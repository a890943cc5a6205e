"""Records into Kafka: acknowledged by all in-sync replicas, or not at all as far as anybody is told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError
from aiokafka.producer.message_accumulator import BatchBuilder

from adapters.kafka.gathering import Gathering
from adapters.kafka.growth import METADATA_SECONDS
from adapters.kafka.partitions import partition_of
from adapters.kafka.settings import KafkaSettings
from adapters.kafka.sizes import MAX_BATCH_BYTES, MAX_RECORD_BYTES
from schemas.cloudevents import Headers
from schemas.unavailable import Unavailable

Entry = tuple[bytes | None, bytes | None, Headers]
"""Key, value and headers of a record."""


class RecordTooLarge(ValueError):
    """No Kafka of ours would ever take this record, so trying again is of no use."""


class Producer:
    """One idempotent producer for a process. Made by `open_producer`."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._seconds = settings.delivery_timeout
        self._kafka = self._new()
        self._gathering = Gathering(self._kafka, self._seconds)
        self._renewal: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect.

        Raises:
            Unavailable: no broker answers.
        """
        await _start(self._kafka, self._settings)

    async def deliver(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        """Return once the record is in the topic for good.

        Raises:
            Unavailable: not acknowledged in time. It may be in the topic, or come into it later.
            RecordTooLarge: over the size that our topics take.
        """
        _check_size(topic, key, value, headers)
        kafka = self._kafka
        try:
            if kafka.client.cluster.partitions_for_topic(topic) is None:
                await self._learn(kafka, topic)
            await self._gathering.add(topic, key, value, headers)
        except (KafkaError, OSError, TimeoutError) as error:
            raise self._told(error, kafka) from error

    async def deliver_all(self, topic: str, entries: Sequence[Entry]) -> None:
        """Return once all are in the topic for good, in this order for each key; raises as `deliver`."""
        for key, value, headers in entries:
            _check_size(topic, key, value, headers)
        kafka = self._kafka
        try:
            async with asyncio.timeout(self._seconds):
                partitions = sorted(await kafka.partitions_for(topic))
                sent = [
                    await kafka.send_batch(batch, topic, partition=partition)
                    for partition, batch in _batches(kafka, entries, partitions)
                ]
                await asyncio.gather(*sent)
        except (KafkaError, OSError, TimeoutError) as error:
            raise self._told(error, kafka) from error

    async def ping(self) -> None:
        """Return if a broker answers.

        Raises:
            Unavailable: none does.
        """
        try:
            async with asyncio.timeout(self._seconds):
                answered = await self._kafka.client.force_metadata_update()
        except TimeoutError:
            answered = False
        if not answered:
            raise Unavailable("no Kafka broker answers")

    async def close(self) -> None:
        """Let go, in bounded time also where no broker answers."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.wait([self._renewal])
        await _close(self._kafka, self._seconds)
        await self._gathering.close()

    async def _learn(self, kafka: AIOKafkaProducer, topic: str) -> None:
        """The topic's partitions: asked for once, and waited for no longer than for a record."""
        async with asyncio.timeout(self._seconds):
            await kafka.partitions_for(topic)

    def _told(self, error: Exception, kafka: AIOKafkaProducer) -> Unavailable:
        """What the caller is told; a producer that will not recover is replaced."""
        if isinstance(error, KafkaError) and not error.retriable and not isinstance(error, KafkaTimeoutError):
            self._replace(kafka)
        if isinstance(error, TimeoutError):
            return Unavailable(f"Kafka did not acknowledge within {self._seconds:g} seconds")
        return Unavailable(f"Kafka did not take the record: {type(error).__name__}")

    def _replace(self, broken: AIOKafkaProducer) -> None:
        """After an error that aiokafka does not repeat, the partition's sequence has a hole that the broker refuses.

        Hence a new producer id, in the background; until it is there, records fail as they did.
        """
        if self._kafka is broken and (self._renewal is None or self._renewal.done()):
            self._renewal = asyncio.create_task(self._renew(broken))

    async def _renew(self, broken: AIOKafkaProducer) -> None:
        fresh = self._new()
        try:
            await _start(fresh, self._settings)
        except BaseException as error:
            await _close(fresh, self._seconds)
            if isinstance(error, Unavailable):
                return  # the next record that fails has it tried again
            raise
        gathered, self._kafka, self._gathering = self._gathering, fresh, Gathering(fresh, self._seconds)
        await _close(broken, self._seconds)
        await gathered.close()

    def _new(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            **self._settings.client_options(),
            acks="all",
            metadata_max_age_ms=int(METADATA_SECONDS * 1000),
            enable_idempotence=True,
            compression_type=None if self._settings.compression == "none" else self._settings.compression,
            linger_ms=self._settings.linger_ms,
            partitioner=partition_of,
            max_batch_size=131_072,
            max_request_size=MAX_BATCH_BYTES,
            request_timeout_ms=max(1000, int(self._seconds * 1000)),
        )


@contextlib.asynccontextmanager
async def open_producer(settings: KafkaSettings) -> AsyncIterator[Producer]:
    """A connected producer, closed at the end.

    Raises:
        Unavailable: no broker answers.
    """
    producer = Producer(settings)
    try:
        await producer.start()
        yield producer
    finally:
        await producer.close()


def _batches(
    kafka: AIOKafkaProducer, entries: Sequence[Entry], partitions: Sequence[int]
) -> list[tuple[int, BatchBuilder]]:
    """Entries in batches of their partitions, in order: a future for each record would cost more than the record."""
    batches: list[tuple[int, BatchBuilder]] = []
    filling: dict[int, BatchBuilder] = {}
    for key, value, headers in entries:
        partition = partition_of(key, partitions, partitions)
        batch = filling.get(partition)
        if batch is None or batch.append(timestamp=None, key=key, value=value, headers=headers) is None:
            batch = filling[partition] = kafka.create_batch()
            batches.append((partition, batch))
            batch.append(timestamp=None, key=key, value=value, headers=headers)
    for batch in filling.values():
        batch.close()
    return batches


def _check_size(topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
    size = len(key or b"") + len(value or b"") + sum([len(name) + len(text) for name, text in headers])
    if size > MAX_RECORD_BYTES:
        raise RecordTooLarge(f"a record of {size} bytes for {topic}, which takes {MAX_RECORD_BYTES}")


async def _start(kafka: AIOKafkaProducer, settings: KafkaSettings) -> None:
    try:
        async with asyncio.timeout(settings.request_timeout):
            await kafka.start()
    except (KafkaError, OSError, TimeoutError) as error:
        raise Unavailable(f"no Kafka broker answers at {settings.bootstrap_servers}: {type(error).__name__}") from error


async def _close(kafka: AIOKafkaProducer, seconds: float) -> None:
    """`stop` waits until everything is delivered, which is forever where no broker answers."""
    try:
        async with asyncio.timeout(seconds):
            await kafka.stop()
    except TimeoutError:
        sender = kafka._sender.sender_task  # noqa: SLF001 - aiokafka offers no other way to give up
        while sender is not None and not sender.done():
            sender.cancel()  # once for itself, once more for each request that it waits for
            await asyncio.wait([sender], timeout=0.05)
        await kafka.client.close()
