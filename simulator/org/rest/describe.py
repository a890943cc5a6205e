"""Describe: what the org's objects and fields are, with every member Salesforce documents."""

from collections.abc import Mapping
from email.utils import formatdate, parsedate_to_datetime
from typing import Any

from aiohttp import web

from simulator.org.objects import IDS, NUMBERS, TEXTS, FieldDefinition, FieldType, ObjectDefinition, Objects
from simulator.org.replies import empty_reply, json_reply
from simulator.org.rest.call import Call, Resources

_SOAP_TYPES = {
    FieldType.ID: "tns:ID",
    FieldType.REFERENCE: "tns:ID",
    FieldType.BOOLEAN: "xsd:boolean",
    FieldType.INT: "xsd:int",
    FieldType.DOUBLE: "xsd:double",
    FieldType.CURRENCY: "xsd:double",
    FieldType.PERCENT: "xsd:double",
    FieldType.DATE: "xsd:date",
    FieldType.DATETIME: "xsd:dateTime",
    FieldType.ADDRESS: "urn:address",
}
_BYTES_PER_CHARACTER = 3


class Describe:
    """The describe resources. Definitions do not change while an org runs, so neither do the answers."""

    def __init__(self, started_at: int) -> None:
        self._changed_at = started_at // 1000

    def add_resources(self, resources: Resources) -> None:
        """Serve them."""
        resources.add("GET", "/sobjects", self.everything)
        resources.add("GET", "/sobjects/{sobject}", self.basics)
        resources.add("GET", "/sobjects/{sobject}/describe", self.whole)

    async def everything(self, call: Call) -> web.Response:
        """Describe Global."""
        told = [_of_object(one, call.root) for one in call.org.objects]
        return self._unless_known(call, {"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": told})

    async def basics(self, call: Call) -> web.Response:
        """sObject Basic Information."""
        return json_reply({"objectDescribe": _of_object(call.sobject(), call.root), "recentItems": []})

    async def whole(self, call: Call) -> web.Response:
        """sObject Describe."""
        definition = call.sobject()
        told = _of_object(definition, call.root) | {
            "actionOverrides": [],
            "childRelationships": _children(definition, call.org.objects),
            "compactLayoutable": True,
            "defaultImplementation": None,
            "extendedBy": None,
            "extendsInterfaces": None,
            "fields": [_of_field(one) for one in definition.fields],
            "implementedBy": None,
            "implementsInterfaces": None,
            "listviewable": None,
            "lookupLayoutable": None,
            "namedLayoutInfos": [],
            "networkScopeFieldName": None,
            "recordTypeInfos": [],
            "searchLayoutable": True,
            "sobjectDescribeOption": "FULL",
            "supportedScopes": [{"label": "All records", "name": "everything"}],
        }
        return self._unless_known(call, told)

    def _unless_known(self, call: Call, told: Mapping[str, Any]) -> web.Response:
        header = call.request.headers.get("If-Modified-Since", "")
        try:
            known = bool(header) and parsedate_to_datetime(header).timestamp() >= self._changed_at
        except ValueError:
            known = False
        if known:
            return empty_reply(304)
        return json_reply(told, headers={"Last-Modified": formatdate(self._changed_at, usegmt=True)})


def _of_object(definition: ObjectDefinition, root: str) -> dict[str, Any]:
    base = f"{root}/sobjects/{definition.name}"
    always = ("createable", "deletable", "layoutable", "mruEnabled", "queryable", "replicateable", "retrieveable")
    also = ("searchable", "triggerable", "undeletable", "updateable")
    never = ("activateable", "customSetting", "deepCloneable", "deprecatedAndHidden", "hasSubtypes", "isInterface")
    return {
        **dict.fromkeys((*always, *also), True),
        **dict.fromkeys((*never, "isSubtype"), False),
        "associateEntityType": None,
        "associateParentEntity": None,
        "custom": definition.custom,
        "feedEnabled": definition.name != "User",
        "keyPrefix": definition.key_prefix,
        "label": definition.label,
        "labelPlural": definition.plural,
        "mergeable": definition.mergeable,
        "name": definition.name,
        "urls": {"sobject": base, "describe": f"{base}/describe", "rowTemplate": f"{base}/{{ID}}"},
    }


