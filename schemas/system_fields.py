"""Fields that Salesforce sets itself, and fields that are written by their parts."""

from typing import Final

# Source: "System Fields" in the Object Reference; Salesforce sets them, and reads of a row whole bring them anyway.
_SYSTEM_FIELDS: Final = frozenset(
    {
        "id",
        "isdeleted",
        "createdbyid",
        "createddate",
        "lastmodifiedbyid",
        "lastmodifieddate",
        "systemmodstamp",
        "lastactivitydate",
        "lastreferenceddate",
        "lastvieweddate",
        "masterrecordid",
    }
)
# Source: "Compound Fields" in the Object Reference: read-only, written by their parts.
_COMPOUND_NAMES: Final = frozenset({"contact", "lead", "user"})
_COMPOUND_ADDRESSES: Final = {
    "mailingaddress": "Mailing",
    "otheraddress": "Other",
    "billingaddress": "Billing",
    "shippingaddress": "Shipping",
    "permanentaddress": "Permanent",
}


def set_by_salesforce(sobject: str, name: str) -> str:
    """Why nobody can write the field, where that is so in every org; else empty."""
    folded = name.casefold()
    prefix = _COMPOUND_ADDRESSES.get(folded, "" if folded == "address" else None)
    if folded in _SYSTEM_FIELDS:
        return f'"{name}" is set by Salesforce and cannot be mapped'
    if folded == "name" and sobject.casefold() in _COMPOUND_NAMES:
        return f'"{name}" is a compound field; map its parts: FirstName, LastName'
    if prefix is not None:
        parts = ", ".join(f"{prefix}{part}" for part in ("Street", "City", "State", "PostalCode", "Country"))
        return f'"{name}" is a compound field; map its parts: {parts}'
    return ""
