"""Does a mapping fit the org? Asked before it is published, when it comes into force, and by `tandem check`."""

import asyncio
import time
from collections.abc import Callable, Sequence
from collections.abc import Mapping as Describing
from dataclasses import dataclass
from typing import Any, Final

from adapters.mongo.client import Refused
from adapters.salesforce.describe_check import Complaint, check_mapping
from adapters.salesforce.errors import CallFailed
from adapters.salesforce.opening import Salesforce
from adapters.salesforce.settings import SalesforceSettings
from ops.logins import open_signed_in
from ops.settings import WrongSettings, read_settings
from ops.sync_settings import SyncSettings
from schemas.mapping import Mapping
from schemas.session import LoginFailed
from schemas.unavailable import Unavailable

FIT_SECONDS: Final = 10.0
"""How long somebody waits for the org to say whether a change fits it."""
REMEMBERED_SECONDS: Final = 60.0
"""How long what the org said of an object is good enough."""

Describes = Describing[str, Describing[str, Any] | None]
"""By object, as `describe` tells; nothing where the org has none such."""


@dataclass(frozen=True, slots=True)
class Fit:
    """What the org says against a mapping; `untold` is why it could not be asked, where it could not."""

    complaints: tuple[Complaint, ...] = ()
    untold: str = ""

    @property
    def blocking(self) -> list[str]:
        """What makes writes fail, a line each."""
        return [f"{complaint} (as the org has it)" for complaint in self.complaints if complaint.blocking]


async def misfits(salesforce: Salesforce, mapping: Mapping, off: frozenset[str] = frozenset()) -> list[Complaint]:
    """Everything that does not fit the org, of all kinds but in objects that are switched off.

    Raises:
        CallFailed, LoginFailed, Unavailable: the org does not tell.
    """
    asked = [each for each in mapping.objects() if each not in off]
    return check_mapping(mapping, {each: await salesforce.rest.describe(each) for each in asked}, off)


async def new_misfits(
    salesforce: Salesforce, before: Mapping, after: Mapping, off: frozenset[str] = frozenset()
) -> list[str]:
    """What would make writes fail under `after` and did not under `before`, a line each. Raises as `misfits`."""
    described = {each: await salesforce.rest.describe(each) for each in _objects(before, after, off)}
    return against(described, before, after, off)


def against(described: Describes, before: Mapping, after: Mapping, off: frozenset[str] = frozenset()) -> list[str]:
    """What would make writes fail under `after` and did not under `before`, a line each, by what the org describes."""
    known = set(Fit(tuple(check_mapping(before, described, off))).blocking)
    return [line for line in Fit(tuple(check_mapping(after, described, off))).blocking if line not in known]


class Remembered:
    """What the org of the settings says of its objects: asked for once in a while, since somebody types meanwhile."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, tuple[float, Any]] = {}

    async def describes(self, objects: Sequence[str]) -> Describes:
        """Of these objects.

        Raises:
            WrongSettings, Refused, TimeoutError, CallFailed, LoginFailed, Unavailable: the org does not tell.
        """
        now = self._clock()
        self._known = {each: known for each, known in self._known.items() if now - known[0] < REMEMBERED_SECONDS}
        if asked := [each for each in objects if each not in self._known]:
            (settings,) = read_settings(SalesforceSettings)
            async with asyncio.timeout(FIT_SECONDS), open_signed_in(settings) as salesforce:
                for each in asked:
                    self._known[each] = (now, await salesforce.rest.describe(each))
        return {each: self._known[each][1] for each in objects}


async def fit_of_change(remembered: Remembered, before: Mapping, after: Mapping) -> tuple[list[str], str]:
    """What the org has against a change that it did not have against what is in force, a line each; why it is untold.

    An org that is away, or not named by the settings, forbids nothing: each process says what does not fit when it
    takes a version up.
    """
    try:
        (switches,) = read_settings(SyncSettings)
        off = switches.switched_off()
        return against(await remembered.describes(_objects(before, after, off)), before, after, off), ""
    except WrongSettings:
        return [], "the settings SALESFORCE_* name none"
    except TimeoutError:
        return [], f"it did not answer within {FIT_SECONDS:.0f} seconds"
    except (CallFailed, LoginFailed, Unavailable, Refused) as error:
        return [], str(error)


def _objects(before: Mapping, after: Mapping, off: frozenset[str]) -> list[str]:
    return [each for each in dict.fromkeys([*after.objects(), *before.objects()]) if each not in off]


async def fit_of(mapping: Mapping) -> Fit:
    """What the org of the settings says. Without such settings, or with the org away, it says nothing."""
    try:
        settings, switches = read_settings(SalesforceSettings, SyncSettings)
        async with open_signed_in(settings) as salesforce:
            return Fit(tuple(await misfits(salesforce, mapping, switches.switched_off())))
    except WrongSettings:
        return Fit(untold="the settings SALESFORCE_* name none")
    except (CallFailed, LoginFailed, Unavailable, Refused) as error:
        return Fit(untold=str(error))
