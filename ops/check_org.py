"""What is missing in the org, a line each: the API version, allocations, objects, fields, rights, change events."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from adapters.salesforce.describe_check import check_kind, placeholders_of
from adapters.salesforce.errors import CallFailed
from adapters.salesforce.rest import Rest
from adapters.salesforce.soql import Select
from ops.finding import Finding, State
from schemas import mapping as contract
from schemas.field_mapping import Direction
from schemas.stream import change_event

FEW_LEFT: Final = 0.1
"""Below this share of a day's allocation it is worth a warning."""
ALLOCATIONS: Final = {
    "DailyApiRequests": "API calls",
    "DailyDeliveredPlatformEvents": "event deliveries",
    "DailyBulkApiBatches": "bulk batches",
    "DailyBulkV2QueryJobs": "bulk queries",
}
"""What of `limits` is drawn upon ("Limits" in the REST API guide)."""


async def of_org(
    rest: Rest,
    version: str,
    mapping: contract.Mapping | None,
    channels: Sequence[str],
    polled: Sequence[str] = (),
    *,
    poll_missing: bool = False,
    off: frozenset[str] = frozenset(),
) -> AsyncIterator[Finding]:
    """Everything that can be told without changing the org. `channels` are those of CHANGES_CHANNELS, `polled` the
    objects of CHANGES_POLLED, `poll_missing` is CHANGES_POLL_MISSING. An object that is switched off (`off`) may be
    missing.

    Raises:
        CallFailed: the org did not answer a question that it answers to everybody.
    """
    yield of_version(version, await rest.versions())
    try:
        limits = await rest.limits()
    except CallFailed as failed:
        yield _untold("what is left of its allocations", failed)
    else:
        for finding in of_allocations(limits):
            yield finding
    if mapping is None:
        return
    objects = {name: kind.sobject for name, kind in mapping.kinds.items()}
    for name, whole in mapping.kinds.items():
        for where, kind in whole.by_object():
            if kind.sobject in off:
                told = f"{name}{where}: {kind.sobject} is switched off, so the org is not asked for it"
                yield Finding("mapping", State.GOOD, told)
                continue
            for finding in of_kind(f"{name}{where}", kind, await rest.describe(kind.sobject), objects, whole):
                yield finding
    try:
        selected = await selected_events(rest)
    except CallFailed as failed:
        yield _untold("which change events are switched on", failed)
        return
    for finding in of_change_events(mapping, channels, selected, polled, poll_missing=poll_missing, off=off):
        yield finding


def _untold(what: str, failed: CallFailed) -> Finding:
    told = f"does not tell {what}: {failed.fault.code}; it needs View Setup and Configuration"
    return Finding("Salesforce", State.WARNING, told)


def of_version(wanted: str, versions: Iterable[Mapping[str, object]]) -> Finding:
    """Whether the org speaks the API version of the settings."""
    spoken = [str(version.get("version")) for version in versions]
    if wanted in spoken:
        return Finding("Salesforce", State.GOOD, f"speaks API version {wanted}")
    return Finding("Salesforce", State.FAILED, f"SALESFORCE_API_VERSION={wanted} is not among {', '.join(spoken)}")


def of_allocations(limits: Mapping[str, object]) -> Iterator[Finding]:
    """What is left of each allocation that we draw upon."""
    for name, told in ALLOCATIONS.items():
        allocation = limits.get(name)
        if not isinstance(allocation, Mapping) or not allocation.get("Max"):
            yield Finding("Salesforce", State.WARNING, f"does not tell how many {told} are left today")
            continue
        left, most = allocation.get("Remaining", 0), allocation["Max"]
        state = State.WARNING if left < most * FEW_LEFT else State.GOOD
        yield Finding("Salesforce", state, f"{left} of {most} {told} left today")


