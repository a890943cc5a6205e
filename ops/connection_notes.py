"""Keeps noted who signs in and when something was last synced, and reminds of a credential that has grown old."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from adapters.mongo.connection_notes import ConnectionNotes, SignedIn
from adapters.salesforce.credential import fingerprint, in_use_since, reminder
from adapters.salesforce.grants import Grant
from adapters.salesforce.opening import Salesforce
from adapters.salesforce.settings import SalesforceSettings
from ops.processes.frame import Frame
from ops.processes.parts import wall_ms
from schemas.session import LoginFailed
from schemas.unavailable import Unavailable

NOTE_SECONDS: Final = 15.0
REMIND_SECONDS: Final = 86_400.0


class LastSync:
    """When a record was last written or a change last received, epoch milliseconds; 0 before."""

    def __init__(self) -> None:
        self.at = 0

    def moved(self) -> None:
        """Just now."""
        self.at = wall_ms()


def signed_in(settings: SalesforceSettings, grant: Grant, credential: str) -> SignedIn:
    """What is noted of a login."""
    return SignedIn(
        name=settings.client_id,
        flow=str(settings.flow),
        login_url=settings.login_url,
        instance_url=grant.session.instance_url,
        org_id=grant.org_id,
        user_id=grant.user_id,
        scopes=grant.scopes,
        credential=credential,
        at=grant.issued_at or wall_ms(),
    )


class NoteKeeper:
    """Notes what is new each time it looks."""

    def __init__(
        self,
        frame: Frame,
        salesforce: Salesforce,
        notes: ConnectionNotes,
        settings: SalesforceSettings,
        sync: LastSync,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` tells seconds that only go forward."""
        self._clock = clock
        self._frame = frame
        self._salesforce = salesforce
        self._notes = notes
        self._settings = settings
        self._sync = sync
        self._credential: str | None = None
        self._noted: Grant | None = None
        self._synced = 0
        self._remind_at = 0.0

    async def keep(self) -> None:
        """Look again and again, without end."""
        while True:
            try:
                await self.look()
            except Unavailable as error:
                self._frame.log.warning("unavailable", what="connection_notes", reason=str(error))
            await asyncio.sleep(NOTE_SECONDS)

    async def look(self) -> None:
        """Note a login and a sync that are not noted yet; remind once a day.

        Raises:
            Unavailable: MongoDB does not answer; the next look makes up for it.
        """
        try:
            # Signs in where nobody has, or where it was refused: else a process without work would never know of it.
            grant = await self._salesforce.login.grant()
        except LoginFailed:
            return  # `login_told` says so, and `login_ping`
        due = self._clock() >= self._remind_at
        if grant is not self._noted or due:
            if self._credential is None:
                self._credential = await asyncio.to_thread(fingerprint, self._settings)
            connection = await self._notes.signed_in(signed_in(self._settings, grant, self._credential))
            self._noted = grant
            if since := in_use_since(connection):
                self._frame.metrics.credential_seen(since / 1000)
            if due:
                self._remind_at = self._clock() + REMIND_SECONDS
                if text := reminder(connection, wall_ms()):
                    self._frame.log.warning("credential_old", reason=text)
        if self._sync.at > self._synced:
            at = self._sync.at
            await self._notes.synced(self._settings.client_id, at)
            self._synced = at
