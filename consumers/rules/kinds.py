"""A kind of the mapping, made ready for the rules: field by field, with its transforms compiled."""

from collections.abc import Set
from dataclasses import dataclass
from typing import Any

from schemas.change import Change
from schemas.counting import Counted, counted
from schemas.derivation import Derivation, Total
from schemas.enrichment import EnrichmentMapping
from schemas.field_mapping import Direction, FieldMapping, Policy, Privacy
from schemas.lookup import record_named
from schemas.mapping import (
    Creation,
    KindMapping,
    Mapping,
    Matching,
    OnDelete,
    OnMerge,
    Preference,
    Unlinked,
    WholeRecords,
)
from schemas.place import LEAD_PREFIX, Place
from schemas.record_filter import Condition
from schemas.transforms import CompiledField, InvalidValue, compile_field


@dataclass(frozen=True, slots=True)
class FieldRule:
    """What the rules need of one mapped field."""

    path: tuple[str, ...]
    dotted: str
    name: str
    """The Salesforce field."""
    policy: Policy
    first: Policy
    pushes: bool
    pulls: bool
    values: CompiledField
    since: int
    """The version of the mapping that first mapped the field to its path."""
    fills_only: bool = False
    """A value in Salesforce is never overwritten."""
    lookup: tuple[str, ...] = ()
    """The kinds of the documents that the values name; none for a field that is no lookup."""
    lead: str = ""
    """Of a lookup: the field that names its parent while that is a Lead."""
    contact_only: bool = False
    """Of a lookup: its parent may be a Lead, and is named once it is a Contact."""
    required: bool = False
    """No record is made before the document that it names has one."""
    snapshot: bool = False
    """An unnamed value is what the platform's database held at the event's time, and no page that may be old."""
    create_only: bool = False
    """Salesforce takes it with a new record and never after."""
    sensitive: bool = False
    """The audit keeps no value of it."""
    consent: Condition | None = None
    """It is only written while this holds of the document."""
    derive: Derivation | None = None
    """What its value follows from; nobody asserts it (rule 28)."""
    counts: Counted | None = None
    """Of a total: how it reads the documents that it is taken of."""

    def key(self, value: Any) -> Any:
        """The form in which values of both sides are compared (rule 27)."""
        return self.values.key(value)

    def same(self, one: Any, other: Any) -> bool:
        """True where two raw values, of either side, are the same to the mapping.

        Most values come back just as they went, and comparing them as they are costs a tenth of making their keys.
        """
        if one.__class__ is other.__class__ and one == other:
            return True
        return bool(self.values.key(one) == self.values.key(other))

    def moved_by_salesforce(self, value: Any) -> bool:
        """Whether a value of Salesforce's names a parent by its record though nobody can change this field.

        Then the parent was merged or converted, and its own link tells the same in a moment: it is no edit.
        """
        return self.create_only and bool(self.lookup) and record_named(value) is not None

    def outgoing(self, value: Any) -> Any:
        """What is written to Salesforce. A value that came from there in a form of its own goes back as it came."""
        try:
            return self.values.push(value)
        except InvalidValue:
            return value


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of the mapping."""

    name: str
    version: int
    """Of the mapping."""
    collection: str
    sobject: str
    external_id: str
    token: str
    fields: tuple[FieldRule, ...]
    by_name: dict[str, FieldRule]
    by_path: dict[str, FieldRule]
    on_delete: OnDelete
    on_unlinked: Unlinked
    within: dict[str, frozenset[str]]
    """The mapped paths within a path, itself or below it, as `address.city` within `address`."""
    may_hold: tuple[FieldRule, ...]
    """The fields that can hold a value back: by their policy, for want of consent, or since Salesforce takes no other
    any more."""
    own: Place
    """Its own object, by whose names all its fields go."""
    lead: Place | None = None
    """Where a person of the kind may be kept before."""
    lead_prefer: tuple[Preference, ...] = ()
    """Which of several Leads that match is taken."""
    create: Creation = Creation.SOBJECT
    """What is made for a document that no record matches."""
    consent: Condition | None = None
    """For which documents a record may be made; for all, without one."""
    on_merge: OnMerge = OnMerge.PARK
    """What follows where the records of two documents became one."""
    lookups: tuple[FieldRule, ...] = ()
    """The fields that name documents of other kinds, or of this one."""
    matching: Matching | None = None
    """How a document without a record finds the one of the same thing."""
    push_filter: Condition | None = None
    """Which documents are written; all, without one."""
    pull_filter: Condition | None = None
    """Which records without a document become one; all, without one."""
    derived: tuple[FieldRule, ...] = ()
    """The fields whose values follow from other documents (rule 28)."""
    counted: tuple[FieldRule, ...] = ()
    """The fields by which other documents' totals are taken of this kind's."""
    enrichment: EnrichmentMapping | None = None
    """How a person of the kind is looked up while they register."""
    hangs: tuple[FieldRule, ...] = ()
    """The lookups that name what its documents cannot be without, and are kept back with."""
    hung_on: bool = False
    """A filter may keep its documents back, and others that cannot be without them."""

    def place_of(self, record_id: str) -> Place:
        """The object of a record. Without one: that in which a record would be made."""
        if self.lead is not None and (
            record_id.startswith(LEAD_PREFIX) or (not record_id and self.create is Creation.LEAD)
        ):
            return self.lead
        return self.own

    def places(self) -> tuple[Place, ...]:
        """The objects that its records are kept in, its own first."""
        return (self.own,) if self.lead is None else (self.own, self.lead)

    def keeps(self, rule: FieldRule, place: Place) -> bool:
        """Whether records of the object have the field: a Lead has not all of them, and some alone."""
        return self.lead is None or rule.name in place.names

    def told(self, change: Change) -> Change:
        """A change by the kind's names for the fields."""
        if self.lead is None or change.entity != self.lead.sobject:
            return change
        known = self.lead.incoming(dict.fromkeys(change.differences)) if change.differences else ()
        return change.model_copy(
            update={"fields": dict(self.lead.incoming(change.fields)), "differences": tuple(known)}
        )


