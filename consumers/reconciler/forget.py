"""Facts about people who have been erased are dropped before anything of them is read, written or parked, and facts
about others are taken in without the mention of them."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any, Final

from consumers.catalog import Catalog
from consumers.ports import ErasedList, Erasures, Record
from consumers.reconciler.incoming import ChangeFact, ErasedFact, Incoming, PlatformFact
from consumers.rules.kinds import Kind
from schemas import topics
from schemas.erasure import record_name, thing_name
from schemas.lookup import named_by, record_named
from schemas.outcome import Outcome, Result

FORGET: Final = Result(Outcome.APPLIED, "erased: to be forgotten everywhere")
ASKED_BEFORE: Final = Result(Outcome.DUPLICATE, "erased: asked for before")
FORGOTTEN: Final = Result(Outcome.IGNORED, "erased: nothing is taken in of this person")
NOT_SET_UP: Final = "erasure_not_set_up"


@dataclass(slots=True)
class Forgotten:
    """What comes of records because people are erased, by place."""

    ends: dict[int, Result] = field(default_factory=dict)
    """Of those that ask for an erasure, and of those about somebody who is erased."""
    facts: dict[int, PlatformFact] = field(default_factory=dict)
    """About others, without the mention of somebody who is erased."""


async def forget(
    erasures: Erasures, records: Sequence[Record], incoming: Sequence[Incoming], catalog: Catalog, now: int
) -> Forgotten:
    """What comes of records because people are erased, as some of them may ask for.

    Raises:
        Unavailable: the list does not answer.
    """
    ends: dict[int, Result] = {}
    for place, fact in enumerate(incoming):
        if isinstance(fact, ErasedFact):
            new = await erasures.ask(fact.kind.name, fact.document_id, now, f"event {fact.event_id}")
            ends[place] = FORGET if new else ASKED_BEFORE
    return await _forgotten(erasures, records, incoming, catalog, ends)


async def foretold(
    erasures: ErasedList | None,
    records: Sequence[Record],
    incoming: Sequence[Incoming],
    catalog: Catalog,
    asked: set[str],
) -> Forgotten:
    """What `forget` would give, without asking for anything; without a list nobody can be erased.

    `asked` takes the names of whom these records would have erased, for those that follow. Raises as `forget`.
    """
    asking = [(place, fact) for place, fact in enumerate(incoming) if isinstance(fact, ErasedFact)]
    if erasures is None:
        return Forgotten({place: Result(Outcome.PARKED, NOT_SET_UP) for place, _fact in asking})
    ends: dict[int, Result] = {}
    if asking:
        named = {place: thing_name(fact.kind.name, fact.document_id) for place, fact in asking}
        asked |= await erasures.among(sorted(set(named.values())))
        for place, name in named.items():
            ends[place] = ASKED_BEFORE if name in asked else FORGET
            asked.add(name)
    return await _forgotten(erasures, records, incoming, catalog, ends, asked)


async def _forgotten(
    erasures: ErasedList,
    records: Sequence[Record],
    incoming: Sequence[Incoming],
    catalog: Catalog,
    ends: dict[int, Result],
    besides: Set[str] = frozenset(),
) -> Forgotten:
    """The same of those that have no end yet: by people who are in the list, or named besides."""
    named = {
        place: names
        for place, (record, fact) in enumerate(zip(records, incoming, strict=True))
        if place not in ends and (names := names_of(record, fact, catalog))
    }
    mentioned = {
        place: (fact, whom)
        for place, fact in enumerate(incoming)
        if isinstance(fact, PlatformFact) and (whom := _whom(fact.kind, fact.assertion.fields, required=False))
    }
    wanted = {name for names in named.values() for name in names}
    wanted |= {name for _fact, whom in mentioned.values() for names in whom.values() for name in names}
    erased = besides | await erasures.among(sorted(wanted)) if wanted else besides
    ends |= {place: FORGOTTEN for place, names in named.items() if not erased.isdisjoint(names)}
    facts = {
        place: _without(fact, gone)
        for place, (fact, whom) in mentioned.items()
        if place not in ends and (gone := {path for path, names in whom.items() if not erased.isdisjoint(names)})
    }
    return Forgotten(ends, facts)


def _without(fact: PlatformFact, paths: Set[str]) -> PlatformFact:
    """It says nothing of these."""
    said = fact.assertion
    fields = {path: value for path, value in said.fields.items() if path not in paths}
    changed = None if said.changed is None else said.changed - paths
    return replace(fact, assertion=replace(said, fields=fields, changed=changed))


def names_of(record: Record, fact: Incoming, catalog: Catalog) -> list[str]:
    """The names of whom a record is about, as the list of erased people has them; of an unreadable one by its key."""
    match fact:
        case PlatformFact() | ChangeFact():
            return _names(fact)
        case _:
            return _by_key(record, catalog)


def _by_key(record: Record, catalog: Catalog) -> list[str]:
    if record.key is None:
        return []
    key = record.key.decode("utf-8", "replace")
    if record.topic == topics.SALESFORCE_CHANGES:
        return [record_name(key)]
    kind, colon, document_id = key.partition(":")
    return [thing_name(kind, document_id)] if colon and kind in catalog.kinds else []


async def erased_among(erasures: Erasures, facts: Sequence[tuple[int, PlatformFact | ChangeFact]]) -> set[int]:
    """The places of facts about people who are erased by now. Raises as `forget`."""
    named = {place: _names(fact) for place, fact in facts}
    erased = await erasures.among(sorted({name for names in named.values() for name in names}))
    return {place for place, names in named.items() if not erased.isdisjoint(names)}


def _names(fact: PlatformFact | ChangeFact) -> list[str]:
    """Of the thing itself, and of those that it cannot be without: an erasure removes it with them."""
    match fact:
        case PlatformFact(kind, document_id, assertion):
            owners = _whom(kind, assertion.fields, required=True).values()
            return [thing_name(kind.name, document_id), *(name for names in owners for name in names)]
        case ChangeFact(kinds, change):
            names = [record_name(change.record_id)]
            for kind in kinds:
                fields = kind.told(change).fields
                held = fields.get(kind.external_id)
                if isinstance(held, str) and held:
                    names.append(thing_name(kind.name, held))
                owning = [each for rule in kind.lookups if rule.required for each in (rule.name, rule.lead)]
                named = [fields.get(each) for each in owning]
                names += [record_name(each) for each in named if isinstance(each, str) and each]
            return names


def _whom(kind: Kind, fields: Mapping[str, Any], *, required: bool) -> dict[str, list[str]]:
    """The names of whom lookups name, by path: the thing's, and the record's where a value is the id of one.

    With `required` of those lookups without whose parent a document cannot be, else of the others.
    """
    found: dict[str, list[str]] = {}
    for rule in kind.lookups:
        value = fields.get(rule.dotted)
        if rule.required is required and value is not None:
            thing, record = named_by(rule.lookup, value), record_named(value)
            found[rule.dotted] = [
                *([thing_name(*thing)] if thing else ()),
                *([record_name(record)] if record else ()),
            ]
    return found
