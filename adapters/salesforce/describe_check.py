"""Does a kind's mapping fit the org? Compared with the object's describe, without I/O.

Source: "sObject Describe" in the REST API guide for the members, "Field Types" in the SOAP API guide for `type`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from schemas.field_mapping import Direction, FieldMapping, Transform
from schemas.mapping import Creation, KindMapping, PlatformDeletion
from schemas.mapping import Mapping as MappingOfAll
from schemas.place import CONVERTED_TO, IS_CONVERTED, LEAD
from schemas.platform_event import ID_LENGTH
from schemas.record_filter import comparisons

TOKEN_LENGTH: Final = 80
"""Room for a document id and a number."""
_TEXT: Final = frozenset(
    {"string", "textarea", "phone", "url", "email", "combobox", "picklist", "multipicklist", "encryptedstring"}
)
_NUMBER: Final = frozenset({"int", "long", "double", "currency", "percent"})
_QUOTED: Final = _TEXT | {"id", "reference"}
"""What SOQL compares with a text in quotes."""
_UNSUPPORTED: Final = frozenset({"address", "location", "base64", "complexvalue", "json", "anyType"})
_FITS: Final[Mapping[Transform, frozenset[str]]] = {
    Transform.TRIM: _TEXT | {"reference", "id"},
    Transform.LOWER: _TEXT,
    Transform.UPPER: _TEXT,
    Transform.PHONE_E164: frozenset({"phone", "string", "encryptedstring"}),
    Transform.DOMAIN: frozenset({"url", "string", "encryptedstring"}),
    Transform.DATE: frozenset({"date"}),
    Transform.DATETIME: frozenset({"datetime"}),
    Transform.MULTI_SELECT: frozenset({"multipicklist", "string", "textarea"}),
    Transform.NUMBER: _NUMBER,
    Transform.BOOLEAN: frozenset({"boolean"}),
}
_OF_TYPE: Final[Mapping[str, Transform]] = {
    "date": Transform.DATE,
    "datetime": Transform.DATETIME,
    "multipicklist": Transform.MULTI_SELECT,
}


@dataclass(frozen=True, slots=True)
class Complaint:
    """One misfit. `where` is a place in the mapping (`customer.fields.phone`); a blocking one makes writes fail."""

    where: str
    message: str
    blocking: bool = True

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


def check_mapping(
    mapping: MappingOfAll, describes: Mapping[str, Mapping[str, Any] | None], off: frozenset[str] = frozenset()
) -> list[Complaint]:
    """Everything that does not fit, of all kinds. `describes` are by object; nothing where the org has none such.

    Of the objects that are switched off (`off`) nothing is said: nobody writes there, so the org need not have them.
    """
    objects = {name: kind.sobject for name, kind in mapping.kinds.items()}
    return [
        complaint
        for name, whole in mapping.kinds.items()
        for where, kind in whole.by_object()
        if kind.sobject not in off
        for complaint in check_kind(
            f"{name}{where}", kind, describes.get(kind.sobject), objects, placeholders_of(whole, kind)
        )
    ]


def placeholders_of(whole: KindMapping, kind: KindMapping) -> Mapping[str, str]:
    """What stands for no value in the object of `kind`, which is `whole` as it is kept there (`by_object`)."""
    return whole.lead.placeholders if whole.lead is not None and kind.sobject == LEAD else {}


def check_kind(
    kind_name: str,
    kind: KindMapping,
    describe: Mapping[str, Any] | None,
    objects: Mapping[str, str] | None = None,
    placeholders: Mapping[str, str] | None = None,
) -> list[Complaint]:
    """Everything about `kind` that does not fit its object; `describe` is nothing where the org has no such object.

    Of a kind that is kept in Lead too, only what is said of its own object (`KindMapping.by_object`).
    `objects` are those of the other kinds, by kind; `placeholders` as `placeholders_of` tells them.
    """
    if describe is None:
        missing = f"the org has no object {kind.sobject}, or the login may not see it"
        return [Complaint(f"{kind_name}.sobject", missing)]
    fields = {field["name"]: field for field in describe.get("fields", ()) if "name" in field}
    return [
        *_object(kind_name, kind, describe),
        *_external_id(f"{kind_name}.external_id", kind, fields),
        *_token(f"{kind_name}.token", kind, fields),
        *(
            complaint
            for mapped in kind.fields
            for complaint in _field(f"{kind_name}.fields.{mapped.platform}", mapped, fields, objects or {})
        ),
        *_matching(f"{kind_name}.match", kind, fields),
        *_pulled(f"{kind_name}.filters.pull", kind, fields),
        *_enrichment(f"{kind_name}.enrichment", kind, fields),
        *_defaults(f"{kind_name}.defaults", kind, fields),
        *(
            complaint
            for name, value in (placeholders or {}).items()
            for complaint in _written(f"{kind_name}.placeholders", name, value, fields.get(name, {}), "placeholder")
        ),
        *_conversion(f"{kind_name}.sobject", kind, fields),
        *_required(kind_name, kind, fields),
    ]


def _object(kind_name: str, kind: KindMapping, describe: Mapping[str, Any]) -> Iterator[Complaint]:
    where = f"{kind_name}.sobject"
    if describe.get("name") != kind.sobject:
        yield Complaint(where, f"the org writes the name {describe.get('name')}, the mapping {kind.sobject}")
    rights = ["queryable", "createable", "updateable"]
    if kind.on_delete.platform is PlatformDeletion.DELETE:
        rights.append("deletable")
    for right in rights:
        if describe.get(right) is not True:
            yield Complaint(where, f"{kind.sobject} is not {right} for this login")


def _external_id(where: str, kind: KindMapping, fields: Mapping[str, Mapping[str, Any]]) -> Iterator[Complaint]:
    found = fields.get(kind.external_id)
    if found is None:
        yield _missing(where, kind.external_id, fields)
        return
    if found.get("externalId") is not True and found.get("idLookup") is not True:
        yield Complaint(where, f"{kind.external_id} is not marked as an external id")
    if found.get("unique") is not True:
        yield Complaint(where, f"{kind.external_id} is not unique, so one document could match several records")
    elif found.get("caseSensitive") is not True:
        message = f"{kind.external_id} is not case-sensitive: ids that differ in case alone would be one record"
        yield Complaint(where, message, blocking=False)
    if found.get("type") not in _TEXT:
        yield Complaint(where, f"{kind.external_id} is of type {found.get('type')}, not text")
    elif 0 < _length(found) < ID_LENGTH:
        message = f"{kind.external_id} has length {_length(found)}: a document with a longer id gets no record"
        yield Complaint(where, message, blocking=False)
    yield from _writable(where, kind.external_id, found)


def _matching(where: str, kind: KindMapping, fields: Mapping[str, Mapping[str, Any]]) -> Iterator[Complaint]:
    if kind.match is None:
        return
    for name in kind.match.by:
        if name in fields and fields[name].get("filterable") is not True:
            yield Complaint(where, f"{name} cannot be searched by in the org")
        elif name in fields and (of_type := fields[name].get("type")) not in _QUOTED:
            yield Complaint(where, f"{name} is of type {of_type}, and records are searched by text alone")
    for preference in kind.match.prefer:
        if preference.field not in fields:
            yield _missing(where, preference.field, fields)


def _pulled(where: str, kind: KindMapping, fields: Mapping[str, Mapping[str, Any]]) -> Iterator[Complaint]:
    """That Salesforce can be asked which records shall become documents."""
    called = {mapped.platform: mapped.salesforce for mapped in kind.fields}
    paths = dict.fromkeys(test.path for test in comparisons(kind.filters.pull)) if kind.filters.pull is not None else {}
    for path in paths:
        name = called.get(path, "")
        if name in fields and fields[name].get("filterable") is not True:
            yield Complaint(where, f"{name} cannot be filtered by in the org, so no record could be pulled")


def _enrichment(where: str, kind: KindMapping, fields: Mapping[str, Mapping[str, Any]]) -> Iterator[Complaint]:
    """What is read of people who are looked up: fields of the object, or by a relationship that it has."""
    parents = {str(field.get("relationshipName")) for field in fields.values()}
    for path in kind.looked_up():
        relationship, dot, _ = path.partition(".")
        if not dot and path not in fields:
            yield _missing(where, path, fields)
        elif dot and relationship not in parents:
            yield Complaint(where, f"{kind.sobject} has no relationship {relationship}, which {path} needs")


def _defaults(where: str, kind: KindMapping, fields: Mapping[str, Mapping[str, Any]]) -> Iterator[Complaint]:
    for name, value in kind.defaults.items():
        found = fields.get(name)
        if found is None:
            yield _missing(where, name, fields)
            continue
        if found.get("createable") is not True:
            yield Complaint(where, f"{name} is not createable for this login")
        yield from _written(where, name, value, found, "default")


def _written(where: str, name: str, value: object, found: Mapping[str, Any], what: str) -> Iterator[Complaint]:
    """Whether a field takes a value that the mapping itself names."""
    there = picklist_values(found)
    if there is not None and str(value) not in there:
        known = ", ".join(sorted(there)) or "none"
        yield Complaint(where, f'{name} has no value "{value}"; it takes: {known}')
    if isinstance(value, str) and 0 < _length(found) < len(value):
        yield Complaint(where, f"{name} takes {_length(found)} characters, and the {what} has {len(value)}")


def _conversion(where: str, kind: KindMapping, fields: Mapping[str, Mapping[str, Any]]) -> Iterator[Complaint]:
    """That a Lead was converted, and to what, must be seen: else it would be written to in vain."""
    if kind.sobject == LEAD:
        yield from (_missing(where, name, fields) for name in (IS_CONVERTED, CONVERTED_TO) if name not in fields)


def _token(where: str, kind: KindMapping, fields: Mapping[str, Mapping[str, Any]]) -> Iterator[Complaint]:
    found = fields.get(kind.token)
    if found is None:
        yield _missing(where, kind.token, fields)
        return
    if found.get("type") not in ("string", "textarea"):
        yield Complaint(where, f"{kind.token} is of type {found.get('type')}, not text")
    elif _length(found) < TOKEN_LENGTH:
        told = _length(found) or "unknown"
        yield Complaint(where, f"{kind.token} has length {told}; at least {TOKEN_LENGTH} is needed")
    yield from _writable(where, kind.token, found)


def _field(
    where: str, mapped: FieldMapping, fields: Mapping[str, Mapping[str, Any]], objects: Mapping[str, str]
) -> Iterator[Complaint]:
    found = fields.get(mapped.salesforce)
    if found is None:
        yield _missing(where, mapped.salesforce, fields)
        return
    kind_of_value = str(found.get("type", ""))
    if kind_of_value in _UNSUPPORTED:
        yield Complaint(where, f"{mapped.salesforce} is of type {kind_of_value}; map its single parts instead")
        return
    if mapped.direction is not Direction.PULL:
        yield from _writable(where, mapped.salesforce, found, create_only=mapped.create_only)
        if kind_of_value in _TEXT and not _length(found):
            message = f"the length of {mapped.salesforce} is unknown, so too long a value is found when written"
            yield Complaint(where, message, blocking=False)
    yield from _transforms(where, mapped, kind_of_value)
    yield from _picklist(where, mapped, found)
    yield from _lookup(where, mapped, found, fields, objects)


def _picklist(where: str, mapped: FieldMapping, found: Mapping[str, Any]) -> Iterator[Complaint]:
    there, room = picklist_values(found), _length(found)
    for ours, theirs in mapped.picklist.items():
        if there is not None and theirs not in there:
            known = ", ".join(sorted(there)) or "none"
            yield Complaint(where, f'picklist.{ours}: {mapped.salesforce} has no value "{theirs}"; it takes: {known}')
        elif mapped.direction is not Direction.PULL and found.get("type") in _TEXT and 0 < room < len(theirs):
            told = f"{mapped.salesforce} takes {room} characters, and its word has {len(theirs)}"
            yield Complaint(where, f"picklist.{ours}: {told}")


def _lookup(
    where: str,
    mapped: FieldMapping,
    found: Mapping[str, Any],
    fields: Mapping[str, Mapping[str, Any]],
    objects: Mapping[str, str],
) -> Iterator[Complaint]:
    if mapped.lookup is None:
        return
    if found.get("type") != "reference":
        yield Complaint(where, f"{mapped.salesforce} is of type {found.get('type')}, and no lookup")
        return
    if mapped.lead is not None:
        yield from _to_lead(where, mapped.lead, fields)
    named = found.get("referenceTo") or []
    for kind in mapped.lookups:
        parent = objects.get(kind)
        if parent is not None and named and parent not in named:
            told = f"{mapped.salesforce} names records of {', '.join(named)}, and {kind} is kept in {parent}"
            yield Complaint(where, told)


def _to_lead(where: str, name: str, fields: Mapping[str, Mapping[str, Any]]) -> Iterator[Complaint]:
    """The field that names a parent while it is a Lead."""
    found = fields.get(name)
    if found is None:
        yield _missing(where, name, fields)
    elif LEAD not in (found.get("referenceTo") or []):
        yield Complaint(where, f"{name} does not name records of {LEAD}")
    else:
        yield from _writable(where, name, found, create_only=True)


def picklist_values(found: Mapping[str, Any]) -> frozenset[str] | None:
    """The values that a restricted picklist takes, by a field's describe; nothing for every other field."""
    values = found.get("picklistValues")
    if found.get("restrictedPicklist") is not True or not isinstance(values, list):
        return None
    return frozenset(str(each.get("value")) for each in values if each.get("active") is True)


