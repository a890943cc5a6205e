"""What Kafka and MongoDB have to promise us: made where we make it, looked at when a process starts, and named."""

from collections.abc import Collection, Iterable

from adapters.kafka.settings import KafkaSettings
from adapters.kafka.topics import make_topics, verify_topics
from adapters.mongo.client import Database
from adapters.mongo.guarantees import verify_servers
from ops.processes.arriving import arrived
from ops.processes.frame import Frame
from schemas import topics
from schemas.unavailable import Unavailable


async def topics_prepared(settings: KafkaSettings, frame: Frame, names: Collection[str] = topics.ALL) -> None:
    """Make the topics that are missing, and name what the promises miss in those that are there.

    Nothing ends for that: what is taken in is kept better by topics that are set up wrongly than by none. A Kafka that
    is away is waited for.

    Raises:
        Unavailable: Kafka does not answer within `frame.start_seconds`.
        StoppedEarly: the process was told to stop meanwhile.
        TopicRefused: Kafka does not make one.
    """
    await arrived("Kafka", lambda: make_topics(settings, names), frame)
    try:
        _name("Kafka", await verify_topics(settings, names), frame)
    except Unavailable as error:  # made, or there: only how they are set up is not told to everybody
        frame.log.warning("guarantees_not_seen", part="Kafka", reason=str(error))


async def servers_looked_at(database: Database, frame: Frame) -> None:
    """Name what the promises miss in MongoDB's servers.

    Raises:
        Unavailable: MongoDB does not answer.
    """
    _name("MongoDB", await verify_servers(database), frame)


def _name(part: str, lines: Iterable[str], frame: Frame) -> None:
    for line in lines:
        frame.log.warning("guarantee_missing", part=part, finding=line)
