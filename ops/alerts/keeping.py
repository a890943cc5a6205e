"""Alerts beside the admin page: of all admin processes one looks, by a lease."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Final

from adapters.mongo.leases import MongoLeases
from ops.alerts.watch import AlertWatch
from schemas.stream import Lease, LeaseLost
from schemas.unavailable import Unavailable

LEASE: Final = "alerts"
HELD_LOOKS: Final = 3
"""An owner that has not looked for so many times is gone."""


class AlertKeeper:
    """Looks every so many seconds while the lease is ours. While MongoDB is away nobody holds it, and each looks."""

    def __init__(
        self,
        watch: AlertWatch,
        leases: MongoLeases,
        seconds: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._watch = watch
        self._leases = leases
        self._seconds = seconds
        self._sleep = sleep
        self._owner = uuid.uuid4().hex
        self._lease: Lease | None = None

    async def keep(self) -> None:
        """Until cancelled; the lease is let go then."""
        try:
            while True:
                if await self._ours():
                    await self._watch.look()
                else:
                    self._watch.rest()
                await self._sleep(self._seconds)
        finally:
            await self._let_go()

    async def _ours(self) -> bool:
        held = self._seconds * HELD_LOOKS
        try:
            if self._lease is not None:
                await self._leases.renew(self._lease, held)
            else:
                self._lease = await self._leases.acquire(LEASE, self._owner, held)
        except LeaseLost:
            self._lease = None
        except Unavailable:
            return True
        return self._lease is not None

    async def _let_go(self) -> None:
        if self._lease is None:
            return
        try:
            await self._leases.release(self._lease)
        except Unavailable:
            return  # it runs out by itself
