"""The mapping in force, compiled: which kind an event or a change speaks of."""

from dataclasses import dataclass

from consumers.rules.derived import dependants
from consumers.rules.kinds import Kind, compile_kind
from consumers.rules.repair import MappedObjects
from schemas.mapping import Asserts, Mapping, Unlinked


@dataclass(frozen=True, slots=True)
class EventType:
    """What one platform event type speaks of."""

    kind: Kind
    asserts: Asserts


class Catalog:
    """Kinds by name, by event type and by sObject. Immutable: a new mapping version is a new catalog."""

    def __init__(self, mapping: Mapping, off: frozenset[str] = frozenset()) -> None:
        """`off` are the sObjects that are switched off: nothing is written there, and nothing taken from there."""
        self.off = off
        self.mapping = mapping
        self.version = mapping.version
        self.kinds = {name: compile_kind(name, mapping) for name in mapping.kinds}
        self.dependants = dependants(self.kinds)
        """By kind: the kinds whose derived fields are taken of it, with the field that names the owner."""
        self._events = {
            event_type: EventType(self.kinds[name], asserts)
            for name, kind in mapping.kinds.items()
            for event_type, asserts in kind.events.items()
        }
        self._sobjects: dict[str, list[Kind]] = {}
        for kind in self.kinds.values():
            for place in kind.places():
                self._sobjects.setdefault(place.sobject, []).append(kind)

    def event(self, event_type: str) -> EventType | None:
        """What this event type speaks of; nothing where no kind names it."""
        return self._events.get(event_type)

    def is_off(self, kind: Kind, record_id: str = "") -> bool:
        """The object of the record is switched off. Without one: that in which it would be looked for, or made."""
        if record_id:
            return kind.place_of(record_id).sobject in self.off
        return kind.sobject in self.off or kind.place_of("").sobject in self.off

    def is_all_off(self, kind: Kind) -> bool:
        """Every object of the kind is switched off."""
        return all(place.sobject in self.off for place in kind.places())

    def sobjects(self) -> list[str]:
        """Every object in which records of a kind are kept, by name."""
        return sorted(self._sobjects)

    def mapped_objects(self) -> MappedObjects:
        """The same, and which of them are taken in when they are made in Salesforce."""
        taken_in = [
            sobject
            for sobject, kinds in self._sobjects.items()
            if any(kind.on_unlinked is not Unlinked.IGNORE for kind in kinds)
        ]
        return MappedObjects(tuple(self.sobjects()), tuple(sorted(taken_in)))

    def kinds_of(self, sobject: str) -> list[Kind]:
        """Every kind kept in this sObject."""
        return self._sobjects.get(sobject, [])
