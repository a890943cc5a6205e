"""Does a mapping fit the org? Complaints, precise ones."""

from typing import Any

import pytest

from adapters.salesforce.describe_check import check_kind, check_mapping
from schemas.enrichment import EnrichedField, EnrichmentMapping
from schemas.field_mapping import FieldMapping, Transform
from schemas.mapping import KindMapping, Mapping, Matching, Preference
from schemas.record_filter import AllOf, Comparison, Filters, NoneOf

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
            (
                "customer.fields.last_name: LastName is not updateable for this login; "
                "if nobody may change it once the record is made, create_only: true"
            ),
        ),
        (
            describe(changed={"name": "Spent__c", "createable": False}),
            "customer.fields.spent: Spent__c is not createable for this login",
        ),
        (
            describe(changed={"name": "Spent__c", "calculated": True}),
            "customer.fields.spent: Spent__c is calculated (a formula or a roll-up), so it can only be pulled",
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


def test_what_is_matched_by_must_be_searchable_and_preferences_must_be_there() -> None:
    """Else each look-up before a first write would be refused."""
    matching = Matching(by=("LastName",), prefer=(Preference(take="latest", field="LastActivityDat"),))
    kind = KIND.model_copy(update={"match": matching})
    named = field("LastActivityDate", "date")
    assert complaints(describe(changed=named), kind) == [
        "customer.match: LastName cannot be searched by in the org",
        "customer.match: the object has no field LastActivityDat, or the login may not see it",
    ]
    good = KIND.model_copy(update={"match": Matching(by=("LastName",))})
    assert complaints(describe(changed=field("LastName", nillable=False, filterable=True)), good) == []


@pytest.mark.parametrize("of_type", ["double", "currency", "date", "datetime", "boolean", "int"])
def test_what_is_matched_by_must_be_text(of_type: str) -> None:
    """A value in quotes is refused for such a field: every first write would wait for nothing."""
    kind = mapped().model_copy(update={"match": Matching(by=("X__c",))})
    found = check_kind("customer", kind, described_by(field("X__c", of_type, filterable=True)))
    assert [str(each) for each in found if each.where == "customer.match"] == [
        f"customer.match: X__c is of type {of_type}, and records are searched by text alone"
    ]
    assert all(each.blocking for each in found if each.where == "customer.match")
    for text in ("string", "email", "phone", "picklist", "reference"):
        found = check_kind("customer", kind, described_by(field("X__c", text, filterable=True)))
        assert [each for each in found if each.where == "customer.match"] == []


def test_what_a_pull_is_filtered_by_must_be_filterable() -> None:
    """A long text is not: every pull of the kind would fail."""
    condition = AllOf(all=(Comparison(path="x", present=True), NoneOf(none=(Comparison(path="x", equals="a"),))))
    kind = mapped().model_copy(update={"filters": Filters(pull=condition)})
    long_text = field("X__c", "textarea", length=32_768, filterable=False)
    (found,) = check_kind("customer", kind, described_by(long_text))
    assert str(found) == "customer.filters.pull: X__c cannot be filtered by in the org, so no record could be pulled"
    assert found.blocking
    assert check_kind("customer", kind, described_by(field("X__c", filterable=True))) == []
    pushed = kind.model_copy(update={"filters": Filters(push=condition)})
    assert check_kind("customer", pushed, described_by(long_text)) == []


def test_what_a_record_is_made_with_must_be_there_and_fit() -> None:
    """Else every first write would be refused for a value that no document says."""
    defaults = {"LeadSourc": "Web", "Locked__c": "x", "Source__c": "Webb", "Code__c": "much too long"}
    kind = KIND.model_copy(update={"defaults": defaults})
    there = described_by(
        field("Locked__c", createable=False),
        field("Source__c", "picklist", restrictedPicklist=True, picklistValues=[{"value": "Web", "active": True}]),
        field("Code__c", length=4),
    )
    assert complaints(there, kind) == [
        "customer.defaults: the object has no field LeadSourc, or the login may not see it",
        "customer.defaults: Locked__c is not createable for this login",
        'customer.defaults: Source__c has no value "Webb"; it takes: Web',
        "customer.defaults: Code__c takes 4 characters, and the default has 13",
    ]
    good = KIND.model_copy(update={"defaults": {"Source__c": "Web", "Code__c": "abcd"}})
    assert complaints(there, good) == []


def test_an_external_id_that_has_no_room_for_every_id_is_told() -> None:
    """It does not block: the platform's own ids may well be short."""
    (found,) = check_kind("customer", KIND, describe(changed={"name": "Tandem_Customer_Id__c", "length": 18}))
    told = "Tandem_Customer_Id__c has length 18: a document with a longer id gets no record"
    assert (found.where, found.message, found.blocking) == ("customer.external_id", told, False)


def test_what_is_read_of_people_must_be_there() -> None:
    """A field of the object, or of a parent that it names; whether the parent has it, only the parent's own says."""
    asked = (
        EnrichedField(name="title", contact="Title"),
        EnrichedField(name="account", contact="Account.Name"),
        EnrichedField(name="boss", contact="Boss.Name"),
    )
    kind = KIND.model_copy(update={"enrichment": EnrichmentMapping.model_construct(fields=asked)})
    there = described_by(field("AccountId", "reference", relationshipName="Account"))
    assert complaints(there, kind) == [
        "customer.enrichment: the object has no field Title, or the login may not see it",
        "customer.enrichment: Contact has no relationship Boss, which Boss.Name needs",
    ]


def described_by(*more: dict[str, Any]) -> dict[str, Any]:
    """The object with these fields beside its own."""
    found = describe()
    return {**found, "fields": [*found["fields"], *more]}


def mapped(**settings: Any) -> KindMapping:
    """The kind with one field more."""
    return KIND.model_copy(update={"fields": (*KIND.fields, FieldMapping(platform="x", salesforce="X__c", **settings))})


ROLL_UP = field("X__c", "double", calculated=True, calculatedFormula=None, createable=False, updateable=False)
"""Calculated as a formula is, and has none."""


def choices(*values: str, restricted: bool = True, **more: Any) -> dict[str, Any]:
    """A picklist of these values, and one that is out of use."""
    listed = [{"value": value, "active": True} for value in values]
    gone = {"value": "Bygone", "active": False}
    kind = more.pop("kind", "picklist")
    return field("X__c", kind, length=255, restrictedPicklist=restricted, picklistValues=[*listed, gone], **more)


@pytest.mark.parametrize(
    ("kind", "there", "expected"),
    [
        (mapped(picklist={"gold": "Gold"}), choices("Gold"), []),
        (
            mapped(picklist={"gold": "Golden", "old": "Bygone", "silver": "Silver"}),
            choices("Silver", "Gold"),
            [
                'customer.fields.x: picklist.gold: X__c has no value "Golden"; it takes: Gold, Silver',
                'customer.fields.x: picklist.old: X__c has no value "Bygone"; it takes: Gold, Silver',
            ],
        ),
        (mapped(picklist={"gold": "Golden"}), choices("Gold", restricted=False), []),
        (
            mapped(picklist={"gold": "Golden", "tin": "Tin"}),
            field("X__c", length=5),
            ["customer.fields.x: picklist.gold: X__c takes 5 characters, and its word has 6"],
        ),
        (
            mapped(picklist={"gold": "Golden"}),
            choices("Gold", restricted=False) | {"length": 5},
            ["customer.fields.x: picklist.gold: X__c takes 5 characters, and its word has 6"],
        ),
        (mapped(picklist={"gold": "Golden"}, direction="pull"), field("X__c", length=5), []),
        (mapped(transform=(Transform.MULTI_SELECT,)), choices("A", kind="multipicklist"), []),
        (
            mapped(transform=(Transform.DATETIME,)),
            field("X__c", "date"),
            ["customer.fields.x: datetime does not fit X__c, which is of type date"],
        ),
        (
            mapped(),
            field("X__c", "datetime"),
            ["customer.fields.x: X__c is of type datetime; without transform datetime other forms are refused"],
        ),
        (mapped(lookup="company"), field("X__c", "reference", referenceTo=["Account"]), []),
        (
            mapped(lookup="company"),
            field("X__c", "reference", referenceTo=["Campaign", "Lead"]),
            ["customer.fields.x: X__c names records of Campaign, Lead, and company is kept in Account"],
        ),
        (mapped(lookup="company"), field("X__c"), ["customer.fields.x: X__c is of type string, and no lookup"]),
        (
            mapped(direction="both"),
            field("X__c", "double", calculated=True, createable=False, updateable=False),
            [
                "customer.fields.x: X__c is calculated (a formula or a roll-up), so it can only be pulled",
                "customer.fields.x: X__c is of type double; without transform number other forms are refused",
            ],
        ),
        (mapped(direction="pull"), field("X__c", "double", calculated=True, createable=False, updateable=False), []),
        (mapped(direction="pull"), ROLL_UP, []),
        (
            mapped(direction="push", transform=(Transform.NUMBER,)),
            ROLL_UP,
            ["customer.fields.x: X__c is calculated (a formula or a roll-up), so it can only be pulled"],
        ),
    ],
)
def test_a_field_fits_by_its_values_its_type_and_what_it_names(
    kind: KindMapping, there: dict[str, Any], expected: list[str]
) -> None:
    """Each misfit names the place in the mapping and what the org takes there."""
    objects = {"customer": "Contact", "company": "Account"}
    assert [str(each) for each in check_kind("customer", kind, described_by(there), objects)] == expected


def test_all_kinds_are_compared_in_one_answer() -> None:
    """With an object that the org does not have, and a field that is hidden from the login."""
    other = KIND.model_copy(update={"sobject": "Lead", "collection": "people"})
    both = Mapping(kinds={"customer": KIND, "person": other})
    found = [str(each) for each in check_mapping(both, {"Contact": describe(without="Birthdate"), "Lead": None})]
    assert found == [
        "customer.fields.birthdate: the object has no field Birthdate, or the login may not see it",
        "person.sobject: the org has no object Lead, or the login may not see it",
    ]
