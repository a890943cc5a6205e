"""Records given one by one go to Kafka in batches: a partition's gather while the batch before is on its way.

aiokafka's own `send` does the same, but looks up the topic, its partitions and the batch anew for each record, which
costs as much as verifying a webhook. A batch is closed before aiokafka has it, since one that grows while it is being
numbered would leave a hole in the partition's sequence.
"""

import asyncio
import copy
from dataclasses import dataclass, field

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from adapters.kafka.partitions import partition_of
from schemas.cloudevents import Headers

Place = tuple[str, int]
"""Topic and partition."""


@dataclass(slots=True, eq=False)
class _Batch:
    builder: BatchBuilder
    waiting: list["asyncio.Future[None]"] = field(default_factory=list)
    """One for each record in it."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once it is acknowledged, or given up."""


class Gathering:
    """The batches of one producer. A partition's go one after the other, in the order in which they were begun."""

    def __init__(self, kafka: AIOKafkaProducer, seconds: float) -> None:
        """`seconds` is how long a batch may wait for its acknowledgement, from its first record on."""
        self._kafka = kafka
        self._seconds = seconds
        self._last: dict[Place, _Batch] = {}
        self._sending: set[asyncio.Task[None]] = set()

    def add(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> "asyncio.Future[None]":
        """Put a record into a batch of its partition; done once it is in the topic for good.

        The future fails with what aiokafka says, or with `TimeoutError`. The topic's partitions must be known.
        """
        partitions = sorted(self._kafka.client.cluster.partitions_for_topic(topic))
        place = topic, partition_of(key, partitions, partitions)
        batch = self._last.get(place)
        if batch is None or batch.builder.append(timestamp=None, key=key, value=value, headers=headers) is None:
            batch = self._begin(place, batch)
            batch.builder.append(timestamp=None, key=key, value=value, headers=headers)
        acknowledged = asyncio.get_running_loop().create_future()
        batch.waiting.append(acknowledged)
        return acknowledged

    async def close(self) -> None:
        """Wait for no acknowledgement any more."""
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    def _begin(self, place: Place, before: _Batch | None) -> _Batch:
        batch = self._last[place] = _Batch(self._kafka.create_batch())
        task = asyncio.create_task(self._send(place, batch, before))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        return batch

    async def _send(self, place: Place, batch: _Batch, before: _Batch | None) -> None:
        topic, partition = place
        try:
            async with asyncio.timeout(self._seconds):
                if before is not None:
                    await before.ended.wait()
                batch.builder.close()
                await (await self._kafka.send_batch(batch.builder, topic, partition=partition))
        except Exception as error:  # noqa: BLE001 - all of it is told to those who wait
            self._end(place, batch, error)
        except asyncio.CancelledError:
            self._end(place, batch, TimeoutError())
            raise
        else:
            self._end(place, batch, None)

    def _end(self, place: Place, batch: _Batch, error: Exception | None) -> None:
        batch.builder.close()  # a record that comes now begins another: nobody would be told of it here
        batch.ended.set()
        if self._last.get(place) is batch:
            del self._last[place]
        for acknowledged in batch.waiting:
            if acknowledged.done():  # who waited was cancelled
                continue
            if error is None:
                acknowledged.set_result(None)
            else:
                acknowledged.set_exception(copy.copy(error))  # else each who raises it adds to one traceback
