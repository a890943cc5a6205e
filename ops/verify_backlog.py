"""Of which keys a topic still holds records that a consumer group has not handled.

By the records' own keys, and not by the age of the oldest of them: a backlog explains what it holds, and hides nothing
else. The log is read on from where it was read to; values are not looked at.
"""

from collections.abc import Collection
from typing import Final, Protocol

from schemas.log_record import Record

MOST: Final = 1_000_000
"""Keys that are held at once, of all partitions: some 200 MB."""
PAGE: Final = 5_000


class LogPart(Protocol):
    """One topic, read apart from the consumer groups. Raises `Unavailable` while Kafka does not answer."""

    async def bounds(self) -> dict[int, tuple[int, int]]:
        """By partition: the first offset there is, and the one behind the last."""

    async def handled(self, group: str) -> dict[int, int]:
        """By partition: where the group goes on; missing where it has not begun."""

    async def read(self, partition: int, first: int, end: int, limit: int) -> tuple[list[Record], int]:
        """Records from `first` on and before `end`, and where to go on."""


class Backlog:
    """Satisfies `ops.verify_untold.Waiting`: one topic and the group that works it off."""

    def __init__(self, log: LogPart, topic: str, group: str, most: int = MOST) -> None:
        self._log = log
        self._topic = topic
        self._group = group
        self._most = most
        self._handled: dict[int, int] = {}
        self._read_to: dict[int, int] = {}
        self._last: dict[int, dict[bytes, int]] = {}
        """By partition and key: the offset of its last record."""
        self._cut_off = False

    @property
    def cut_off(self) -> str:
        """Why not all of them were looked at; else ""."""
        return f"records of more than {self._most:,} keys wait in {self._topic}" if self._cut_off else ""

    async def mark(self) -> None:
        """Take down how far the group has come.

        Raises:
            Unavailable: Kafka does not answer.
        """
        self._handled = await self._log.handled(self._group)
        for partition, offset in self._handled.items():
            if self._read_to.get(partition, 0) <= offset:
                self._last.pop(partition, None)

    async def among(self, keys: Collection[bytes]) -> set[bytes]:
        """Those of the keys that a record has which was not handled at the mark, or came after it.

        Raises:
            Unavailable: Kafka does not answer.
        """
        for partition, (first, end) in (await self._log.bounds()).items():
            begin = max(first, self._handled.get(partition, 0), self._read_to.get(partition, 0))
            await self._read_on(partition, begin, end)
        return {key for key in keys if self._holds(key)}

    async def _read_on(self, partition: int, at: int, end: int) -> None:
        while at < end:
            if sum(len(last) for last in self._last.values()) >= self._most:
                self._cut_off = True
                return
            records, at = await self._log.read(partition, at, end, PAGE)
            last = self._last.setdefault(partition, {})
            last.update({record.key: record.offset for record in records if record.key is not None})
            self._read_to[partition] = at

    def _holds(self, key: bytes) -> bool:
        return any(last.get(key, -1) >= self._handled.get(partition, 0) for partition, last in self._last.items())
