"""The flat form of the mapping, `{"contact": {"email": "Email"}}`, read into the full one. Pure."""

from collections.abc import Mapping

from listener.api.problem import Fault
from schemas.field_mapping import FieldMapping
from schemas.mapping import KindMapping
from schemas.mapping import Mapping as FieldMappings
from schemas.place import LEAD

Flat = Mapping[str, Mapping[str, str | None]]


def flat_form(mapping: FieldMappings) -> dict[str, dict[str, str]]:
    """What goes with what. A kind goes by the object that it alone is at home in, as `contact`; else by its name."""
    return {
        _name(name, kind, mapping): {each.platform: each.salesforce for each in kind.fields}
        for name, kind in mapping.kinds.items()
    }


def _name(name: str, kind: KindMapping, mapping: FieldMappings) -> str:
    shorts = [kind.sobject.casefold(), *([LEAD.casefold()] if kind.lead is not None else [])]
    return next((short for short in shorts if kinds_called(short, mapping) == [name]), name)


def kinds_called(name: str, mapping: FieldMappings) -> list[str]:
    """The kinds that a name means: a kind of that name, else those at home in an object of that name, in any case.

    A person who is a Lead first, and a Contact only when converted, is at home in Lead, if others are in Contact.
    """
    if name in mapping.kinds:
        return [name]
    if name.casefold() == LEAD.casefold():
        return [each for each, kind in mapping.kinds.items() if kind.lead is not None]
    there = [each for each, kind in mapping.kinds.items() if kind.sobject.casefold() == name.casefold()]
    return [each for each in there if mapping.kinds[each].lead is None] or there


def with_flat(before: FieldMappings, flat: Flat) -> tuple[FieldMappings, list[Fault]]:
    """The mapping with what the flat form names, and each name in it that is neither a kind nor the object of one.

    What is not named stays; null takes a field out. A new field has the defaults of direction and policy, one that is
    there keeps its settings.
    """
    kinds, faults = dict(before.kinds), list[Fault]()
    for name, wanted in flat.items():
        found = kinds_called(name, before)
        if len(found) != 1:
            told = "no kind is called so or kept in such an object"
            told = told if not found else f"several kinds are kept there: {', '.join(found)}"
            faults.append(Fault(detail=told, pointer=f"/{name}"))
            continue
        kind = kinds[found[0]]
        kinds[found[0]] = kind.model_copy(update={"fields": _fields(kind, wanted)})
    return before.model_copy(update={"kinds": kinds}), faults


def _fields(kind: KindMapping, wanted: Mapping[str, str | None]) -> tuple[FieldMapping, ...]:
    kept = []
    for each in kind.fields:
        salesforce = wanted.get(each.platform, each.salesforce)
        if salesforce is not None:
            kept.append(each if salesforce == each.salesforce else each.model_copy(update={"salesforce": salesforce}))
    known = {each.platform for each in kind.fields}
    new = (FieldMapping(platform=path, salesforce=name) for path, name in wanted.items() if path not in known and name)
    return (*kept, *new)
