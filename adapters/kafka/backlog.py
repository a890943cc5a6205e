"""How much of a topic a consumer group has still to do, asked of the broker."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from adapters.kafka.settings import KafkaSettings
from schemas.gap import Handling
from schemas.unavailable import Unavailable

PAUSE_SECONDS: Final = 0.2
LOOK_SECONDS: Final = 60.0
"""How often topics that are not there yet are looked for."""

Answer = TypeVar("Answer")


class Backlog:
    """Records that are not committed yet, of topics by the group that works each off."""

    def __init__(
        self, admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer, groups: Mapping[str, str], seconds: float
    ) -> None:
        """`groups` are by topic; `seconds` is how long an answer may take."""
        self._admin = admin
        self._consumer = consumer
        self._groups = groups
        self._seconds = seconds
        self._there: set[str] = set()
        self._look_at = 0.0

    async def read(self) -> int:
        """How many records, of all topics together. Of a group that has never committed, all that are in its topic.

        A broker that is busy with itself, as it is at its start, is asked again within the time.

        Raises:
            Unavailable: Kafka does not answer.
        """
        return sum(left for _, left in (await self.by_topic()).values())

    async def by_topic(self) -> dict[str, tuple[int, int]]:
        """By topic: the offsets that were given out in all, and how many records are still to be worked off.

        A topic that is not there is left out, and not made.

        Raises:
            Unavailable: Kafka does not answer.
        """
        return await self._asked(self._read)

    async def ends(self, topic: str) -> dict[int, int]:
        """The offset behind the last record of each partition.

        Raises:
            Unavailable: Kafka does not answer, or tells of no partition.
        """

        async def read() -> dict[int, int]:
            (told,) = await self._admin.describe_topics([topic])
            if not told["partitions"]:  # the answer may hold an error code, which raises nothing
                raise Unavailable(f"Kafka tells of no partition of {topic}: error code {told['error_code']}")
            places = [TopicPartition(topic, partition["partition"]) for partition in told["partitions"]]
            return {at.partition: end for at, end in (await self._consumer.end_offsets(places)).items()}

        return await self._asked(read)

    async def handling(self, topic: str, ends: Mapping[int, int]) -> Handling:
        """Whether the topic's group has committed so far in each of these partitions, or Kafka has removed what lay
        before: of that it tells itself when it comes there.

        Raises:
            Unavailable: Kafka does not answer, or tells of no partition.
        """
        if not any(ends.values()):
            return Handling.DONE

        async def read() -> Handling:
            last = await self.ends(topic)
            if any(end > last.get(number, 0) for number, end in ends.items()):
                return Handling.NOT_IN_LOG
            places = [TopicPartition(topic, number) for number, end in ends.items() if end > 0]
            begins = await self._consumer.beginning_offsets(places)
            done = await self._admin.list_consumer_group_offsets(self._groups[topic], partitions=places)
            # A commit beyond the end is of a log that was longer: of what lies in this one it tells nothing.
            committed = {at: told.offset for at, told in done.items() if told.offset <= last[at.partition]}
            through = all(max(committed.get(at, 0), begins[at]) >= ends[at.partition] for at in places)
            return Handling.DONE if through else Handling.PENDING

        return await self._asked(read)

    async def _asked(self, question: Callable[[], Awaitable[Answer]]) -> Answer:
        try:
            async with asyncio.timeout(self._seconds):
                while True:
                    try:
                        return await question()
                    except KafkaError as error:
                        if not error.retriable:
                            raise
                    await asyncio.sleep(PAUSE_SECONDS)
        except (KafkaError, OSError, TimeoutError) as error:
            raise Unavailable(f"Kafka does not answer: {type(error).__name__}") from error

    async def _read(self) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        for topic in await self._topics():
            name = topic["topic"]
            places = [TopicPartition(name, partition["partition"]) for partition in topic["partitions"]]
            if not places:
                continue
            ends = await self._consumer.end_offsets(places)
            begins = await self._consumer.beginning_offsets(places)
            done = await self._admin.list_consumer_group_offsets(self._groups[name], partitions=places)
            committed = {place: max(0, told.offset) for place, told in done.items()}
            left = sum(ends[at] - max(begins[at], min(committed.get(at, 0), ends[at])) for at in places)
            found[name] = (sum(ends.values()), left)
        return found

    async def _topics(self) -> list[dict[str, Any]]:
        """Those that are there. A broker may make another that is asked for by its name, and not as ours are to be."""
        missing, now = self._groups.keys() - self._there, asyncio.get_running_loop().time()
        if missing and now >= self._look_at:
            self._there |= missing & set(await self._admin.list_topics())
            self._look_at = now + LOOK_SECONDS
        return await self._admin.describe_topics(sorted(self._there)) if self._there else []


@asynccontextmanager
async def open_backlog(settings: KafkaSettings, groups: Mapping[str, str]) -> AsyncIterator[Backlog]:
    """The backlog of these topics, by the group that works each off.

    Raises:
        Unavailable: no broker answers.
    """
    options = settings.client_options()
    admin = AIOKafkaAdminClient(**options, request_timeout_ms=int(settings.request_timeout * 1000))
    consumer = AIOKafkaConsumer(**options, enable_auto_commit=False)
    try:
        try:
            async with asyncio.timeout(settings.request_timeout):
                await admin.start()
                await consumer.start()
        except (KafkaError, OSError, TimeoutError) as error:
            raise Unavailable(
                f"Kafka does not answer at {settings.bootstrap_servers}: {type(error).__name__}"
            ) from error
        yield Backlog(admin, consumer, groups, settings.request_timeout)
    finally:
        await consumer.stop()
        await admin.close()
