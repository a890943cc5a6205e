"""Does a kind's mapping fit the org? Compared with the object's describe, without I/O.

Source: "sObject Describe" in the REST API guide for the members, "Field Types" in the SOAP API guide for `type`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from schemas.mapping import Direction, FieldMapping, KindMapping, Transform

TOKEN_LENGTH: Final = 80
"""Room for a document id and a number."""
_TEXT: Final = frozenset(
    {"string", "textarea", "phone", "url", "email", "combobox", "picklist", "multipicklist", "encryptedstring"}
)
_NUMBER: Final = frozenset({"int", "long", "double", "currency", "percent"})
_UNSUPPORTED: Final = frozenset({"address", "location", "base64", "complexvalue", "json", "anyType"})
_FITS: Final[Mapping[Transform, frozenset[str]]] = {
    Transform.TRIM: _TEXT | {"reference", "id"},
    Transform.LOWER: _TEXT,
    Transform.UPPER: _TEXT,
    Transform.PHONE_E164: frozenset({"phone", "string", "encryptedstring"}),
    Transform.DATE: frozenset({"date"}),
    Transform.NUMBER: _NUMBER,
}


@dataclass(frozen=True, slots=True)
class Complaint:
    """One misfit. `where` is a place in the mapping (`customer.fields.phone`); a blocking one makes writes fail."""

    where: str
    message: str
    blocking: bool = True

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


def check_kind(kind_name: str, kind: KindMapping, describe: Mapping[str, Any] | None) -> list[Complaint]:
    """Everything about `kind` that does not fit its object; `describe` is nothing where the org has no such object."""
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
            for complaint in _field(f"{kind_name}.fields.{mapped.platform}", mapped, fields)
        ),
        *_required(kind_name, kind, fields),
    ]


def _object(kind_name: str, kind: KindMapping, describe: Mapping[str, Any]) -> Iterator[Complaint]:
    where = f"{kind_name}.sobject"
    if describe.get("name") != kind.sobject:
        yield Complaint(where, f"the org writes the name {describe.get('name')}, the mapping {kind.sobject}")
    for right in ("queryable", "createable", "updateable"):
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
    yield from _writable(where, kind.external_id, found)


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


def _field(where: str, mapped: FieldMapping, fields: Mapping[str, Mapping[str, Any]]) -> Iterator[Complaint]:
    found = fields.get(mapped.salesforce)
    if found is None:
        yield _missing(where, mapped.salesforce, fields)
        return
    kind_of_value = str(found.get("type", ""))
    if kind_of_value in _UNSUPPORTED:
        yield Complaint(where, f"{mapped.salesforce} is of type {kind_of_value}; map its single parts instead")
        return
    if mapped.direction is not Direction.PULL:
        yield from _writable(where, mapped.salesforce, found)
        if kind_of_value in _TEXT and not _length(found):
            message = f"the length of {mapped.salesforce} is unknown, so too long a value is found when written"
            yield Complaint(where, message, blocking=False)
    yield from _transforms(where, mapped, kind_of_value)


def _transforms(where: str, mapped: FieldMapping, kind_of_value: str) -> Iterator[Complaint]:
    for transform in mapped.transform:
        if kind_of_value not in _FITS[transform]:
            yield Complaint(where, f"{transform} does not fit {mapped.salesforce}, which is of type {kind_of_value}")
    wanted = Transform.DATE if kind_of_value == "date" else Transform.NUMBER if kind_of_value in _NUMBER else None
    if wanted is not None and wanted not in mapped.transform and mapped.direction is not Direction.PULL:
        message = f"{mapped.salesforce} is of type {kind_of_value}; without transform {wanted} other forms are refused"
        yield Complaint(where, message, blocking=False)


def _required(kind_name: str, kind: KindMapping, fields: Mapping[str, Mapping[str, Any]]) -> Iterator[Complaint]:
    written = {mapped.salesforce for mapped in kind.fields if mapped.direction is not Direction.PULL}
    for name, found in fields.items():
        required = found.get("nillable") is False and found.get("defaultedOnCreate") is False
        if required and found.get("createable") is True and name not in written | {kind.external_id, kind.token}:
            message = f"{name} is required to create {kind.sobject}, and no field of the mapping writes it"
            yield Complaint(f"{kind_name}.fields", message)


def _missing(where: str, name: str, fields: Mapping[str, Mapping[str, Any]]) -> Complaint:
    for other in fields:
        if other.casefold() == name.casefold():
            return Complaint(where, f"the org writes the name {other}, the mapping {name}")
    return Complaint(where, f"the object has no field {name}, or the login may not see it")


def _writable(where: str, name: str, found: Mapping[str, Any]) -> Iterator[Complaint]:
    if found.get("calculated") is True:
        yield Complaint(where, f"{name} is a formula, so it can only be pulled")
        return
    for right in ("createable", "updateable"):
        if found.get(right) is not True:
            yield Complaint(where, f"{name} is not {right} for this login")


def _length(found: Mapping[str, Any]) -> int:
    length = found.get("length")
    return length if isinstance(length, int) else 0
