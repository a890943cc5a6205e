"""Which mapped objects have change events in this org, and which are polled: by the settings, or since no channel that
is subscribed to brings their events."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from adapters.mongo.client import Database
from adapters.mongo.gaps import objects_in_gaps
from adapters.mongo.positions import polled_lately
from adapters.salesforce.errors import CallFailed
from adapters.salesforce.rest import Rest
from consumers.catalog import Catalog
from listener.changes.feed import Objects
from listener.changes.settings import ChangesSettings
from ops.check_org import Selected, selected_events
from ops.processes.frame import Frame
from schemas import mapping as contract
from schemas.stream import change_event
from schemas.unavailable import Unavailable

LOOK_SECONDS: Final = 5.0
UNTOLD_SECONDS: Final = 1.0
"""The sooner it is known that something was missed, the less of it is written over unread."""
ASK_SECONDS: Final = 3_600.0
"""Between two questions which change events are switched on: somebody may have selected an object."""
ASK_AGAIN_SECONDS: Final = 300.0
"""The same after a question that was not answered."""


def objects_of(
    mapping: contract.Mapping,
    settings: ChangesSettings,
    selected: Selected | None,
    off: frozenset[str] = frozenset(),
) -> tuple[Objects, frozenset[str]]:
    """The mapped objects by how their changes are had; and those that are polled for want of a channel.

    Those that are switched off (`off`) are among neither: nothing is taken from there.

    `selected` are the change events that are switched on; where they are not known each object is taken to have them.
    """
    mapped = frozenset(mapping.objects()) - off
    missing = frozenset(
        sobject
        for sobject in mapped
        if settings.poll_missing
        and selected is not None
        and not any(selected.brings(channel, change_event(sobject)) for channel in settings.channels)
    )
    polled = mapped & frozenset(settings.polled) | missing
    return Objects(by_events=mapped - polled, polled=polled), missing - frozenset(settings.polled)


class Untold:
    """The objects of whose changes no event may have told: those that the subscriber polls now, as the positions of its
    polls tell every other process, and those that something was missed of, until their gaps are closed."""

    def __init__(self, database: Database, seconds: float, mapped: Callable[[], frozenset[str]], frame: Frame) -> None:
        """A poll of which nothing was stored for so many seconds is over."""
        self._database = database
        self._seconds = seconds
        self._mapped = mapped
        self._frame = frame
        self._untold: frozenset[str] = frozenset()

    def current(self) -> frozenset[str]:
        """As last seen."""
        return self._untold

    async def look(self) -> None:
        """See which they are. While MongoDB is away they are what they were."""
        try:
            polled = await polled_lately(self._database, self._seconds)
            self._untold = polled | await objects_in_gaps(self._database, self._mapped())
        except Unavailable as error:
            self._frame.log.warning("unavailable", what="positions", reason=str(error))

    async def follow(self) -> None:
        """Without end."""
        while True:
            await self.look()
            await asyncio.sleep(UNTOLD_SECONDS)


class PolledObjects:
    """Asks the org now and then; `current` tells what is known."""

    def __init__(self, catalog: Callable[[], Catalog], rest: Rest, settings: ChangesSettings, frame: Frame) -> None:
        self._catalog = catalog
        self._rest = rest
        self._settings = settings
        self._frame = frame
        self._selected: Selected | None = None
        self._told: Mapping[str, list[str]] = {}

    def current(self) -> Objects:
        """By the mapping in force."""
        return self._objects()[0]

    def _objects(self) -> tuple[Objects, frozenset[str]]:
        catalog = self._catalog()
        return objects_of(catalog.mapping, self._settings, self._selected, catalog.off)

    async def ask(self) -> float:
        """Ask which change events are switched on; seconds until that is to be asked again."""
        if not self._settings.poll_missing:
            return ASK_SECONDS
        try:
            self._selected = await selected_events(self._rest)
        except CallFailed as failed:
            self._frame.log.warning("change_events_not_seen", reason=str(failed))
            return ASK_AGAIN_SECONDS
        return ASK_SECONDS

    def tell(self) -> None:
        """One line whenever other objects are polled."""
        objects, missing = self._objects()
        told = {"polled": sorted(objects.polled), "without_channel": sorted(missing)}
        told["not_mapped"] = sorted(set(self._settings.polled) - set(self._catalog().sobjects()))
        if told != self._told and (any(told.values()) or self._told):
            self._frame.log.warning("objects_polled", **told)
        self._told = told

    async def follow(self, wait: float) -> None:
        """Ask again after `wait` seconds, and so on; without end."""
        while True:
            while wait > 0:
                await asyncio.sleep(LOOK_SECONDS)
                self.tell()
                wait -= LOOK_SECONDS
            wait = await self.ask()
