"""What is still under way in Kafka: asked of the broker, not of those who should work it off."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from schemas.unavailable import Unavailable

PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class TopicBacklog:
    """Records ever appended to a topic, and those that a consumer group of its own has not committed yet: where there
    are several, the one that is furthest behind."""

    records: int
    unfinished: int


class Backlog:
    """The backlog of topics that consumer groups work off."""

    def __init__(
        self,
        admin: AIOKafkaAdminClient,
        consumer: AIOKafkaConsumer,
        topics: Collection[str],
        groups: Collection[str] | None = None,
    ) -> None:
        """`groups` are those that are looked at; without them every one that there is."""
        self._groups = groups
        self._admin = admin
        self._consumer = consumer
        self._topics = topics

    async def read(self) -> dict[str, TopicBacklog]:
        """By topic; a topic that is not there yet is empty.

        A broker that is busy with itself, as it is at its start, is asked again.

        Raises:
            Unavailable: it has not answered for `PATIENCE_SECONDS`.
        """
        deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while True:
            try:
                return await self._read()
            except KafkaError as error:
                if not error.retriable or asyncio.get_running_loop().time() > deadline:
                    raise Unavailable(f"Kafka: {type(error).__name__}") from error
            await asyncio.sleep(PAUSE_SECONDS)

    async def _read(self) -> dict[str, TopicBacklog]:
        ends = await self._ends()
        done: dict[TopicPartition, int] = {}
        groups = self._groups
        if groups is None:
            groups = [group for group, _protocol in await self._admin.list_consumer_groups()]
        for group in groups:
            for partition, committed in (await self._admin.list_consumer_group_offsets(group)).items():
                done[partition] = min(done.get(partition, committed.offset), committed.offset)
        backlog = dict.fromkeys(self._topics, TopicBacklog(0, 0))
        for partition, end in ends.items():
            before = backlog[partition.topic]
            unfinished = max(0, end - done.get(partition, 0))
            backlog[partition.topic] = TopicBacklog(before.records + end, before.unfinished + unfinished)
        return backlog

    async def _ends(self) -> Mapping[TopicPartition, int]:
        described = await self._admin.describe_topics(list(await self._there()))
        partitions = [
            TopicPartition(topic["topic"], partition["partition"])
            for topic in described
            for partition in topic["partitions"]
        ]
        return await self._consumer.end_offsets(partitions) if partitions else {}

    async def _there(self) -> set[str]:
        return set(self._topics) & set(await self._admin.list_topics())


@asynccontextmanager
async def open_backlog(
    options: Mapping[str, Any], topics: Collection[str], groups: Collection[str] | None = None
) -> AsyncIterator[Backlog]:
    """The backlog of these topics; `options` are those of every aiokafka client, `bootstrap_servers` among them.

    Raises:
        Unavailable: Kafka does not answer.
    """
    admin = AIOKafkaAdminClient(**options)
    try:
        await _begin(admin)
        consumer = AIOKafkaConsumer(**options, enable_auto_commit=False)
        try:
            await _begin(consumer)
            yield Backlog(admin, consumer, topics, groups)
        finally:
            await consumer.stop()
    finally:
        await admin.close()


async def _begin(client: AIOKafkaAdminClient | AIOKafkaConsumer) -> None:
    try:
        await client.start()
    except KafkaError as error:
        raise Unavailable(f"Kafka: {type(error).__name__}") from error
