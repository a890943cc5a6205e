"""What callers may ask of Salesforce: mapped objects and mapped fields, a few that every record has, and those of the
records that mapped lookups name."""

from typing import Final

from schemas.field_mapping import FieldMapping
from schemas.mapping import KindMapping, Mapping

OF_EVERY_RECORD: Final = ("Id", "Name", "CreatedDate", "SystemModstamp")
STEPS: Final = 5
"""Relationships that one path may pass (SOQL and SOSL Reference)."""


class OutOfScope(Exception):
    """Not mapped; the text says what, with the caller's own word for it."""


class QueryScope:
    """The objects, fields and relationships of one mapping, found without regard to cases as Salesforce does."""

    def __init__(self, mapping: Mapping) -> None:
        self._mapping = mapping
        self._objects = {sobject.casefold(): sobject for sobject in mapping.objects()}
        self._fields: dict[str, dict[str, str]] = {sobject: {} for sobject in self._objects.values()}
        self._mapped: dict[tuple[str, str], FieldMapping] = {}
        self._parents: dict[tuple[str, str], tuple[str, str]] = {}
        for kind in (kind for whole in mapping.kinds.values() for _where, kind in whole.by_object()):
            names = (*OF_EVERY_RECORD, kind.external_id, *(each.salesforce for each in kind.fields))
            self._fields[kind.sobject] |= {name.casefold(): name for name in names}
            for each in kind.fields:
                self._mapped.setdefault((kind.sobject, each.salesforce), each)
                relation = relationship(each.salesforce)
                if len(each.lookups) == 1 and relation:
                    parent = mapping.kinds[each.lookups[0]].sobject
                    self._parents.setdefault((kind.sobject, relation.casefold()), (relation, parent))

    def sobject(self, name: str) -> str:
        """The object by its API name.

        Raises:
            OutOfScope: no kind is kept in it.
        """
        found = self._objects.get(name.casefold())
        if found is None:
            raise OutOfScope(f"{name} is not mapped; mapped are {', '.join(sorted(self._objects.values()))}")
        return found

    def field(self, sobject: str, path: str) -> str:
        """A field of an object, or of a parent's: `Email`, `Account.Name`, as Salesforce spells it.

        Raises:
            OutOfScope: it is not mapped, or no mapped lookup leads to it.
        """
        *steps, last = path.split(".")
        if len(steps) > STEPS:
            raise OutOfScope(f"{path} passes more than {STEPS} relationships")
        spelled: list[str] = []
        at = sobject
        for step in steps:
            found = self._parents.get((at, step.casefold()))
            if found is None:
                raise OutOfScope(f"{step} of {path} is no relationship of a mapped lookup of {at}")
            spelled.append(found[0])
            at = found[1]
        known = self._fields[at].get(last.casefold())
        if known is None:
            raise OutOfScope(
                f"{path} is not mapped for {at}" if not steps else f"{path}: {last} is not mapped for {at}"
            )
        return ".".join([*spelled, known])

    def mapped(self, sobject: str, field: str) -> FieldMapping | None:
        """How a field of an object is mapped; nothing for one that every record has, or of a parent's."""
        return self._mapped.get((sobject, field))

    def kind(self, name: str) -> KindMapping | None:
        """A kind by the platform's name for it."""
        return self._mapping.kinds.get(name)


def relationship(field: str) -> str:
    """What leads to the record that a lookup names: `Account` of `AccountId`, `Event__r` of `Event__c`; else empty."""
    if field.endswith("__c"):
        return f"{field.removesuffix('c')}r"
    return field.removesuffix("Id") if field.endswith("Id") and field != "Id" else ""
