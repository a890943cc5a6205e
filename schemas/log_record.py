"""A record of a Kafka topic, as the consumers take it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Record:
    """One Kafka record as it came. `timestamp` is epoch milliseconds, by the broker or producer."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, str]
    timestamp: int
    raw_headers: Sequence[tuple[str, bytes]] = ()
