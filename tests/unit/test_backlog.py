"""The backlog asks for topics that are there: a broker may make any other that is asked for by its name."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

from aiokafka import TopicPartition

from adapters.kafka import backlog
from adapters.kafka.backlog import Backlog


class Broker:
    """Both clients of one: each topic has one partition of ten records, of which six are committed."""

    def __init__(self) -> None:
        self.topics = ["told"]
        self.described: list[list[str]] = []
        self.listed = 0

    async def list_topics(self) -> list[str]:
        self.listed += 1
        return self.topics

    async def describe_topics(self, names: list[str]) -> list[dict[str, Any]]:
        self.described.append(names)
        return [{"topic": name, "partitions": [{"partition": 0}]} for name in names]

    async def end_offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, 10)

    async def beginning_offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, 0)

    async def list_consumer_group_offsets(self, _group: str, partitions: Sequence[TopicPartition]) -> dict[Any, Any]:
        return {place: SimpleNamespace(offset=6) for place in partitions}


async def test_a_topic_that_is_not_there_is_not_asked_for() -> None:
    """It is looked for now and then, not at every look; once it is there it counts."""
    broker = Broker()
    looks = Backlog(cast("Any", broker), cast("Any", broker), {"told": "a", "later": "b"}, 10)
    for _ in range(3):
        assert await looks.by_topic() == {"told": (10, 4)}
    assert (broker.described, broker.listed) == ([["told"]] * 3, 1)
    broker.topics.append("later")
    looks._look_at -= backlog.LOOK_SECONDS
    assert await looks.by_topic() == {"told": (10, 4), "later": (10, 4)}
    await looks.by_topic()
    assert broker.listed == 2


async def test_where_no_topic_is_there_nothing_is_asked() -> None:
    """An empty list would be all topics to an old broker."""
    broker = Broker()
    assert await Backlog(cast("Any", broker), cast("Any", broker), {"later": "b"}, 10).by_topic() == {}
    assert broker.described == []
