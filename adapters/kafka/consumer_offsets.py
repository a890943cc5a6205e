"""Where consumer groups keep what they have handled: held against how long, and how safely, topics keep their records.

A group that is down for longer than its offsets are kept reads all anew, or tells of a gap that is none.
"""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

TOPIC: Final = "__consumer_offsets"
"""Made by Kafka itself when the first group commits."""
RETENTION: Final = "offsets.retention.minutes"
COPIES: Final = "offsets.topic.replication.factor"
MINUTE_MS: Final = 60_000


async def verify_consumer_offsets(
    admin: AIOKafkaAdminClient, brokers: Collection[int], retentions: Mapping[str, int], seconds: float
) -> list[str]:
    """What is wrong with how offsets are kept, a line each. `retentions` are the `retention.ms` of our topics.

    What a broker does not tell is not judged: a managed Kafka keeps its settings to itself, and ours work without.

    Raises:
        KafkaError: no broker answers.
    """
    told = await asyncio.gather(*(_settings(admin, broker, seconds) for broker in brokers))
    described = await admin.describe_topics([TOPIC]) if TOPIC in await admin.list_topics() else []
    partitions = [partition for topic in described for partition in topic["partitions"]]
    minutes = [int(value) for settings in told if (value := settings.get(RETENTION))]
    copies = [int(value) for settings in told if (value := settings.get(COPIES))]
    return [
        *forgotten_too_soon(min(minutes, default=None), retentions),
        *too_few_copies(partitions, min(copies, default=None), len(brokers)),
    ]


def forgotten_too_soon(minutes: int | None, retentions: Mapping[str, int]) -> list[str]:
    """The line that says so, where offsets are kept for so many minutes, and a topic keeps its records for longer.

    It names the topic that keeps them longest. Pure.
    """
    if minutes is None or not retentions:
        return []
    longest = max(retentions, key=lambda name: (retentions[name] < 0, retentions[name]))
    kept = retentions[longest]
    if 0 <= kept <= minutes * MINUTE_MS:
        return []
    said = f"brokers have {RETENTION}={minutes}, and topic {longest} has retention.ms={kept}: "
    return [said + "a group that is down for longer than its offsets are kept reads all anew, or tells of a false gap"]


def too_few_copies(partitions: Collection[Mapping[str, Any]], planned: int | None, brokers: int) -> list[str]:
    """The line that says so, where there are fewer copies of offsets than so many brokers could hold.

    `planned` is how many the brokers give the topic that is still to be made, or not shown to us. Pure.
    """
    if brokers < 3:
        return []
    copies = min((len(one["replicas"]) for one in partitions), default=planned)
    if copies is None or copies >= 3:
        return []
    said = f"topic {TOPIC} has {copies} copies of a partition" if partitions else f"brokers have {COPIES}={copies}"
    return [f"{said}, where {brokers} brokers could hold 3: with a broker may go how much groups have handled"]


async def _settings(admin: AIOKafkaAdminClient, broker: int, seconds: float) -> dict[str, str | None]:
    """What a broker tells of these; nothing where it may not, or does not answer: others are asked too."""
    asked = ConfigResource(ConfigResourceType.BROKER, str(broker), {RETENTION: None, COPIES: None})
    try:
        async with asyncio.timeout(seconds):
            (answer,) = await admin.describe_configs([asked])
    except (KafkaError, OSError, TimeoutError):
        return {}
    ((code, _message, _type, _name, entries),) = answer.resources
    return {entry[0]: entry[1] for entry in entries} if code == 0 else {}
