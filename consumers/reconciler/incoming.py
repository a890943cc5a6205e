"""Kafka records read into what the rules understand, or into the reason why they cannot be."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from consumers.catalog import Catalog
from consumers.ports import Record
from consumers.rules.kinds import Kind
from consumers.rules.platform import Assertion
from schemas import cloudevents, marks, topics
from schemas.change import Change, ChangeType
from schemas.codec import Undecodable, decode
from schemas.event_reading import read_event
from schemas.mapping import Asserts
from schemas.transforms import InvalidValue
from schemas.versions import Data, NewerFormat, check_record


@dataclass(frozen=True, slots=True)
class PlatformFact:
    """A platform event about one document."""

    kind: Kind
    document_id: str
    assertion: Assertion
    verifies: bool = False
    """It says that the e-mail address is that person's own."""
    registers: bool = False
    """It says that somebody has registered who is to be looked up in Salesforce."""


@dataclass(frozen=True, slots=True)
class ChangeFact:
    """A Salesforce change of one record, and the kinds kept in its object."""

    kinds: tuple[Kind, ...]
    change: Change
    redriven: bool = False
    """It was parked before: what came later may have been taken in already."""


@dataclass(frozen=True, slots=True)
class ErasedFact:
    """A platform event that has a person forgotten."""

    kind: Kind
    document_id: str
    event_id: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record to park: `reason` is a stable word."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Unmapped:
    """A record that speaks of nothing in the mapping."""

    reason: str


NEWER_FORMAT: Final = "newer_format"
"""Why a record is parked that a newer release has written."""
_GAP: Final = "GAP_"

Incoming = PlatformFact | ChangeFact | ErasedFact | Unreadable | Unmapped


def read(record: Record, catalog: Catalog) -> Incoming:
    """What a record of `platform.events` or `salesforce.changes` says."""
    try:
        if record.topic == topics.PLATFORM_EVENTS:
            return _platform_fact(record, catalog)
        if record.topic == topics.SALESFORCE_CHANGES:
            return _change_fact(record, catalog)
    except Undecodable as error:
        return Unreadable("undecodable", str(error))
    except NewerFormat as error:
        return Unreadable(NEWER_FORMAT, str(error))
    return Unreadable("unknown_topic", f"{record.topic} is not a topic of facts")


def _platform_fact(record: Record, catalog: Catalog) -> Incoming:
    headers = record.headers
    check_record(headers, Data.PLATFORM_EVENT)
    event = read_event(record.value)
    event_id = headers.get(cloudevents.ID, "")
    if not event_id:
        return Unreadable("undecodable", f"no {cloudevents.ID} header")
    mapped = catalog.event(event.type)
    if mapped is None:
        return Unreadable("unknown_event_type", f"no kind of mapping version {catalog.version} names {event.type}")
    if mapped.asserts is Asserts.ERASED:
        return ErasedFact(mapped.kind, event.id, event_id)
    received_at = _number(headers.get(cloudevents.RECEIVED_AT), record.timestamp)
    offset = _number(headers.get(cloudevents.CLOCK_OFFSET), 0)
    fields = flatten(event.fields, mapped.kind)
    wrong = _wrong_values(fields, mapped.kind)
    if wrong:
        return Unreadable("invalid_value", "; ".join(wrong))
    return PlatformFact(
        kind=mapped.kind,
        document_id=event.id,
        assertion=Assertion(
            event_id=event_id,
            occurred_at=event.occurred_at(received_at=received_at, clock_offset=offset),
            fields=fields,
            changed=None if event.changed is None else named(event.changed, mapped.kind),
            seen=event.seen,
            deletes=mapped.asserts is Asserts.DELETED,
        ),
        verifies=mapped.kind.enrichment is not None and event.type in mapped.kind.enrichment.verified,
        registers=mapped.kind.enrichment is not None and event.type == mapped.kind.enrichment.registered,
    )


def _change_fact(record: Record, catalog: Catalog) -> Incoming:
    check_record(record.headers, Data.CHANGE)
    change = decode(Change, record.value)
    kinds = tuple(catalog.kinds_of(change.entity))
    if not kinds:
        return Unmapped(f"no kind is kept in {change.entity}")
    redriven = marks.redriven(record.headers) is not None
    return ChangeFact(kinds, _unheard(change) if change.entity in catalog.off else change, redriven)


def _unheard(change: Change) -> Change:
    """Of an object that is switched off: that something was changed, and not what. It is read when it is on again."""
    if change.type.startswith(_GAP):
        return change
    return change.model_copy(update={"type": ChangeType(f"{_GAP}{change.type}"), "fields": {}, "differences": ()})


def named(changed: Iterable[str], kind: Kind) -> frozenset[str]:
    """The mapped paths that an author changed: those named, and those within one that is named, as `address`."""
    return frozenset().union(*(kind.within.get(path, ()) for path in changed))


def flatten(fields: Mapping[str, Any], kind: Kind) -> dict[str, Any]:
    """Mapped values by dotted path, whether the event wrote `{"address.city": …}` or `{"address": {"city": …}}`."""
    flat: dict[str, Any] = {}
    for dotted, rule in kind.by_path.items():
        if dotted in fields:
            flat[dotted] = fields[dotted]
            continue
        if len(rule.path) == 1:
            continue
        value: Any = fields
        for part in rule.path:
            if not isinstance(value, dict) or part not in value:
                break
            value = value[part]
        else:
            flat[dotted] = value
    return flat


def _wrong_values(fields: Mapping[str, Any], kind: Kind) -> list[str]:
    """The paths whose values no transform of theirs can take, and why; never the values."""
    wrong: list[str] = []
    for path, value in fields.items():
        values = kind.by_path[path].values
        if value.__class__ in values.takes:
            continue
        try:
            values.push(value)
        except InvalidValue as error:
            wrong.append(str(error))
    return wrong


def _number(text: str | None, default: int) -> int:
    if text is None:
        return default
    try:
        return int(text)
    except ValueError:
        return default
