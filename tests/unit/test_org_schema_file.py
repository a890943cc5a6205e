"""Custom objects and fields that an org is given by a file: formulas, multi-select, lookups, and mistakes in it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.org import OrgClient, org_client

from simulator.org.objects import load_objects
from simulator.org.objects.formula import BadFormula, formula_sql
from simulator.org.objects.schema_file import read_schema
from simulator.org.settings import OrgSettings

SCHEMA = """
objects:
  - name: Ticket_Order__c
    label: Ticket Order
    plural: Ticket Orders
    key_prefix: a00
    fields:
      - {name: Name, label: Order Number, type: string, length: 80, required: true}
      - {name: Contact__c, label: Contact, type: reference, to: Contact, relationship: Contact__r, children: Orders__r}
      - {name: Order_Key__c, label: Order Key, type: string, length: 64, external_id: true, unique: true}
      - {name: Price__c, label: Price, type: currency, precision: 18, scale: 2}
      - {name: Tickets__c, label: Tickets, type: double, precision: 5, scale: 0}
      - {name: Paid__c, label: Paid, type: currency, precision: 18, scale: 2}
      - name: Total__c
        label: Total
        type: currency
        precision: 18
        scale: 2
        read_only: true
        formula: Price__c * Tickets__c
      - {name: Settled__c, label: Settled, type: boolean, read_only: true, formula: "Paid__c >= Total__c"}
      - name: Title__c
        label: Title
        type: string
        length: 200
        read_only: true
        formula: 'Name & " (" & IF(Tickets__c > 1, "group", "single") & ")"'
      - name: Kinds__c
        label: Kinds
        type: multipicklist
        length: 255
        restricted: true
        values: [Early, Regular, VIP]
  - name: Contact
    fields:
      - {name: Shoe_Size__c, label: Shoe Size, type: double, precision: 3, scale: 1}
