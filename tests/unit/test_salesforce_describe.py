"""Does a mapping fit the org? Complaints, precise ones."""

from typing import Any

import pytest

from adapters.salesforce.describe_check import check_kind
from schemas.mapping import FieldMapping, KindMapping, Transform

KIND = KindMapping(
    collection="customers",
    sobject="Contact",
    external_id="Tandem_Customer_Id__c",
    token="Tandem_Customer_Write__c",
    fields=(
        FieldMapping(platform="last_name", salesforce="LastName", transform=(Transform.TRIM,)),
        FieldMapping(platform="birthdate", salesforce="Birthdate", transform=(Transform.DATE,)),
        FieldMapping(platform="spent", salesforce="Spent__c", direction="push", transform=(Transform.NUMBER,)),
        FieldMapping(platform="tier", salesforce="Tier__c", direction="pull"),
    ),
)


def field(name: str, kind: str = "string", **more: Any) -> dict[str, Any]:
    defaults = {
        "type": kind,
        "length": 255 if kind == "string" else 0,
        "createable": True,
        "updateable": True,
        "nillable": True,
        "defaultedOnCreate": False,
    }
    return {"name": name, **defaults, **more}


FIELDS: dict[str, dict[str, Any]] = {
    each["name"]: each
    for each in (
        field("Id", "id", createable=False, updateable=False, nillable=False, defaultedOnCreate=True),
        field("OwnerId", "reference", nillable=False, defaultedOnCreate=True),
        field("Tandem_Customer_Id__c", externalId=True, unique=True, caseSensitive=True),
        field("Tandem_Customer_Write__c"),
        field("LastName", nillable=False),
        field("Birthdate", "date"),
        field("Spent__c", "currency"),
        field("Tier__c", "picklist", createable=False, updateable=False, calculated=True),
    )
}


def describe(*, without: str = "", changed: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    fields = {name: each for name, each in FIELDS.items() if name != without}
    if changed:
        fields[changed["name"]] = {**fields.get(changed["name"], {}), **changed}
    rights = {"queryable": True, "createable": True, "updateable": True}
    return {"name": "Contact", **rights, **more, "fields": list(fields.values())}


def complaints(described: dict[str, Any] | None, kind: KindMapping = KIND) -> list[str]:
    return [str(complaint) for complaint in check_kind("customer", kind, described)]


def test_a_mapping_that_fits_has_no_complaint() -> None:
    """Every member that is complained about elsewhere is right here."""
    assert complaints(describe()) == []


def test_an_object_the_org_does_not_have() -> None:
    """One complaint, not one for each of its fields."""
    assert complaints(None) == ["customer.sobject: the org has no object Contact, or the login may not see it"]


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        (describe(createable=False), "customer.sobject: Contact is not createable for this login"),
        (describe(updateable=False), "customer.sobject: Contact is not updateable for this login"),
        (describe(queryable=False), "customer.sobject: Contact is not queryable for this login"),
        (describe(name="contact"), "customer.sobject: the org writes the name contact, the mapping Contact"),
        (
            describe(without="Birthdate"),
            "customer.fields.birthdate: the object has no field Birthdate, or the login may not see it",
        ),
        (
            describe(without="Birthdate", changed=field("BirthDate", "date")),
            "customer.fields.birthdate: the org writes the name BirthDate, the mapping Birthdate",
        ),
        (
            describe(changed={"name": "LastName", "updateable": False}),
            "customer.fields.last_name: LastName is not updateable for this login",
        ),
        (
            describe(changed={"name": "Spent__c", "createable": False}),
            "customer.fields.spent: Spent__c is not createable for this login",
        ),
        (
            describe(changed={"name": "Spent__c", "calculated": True}),
            "customer.fields.spent: Spent__c is a formula, so it can only be pulled",
        ),
        (
            describe(changed={"name": "Birthdate", "type": "datetime"}),
            "customer.fields.birthdate: date does not fit Birthdate, which is of type datetime",
        ),
        (
            describe(changed={"name": "Spent__c", "type": "string", "length": 20}),
            "customer.fields.spent: number does not fit Spent__c, which is of type string",
        ),
        (
            describe(changed={"name": "LastName", "type": "boolean"}),
            "customer.fields.last_name: trim does not fit LastName, which is of type boolean",
        ),
        (
            describe(changed={"name": "LastName", "type": "address"}),
            "customer.fields.last_name: LastName is of type address; map its single parts instead",
        ),
        (
            describe(changed={"name": "LastName", "length": 0}),
            "customer.fields.last_name: the length of LastName is unknown, so too long a value is found when written",
        ),
        (
            describe(without="Tandem_Customer_Id__c"),
            "customer.external_id: the object has no field Tandem_Customer_Id__c, or the login may not see it",
        ),
        (
            describe(changed={"name": "Tandem_Customer_Id__c", "externalId": False}),
            "customer.external_id: Tandem_Customer_Id__c is not marked as an external id",
        ),
        (
            describe(changed={"name": "Tandem_Customer_Id__c", "unique": False}),
            "customer.external_id: Tandem_Customer_Id__c is not unique, so one document could match several records",
        ),
        (
            describe(changed={"name": "Tandem_Customer_Id__c", "type": "double"}),
            "customer.external_id: Tandem_Customer_Id__c is of type double, not text",
        ),
        (
            describe(changed={"name": "Tandem_Customer_Id__c", "caseSensitive": False}),
            (
                "customer.external_id: Tandem_Customer_Id__c is not case-sensitive: "
                "ids that differ in case alone would be one record"
            ),
        ),
        (
            describe(without="Tandem_Customer_Write__c"),
            "customer.token: the object has no field Tandem_Customer_Write__c, or the login may not see it",
        ),
        (
            describe(changed={"name": "Tandem_Customer_Write__c", "length": 50}),
            "customer.token: Tandem_Customer_Write__c has length 50; at least 80 is needed",
        ),
        (
            describe(changed={"name": "Tandem_Customer_Write__c", "length": None}),
            "customer.token: Tandem_Customer_Write__c has length unknown; at least 80 is needed",
        ),
        (
            describe(changed={"name": "Tandem_Customer_Write__c", "type": "double"}),
            "customer.token: Tandem_Customer_Write__c is of type double, not text",
        ),
        (
            describe(changed={"name": "Tandem_Customer_Write__c", "createable": False}),
            "customer.token: Tandem_Customer_Write__c is not createable for this login",
        ),
        (
            describe(changed=field("Region__c", nillable=False)),
            "customer.fields: Region__c is required to create Contact, and no field of the mapping writes it",
        ),
    ],
)
def test_each_misfit_is_named(described: dict[str, Any], expected: str) -> None:
    """One thing wrong is one complaint, which says where and what."""
    assert complaints(described) == [expected]


def test_a_form_that_may_not_fit_is_a_warning() -> None:
    """Without a transform writes work as long as the platform's values happen to have the right form."""
    plain = KIND.model_copy(
        update={
            "fields": (
                FieldMapping(platform="last_name", salesforce="LastName"),
                FieldMapping(platform="birthdate", salesforce="Birthdate"),
            )
        }
    )
    [complaint] = check_kind("customer", plain, describe())
    assert str(complaint) == (
        "customer.fields.birthdate: Birthdate is of type date; without transform date other forms are refused"
    )
    assert not complaint.blocking
