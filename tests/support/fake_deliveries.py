"""Deliveries and their endpoint in memory: they pass the same tests as those on MongoDB."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from schemas.delivery import Answer, Delivery, DeliveryState, Endpoint


@dataclass
class FakeDeliveries:
    """`tandem_deliveries`."""

    rows: dict[str, Delivery] = field(default_factory=dict)
    state: dict[str, DeliveryState] = field(default_factory=dict)
    next_at: dict[str, int] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    held_anew: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    looks: int = 0
    """How often it was asked what is due."""

    async def keep(self, deliveries: Sequence[Delivery], now: int) -> set[str]:
        new = {each.id for each in deliveries} - self.rows.keys()
        for each in deliveries:
            if each.id not in self.rows:
                self.rows[each.id] = each
                self.state[each.id], self.next_at[each.id] = DeliveryState.PENDING, now
        return new

    async def take(self, now: int, limit: int, seconds: float) -> list[Delivery]:
        self.looks += 1
        pending = [self.rows[each] for each, state in self.state.items() if state is DeliveryState.PENDING]
        heads: dict[tuple[str, str], Delivery] = {}
        for each in sorted(pending, key=lambda one: one.revision):
            heads.setdefault((each.kind, each.document_id), each)
        due = [each for each in heads.values() if self.next_at[each.id] <= now and each.id not in self.held]
        taken = due[:limit]
        self.held |= {each.id for each in taken}
        return taken

    async def hold(self, ids: Sequence[str], seconds: float) -> None:
        for each in ids:
            if each in self.held:
                self.held_anew.put_nowait(each)

    async def delivered(self, taken: Sequence[tuple[Delivery, Answer]], now: int) -> None:
        for delivery, _answer in taken:
            self._end(delivery, DeliveryState.DELIVERED)

    async def given_up(self, delivery: Delivery, answer: Answer, now: int) -> None:
        self._end(delivery, DeliveryState.FAILED)

    async def again(self, delivery: Delivery, answer: Answer, at: int, now: int) -> None:
        self.rows[delivery.id] = replace(delivery, tries=delivery.tries + 1)
        self.next_at[delivery.id] = at
        self.held.discard(delivery.id)

    async def release(self, delivery: Delivery, answer: Answer, now: int) -> None:
        self.held.discard(delivery.id)

    async def forget(self, ids: Sequence[str]) -> None:
        for each in ids:
            self.rows.pop(each, None)
            self.state.pop(each, None)
            self.held.discard(each)

    def _end(self, delivery: Delivery, state: DeliveryState) -> None:
        self.state[delivery.id] = state
        self.held.discard(delivery.id)


@dataclass
class FakeEndpoints:
    """`tandem_endpoints`."""

    endpoint: Endpoint | None = None
    takings: int = 0
    """How often it was told that a delivery was taken."""

    async def current(self) -> Endpoint | None:
        return self.endpoint

    async def took(self) -> None:
        self.takings += 1
        if self.endpoint is not None:
            self.endpoint = replace(self.endpoint, failing_since=None)

    async def failed(self, now: int) -> Endpoint | None:
        if self.endpoint is not None and self.endpoint.failing_since is None:
            self.endpoint = replace(self.endpoint, failing_since=now)
        return self.endpoint

    async def disable(self, reason: str, now: int) -> None:
        if self.endpoint is not None:
            self.endpoint = replace(self.endpoint, enabled=False, reason=reason)
