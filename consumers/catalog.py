"""The mapping in force, compiled: which kind an event or a change speaks of."""

from dataclasses import dataclass

from consumers.rules.kinds import Kind, compile_kind
from schemas.mapping import Asserts, Mapping


@dataclass(frozen=True, slots=True)
class EventType:
    """What one platform event type speaks of."""

    kind: Kind
    asserts: Asserts


class Catalog:
    """Kinds by name, by event type and by sObject. Immutable: a new mapping version is a new catalog."""

    def __init__(self, mapping: Mapping) -> None:
        self.version = mapping.version
        self.kinds = {name: compile_kind(name, mapping) for name in mapping.kinds}
        self._events = {
            event_type: EventType(self.kinds[name], asserts)
            for name, kind in mapping.kinds.items()
            for event_type, asserts in kind.events.items()
        }
        self._sobjects: dict[str, list[Kind]] = {}
        for kind in self.kinds.values():
            self._sobjects.setdefault(kind.sobject, []).append(kind)

    def event(self, event_type: str) -> EventType | None:
        """What this event type speaks of; nothing where no kind names it."""
        return self._events.get(event_type)

    def kinds_of(self, sobject: str) -> list[Kind]:
        """Every kind kept in this sObject."""
        return self._sobjects.get(sobject, [])