"""


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    """The file."""
    file = tmp_path / "schema.yaml"
    file.write_text(SCHEMA, encoding="utf-8")
    return file


@pytest.fixture
async def client(schema: Path) -> AsyncIterator[OrgClient]:
    """An org with a custom object."""
    async with org_client(schema_file=schema, cometd={"entities": ["Contact", "Ticket_Order__c"]}) as one:
        yield one


async def test_a_custom_object_is_an_object_like_any_other(client: OrgClient) -> None:
    """Made, upserted by its external id, read with its parent, described, told by its change events."""
    contact = await client.create(Shoe_Size__c=42.5, Legacy_Id__c="L")
    body = {"Name": "O-1", "Contact__r": {"Legacy_Id__c": "L"}, "Price__c": 10, "Tickets__c": 2}
    status, told = await client.call("PATCH", "/sobjects/Ticket_Order__c/Order_Key__c/o-1", body)
    assert (status, told["id"][:3]) == (201, "a00")
    found = await client.query("SELECT Name, Contact__r.LastName, Contact__r.Shoe_Size__c FROM Ticket_Order__c")
    (row,) = found["records"]
    assert (row["Contact__r"]["LastName"], row["Contact__r"]["Shoe_Size__c"]) == ("Doe", 42.5)
    _, described = await client.call("GET", "/sobjects/Ticket_Order__c/describe")
    assert described["custom"]
    _, parent = await client.call("GET", "/sobjects/Contact/describe")
    orders = [one for one in parent["childRelationships"] if one["childSObject"] == "Ticket_Order__c"]
    assert [(one["field"], one["relationshipName"]) for one in orders] == [("Contact__c", "Orders__r")]
    event = client.events()[-1]
    assert event["ChangeEventHeader"]["entityName"] == "Ticket_Order__c"
    assert event["Contact__c"] == contact


async def test_a_formula_is_computed_when_it_is_read(client: OrgClient) -> None:
    """In REST, SOQL and filters; no change event and no modification tells that it changed."""
    _, told = await client.call("POST", "/sobjects/Ticket_Order__c", {"Name": "O-1", "Price__c": 9.99, "Tickets__c": 2})
    path = f"/sobjects/Ticket_Order__c/{told['id']}"
    _, row = await client.call("GET", path)
    assert (row["Total__c"], row["Settled__c"], row["Title__c"]) == (19.98, False, "O-1 (group)")
    await client.call("PATCH", path, {"Paid__c": 20})
    assert client.events()[-1]["ChangeEventHeader"]["changedFields"] == ["Paid__c", "LastModifiedDate"]
    found = await client.query(
        "SELECT Settled__c FROM Ticket_Order__c WHERE Settled__c = true AND Title__c LIKE 'o-1%'"
    )
    assert [one["Settled__c"] for one in found["records"]] == [True]
    status, error = await client.call("PATCH", path, {"Total__c": 1})
    assert (status, error[0]["errorCode"]) == (400, "INVALID_FIELD_FOR_INSERT_UPDATE")
    assert "Total__c" not in (await client.admin("GET", "/commits"))[0]["after"]


async def test_a_multi_select_holds_each_value_once_in_order(client: OrgClient) -> None:
    """One that it does not know is refused where it is restricted."""
    _, told = await client.call("POST", "/sobjects/Ticket_Order__c", {"Name": "O", "Kinds__c": "VIP;Early; VIP"})
    _, row = await client.call("GET", f"/sobjects/Ticket_Order__c/{told['id']}")
    assert row["Kinds__c"] == "Early;VIP"
    status, error = await client.call("POST", "/sobjects/Ticket_Order__c", {"Name": "O", "Kinds__c": "Early;Late"})
    assert (status, error[0]["errorCode"]) == (400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST")
    assert error[0]["message"].endswith(": Late")


async def test_an_org_that_was_there_before_gets_the_new_fields(tmp_path: Path, schema: Path) -> None:
    """Its records are kept."""
    async with org_client(directory=tmp_path / "org") as client:
        record_id = await client.create(LastName="Kept")
    async with org_client(directory=tmp_path / "org", schema_file=schema) as client:
        assert (await client.read(record_id))["Shoe_Size__c"] is None
        await client.call("PATCH", f"/sobjects/Contact/{record_id}", {"Shoe_Size__c": 38})
        assert (await client.read(record_id))["Shoe_Size__c"] == 38


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("to: Contact,", "to: Nobody,"), "Contact__c: a reference, and nothing else, names an object"),
        (("key_prefix: a00", 'key_prefix: "003"'), "its key prefix is another object's: 003"),
        (("name: Shoe_Size__c", "name: Email"), "Contact: a field is described twice"),
        (("objects:", "tables:"), "schema.yaml: "),
        (("scale: 1}", "colour: red}"), "colour"),
        (("read_only: true\n        formula: Price__c *", "formula: Price__c *"), "a formula field is read only"),
    ],
)
def test_a_mistake_in_the_file_is_named(schema: Path, change: tuple[str, str], told: str) -> None:
    """Before the org opens."""
    schema.write_text(SCHEMA.replace(*change), encoding="utf-8")
    with pytest.raises(ValueError) as problem:
        load_objects(read_schema(OrgSettings(schema_file=schema).schema_file))
    assert told in str(problem.value)


FIELDS = {"amount": '"Amount"', "name": '"Name"'}


@pytest.mark.parametrize(
    ("formula", "sql"),
    [
        ("Amount + 2 * 3", '("Amount" + (2 * 3))'),
        ("-Amount / 2", '(CAST((-"Amount") AS REAL) / 2)'),
        ('Name = "O\'Hara"', "(\"Name\" = 'O''Hara')"),
        ("NOT(Amount > 1) || ISBLANK(Name)", None),
        ("AND(Amount > 1, Amount <> 3, TRUE())", None),
        ("BLANKVALUE(TEXT(ROUND(ABS(Amount), 2)), 'none') & LEN(Name)", None),
    ],
)
def test_a_formula_becomes_sql(formula: str, sql: str | None) -> None:
    """What is written once here is what SQLite is told; the rest SQLite must take."""
    import sqlite3

    compiled = formula_sql(formula, lambda name: FIELDS.get(name.lower()))
    assert sql is None or compiled == sql
    database = sqlite3.connect(":memory:")
    try:
        row: tuple[Any] = database.execute(f'SELECT {compiled} FROM (SELECT 2 AS "Amount", \'x\' AS "Name")').fetchone()
        assert row[0] is not None
    finally:
        database.close()


@pytest.mark.parametrize("formula", ["", "Amount +", "Nope * 2", "SUM(Amount)", "IF(Amount)", "Account.Name"])
def test_a_bad_formula_is_told(formula: str) -> None:
    """With what is wrong in it."""
    with pytest.raises(BadFormula):
        formula_sql(formula, lambda name: FIELDS.get(name.lower()))
