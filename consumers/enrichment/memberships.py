"""Has people's documents name their campaign membership, as changes of members come in.

The source are the registrations' own documents: a change may name neither the person nor the campaign, as one that a
poll found, or one of a member that was there before. A member that sales have made, of no registration, counts where
there is no other, and where its change names the person.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from consumers.catalog import Catalog
from consumers.enrichment.guarded import GuardedDocuments
from consumers.enrichment.ports import MemberDocuments
from consumers.ports import Document, Documents
from consumers.rules.belonging import Told, name_member, told_of
from consumers.rules.kinds import FieldRule, Kind
from consumers.rules.members import membership_of
from consumers.rules.state import DocumentState
from schemas.change import Change
from schemas.lookup import named_by, naming

MEMBER: Final = "CampaignMember"
_PEOPLE: Final = ("ContactId", "LeadId")


class Memberships:
    """Of one process."""

    def __init__(self, documents: Documents, members: MemberDocuments, guarded: GuardedDocuments) -> None:
        self._documents = documents
        self._members = members
        self._guarded = guarded

    async def hear(self, catalog: Catalog, kind: Kind, change: Change) -> None:
        """A member was made, has changed, or is gone: people of this kind name what is their newest now.

        Raises:
            Unavailable: the store does not answer.
        """
        registering = _registering(catalog, kind)
        told = told_of(change, "" if registering is None else registering[0].external_id)
        named = await self._named(kind, change)
        people = named | (await self._naming(kind, told) if told.goes else set())
        theirs: Mapping[str, Sequence[Document]] = {}
        if registering is not None:
            members, rule = registering
            people |= await self._registered(members, rule, kind, told)
            values = {naming(rule.lookup, kind.name, person): person for person in people}
            found = await self._members.registrations(members.collection, rule.dotted, sorted(values))
            theirs = {values[value]: several for value, several in found.items()}
        for person in sorted(people):
            await self._guarded.change(catalog, kind, person, _naming(theirs.get(person, ()), told, person in named))

    async def _named(self, kind: Kind, change: Change) -> set[str]:
        """Whose record the change names as the one that takes part."""
        records = [str(change.fields[name]) for name in _PEOPLE if change.fields.get(name)]
        linked = await self._documents.read_linked(kind.collection, records) if records else {}
        return {str(one["_id"]) for several in linked.values() for one in several}

    async def _naming(self, kind: Kind, told: Told) -> set[str]:
        """Whose documents name the member that goes."""
        return set(await self._members.naming_member(kind.collection, told.member))

    async def _registered(self, members: Kind, rule: FieldRule, kind: Kind, told: Told) -> set[str]:
        """Who is named by the registrations that have, or had, this member."""
        linked = await self._documents.read_linked(members.collection, [told.member])
        found = list(linked.get(told.member, ()))
        if told.registration:
            found += (await self._documents.read(members.collection, [told.registration])).values()
        named = [named_by(rule.lookup, value) for one in found if (value := _at(one, rule.path)) is not None]
        return {each[1] for each in named if each is not None and each[0] == kind.name}


def _naming(theirs: Sequence[Document], told: Told, named: bool) -> Callable[[DocumentState], bool]:
    return lambda state: name_member(state, theirs, told, named=named)


def _registering(catalog: Catalog, kind: Kind) -> tuple[Kind, FieldRule] | None:
    """The kind by whose documents people of this kind are members, and its field that names them."""
    for members in catalog.kinds_of(MEMBER):
        parents = membership_of(members)
        if parents is not None and kind.name in parents.person.lookup:
            return members, parents.person
    return None


def _at(document: Document, path: Sequence[str]) -> Any:
    value: Any = document
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
