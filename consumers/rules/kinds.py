"""A kind of the mapping, made ready for the rules: field by field, with its transforms compiled."""

from dataclasses import dataclass
from typing import Any

from schemas.mapping import Direction, FieldMapping, Mapping, OnDelete, Policy, Unlinked
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
    """The fields whose policy can hold a value back."""

    def read_fields(self) -> tuple[str, ...]:
        """The Salesforce fields of a row read whole."""
        return ("Id", "SystemModstamp", self.external_id, self.token, *self.by_name)


def compile_kind(name: str, mapping: Mapping) -> Kind:
    """A kind of the mapping as the rules use it."""
    kind, since = mapping.kinds[name], mapping.since.get(name, {})
    rules = tuple(_field_rule(field, since.get(field.salesforce, 0)) for field in kind.fields)
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
        within=_within(rules),
        may_hold=tuple(rule for rule in rules if rule.fills_only or Policy.REVIEW in (rule.policy, rule.first)),
    )


def _field_rule(field: FieldMapping, since: int) -> FieldRule:
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
    )


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