def _transforms(where: str, mapped: FieldMapping, kind_of_value: str) -> Iterator[Complaint]:
    unfit = [transform for transform in mapped.transform if kind_of_value not in _FITS[transform]]
    for transform in unfit:
        yield Complaint(where, f"{transform} does not fit {mapped.salesforce}, which is of type {kind_of_value}")
    wanted = Transform.NUMBER if kind_of_value in _NUMBER else _OF_TYPE.get(kind_of_value)
    if wanted is not None and not unfit and wanted not in mapped.transform and mapped.direction is not Direction.PULL:
        message = f"{mapped.salesforce} is of type {kind_of_value}; without transform {wanted} other forms are refused"
        yield Complaint(where, message, blocking=False)


def _required(kind_name: str, kind: KindMapping, fields: Mapping[str, Mapping[str, Any]]) -> Iterator[Complaint]:
    if kind.create is Creation.NONE or (kind.create is Creation.LEAD and kind.sobject != LEAD):
        return  # no record of the object is ever made
    pushed = {mapped.salesforce for mapped in kind.fields if mapped.direction is not Direction.PULL}
    written = pushed | {kind.external_id, kind.token}
    for name, found in fields.items():
        required = found.get("nillable") is False and found.get("defaultedOnCreate") is False
        if required and found.get("createable") is True and name not in written | kind.defaults.keys():
            message = f"{name} is required to create {kind.sobject}, and no field of the mapping writes it"
            yield Complaint(f"{kind_name}.fields", message)


def _missing(where: str, name: str, fields: Mapping[str, Mapping[str, Any]]) -> Complaint:
    for other in fields:
        if other.casefold() == name.casefold():
            return Complaint(where, f"the org writes the name {other}, the mapping {name}")
    return Complaint(where, f"the object has no field {name}, or the login may not see it")


def _writable(where: str, name: str, found: Mapping[str, Any], *, create_only: bool = False) -> Iterator[Complaint]:
    if found.get("calculated") is True:
        yield Complaint(where, f"{name} is calculated (a formula or a roll-up), so it can only be pulled")
        return
    createable, updateable = found.get("createable") is True, found.get("updateable") is True
    if not createable:
        yield Complaint(where, f"{name} is not createable for this login")
    if not updateable and not create_only:
        hint = "; if nobody may change it once the record is made, create_only: true" if createable else ""
        yield Complaint(where, f"{name} is not updateable for this login{hint}")


def _length(found: Mapping[str, Any]) -> int:
    length = found.get("length")
    return length if isinstance(length, int) else 0
