"""What must hold in a mapping of what is made where nothing matches: in a Lead or in the kind's own object, and how."""

from collections.abc import Iterable, Iterator, Mapping

from schemas.field_mapping import Direction, FieldMapping
from schemas.mapping import Creation, KindMapping, LeadMapping
from schemas.mapping import Mapping as MappingOfAll
from schemas.place import LEAD
from schemas.system_fields import set_by_salesforce


def making_problems(kind: KindMapping) -> Iterator[str]:
    """One line for each thing that is wrong, beginning with its place within the kind."""
    if kind.create is Creation.LEAD and kind.lead is None:
        yield 'create: "lead" is not allowed without lead, which says how; allowed: sobject, none'
    written = {each.salesforce: number for number, each in enumerate(kind.fields) if _is_written(kind, each.salesforce)}
    yield from _defaults("defaults", kind.sobject, kind.defaults, (kind.external_id, kind.token), written)
    if kind.lead is not None:
        yield from _lead(kind, kind.lead)


def lookup_of_lead(mapping: MappingOfAll, kind: KindMapping, field: FieldMapping) -> Iterator[str]:
    """What is wrong with the field that names a parent while it is a Lead."""
    if field.lead is None:
        return
    parents = [mapping.kinds[name] for name in field.lookups if name in mapping.kinds]
    if all(parent.lead is None for parent in parents):
        known = ", ".join(name for name, each in mapping.kinds.items() if each.lead is not None) or "none"
        yield f"lead: is not allowed here; it goes with the lookup of a kind that is kept in Lead too: {known}"
    own = {each.salesforce.casefold() for each in kind.fields} | {kind.external_id.casefold(), kind.token.casefold()}
    if field.lead.casefold() in own:
        yield f'lead: "{field.lead}" is mapped already, or is a field of Tandem\'s own'


def _lead(kind: KindMapping, lead: LeadMapping) -> Iterator[str]:
    if kind.sobject != "Contact":
        yield f"lead: is not allowed with sobject {kind.sobject}; a Lead becomes a Contact, allowed: sobject: Contact"
    if lead.token.casefold() == lead.external_id.casefold():
        yield f'lead.token: "{lead.token}" is the external id field too; each needs a field of its own'
    mapped = {each.salesforce: number for number, each in enumerate(kind.fields)}
    called = {**{name: (name, "only") for name in lead.only}, **{n: (t, "fields") for n, t in lead.fields.items()}}
    known = ", ".join(mapped)
    for name in (*lead.fields, *lead.only):
        if name not in mapped:
            setting = "fields" if name in lead.fields else "only"
            yield f'lead.{setting}: "{name}" is no mapped field of this kind; allowed: {known}'
        if name in lead.fields and name in lead.only:
            yield f'lead.only: "{name}" is in lead.fields too, and so is kept in both; it belongs in one of the two'
    taken: dict[str, str] = {}
    for name, (there, setting) in called.items():
        first = taken.setdefault(there.casefold(), name)
        if first != name:
            yield f'lead.{setting}: "{there}" is already what {first} is called in Lead'
        if there.casefold() in (lead.external_id.casefold(), lead.token.casefold()):
            yield f'lead.{setting}: "{there}" is set by Tandem itself, as the external id or token field of Lead'
        if wrong := set_by_salesforce(LEAD, there):
            yield f"lead.{setting}: {wrong}"
    pushed = {there: mapped[name] for name, (there, _) in called.items() if name in mapped and _is_written(kind, name)}
    for there in lead.placeholders.keys() - pushed.keys():
        told = ", ".join(pushed) or "none"
        yield f'lead.placeholders: "{there}" is no field of Lead that this kind writes; allowed: {told}; else defaults'
    yield from _defaults("lead.defaults", LEAD, lead.defaults, (lead.external_id, lead.token), pushed)


def _defaults(
    where: str, sobject: str, defaults: Iterable[str], own: tuple[str, str], written: Mapping[str, int]
) -> Iterator[str]:
    folded = {name.casefold(): number for name, number in written.items()}
    for name in defaults:
        if name.casefold() in folded:
            yield f'{where}: "{name}" is written by fields[{folded[name.casefold()]}]; allowed: fields that are not'
        elif name.casefold() in (each.casefold() for each in own):
            yield f'{where}: "{name}" is the external id or token field of {sobject}, which Tandem sets itself'
        elif wrong := set_by_salesforce(sobject, name):
            yield f"{where}: {wrong}"


def _is_written(kind: KindMapping, name: str) -> bool:
    return any(each.salesforce == name and each.direction is not Direction.PULL for each in kind.fields)
