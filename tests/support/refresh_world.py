"""Processes that share a stored connection, on fakes that let anything happen in between, by a seed.

The org rotates: a refresh token is good once, and one that comes again ends the connection for good.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any

from adapters.salesforce.grants import Grant
from adapters.salesforce.login import Login
from adapters.salesforce.refresh import ConnectionStore, RefreshedLogins
from adapters.salesforce.settings import SalesforceSettings
from schemas.connection import Connection
from schemas.session import LoginFailed, Session
from schemas.stream import Lease
from schemas.unavailable import Unavailable
from support.fakes_connections import FakeConnections

URL = "https://acme.my.salesforce.com"
PROCESSES = 4
ACTIONS = ("call", "call", "call", "call", "revoke", "revoke", "cancel", "lose_request", "store_away")


class Chance:
    """Lets others go first, now and then."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    async def __call__(self) -> None:
        for _ in range(self.random.choice((0, 0, 1, 2, 5))):
            await asyncio.sleep(0)


class Org:
    """The token endpoint, as far as refreshing goes."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._number = 0
        self.refresh_token = "r0"
        self.live: set[str] = set()
        self.ended = False
        self.refreshes = 0
        self.lost_requests = 0

    async def ask(self, form: dict[str, str]) -> Grant:
        """Satisfies what is asked of `TokenEndpoint`."""
        await self._chance()
        if self.lost_requests:
            self.lost_requests -= 1
            raise LoginFailed("no answer", code="no_answer")
        if self.ended or form["refresh_token"] != self.refresh_token:
            self.ended = True
            self.live.clear()
            raise LoginFailed("login refused: invalid_grant", code="invalid_grant", terminal=True)
        self._number += 1
        self.refreshes += 1
        self.refresh_token, access = f"r{self._number}", f"a{self._number}"
        self.live.add(access)
        await self._chance()
        return Grant(Session(URL, access), self._number, "", refresh_token=self.refresh_token)


class Store(FakeConnections):
    """Slow, and away for a number of operations."""

    def __init__(self, chance: Chance) -> None:
        super().__init__()
        self._chance = chance
        self.failures = 0

    async def read(self, name: str) -> Connection | None:
        await self._slowly()
        return await super().read(name)

    async def renew(self, connection: Connection, *, since: int) -> bool:
        await self._slowly()
        return await super().renew(connection, since=since)

    async def _slowly(self) -> None:
        await self._chance()
        if self.failures:
            self.failures -= 1
            raise Unavailable("MongoDB does not answer")


class OneAtATime:
    """Leases that never run out: how long one lasts is not what is tried here."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._owner: str | None = None

    async def acquire(self, name: str, owner: str, _seconds: float) -> Lease | None:
        await self._chance()
        if self._owner not in (None, owner):
            return None
        self._owner = owner
        return Lease(name, owner, 1)

    async def release(self, lease: Lease) -> None:
        await self._chance()
        if self._owner == lease.owner:
            self._owner = None


class World:
    """Processes, each with a login of its own."""

    def __init__(self, seed: int, logins: type[RefreshedLogins], leases: Callable[[Chance], Any]) -> None:
        self.chance = Chance(seed)
        self._seconds = 0.0
        self.org, self.store = Org(self.chance), Store(self.chance)
        self._settings = SalesforceSettings(
            client_id="app", client_secret="secret", login_url=URL, redirect_uri="http://localhost:1/callback"
        )
        self.store.rows["app"] = Connection("app", URL, URL, "", "", (), "a0", "r0", 1, 1)
        shared, seconds = leases(self.chance), iter(range(0, 10**9, 1000))
        self._logins = [
            logins(
                self.org,  # type: ignore[arg-type]
                self._settings,
                ConnectionStore(self.store, shared, f"process-{number}"),
                now=lambda: 1,
                clock=lambda: self._seconds,
                pause=self._pause,
            )
            for number in range(PROCESSES)
        ]
        # Seconds jump from one look to the next, so that no failure is held against the next caller.
        self.processes = [Login(each, clock=lambda: float(next(seconds))) for each in self._logins]

    async def _pause(self, seconds: float) -> None:
        self._seconds += seconds / PROCESSES
        await self.chance()

    async def call(self, process: Login) -> bool:
        """A call to the org and its one repeat; whether it got through."""
        try:
            session = await process.current()
            await self.chance()
            if session.access_token not in self.org.live:
                session = await process.renew(session)
        except LoginFailed:
            return False
        return session.access_token in self.org.live

    async def run(self, actions: Sequence[str]) -> list[str]:
        """What is wrong at the end; nothing, if the promises hold."""
        tasks: list[asyncio.Task[bool]] = []
        for action in actions:
            match action:
                case "call":
                    tasks.append(asyncio.create_task(self.call(self.chance.random.choice(self.processes))))
                case "revoke":
                    self.org.live.clear()
                case "cancel" if tasks:
                    self.chance.random.choice(tasks).cancel()
                case "lose_request":
                    self.org.lost_requests += 1
                case "store_away":
                    self.store.failures += self.chance.random.randint(1, 6)
            await self.chance()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.org.lost_requests = self.store.failures = 0
        for each in self._logins:
            await each.close()
        for each in self._logins:
            each._closing = False
        return await self._wrong()

    async def _wrong(self) -> list[str]:
        for process in self.processes:
            await self.call(process)  # whoever holds what the store did not take brings it there first
        found = []
        if not all([await self.call(process) for process in self.processes]):
            found.append("a process is not let in though nothing is in the way any more")
        if self.org.ended:
            return [*found, "the connection was ended: a refresh token came twice"]
        if self.store.rows["app"].refresh_token != self.org.refresh_token:
            found.append("the store holds another refresh token than the one that is good")
        if not found and len({await process.current() for process in self.processes}) > 1:
            found.append("processes use different tokens at rest")
        return found


def seeded(seed: int) -> list[str]:
    """A schedule."""
    chance = random.Random(seed)
    return chance.choices(ACTIONS, k=chance.randint(5, 40))


def judged(
    seed: int,
    *,
    actions: Sequence[str] = (),
    logins: type[RefreshedLogins] = RefreshedLogins,
    leases: Callable[[Chance], Any] = OneAtATime,
) -> list[str]:
    """Run a schedule, by default the seed's own, in a loop of its own; what is wrong at the end."""

    async def run() -> list[str]:
        return await World(seed, logins, leases).run(actions or seeded(seed))

    return asyncio.run(run())
