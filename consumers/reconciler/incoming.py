"""Kafka records read into what the rules understand, or into the reason why they cannot be."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from consumers.catalog import Catalog
from consumers.ports import Record
from consumers.rules.kinds import Kind
from consumers.rules.platform import Assertion
from schemas import cloudevents, topics
from schemas.change import Change
from schemas.codec import Undecodable, decode
from schemas.event_reading import read_event
from schemas.mapping import Asserts
from schemas.transforms import InvalidValue


@dataclass(frozen=True, slots=True)
class PlatformFact:
    """A platform event about one document."""

    kind: Kind
    document_id: str
    assertion: Assertion


@dataclass(frozen=True, slots=True)
class ChangeFact:
    """A Salesforce change of one record, and the kinds kept in its object."""

    kinds: tuple[Kind, ...]
    change: Change


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record to park: `reason` is a stable word."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Unmapped:
    """A record that speaks of nothing in the mapping."""

    reason: str


Incoming = PlatformFact | ChangeFact | Unreadable | Unmapped


def read(record: Record, catalog: Catalog) -> Incoming:
    """What a record of `platform.events` or `salesforce.changes` says."""
    try:
        if record.topic == topics.PLATFORM_EVENTS:
            return _platform_fact(record, catalog)
        if record.topic == topics.SALESFORCE_CHANGES:
            return _change_fact(record, catalog)
    except Undecodable as error:
        return Unreadable("undecodable", str(error))
    return Unreadable("unknown_topic", f"{record.topic} is not a topic of facts")


def _platform_fact(record: Record, catalog: Catalog) -> Incoming:
    event = read_event(record.value)
    headers = record.headers
    event_id = headers.get(cloudevents.ID, "")
    if not event_id:
        return Unreadable("undecodable", f"no {cloudevents.ID} header")
    mapped = catalog.event(event.type)
    if mapped is None:
        return Unreadable("unknown_event_type", f"no kind of mapping version {catalog.version} names {event.type}")
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
            # Rule 2: by our clock, and never later than it came.
            occurred_at=received_at if event.occurred is None else min(event.occurred + offset, received_at),
            fields=fields,
            changed=None if event.changed is None else named(event.changed, mapped.kind),
            seen=event.seen,
            deletes=mapped.asserts is Asserts.DELETED,
        ),
    )


def _change_fact(record: Record, catalog: Catalog) -> Incoming:
    change = decode(Change, record.value)
    kinds = tuple(catalog.kinds_of(change.entity))
    if not kinds:
        return Unmapped(f"no kind is kept in {change.entity}")
    return ChangeFact(kinds, change)


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
