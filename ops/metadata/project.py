"""A mapping's metadata in SFDX source format: its fields, a permission set, and a channel for its change events.

Sources: "CustomField", "PermissionSet", "PlatformEventChannel" and "PlatformEventChannelMember" in the Metadata API
guide, "Salesforce DX Project Structure and Source Format" in the Salesforce DX guide. Members stand in alphabetical
order, as the org gives them back.
"""

from collections.abc import Iterator
from html import escape
from typing import Final

import orjson

from adapters.salesforce.settings import SalesforceSettings
from ops.metadata.fields import (
    CustomField,
    CustomObject,
    Descriptions,
    custom_fields,
    custom_objects,
    described,
    is_custom,
)
from schemas.field_mapping import Direction
from schemas.mapping import Asserts, KindMapping, Mapping, PlatformDeletion
from schemas.stream import change_event

NAME: Final = "Tandem"
CHANNEL: Final = f"{NAME}__chn"
API_VERSION: Final[str] = SalesforceSettings.model_fields["api_version"].default
_MAIN: Final = "main/default"
_ALWAYS_SEEN: Final = {
    "Account": {"Name"},
    "Campaign": {"Name"},
    "CampaignMember": {"CampaignId", "ContactId", "LeadId", "Status"},
    "Contact": {"LastName"},
    "Lead": {"LastName", "Company", "Status"},
    "Opportunity": {"Name", "StageName", "CloseDate", "IsClosed", "IsWon"},
}
"""Standard fields that are required, or follow from one that is: every user sees them, and a permission set that names
them is refused."""
_NAME_PARTS: Final = frozenset({"Salutation", "FirstName", "MiddleName", "LastName", "Suffix", "Name", "OwnerId"})
_OF_THE_RECORD: Final = frozenset({"Id", "CreatedDate", "LastModifiedDate", "SystemModstamp", "LastActivityDate"})
"""Who sees the record sees these, and there is no right on them."""
_ADDRESS_PARTS: Final = ("Street", "City", "State", "PostalCode", "Country", "StateCode", "CountryCode")
_ADDRESSES: Final = {
    f"{before}{part}": f"{before}Address"
    for before in ("Mailing", "Other", "Billing", "Shipping", "")
    for part in _ADDRESS_PARTS
}
"""Rights are given to an address, not to its parts."""
_RECORD_TYPE: Final = "RecordTypeId"
"""Which record types a user may give is no right on a field."""
_READ_FIRST: Final = {"Contact": ("Account",), "Opportunity": ("Account",), "CampaignMember": ("Campaign",)}
"""Rights on these need the right to read those."""
_RIGHTS_OF: Final = {"CampaignMember": "Campaign"}
"""Objects without rights of their own."""


def project(packages: list[str]) -> dict[str, str]:
    """The project's own file; `packages` are its folders."""
    directories = [{"path": package, "default": place == 0} for place, package in enumerate(packages)]
    told = {"packageDirectories": directories, "namespace": "", "sourceApiVersion": API_VERSION}
    return {"sfdx-project.json": orjson.dumps(told, option=orjson.OPT_INDENT_2).decode() + "\n"}


def source(mapping: Mapping, known: Descriptions | None = None) -> dict[str, str]:
    """Every file of a mapping's metadata by its path within the package folder."""
    known = known or described()
    fields = custom_fields(mapping, known)
    entities = sorted({change_event(sobject) for sobject in mapping.objects()})
    made: dict[str, str] = {}
    for name, described_object in custom_objects(mapping, known).items():
        made[object_file(name)] = _file("CustomObject", _object(described_object))
    for key, field in fields.items():
        sobject, _, name = key.partition(".")
        made[f"{_MAIN}/objects/{sobject}/fields/{name}.field-meta.xml"] = _file("CustomField", _field(name, field))
    made[f"{_MAIN}/permissionsets/{NAME}.permissionset-meta.xml"] = _file(
        "PermissionSet", _permissions(mapping, fields)
    )
    made[f"{_MAIN}/platformEventChannels/{CHANNEL}.platformEventChannel-meta.xml"] = _file(
        "PlatformEventChannel", [_leaf("channelType", "data"), _leaf("label", NAME)]
    )
    for entity in entities:
        member = f"{CHANNEL}_{entity}".replace("__", "_")
        made[f"{_MAIN}/platformEventChannelMembers/{member}.platformEventChannelMember-meta.xml"] = _file(
            "PlatformEventChannelMember", [_leaf("eventChannel", CHANNEL), _leaf("selectedEntity", entity)]
        )
    return made


def object_file(sobject: str) -> str:
    """Where a custom object is described, within the package folder."""
    return f"{_MAIN}/objects/{sobject}/{sobject}.object-meta.xml"


def _object(described_object: CustomObject) -> list[str]:
    if described_object.numbered:
        name_field = [
            _leaf("displayFormat", described_object.numbered),
            _leaf("label", f"{described_object.label} Number"),
            _leaf("type", "AutoNumber"),
        ]
    else:
        name_field = [_leaf("label", f"{described_object.label} Name"), _leaf("type", "Text")]
    return [
        _leaf("deploymentStatus", "Deployed"),
        _leaf("label", described_object.label),
        *_block("nameField", name_field),
        _leaf("pluralLabel", described_object.plural),
        _leaf("sharingModel", "ReadWrite"),
    ]