def of_kind(
    name: str,
    kind: contract.KindMapping,
    describe: Mapping[str, object] | None,
    objects: Mapping[str, str],
    whole: contract.KindMapping,
) -> Iterator[Finding]:
    """Where a kind does not fit its object: each object, field, right, external id and token field on its own line.

    `objects` are those in which the kinds are kept, by kind: lookups name records of them. `whole` is the kind with all
    of its objects.
    """
    complaints = check_kind(name, kind, describe, objects, placeholders_of(whole, kind))
    for complaint in complaints:
        yield Finding("mapping", State.FAILED if complaint.blocking else State.WARNING, str(complaint))
    if not any(complaint.blocking for complaint in complaints):
        yield Finding("mapping", State.GOOD, f"{name} fits the org's {kind.sobject}")


@dataclass(frozen=True, slots=True)
class Selected:
    """The change events that are switched on: entities such as `ContactChangeEvent`, by channel."""

    by_channel: Mapping[str, frozenset[str]]

    def brings(self, channel: str, entity: str) -> bool:
        """Whether a channel that is subscribed to, such as `/data/ChangeEvents`, brings an entity's events."""
        name = channel.removeprefix("/data/")
        if name == entity:
            return any(entity in members for members in self.by_channel.values())
        return entity in self.by_channel.get(name, ())


def of_change_events(
    mapping: contract.Mapping,
    channels: Sequence[str],
    selected: Selected,
    polled: Sequence[str] = (),
    *,
    poll_missing: bool = False,
    off: frozenset[str] = frozenset(),
) -> Iterator[Finding]:
    """Whether the changes of each object come by one of the channels that are subscribed to, or are polled."""
    for sobject in polled:
        if sobject not in mapping.objects():
            told = f"CHANGES_POLLED names {sobject}, in which no kind is kept: it is not polled"
            yield Finding("changes", State.WARNING, told)
    for name, kind in ((name, kind) for name, whole in mapping.kinds.items() for _where, kind in whole.by_object()):
        if kind.sobject in off:
            continue
        entity = change_event(kind.sobject)
        if kind.sobject in polled:
            yield Finding("changes", State.GOOD, f"{name}: {kind.sobject} is polled, as CHANGES_POLLED says")
            continue
        bringing = [channel for channel in channels if selected.brings(channel, entity)]
        if bringing:
            yield Finding("changes", State.GOOD, f"{name}: changes of {kind.sobject} come by {', '.join(bringing)}")
            continue
        pulls = any(field.direction is not Direction.PUSH for field in kind.fields)
        elsewhere = [channel for channel, members in selected.by_channel.items() if entity in members]
        cure = (
            f"it is selected for {', '.join(elsewhere)}: set CHANGES_CHANNELS"
            if elsewhere
            else f"select {kind.sobject} for Change Data Capture"
        )
        told = f"{name}: no channel of CHANGES_CHANNELS brings the changes of {kind.sobject}; {cure}"
        if poll_missing:
            yield Finding("changes", State.WARNING, f"{told}; until then it is polled, which spends API calls")
        else:
            yield Finding("changes", State.FAILED if pulls else State.WARNING, told)


async def selected_events(rest: Rest) -> Selected:
    """Which change events are switched on, by the Tooling API: custom channels have ids there, the standard one a name.

    Raises:
        CallFailed: no answer, or not for us.
    """
    names = {
        str(row["Id"]): f"{row['DeveloperName']}__chn"
        async for row in rest.query(Select(("Id", "DeveloperName"), "PlatformEventChannel"), tooling=True)
    }
    found: dict[str, set[str]] = {}
    query = Select(("DeveloperName", "EventChannel", "SelectedEntity"), "PlatformEventChannelMember")
    async for row in rest.query(query, tooling=True):
        channel = str(row["EventChannel"])
        members = found.setdefault(names.get(channel, channel), set())
        members.update(_entities(names.get(channel, channel), row))
    return Selected({channel: frozenset(members) for channel, members in found.items()})


def _entities(channel: str, row: Mapping[str, object]) -> Iterator[str]:
    """The entity; one that is named by an id is told by the developer name, which Salesforce makes of both."""
    yield str(row["SelectedEntity"])
    made_of = f"{channel}_".replace("__", "_")
    name = str(row["DeveloperName"])
    if name.startswith(made_of) and name.endswith("_ChangeEvent"):
        yield f"{name.removeprefix(made_of).removesuffix('_ChangeEvent')}__ChangeEvent"
