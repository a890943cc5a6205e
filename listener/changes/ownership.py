"""Owning an org's stream: taking the lease, and holding it by the clock."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from listener.changes.ports import Lease, LeaseLost, Leases, Unavailable

_logger = logging.getLogger(__name__)
_RENEWALS = 3
"""Tries to renew within the time of a lease."""
_RELEASE_SECONDS = 5.0
"""How long letting go may take: a process that is told to stop does not wait for a store that is away."""


class Ownership:
    """The lease of one org as one process sees it. `clock` tells seconds that only go forward."""

    def __init__(
        self,
        *,
        leases: Leases,
        name: str,
        owner: str,
        seconds: float,
        clock: Callable[[], float],
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        self._leases = leases
        self._name = name
        self._owner = owner
        self._seconds = seconds
        self._clock = clock
        self._pause = pause
        self._until = 0.0

    @property
    def retry_seconds(self) -> float:
        """How long to wait before asking again for a lease that another holds."""
        return self._seconds / _RENEWALS

    async def take(self) -> Lease | None:
        """The lease, or nothing while another process holds it.

        Raises:
            Unavailable: the store does not answer.
        """
        began = self._clock()
        lease = await self._leases.acquire(self._name, self._owner, self._seconds)
        self._until = began + self._seconds
        return lease

    async def hold(self, lease: Lease) -> None:
        """Renew for ever. Its time counts from before the request, so it ends here no later than in the store.

        Raises:
            LeaseLost: another has it, or it ran out because the store did not answer in time.
        """
        while True:
            await self._pause(max(0.0, min(self._seconds / _RENEWALS, self._until - self._clock())))
            left = self._until - self._clock()
            if left <= 0:
                raise LeaseLost("the lease ran out before it was renewed")
            began = self._clock()
            try:
                async with asyncio.timeout(left):
                    await self._leases.renew(lease, self._seconds)
            except (Unavailable, TimeoutError) as error:
                _logger.warning("The lease was not renewed: %s", error, extra={"action": "lease_not_renewed"})
            else:
                self._until = began + self._seconds

    async def release(self, lease: Lease) -> None:
        """Let it go, so that the next need not wait. Where that fails it runs out by itself."""
        try:
            async with asyncio.timeout(min(self._seconds, _RELEASE_SECONDS)):
                await self._leases.release(lease)
        except (Unavailable, TimeoutError) as error:
            _logger.warning("The lease was not released: %s", error, extra={"action": "lease_not_released"})