def _field(name: str, field: CustomField) -> list[str]:
    keyed = field.type in ("Text", "Number", "Email")
    members: dict[str, str | int | None] = {
        "fullName": name,
        "caseSensitive": field.case_sensitive if field.type == "Text" and field.unique else None,
        "defaultValue": False if field.type == "Checkbox" else None,
        "deleteConstraint": "SetNull" if field.to and not field.required else None,
        "description": field.description or None,
        "externalId": field.external_id if keyed else None,
        "label": field.label or name.removesuffix("__c").replace("_", " "),
        "length": field.length,
        "precision": field.precision,
        "referenceTo": field.to or None,
        "relationshipName": field.children or None,
        "required": None if field.type == "Checkbox" else field.required,
        "scale": field.scale,
        "type": field.type,
        "unique": field.unique if keyed else None,
    }
    lines = [_leaf(member, value) for member, value in members.items() if value is not None]
    if field.values:
        lines += _block("valueSet", [_leaf("restricted", value=True), *_block("valueSetDefinition", _values(field))])
    if field.type in ("LongTextArea", "MultiselectPicklist"):
        lines.append(_leaf("visibleLines", 4))
    return lines


def _values(field: CustomField) -> list[str]:
    lines = [_leaf("sorted", value=False)]
    for value in field.values:
        lines += _block("value", [_leaf("fullName", value), _leaf("default", value=False), _leaf("label", value)])
    return lines


def _permissions(mapping: Mapping, fields: dict[str, CustomField]) -> list[str]:
    lines = [
        _leaf("description", "What the integration user of Tandem needs, and no more."),
        *_field_permissions(mapping, fields),
        _leaf("hasActivationRequired", value=False),
        _leaf("label", NAME),
    ]
    for sobject, rights in sorted(_object_rights(mapping).items()):
        told = [_leaf(right, right in rights) for right in _RIGHTS[:4]]
        told += [_leaf("modifyAllRecords", value=False), _leaf("object", sobject)]
        lines += _block("objectPermissions", [*told, _leaf("viewAllRecords", "viewAllRecords" in rights)])
    for right in _USER_RIGHTS:
        lines += _block("userPermissions", [_leaf("enabled", value=True), _leaf("name", right)])
    return lines


_USER_RIGHTS: Final = ("ApiEnabled", "ViewRoles", "ViewSetup")
"""View Setup tells what is left of the allocations and which change events are switched on; it needs View Roles."""
_RIGHTS: Final = ("allowCreate", "allowDelete", "allowEdit", "allowRead", "viewAllRecords")


def _object_rights(mapping: Mapping) -> dict[str, set[str]]:
    """By object: the rights that the mapping asks for. Change events of an object need View All Records."""
    rights: dict[str, set[str]] = {}
    erased = _erased_objects(mapping)
    for kind in _kinds(mapping):
        needed = {"allowCreate", "allowEdit", "allowRead", "viewAllRecords"}
        if kind.on_delete.platform is PlatformDeletion.DELETE or kind.sobject in erased:
            needed.add("allowDelete")
        rights.setdefault(_RIGHTS_OF.get(kind.sobject, kind.sobject), set()).update(needed)
        for parent in _READ_FIRST.get(kind.sobject, ()):
            rights.setdefault(parent, set()).add("allowRead")
    return rights


def _erased_objects(mapping: Mapping) -> set[str]:
    """The objects of people who can be forgotten, and of what cannot be without them."""
    names = {name for name, kind in mapping.kinds.items() if Asserts.ERASED in kind.events.values()}
    while more := {
        name
        for name, kind in mapping.kinds.items()
        if name not in names and any(each.required and names.intersection(each.lookups) for each in kind.fields)
    }:
        names |= more
    return {place.sobject for name in names for place in mapping.kinds[name].places()}


def _field_permissions(mapping: Mapping, fields: dict[str, CustomField]) -> Iterator[str]:
    editable: dict[str, bool] = {}
    for kind in _kinds(mapping):
        for name, pushed in _used(kind):
            key = _right_of(kind.sobject, name)
            required = key in fields and fields[key].required
            if key and not required:
                editable[key] = editable.get(key, False) or pushed
    for key, pushed in sorted(editable.items()):
        told = [_leaf("editable", pushed), _leaf("field", key), _leaf("readable", value=True)]
        yield from _block("fieldPermissions", told)


def _kinds(mapping: Mapping) -> Iterator[KindMapping]:
    """Each kind for each object that it is kept in."""
    yield from (kind for whole in mapping.kinds.values() for _where, kind in whole.by_object())


def _used(kind: KindMapping) -> Iterator[tuple[str, bool]]:
    """Every field of a kind, and whether it is written."""
    yield from ((kind.external_id, True), (kind.token, True))
    yield from ((name, True) for name in kind.defaults if name != _RECORD_TYPE)
    for mapped in kind.fields:
        yield mapped.salesforce, mapped.direction is not Direction.PULL
        if mapped.lead is not None:
            yield mapped.lead, mapped.direction is not Direction.PULL
    if kind.match is not None:
        yield from ((preference.field, False) for preference in kind.match.prefer)
    # Names of parents are seen by whoever sees the parent.
    yield from ((path, False) for path in kind.looked_up() if "." not in path)


def _right_of(sobject: str, name: str) -> str:
    """The field to whom a right is given; empty where every user has it."""
    of_standard = name in _NAME_PARTS and not is_custom(sobject)
    if name in _OF_THE_RECORD or name in _ALWAYS_SEEN.get(sobject, ()) or of_standard:
        return ""
    return f"{sobject}.{_ADDRESSES.get(name, name)}"


def _leaf(name: str, value: str | int) -> str:
    text = str(value).lower() if isinstance(value, bool) else escape(str(value), quote=False)
    return f"<{name}>{text}</{name}>"


def _block(name: str, lines: list[str]) -> list[str]:
    return [f"<{name}>", *(f"    {line}" for line in lines), f"</{name}>"]


def _file(name: str, lines: list[str]) -> str:
    head = f'<{name} xmlns="http://soap.sforce.com/2006/04/metadata">'
    body = "\n".join(f"    {line}" for line in lines)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}\n{body}\n</{name}>\n'
