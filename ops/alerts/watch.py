"""Looks whether all is well, again and again, and tells people."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, Protocol

from ops.admin.sign import Level, Sign
from ops.alerts.message import Message, message
from ops.alerts.rules import Alert, AlertPolicy, due, observe, over, told
from schemas.unavailable import Unavailable

STORE_AWAY: Final = Sign("away:mongodb", Level.ILL, "MongoDB does not answer: nothing is stored", "/admin/salesforce")


class Sender(Protocol):
    """Where messages go."""

    async def send(self, message: Message) -> bool:
        """False where not everybody it was for could be told."""


class AlertStore(Protocol):
    """What is known of alerts. Raises `Unavailable` where the store does not answer."""

    async def all(self) -> dict[str, Alert]:
        """By name."""

    async def save(self, alerts: Iterable[Alert]) -> None:
        """Keep these; who silenced them stays as it is."""

    async def forget(self, names: Sequence[str]) -> None:
        """They are over."""


class AlertWatch:
    """One look at a time. While the store is away it goes on with what it knew, and says so."""

    def __init__(
        self,
        *,
        signs: Callable[[], Awaitable[Sequence[Sign]]],
        store: AlertStore,
        sender: Sender,
        policy: AlertPolicy,
        page: str,
        now: Callable[[], int],
        not_sent: Callable[[int], None],
    ) -> None:
        """`signs` raises `Unavailable` where MongoDB does not answer; `not_sent` hears how many alerts nobody heard of,
        which are told at the next look."""
        self._signs = signs
        self._store = store
        self._sender = sender
        self._policy = policy
        self._page = page
        self._now = now
        self._not_sent = not_sent
        self._known: dict[str, Alert] = {}

    async def look(self) -> None:
        """See what is not well, and tell what is due."""
        away = False
        try:
            signs, self._known = await self._signs(), await self._store.all() | self._unsaved()
        except Unavailable:
            # What else is wrong is not known now: as it was.
            now, away = self._now(), True
            signs = [STORE_AWAY, *(_again(alert) for alert in self._known.values() if alert.name != STORE_AWAY.name)]
        now = self._now()
        self._known = observe(self._known, signs, now=now)
        tell = due(self._known, self._policy, now=now)
        if tell and not await self._sender.send(message(tell, page=self._page, now=now)):
            self._not_sent(len(tell.fired) + len(tell.going_on) + len(tell.resolved))
        else:
            self._known = told(self._known, tell, now=now)
            gone = over(self._known, self._policy, now=now)
            self._known = {name: alert for name, alert in self._known.items() if name not in gone}
            if gone and not away:
                await self._keep(self._store.forget(sorted(gone)))
        if not away:
            await self._keep(self._store.save(self._known.values()))

    def rest(self) -> None:
        """Another looks: what was known here is old."""
        self._known = {}

    def _unsaved(self) -> dict[str, Alert]:
        """What was seen while the store was away."""
        known = self._known.get(STORE_AWAY.name)
        return {} if known is None else {known.name: known}

    async def _keep(self, kept: Awaitable[None]) -> None:
        try:
            await kept
        except Unavailable:
            return  # the next look tells that the store is away


def _again(alert: Alert) -> Sign:
    return Sign(alert.name, alert.level, alert.told, alert.to)