def compile_kind(name: str, mapping: Mapping) -> Kind:
    """A kind of the mapping as the rules use it."""
    kind, since = mapping.kinds[name], mapping.since.get(name, {})
    snapshots = kind.whole_records is WholeRecords.SNAPSHOTS
    in_leads = {other for other, each in mapping.kinds.items() if each.lead is not None}
    rules = tuple(
        _field_rule(field, since.get(field.salesforce, 0), snapshots, in_leads, _counts(field, mapping))
        for field in kind.fields
    )
    own, *others = kind.places()
    keeping = _keeping(mapping)
    return Kind(
        name=name,
        version=mapping.version,
        collection=kind.collection,
        sobject=kind.sobject,
        external_id=kind.external_id,
        token=kind.token,
        fields=rules,
        by_name={rule.name: rule for rule in rules},
        by_path={rule.dotted: rule for rule in rules},
        on_delete=kind.on_delete,
        on_unlinked=kind.on_unlinked,
        matching=kind.match,
        push_filter=kind.filters.push,
        pull_filter=kind.filters.pull,
        within=_within(rules),
        lookups=tuple(rule for rule in rules if rule.lookup),
        derived=tuple(rule for rule in rules if rule.derive is not None),
        counted=tuple(rule for rule in rules if rule.dotted in _counted_paths(name, mapping)),
        may_hold=tuple(rule for rule in rules if _may_hold(rule)),
        own=own,
        lead=others[0] if others else None,
        lead_prefer=() if kind.lead is None else kind.lead.prefer,
        create=kind.create,
        consent=kind.consent,
        on_merge=kind.on_merge,
        enrichment=kind.enrichment,
        hangs=tuple(rule for rule in rules if rule.required and not keeping.isdisjoint(rule.lookup)),
        hung_on=kind.filters.push is not None and any(name in _needed(other) for other in mapping.kinds.values()),
    )


def _keeping(mapping: Mapping) -> set[str]:
    """The kinds whose documents may keep back what hangs on them: for a filter of their own, or of what they hang
    on."""
    keeping = {name for name, kind in mapping.kinds.items() if kind.filters.push is not None}
    for _deeper in mapping.kinds:
        keeping |= {name for name, kind in mapping.kinds.items() if not keeping.isdisjoint(_needed(kind))}
    return keeping


def _needed(kind: KindMapping) -> set[str]:
    """The kinds that its documents cannot be without."""
    return {parent for field in kind.fields if field.required for parent in field.lookups}


def _counts(field: FieldMapping, mapping: Mapping) -> Counted | None:
    total = field.derive
    if not isinstance(total, Total):
        return None
    return counted(total, {each.platform: each for each in mapping.kinds[total.of].fields})


def _counted_paths(name: str, mapping: Mapping) -> set[str]:
    totals = [each.derive for kind in mapping.kinds.values() for each in kind.fields if isinstance(each.derive, Total)]
    of_kind = [total for total in totals if total.of == name]
    return {path for total in of_kind for path in (total.by, total.path, total.order, *total.where) if path is not None}


def _field_rule(
    field: FieldMapping, since: int, snapshots: bool, in_leads: Set[str], counts: Counted | None
) -> FieldRule:
    return FieldRule(
        path=tuple(field.platform.split(".")),
        dotted=field.platform,
        name=field.salesforce,
        policy=field.policy,
        first=field.first or field.policy,
        pushes=field.direction in (Direction.PUSH, Direction.BOTH),
        pulls=field.direction in (Direction.PULL, Direction.BOTH),
        values=compile_field(field),
        since=since,
        fills_only=field.policy is Policy.FILL_ONLY,
        lookup=field.lookups,
        lead=field.lead or "",
        contact_only=field.lead is None and not in_leads.isdisjoint(field.lookups),
        required=field.required,
        snapshot=snapshots and field.direction is Direction.PUSH,
        create_only=field.create_only,
        sensitive=field.privacy is Privacy.SENSITIVE,
        consent=field.consent,
        derive=field.derive,
        counts=counts,
    )


def _may_hold(rule: FieldRule) -> bool:
    asks = Policy.REVIEW in (rule.policy, rule.first)
    return asks or rule.fills_only or rule.create_only or rule.consent is not None


def _within(rules: tuple[FieldRule, ...]) -> dict[str, frozenset[str]]:
    within: dict[str, frozenset[str]] = {}
    for rule in rules:
        for length in range(1, len(rule.path) + 1):
            path = ".".join(rule.path[:length])
            within[path] = within.get(path, frozenset()) | {rule.dotted}
    return within


def token_of(document_id: str, number: int) -> str:
    """The token that a write sets: `<document id>:<number>`."""
    return f"{document_id}:{number}"


def number_of(token: Any, document_id: str) -> int | None:
    """The write that a token names, if it is one of this document's (rule 8)."""
    if not isinstance(token, str):
        return None
    owner, colon, number = token.rpartition(":")
    if not colon or owner != document_id or not number.isdecimal():
        return None
    return int(number)