def _children(definition: ObjectDefinition, objects: Objects) -> list[dict[str, Any]]:
    return [
        {
            "cascadeDelete": False,
            "childSObject": child.name,
            "deprecatedAndHidden": False,
            "field": field.name,
            "junctionIdListNames": [],
            "junctionReferenceTo": [],
            "relationshipName": field.children or None,
            "restrictedDelete": False,
        }
        for child in objects
        for field in child.fields
        if field.to == definition.name
    ]


def _of_field(field: FieldDefinition) -> dict[str, Any]:
    length = 18 if field.type in IDS else field.length
    writable = not field.read_only
    plain = field.stored and not field.long_text
    sortable = plain and field.type is not FieldType.MULTIPICKLIST
    return _unused_members() | {
        "aggregatable": plain and field.type is not FieldType.BOOLEAN,
        "byteLength": length * _BYTES_PER_CHARACTER if field.type in TEXTS else length,
        "caseSensitive": False,
        "compoundFieldName": field.compound or None,
        "createable": writable,
        "calculated": bool(field.formula),
        "calculatedFormula": field.formula or None,
        "custom": field.custom,
        "defaultValue": _default(field),
        "defaultedOnCreate": bool(field.default) or field.type in {FieldType.ID, FieldType.BOOLEAN} or field.read_only,
        "digits": 9 if field.type is FieldType.INT else 0,
        "externalId": field.external_id,
        "extraTypeInfo": "plaintextarea" if field.type is FieldType.TEXTAREA else None,
        "filterable": plain,
        "groupable": plain and field.type not in NUMBERS and field.type is not FieldType.DATETIME,
        "idLookup": field.name == "Id" or field.external_id or field.type is FieldType.EMAIL,
        "label": field.label,
        "length": length,
        "name": field.name,
        "nameField": field.name == "Name",
        "nillable": field.nillable,
        "permissionable": writable and not field.required and field.name != "OwnerId",
        "picklistValues": [
            {"active": True, "defaultValue": one == field.default, "label": one, "validFor": None, "value": one}
            for one in field.values
        ],
        "precision": field.precision,
        "queryByDistance": field.type is FieldType.ADDRESS,
        "referenceTo": list(field.targets),
        "relationshipName": field.relationship or None,
        "restrictedPicklist": field.restricted,
        "scale": field.scale,
        "soapType": _SOAP_TYPES.get(field.type, "xsd:string"),
        "sortable": sortable,
        "type": str(field.type),
        "unique": field.unique,
        "updateable": writable and not field.create_only,
    }


def _default(field: FieldDefinition) -> bool | str | None:
    if field.type is FieldType.BOOLEAN:
        return field.default == "true"
    return field.default if field.default not in {"", "actor"} else None


def _unused_members() -> dict[str, Any]:
    no = (
        "aiPredictionField",
        "autoNumber",
        "cascadeDelete",
        "dependentPicklist",
        "deprecatedAndHidden",
        "displayLocationInDecimal",
        "encrypted",
        "formulaTreatNullNumberAsZero",
        "highScaleNumber",
        "htmlFormatted",
        "namePointing",
        "polymorphicForeignKey",
        "restrictedDelete",
        "searchPrefilterable",
        "writeRequiresMasterRead",
    )
    nothing = (
        "controllerName",
        "defaultValueFormula",
        "filteredLookupInfo",
        "inlineHelpText",
        "mask",
        "maskType",
        "referenceTargetField",
        "relationshipOrder",
    )
    return dict.fromkeys(no, False) | dict.fromkeys(nothing)
