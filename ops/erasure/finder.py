"""Finds all that is a person's: their documents, what cannot be without them, and the records of both."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from adapters.mongo.mentions import Mentions
from adapters.mongo.removal import LookedUp, MongoRemoval
from consumers.catalog import Catalog
from consumers.ports import Records
from consumers.rules.enrichment import comparable
from consumers.rules.kinds import Kind
from consumers.rules.state import DocumentState
from consumers.rules.stored import load
from consumers.writer.kept import KeptRecords

ADDRESS: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
Thing = tuple[str, str]
"""Kind and id."""


@dataclass(frozen=True, slots=True)
class Found:
    """Of whom something is kept: the things that go, and the records by the kind that they are kept in."""

    things: Sequence[Thing]
    records: Mapping[str, Sequence[str]]
    addresses: Sequence[str] = ()
    """E-mail addresses that their documents show, or have shown lately; known while the documents are there."""
    taken_over: Sequence[str] = ()
    """Records that their documents show something of without being linked to them: nobody but Salesforce has a say in
    these, and what is remembered of them here is the person's."""

    @property
    def record_ids(self) -> list[str]:
        """All of them."""
        return sorted({record for records in self.records.values() for record in records})

    def looked_up(self) -> LookedUp:
        """By what is kept of them that Salesforce told while they were looked up."""
        return LookedUp(self.taken_over, sorted({comparable(each) for each in self.addresses}))

    def mentions(self) -> Mentions:
        """By what they may be named where nothing is keyed by them."""
        return Mentions(self.things, self.record_ids, self.addresses)


class Finder:
    """Asks MongoDB and Salesforce; changes nothing."""

    def __init__(self, removal: MongoRemoval, records: Records) -> None:
        self._removal = removal
        self._records = records

    async def find(
        self,
        kind: Kind,
        document_id: str,
        catalog: Catalog,
        *,
        things: Sequence[Thing] = (),
        records: Sequence[tuple[str, str]] = (),
    ) -> Found:
        """The person, what cannot be without them, and their records; `things` and `records` are known already.

        Raises:
            Unavailable: MongoDB or Salesforce does not answer.
        """
        of_kind_records: dict[str, set[str]] = {}
        for name, record_id in records:
            of_kind_records.setdefault(name, set()).add(record_id)
        found: list[Thing] = []
        addresses: set[str] = set()
        taken_over: set[str] = set()
        wanted = [(kind.name, document_id), *things]
        while wanted:
            thing = wanted.pop(0)
            of_kind = catalog.kinds.get(thing[0])
            if thing in found or of_kind is None:
                continue
            found.append(thing)
            document = await self._removal.document(of_kind.collection, thing[1])
            if document is not None:
                state = load(document, thing[1], of_kind)
                addresses |= addresses_in(state)
                taken_over |= {state.enriched.record_id} if state.enriched and state.enriched.record_id else set()
            of_kind_records.setdefault(thing[0], set()).update(await self._records_of(of_kind, thing[1], document))
            wanted += await self._dependents(thing, catalog)
        records_found = {name: sorted(ids) for name, ids in of_kind_records.items() if ids}
        return Found(found, records_found, sorted(addresses), sorted(taken_over))

    async def _records_of(self, kind: Kind, document_id: str, document: Mapping[str, Any] | None) -> set[str]:
        """By the document's link, by the external id, and whatever was merged into or converted to these."""
        link: Mapping[str, Any] = ((document or {}).get("_sync") or {}).get("link") or {}
        found = {link["id"], *link.get("former", ())} if link else set()
        for place in kind.places():
            answer = await self._records.find(place.sobject, place.external_id, [document_id])
            found |= {record for ids in answer.values() for record in ids}
        before = await KeptRecords(self._records).predecessors(kind, sorted(found)) if found else {}
        return found | {record for ids in before.values() for record in ids}

    async def _dependents(self, thing: Thing, catalog: Catalog) -> list[Thing]:
        """Documents that cannot be without it: those whose `required` lookup names it."""
        found: list[Thing] = []
        for kind in catalog.kinds.values():
            for rule in kind.lookups:
                if rule.required and thing[0] in rule.lookup:
                    ids = await self._removal.naming(kind.collection, rule.dotted, spelled(thing))
                    found += [(kind.name, each) for each in ids]
        return found


def addresses_in(state: DocumentState) -> set[str]:
    """The e-mail addresses in mapped fields: those shown, those shown before, and what either side said last; and those
    that were looked up."""
    values: list[Any] = [] if state.enriched is None else [state.enriched.email, state.enriched.verified]
    for field in state.fields.values():
        values += [field.value, *field.shown]
        values += [register.value for register in (field.platform, field.salesforce) if register is not None]
    return {value.strip() for value in values if isinstance(value, str) and ADDRESS.fullmatch(value.strip())}


def spelled(thing: Thing) -> list[str]:
    """How a lookup may name it: by its id, or, where it may name several kinds, by kind and id."""
    return [thing[1], f"{thing[0]}/{thing[1]}"]
