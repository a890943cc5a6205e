"""SOQL across objects, over HTTP: children within a query, semi-joins, multi-select picklists."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.org import OrgClient, org_client

SCHEMA = """
objects:
  - name: Contact
    fields:
      - {name: Likes__c, label: Likes, type: multipicklist, length: 255, values: [Art, Beer, Chess]}
"""


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[OrgClient]:
    """Acme with Ada and Bo, who is in a campaign; Empty without anyone; Cy without a company."""
    schema = tmp_path / "schema.yaml"
    schema.write_text(SCHEMA, encoding="utf-8")
    async with org_client(schema_file=schema) as one:
        for name in ("Acme", "Empty"):
            await made(one, "Account", Name=name, Tandem_Company_Id__c=name)
        acme = {"Account": {"Tandem_Company_Id__c": "Acme"}}
        await one.create(LastName="Ada", Likes__c="Art;Chess", **acme)
        bo = await one.create(LastName="Bo", Likes__c="Beer", **acme)
        await one.create(LastName="Cy")
        gala = await made(one, "Campaign", Name="Gala")
        await made(one, "CampaignMember", CampaignId=gala, ContactId=bo, Status="Responded")
        yield one


async def made(client: OrgClient, sobject: str, **fields: Any) -> str:
    """A new record's id."""
    status, told = await client.call("POST", f"/sobjects/{sobject}", fields)
    assert status == 201, told
    return str(told["id"])


async def names(client: OrgClient, where: str) -> list[str]:
    """Last names of the contacts that a WHERE finds."""
    found = await client.query(f"SELECT LastName FROM Contact WHERE {where} ORDER BY LastName")
    return [one["LastName"] for one in found["records"]]


async def refusal(client: OrgClient, soql: str) -> str:
    """The code of a query that must fail."""
    status, told = await client.call("GET", "/query", params={"q": soql})
    assert status == 400, told
    return str(told[0]["errorCode"])


async def test_children_come_within_their_parents(client: OrgClient) -> None:
    """Filtered, ordered and cut for each parent; null where there are none; their parents' fields too."""
    soql = (
        "SELECT Name, (SELECT LastName, Account.Name FROM Contacts WHERE LastName != 'x'"
        " ORDER BY LastName DESC LIMIT 1) FROM Account ORDER BY Name"
    )
    acme, empty = (await client.query(soql))["records"]
    block = acme["Contacts"]
    assert (block["totalSize"], block["done"]) == (1, True)
    (bo,) = block["records"]
    assert (bo["LastName"], bo["Account"]["Name"], bo["attributes"]["type"]) == ("Bo", "Acme", "Contact")
    assert empty["Contacts"] is None


async def test_children_have_children(client: OrgClient) -> None:
    """Level by level; the deleted ones by queryAll alone."""
    soql = "SELECT Name, (SELECT LastName, (SELECT Status FROM CampaignMembers) FROM Contacts) FROM Account"
    acme = (await client.query(soql))["records"][0]
    told = {
        one["LastName"]: one["CampaignMembers"] and [each["Status"] for each in one["CampaignMembers"]["records"]]
        for one in acme["Contacts"]["records"]
    }
    assert told == {"Ada": None, "Bo": ["Responded"]}
    found = await client.query("SELECT Id FROM Contact WHERE LastName = 'Ada'")
    await client.call("DELETE", f"/sobjects/Contact/{found['records'][0]['Id']}")
    soql = "SELECT (SELECT Id FROM Contacts) FROM Account WHERE Name = 'Acme'"
    for resource, number in (("query", 1), ("queryAll", 2)):
        (acme,) = (await client.query(soql, resource))["records"]
        assert acme["Contacts"]["totalSize"] == number


async def test_children_come_on_every_page(client: OrgClient) -> None:
    """Of parents that do not fit on one."""
    for start in (0, 200):
        rows = [{"attributes": {"type": "Account"}, "Name": f"Z{n:03}"} for n in range(start, start + 200)]
        await client.call("POST", "/composite/sobjects", {"records": rows})
    await client.create(
        AccountId=(await client.query("SELECT Id FROM Account WHERE Name = 'Z399'"))["records"][0]["Id"]
    )
    soql = "SELECT Name, (SELECT Id FROM Contacts) FROM Account ORDER BY Name"
    options = {"Sforce-Query-Options": "batchSize=200"}
    _, page = await client.call("GET", "/query", headers=options, params={"q": soql})
    assert page["records"][0]["Contacts"]["totalSize"] == 2
    while not page["done"]:
        _, page = await client.call("GET", page["nextRecordsUrl"], headers=options)
    assert page["records"][-1]["Name"] == "Z399"
    assert page["records"][-1]["Contacts"]["totalSize"] == 1


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("Id IN (SELECT ContactId FROM CampaignMember WHERE Campaign.Name = 'gala')", ["Bo"]),
        ("Id NOT IN (SELECT ContactId FROM CampaignMember)", ["Ada", "Cy"]),
        ("AccountId IN (SELECT Id FROM Account WHERE Name LIKE 'A%') AND LastName != 'Bo'", ["Ada"]),
        ("AccountId NOT IN (SELECT Id FROM Account)", ["Cy"]),
        ("Likes__c INCLUDES ('art;chess', 'Beer')", ["Ada", "Bo"]),
        ("Likes__c INCLUDES ('Art;Beer')", []),
        ("Likes__c EXCLUDES ('Beer')", ["Ada", "Cy"]),
        ("Likes__c = 'Art;Chess'", ["Ada"]),
    ],
)
async def test_semi_joins_and_multi_selects(client: OrgClient, where: str, found: list[str]) -> None:
    """What is found, and what an empty field means."""
    assert await names(client, where) == found


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT Id, (SELECT Id FROM Nothing) FROM Account", "INVALID_TYPE"),
        ("SELECT Id, (SELECT Nope FROM Contacts) FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE Id IN (SELECT Id, Name FROM Account)", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE Id IN (SELECT Name FROM Account)", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE Id IN (SELECT Id FROM Account LIMIT 1)", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE LastName INCLUDES ('x')", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Contact ORDER BY Likes__c", "INVALID_FIELD"),
    ],
)
async def test_what_cannot_be_asked_is_told(client: OrgClient, soql: str, code: str) -> None:
    """By its code."""
    assert await refusal(client, soql) == code
