"""The topics of the contract: made where they are missing, and held against what the promises need of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from adapters.kafka.consumer_offsets import verify_consumer_offsets
from adapters.kafka.settings import KafkaSettings
from adapters.kafka.sizes import MAX_BATCH_BYTES, MAX_RECORD_BYTES
from schemas import topics
from schemas.unavailable import Unavailable

DAY_MS = 24 * 60 * 60 * 1000
LEAST_RETENTION_DAYS = 7
"""So long an outage of everything that consumes has to be survived: a long week-end, and a day to notice."""
FOREVER = -1
"""A retention without an end."""
BROKER_SECONDS = 2.0
"""How long one broker may take to tell its settings: a slow one must not hide what is wrong with the topics."""

SHOWN_SECONDS = 0.05
"""Between two looks at whether a topic that was made is shown."""


class TopicRefused(Exception):
    """Kafka does not make a topic as the settings say; the message names the setting."""


async def make_topics(settings: KafkaSettings, names: Collection[str] = topics.ALL) -> list[str]:
    """Make those that are missing, and return their names. Those that exist are left as they are.

    When this returns, what was missing has its leaders: a broker hears of a new topic a moment after the controller
    has answered (most of the time, on a busy machine), and who asked it in between would be told of no such topic.

    Raises:
        Unavailable: Kafka does not answer.
        TopicRefused: Kafka does not make one.
    """
    configs = {
        "cleanup.policy": "delete",
        "unclean.leader.election.enable": "false",
        "min.insync.replicas": "2" if settings.replication_factor >= 3 else "1",
        "max.message.bytes": str(MAX_BATCH_BYTES),
        "retention.ms": str(int(settings.retention_days * DAY_MS)),
        "retention.bytes": "-1",
    }
    wanted = [NewTopic(name, settings.partitions, settings.replication_factor, topic_configs=configs) for name in names]
    async with _admin(settings) as admin:
        there = set(await admin.list_topics())
        missing = [topic for topic in wanted if topic.name not in there]
        if not missing:
            return []
        made = []
        for name, code, *_ in (await admin.create_topics(missing)).topic_errors:
            if code == 0:
                made.append(name)
            elif for_code(code).retriable:  # as between two controllers
                raise Unavailable(f"Kafka does not make the topic {name} yet: {for_code(code).__name__}")
            elif for_code(code) is not TopicAlreadyExistsError:  # another process may be making them too
                raise TopicRefused(
                    f"Kafka refuses the topic {name}: {for_code(code).__name__} "
                    f"(KAFKA_PARTITIONS={settings.partitions}, KAFKA_REPLICATION_FACTOR={settings.replication_factor})"
                )
        asked = [topic.name for topic in missing]
        while not all(_led(topic) for topic in await admin.describe_topics(asked)):  # noqa: ASYNC110 - Kafka tells nobody
            await asyncio.sleep(SHOWN_SECONDS)
    return made


async def verify_topics(settings: KafkaSettings, names: Collection[str] = topics.ALL) -> list[str]:
    """What the promises need and these topics, and the offsets in them, do not have, a line each; none where all is
    well.

    Raises:
        Unavailable: Kafka does not answer.
    """
    kept: dict[str, int] = {}
    async with _admin(settings) as admin:
        brokers = [broker["node_id"] for broker in (await admin.describe_cluster())["brokers"]]
        there = set(await admin.list_topics())
        described = await admin.describe_topics([name for name in names if name in there])
        complaints = [f"topic {name} does not exist" for name in names if name not in there]
        for topic in described:
            configs = await _configs(admin, topic["topic"])
            complaints += complaints_about(topic["topic"], topic["partitions"], configs, len(brokers))
            complaints += too_few_partitions(topic["topic"], len(topic["partitions"]), settings.partitions)
            if "retention.ms" in configs:
                kept[topic["topic"]] = int(configs["retention.ms"])
        seconds = min(BROKER_SECONDS, settings.request_timeout / 3)
        complaints += await verify_consumer_offsets(admin, brokers, kept, seconds)
    return complaints


async def retentions(settings: KafkaSettings, names: Collection[str]) -> dict[str, int]:
    """After how many milliseconds at the latest a record is removed, by topic; `FOREVER`, or a topic is missing.

    A record goes with its segment, which is closed after `segment.ms`, and then `retention.ms` after its last record.

    Raises:
        Unavailable: Kafka does not answer.
    """
    found: dict[str, int] = {}
    async with _admin(settings) as admin:
        there = set(await admin.list_topics())
        for name in names:
            if name in there:
                configs = await _configs(admin, name)
                kept, segment = int(configs.get("retention.ms", FOREVER)), int(configs.get("segment.ms", 0))
                found[name] = FOREVER if kept < 0 else kept + segment
    return found


def complaints_about(
    name: str, partitions: Collection[Mapping[str, Any]], configs: Mapping[str, str], brokers: int
) -> list[str]:
    """What is wrong with one topic on a cluster of so many brokers. Pure."""
    copies = min((len(partition["replicas"]) for partition in partitions), default=0)
    in_sync = int(configs.get("min.insync.replicas", "1"))
    wrong = []
    if brokers >= 3 and copies < 3:
        wrong.append(f"has {copies} copies of a partition, where {brokers} brokers could hold 3")
    if copies >= 3 and in_sync < 2:
        wrong.append(f"has min.insync.replicas={in_sync}, so a record may be acknowledged that one broker alone holds")
    if copies > 1 and in_sync >= copies:
        wrong.append(
            f"has min.insync.replicas={in_sync} of {copies} copies, so it takes nothing while one broker is away"
        )
    if configs.get("unclean.leader.election.enable") == "true":
        wrong.append("has unclean.leader.election.enable=true, so acknowledged records may be lost")
    if "compact" in configs.get("cleanup.policy", "delete"):
        wrong.append("has cleanup.policy=compact, so records that were not consumed yet may be removed")
    if (largest := int(configs.get("max.message.bytes", MAX_BATCH_BYTES))) < MAX_RECORD_BYTES:
        wrong.append(f"has max.message.bytes={largest}, and a webhook of the size that is let in would not fit")
    if 0 <= (kept := int(configs.get("retention.ms", "-1"))) < LEAST_RETENTION_DAYS * DAY_MS:
        wrong.append(
            f"has retention.ms={kept}, less than {LEAST_RETENTION_DAYS} days: records of a longer outage would be gone"
        )
    if (most := int(configs.get("retention.bytes", "-1"))) >= 0:
        wrong.append(f"has retention.bytes={most}, so records may be gone before their time: set it to -1")
    return [f"topic {name} {line}" for line in wrong]


def too_few_partitions(name: str, there: int, wanted: int) -> list[str]:
    """The line that says so, where a topic has fewer than the settings want. Nothing is at risk: it is a matter of
    pace. Pure."""
    if there >= wanted:
        return []
    return [
        f"topic {name} has {there} partitions, where KAFKA_PARTITIONS={wanted}: at most {there} copies share the work"
    ]


def _led(topic: Mapping[str, Any]) -> bool:
    """Whether a broker shows the topic, and a leader of each partition: records can be put there."""
    return bool(topic["partitions"]) and all(partition["leader"] >= 0 for partition in topic["partitions"])


async def _configs(admin: AIOKafkaAdminClient, name: str) -> dict[str, str]:
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    ((code, _message, _type, _name, entries),) = answer.resources
    if code != 0:
        raise Unavailable(f"Kafka does not tell how the topic {name} is set up: {for_code(code).__name__}")
    return {entry[0]: entry[1] for entry in entries}


@contextlib.asynccontextmanager
async def _admin(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**settings.client_options(), request_timeout_ms=int(settings.request_timeout * 1000))
    try:
        async with asyncio.timeout(settings.request_timeout):
            await admin.start()
            yield admin
    except (KafkaError, OSError, TimeoutError) as error:
        raise Unavailable(f"Kafka does not answer at {settings.bootstrap_servers}: {type(error).__name__}") from error
    finally:
        await admin.close()
