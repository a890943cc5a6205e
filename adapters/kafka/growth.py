"""A topic that is given more partitions: what a new one brings waits for what lies before it in the old ones.

The same key goes to another partition from then on, while records of it are still unread in the old one. With each
offset that a group commits stands how many partitions the topic had when the group began that partition: so a partition
that is new to the group is told from one that is new to the topic. No record of such a one is handed out before the
group has handled what the older ones held when it was met.
"""

import asyncio
import re
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from adapters.kafka.settings import KafkaSettings
from schemas.unavailable import Unavailable

_NOTE: Final = re.compile(r"partitions=([1-9][0-9]{0,5})(?: until=([1-9][0-9]{0,14}))?")
METADATA_SECONDS: Final = 30.0
"""How soon a producer and a consumer see that a topic has grown."""


@dataclass(frozen=True, slots=True)
class Committed:
    """Where the group goes on in a partition, how many the topic had when it began there, and of when the records are
    that it has handled, epoch milliseconds; 0: not known."""

    offset: int
    partitions: int
    until: int = 0


def note(partitions: int, until: int = 0) -> str:
    """What is committed with an offset."""
    return f"partitions={partitions} until={until}" if until > 0 else f"partitions={partitions}"


def committed(offset: int, text: str | None) -> Committed:
    """An offset with what its note says: nothing where there is none, or it is somebody else's."""
    found = _NOTE.fullmatch(text or "")
    return Committed(offset, int(found[1]), int(found[2] or 0)) if found else Committed(offset, 0)


class Handled:
    """Of when the records are that are handled in each partition. At most as late as the last of them: of each fetch
    the last record alone is known."""

    def __init__(self) -> None:
        self._fetched: dict[TopicPartition, deque[tuple[int, int]]] = {}
        self._until: dict[TopicPartition, int] = {}

    def fetched(self, at: TopicPartition, offset: int, time: int) -> None:
        """The last record of a fetch."""
        self._fetched.setdefault(at, deque()).append((offset, time))

    def until(self, at: TopicPartition, offset: int, known: int = 0) -> int:
        """Of when the last record before this offset is; `known` from before we read there. 0: not known."""
        waiting, found = self._fetched.get(at, ()), self._until.get(at, known)
        while waiting and waiting[0][0] < offset:
            found = waiting.popleft()[1]
        self._until[at] = found
        return found

    def forget(self, places: Iterable[TopicPartition]) -> None:
        """These are read anew, from where they are committed."""
        for at in places:
            self._fetched.pop(at, None)


def elders(partition: int, committed: Mapping[int, Committed]) -> range:
    """The partitions that were there before this one, by what the group has committed in the topic; none where it has
    been there from the group's beginning. Pure."""
    before = [known.partitions for known in committed.values() if 0 < known.partitions <= partition]
    return range(max(before, default=0))


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing of a partition is handed out before the group has come so far in the older ones: offsets by partition."""

    until: Mapping[int, int]

    def is_over(self, committed: Mapping[int, Committed]) -> bool:
        """Whether it has."""
        return all(
            (known := committed.get(number)) is not None and known.offset >= end for number, end in self.until.items()
        )


class GroupOffsets:
    """What a group has committed, with its notes, which a consumer does not tell. A connection for each question."""

    def __init__(self, settings: KafkaSettings, group: str) -> None:
        self._settings = settings
        self._group = group

    async def read(self, topics: Collection[str]) -> dict[str, dict[int, Committed]]:
        """By topic and partition; partitions in which it has committed nothing are missing.

        Raises:
            Unavailable: Kafka does not answer.
        """
        seconds = self._settings.request_timeout
        admin = AIOKafkaAdminClient(**self._settings.client_options(), request_timeout_ms=int(seconds * 1000))
        try:
            async with asyncio.timeout(seconds):
                await admin.start()
                found = await admin.list_consumer_group_offsets(self._group)
        except (KafkaError, OSError, TimeoutError) as error:
            raise Unavailable(f"Kafka does not answer: {type(error).__name__}") from error
        finally:
            await admin.close()
        told: dict[str, dict[int, Committed]] = {topic: {} for topic in topics}
        for at, stood in found.items():
            if at.topic in told and stood.offset >= 0:
                told[at.topic][at.partition] = committed(stood.offset, stood.metadata)
        return told
