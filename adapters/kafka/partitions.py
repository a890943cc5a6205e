"""Which partition a key goes to: murmur2, as Kafka's own clients have it, so that all of them agree.

Source: `org.apache.kafka.common.utils.Utils.murmur2`. aiokafka has the same, byte by byte, at five times the cost.
"""

import random
import struct
from collections.abc import Sequence
from functools import lru_cache

_M = 0x5BD1E995
_MASK = 0xFFFFFFFF
_KEYS_KEPT = 65_536
"""A key comes again and again: some 12 MB, where all are kept."""


@lru_cache(maxsize=_KEYS_KEPT)
def murmur2(data: bytes) -> int:
    """The hash, 32 bits, not signed."""
    length = len(data)
    whole = length & ~3
    h = 0x9747B28C ^ length
    for (k,) in struct.iter_unpack("<I", data[:whole]):
        k = k * _M & _MASK  # noqa: PLW2901 - as in the source
        h = (h * _M ^ (k ^ k >> 24) * _M) & _MASK
    if whole < length:
        h = (h ^ int.from_bytes(data[whole:], "little")) * _M & _MASK
    h = (h ^ h >> 13) * _M & _MASK
    return h ^ h >> 15


def partition_of(key: bytes | None, partitions: Sequence[int], available: Sequence[int]) -> int:
    """One of `partitions`, always the same for a key; without a key any that is available."""
    if key is None:
        return random.choice(available or partitions)  # noqa: S311 - spread, not secrecy
    return partitions[(murmur2(key) & 0x7FFFFFFF) % len(partitions)]
