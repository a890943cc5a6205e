"""From the change bus into replies: each change is serialised once, counted against the allocation, and taken once."""

import base64
import hashlib
import time
from collections import OrderedDict, deque
from collections.abc import Callable

import orjson

from simulator.org.changes import ChangeBus, StoredChange
from simulator.org.cometd.sessions import Session

_DAY = 24 * 3600.0
_SLICE = 60.0


class AllocationExceeded(Exception):
    """The org's event deliveries of the last 24 hours are used up."""


class DeliveryAllocation:
    """Event deliveries in any 24 hours, all clients summed (to the minute)."""

    def __init__(self, limit: int, now: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._now = now
        self._slices: deque[tuple[float, int]] = deque()
        self._used = 0

    def remaining(self) -> int:
        """Deliveries left."""
        oldest = self._now() - _DAY
        while self._slices and self._slices[0][0] <= oldest:
            self._used -= self._slices.popleft()[1]
        return max(0, self.limit - self._used)

    def leave(self, number: int) -> None:
        """Make it so that this many are left, as if the others had been made now."""
        self._used = self.limit - number
        self._slices = deque([(self._now(), self._used)])

    def shown(self) -> dict[str, int]:
        """`Max` and `Remaining`, as the limits resource tells them."""
        return {"Max": self.limit, "Remaining": self.remaining()}

    def spend(self, deliveries: int) -> None:
        """Count deliveries made now."""
        at = self._now()
        if self._slices and at - self._slices[-1][0] < _SLICE:
            began, count = self._slices.pop()
            self._slices.append((began, count + deliveries))
        else:
            self._slices.append((at, deliveries))
        self._used += deliveries


def schema_id(entity: str) -> str:
    """A stand-in for the schema's id: 22 characters of base64url, the same for one sObject always."""
    digest = hashlib.md5(f"{entity}ChangeEvent".encode(), usedforsecurity=False).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


class Serialiser:
    """Changes as JSON bytes; the last few thousand are kept, since every client is sent the same."""

    def __init__(self, keep: int = 5_000) -> None:
        self._keep = keep
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._schemas: dict[str, str] = {}

    def data(self, change: StoredChange) -> bytes:
        """The `data` member of the message: schema, payload and event."""
        known = self._kept.get(change.replay_id)
        if known is not None:
            return known
        schema = self._schemas.get(change.entity)
        if schema is None:
            schema = self._schemas[change.entity] = schema_id(change.entity)
        raw = orjson.dumps({"schema": schema, "payload": change.payload, "event": {"replayId": change.replay_id}})
        self._kept[change.replay_id] = raw
        if len(self._kept) > self._keep:
            self._kept.popitem(last=False)
        return raw


class Delivery:
    """Takes events for sessions. What is taken has left the session, as the queue of the CometD server is emptied when
    a reply is written: nobody learns whether that reply arrived."""

    def __init__(self, bus: ChangeBus, allocation: DeliveryAllocation, batch_size: int) -> None:
        self._bus = bus
        self._allocation = allocation
        self._batch_size = batch_size
        self._serialiser = Serialiser()

    def take(self, session: Session) -> list[bytes]:
        """The next messages of the session, at most a batch, in replay order.

        Raises:
            AllocationExceeded: there are events, and none may be delivered any more.
        """
        waiting = [
            (change, subscription)
            for subscription in session.subscriptions.values()
            for change in self._bus.after(subscription.cursor, subscription.entities, self._batch_size)
        ]
        if not waiting:
            return []
        allowed = min(self._batch_size, self._allocation.remaining())
        if not allowed:
            raise AllocationExceeded
        if len(session.subscriptions) > 1:
            waiting.sort(key=lambda pair: pair[0].replay_id)
        messages = []
        for change, subscription in waiting[:allowed]:
            subscription.cursor = change.replay_id
            data = self._serialiser.data(change)
            messages.append(b'{"data":%b,"channel":%b}' % (data, orjson.dumps(subscription.channel)))
        self._allocation.spend(len(messages))
        return messages
