"""What deliveries need of the outside."""

from collections.abc import Sequence
from typing import Protocol

from schemas.delivery import Answer, Delivery, Endpoint


class Deliveries(Protocol):
    """`tandem_deliveries`. Each method raises Unavailable where the store does not answer."""

    async def keep(self, deliveries: Sequence[Delivery], now: int) -> set[str]:
        """Keep these, to be delivered at once; the ids of those that were not there yet."""

    async def take(self, now: int, limit: int, seconds: float) -> list[Delivery]:
        """Of deliveries that are due, each the first of its document that waits: up to `limit`, held for so long."""

    async def hold(self, ids: Sequence[str], seconds: float) -> None:
        """Those of them that are held are held for so long from now on."""

    async def delivered(self, taken: Sequence[tuple[Delivery, Answer]], now: int) -> None:
        """The platform has these."""

    async def again(self, delivery: Delivery, answer: Answer, at: int, now: int) -> None:
        """It is due again at `at`, and with it what waits behind it of the same document."""

    async def given_up(self, delivery: Delivery, answer: Answer, now: int) -> None:
        """It waits for a person; what is behind it goes on."""

    async def release(self, delivery: Delivery, answer: Answer, now: int) -> None:
        """It waits as before, without a try."""

    async def forget(self, ids: Sequence[str]) -> None:
        """They go, and nothing is left of them."""


class Endpoints(Protocol):
    """Where the platform wants to be told. Each method raises Unavailable where the store does not answer."""

    async def current(self) -> Endpoint | None:
        """The endpoint; None where no URL was ever set."""

    async def took(self) -> None:
        """It has taken a delivery."""

    async def failed(self, now: int) -> Endpoint | None:
        """It has not; as it stands now."""

    async def disable(self, reason: str, now: int) -> None:
        """Post nothing more until a person enables it."""


class Poster(Protocol):
    """Posts signed webhooks."""

    async def post(self, url: str, event_id: str, body: bytes, traceparent: str = "") -> Answer:
        """Post it once, as part of this trace if one is given. Raises nothing: what goes wrong is in the answer."""
