"""Queries of callers: one SELECT over what is mapped, every fault in one answer, and nothing passed on as it came."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from support.org import org_client

from adapters.salesforce.caller_soql import QueryRefused, built_query, checked_soql
from adapters.salesforce.query_scope import QueryScope
from schemas.mapping import Mapping
from schemas.presets import preset
from schemas.record_query import RecordQuery

SCOPE = QueryScope(preset("ticketing"))


def asked(text: str, **options: Any) -> str:
    return str(checked_soql(text, SCOPE, **options))


def faults(text: str) -> list[str]:
    with pytest.raises(QueryRefused) as refused:
        checked_soql(text, SCOPE)
    return list(refused.value.faults)


@pytest.mark.parametrize(
    ("written", "asked_for"),
    [
        ("SELECT Id, Email FROM Contact", "SELECT Id, Email FROM Contact LIMIT 2000"),
        (
            "select id , c.EMAIL, contact.account.NAME from contact c where c.email like 'a\\'b%\\_' limit 5 offset 10",
            "SELECT Id, Email, Account.Name FROM Contact WHERE Email LIKE 'a\\'b%\\_' LIMIT 5 OFFSET 10",
        ),
        ("SELECT COUNT() FROM Account", "SELECT COUNT() FROM Account"),
        (
            "SELECT Name FROM Campaign WHERE NOT (Name = null OR CreatedDate > LAST_N_DAYS:30) LIMIT 9999",
            "SELECT Name FROM Campaign WHERE (NOT (Name = null OR CreatedDate > LAST_N_DAYS:30)) LIMIT 2000",
        ),
        (
            "SELECT Name FROM Campaign ORDER BY CreatedDate DESC NULLS LAST, Id ASC NULLS FIRST",
            "SELECT Name FROM Campaign ORDER BY CreatedDate DESC NULLS LAST, Id LIMIT 2000",
        ),
        (
            "SELECT Id FROM Contact WHERE SystemModstamp >= 2026-01-02T03:04:05+02:00 AND Id IN ('003', '004')",
            "SELECT Id FROM Contact WHERE (SystemModstamp >= 2026-01-02T01:04:05Z AND Id IN ('003','004')) LIMIT 2000",
        ),
        (
            "SELECT Id FROM Account WHERE Id NOT IN (SELECT AccountId FROM Contact WHERE Email != '')",
            "SELECT Id FROM Account WHERE Id NOT IN (SELECT AccountId FROM Contact WHERE Email != '') LIMIT 2000",
        ),
        (
            "SELECT Id FROM Contact WHERE Email INCLUDES ('a;b', 'c')",
            "SELECT Id FROM Contact WHERE Email INCLUDES ('a;b', 'c') LIMIT 2000",
        ),
    ],
)
def test_what_is_mapped_may_be_asked(written: str, asked_for: str) -> None:
    """In whatever cases it is written; with a LIMIT of ours where there is none, or a greater one."""
    assert asked(written) == asked_for


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT FIELDS(ALL) FROM Contact LIMIT 10", "FIELDS(…) is not taken"),
        ("SELECT COUNT(Id) FROM Contact", "COUNT(…) is not taken; of the aggregates COUNT() is"),
        ("SELECT MAX(CreatedDate) newest FROM Contact", None),
        ("SELECT toLabel(Email) FROM Contact", "TOLABEL(…) is not taken"),
        ("SELECT Id, (SELECT Id FROM Contacts) FROM Account", "queries of children are not taken"),
        ("SELECT TYPEOF What WHEN Account THEN Name ELSE Id END FROM Contact", "TYPEOF is not taken"),
        ("SELECT Id FROM Contact FOR UPDATE", "FOR VIEW, FOR REFERENCE and FOR UPDATE are not taken"),
        ("SELECT Id FROM Contact ALL ROWS", "ALL ROWS is not taken"),
        ("SELECT Id FROM Contact USING SCOPE mine", "USING SCOPE is not taken"),
        ("SELECT Id FROM Contact WITH USER_MODE", "WITH is not taken"),
        ("SELECT Email FROM Contact GROUP BY Email HAVING COUNT(Id) > 1", "GROUP BY is not taken"),
        ("SELECT Id FROM Contact; SELECT Id FROM User", "one SELECT, without a semicolon"),
        ("SELECT Id FROM Contact SELECT Id FROM User", "a clause that is not expected here"),
        ("SELECT Id FROM Contact, Account", "one object after FROM"),
        ("SELECT Id FROM User", "User is not mapped; mapped are "),
        ("SELECT Id FROM Account WHERE Id IN (SELECT WhatId FROM Task)", "Task is not mapped"),
        ("SELECT Id FROM Account WHERE Id IN (SELECT Id, AccountId FROM Contact)", "selects one field"),
        ("SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact LIMIT 1)", "LIMIT has no place"),
        ("SELECT Owner.Name FROM Contact", "Owner of Owner.Name is no relationship of a mapped lookup of Contact"),
        ("SELECT Account.Fax FROM Contact", "Account.Fax: Fax is not mapped for Account"),
        ("SELECT Id FROM Contact WHERE CALENDAR_YEAR(CreatedDate) = 2026", "CALENDAR_YEAR(…) is not taken"),
        ("SELECT Id FROM Contact WHERE Id = '1' AND Id = '2' OR Id = '3'", "AND and OR do not mix"),
        ("SELECT Id FROM Contact OFFSET 2001", "OFFSET is at most 2000"),
        ("SELECT COUNT() FROM Contact ORDER BY Id", "COUNT() has no ORDER BY"),
        ("SELECT COUNT(), Id FROM Contact", "COUNT() stands alone"),
        ("SELECT Id FROM Contact WHERE Email = 'open", "a text without its end"),
        ("SELECT Id FROM Contact WHERE Email = :bound", "a character that SOQL does not have here"),
        ("SELECT Id FROM Contact WHERE Email = TODAYS", "not a value that SOQL knows"),
        ("SELECT Id FROM Contact WHERE Email = 'a\\qb'", "a backslash before a character"),
        ("SELECT Id FROM Contact LIMIT ten", "a whole number is expected"),
        ("SELECT Id FROM Contact LIMIT -1", "a whole number is expected"),
        ("SELECT Id FROM Contact -- all", "a character that SOQL does not have here"),
        ("SELECT Id FROM Contact WHERE " + "(" * 60 + "Id = '1'" + ")" * 60, "conditions more than 50 deep"),
        ("SELECT Id FROM Contact WHERE " + "NOT " * 5_000 + "Id = '1'", "conditions more than 50 deep"),
        ("DELETE FROM Contact", "SELECT is expected"),
        ("", "SELECT is expected, and the query ends"),
        ("SELECT Id FROM Contact WHERE Id IN ('" + "','".join(["x" * 18] * 900) + "')", "too long for one call"),
        ("SELECT Id FROM Contact" + " " * 100_000, "at most 100000 characters"),
    ],
)
def test_what_is_not_taken_is_named(text: str, said: str | None) -> None:
    """Each with the place where it stands; none with a value of the caller's."""
    told = faults(text)
    if said is not None:
        assert any(said in each for each in told), told
    assert all(each.startswith("character ") or " at " in each or "too long" in each for each in told)


def test_every_fault_is_named_in_one_answer() -> None:
    """And a value is in none of them."""
    text = (
        "SELECT Secret__c, FIELDS(ALL), Account.Fax FROM Contact WHERE Owner.Name = 'Jane Roe' ORDER BY Age__c FOR VIEW"
    )
    told = faults(text)
    assert [each.partition(": ")[2] for each in told] == [
        "Secret__c is not mapped for Contact",
        "FIELDS(…) is not taken",
        "Account.Fax: Fax is not mapped for Account",
        "Owner of Owner.Name is no relationship of a mapped lookup of Contact",
        "Age__c is not mapped for Contact",
        "FOR VIEW, FOR REFERENCE and FOR UPDATE are not taken",
    ]
    assert told[0] == "character 8: Secret__c is not mapped for Contact"
    assert "Jane" not in "".join(told)


def built(**query: Any) -> str:
    return str(built_query(RecordQuery.model_validate(query), SCOPE))


def test_a_question_in_the_platforms_words() -> None:
    """Fields by their paths, values in the platform's form: what Salesforce is asked is in its own."""
    conditions = {
        "all": [
            {"field": "phone", "is": "=", "value": "0712 345 678"},
            {"any": [{"field": "email", "is": "contains", "value": "50%_"}, {"field": "birthdate", "value": None}]},
            {"none": [{"field": "birthdate", "is": "<", "value": "1990-02-03"}]},
            {"field": "last_name", "is": "in", "value": ["O'Neil", "Roe"]},
        ]
    }
    order = [{"field": "CreatedDate", "descending": True}]
    assert built(object="customer", fields=["email", "Account.Name"], conditions=conditions, order=order, limit=7) == (
        "SELECT Email, Account.Name FROM Contact WHERE (Phone = '+40712345678' AND (Email LIKE '%50\\%\\_%' OR "
        "Birthdate = null) AND (NOT (Birthdate < 1990-02-03)) AND LastName IN ('O\\'Neil','Roe')) "
        "ORDER BY CreatedDate DESC LIMIT 7"
    )


def test_a_question_in_salesforces_words() -> None:
    """Moments and dates are texts in JSON, and none in SOQL."""
    conditions = {
        "all": [
            {"field": "SystemModstamp", "is": ">=", "value": "2026-01-02T03:04:05Z"},
            {"field": "Birthdate", "is": "!=", "value": "1990-02-03"},
            {"field": "Account.Name", "is": "starts_with", "value": "Acme"},
        ]
    }
    assert built(object="Contact", fields=["id", "EMAIL"], conditions=conditions, offset=4) == (
        "SELECT Id, Email FROM Contact WHERE (SystemModstamp >= 2026-01-02T03:04:05Z AND Birthdate != 1990-02-03 AND "
        "Account.Name LIKE 'Acme%') LIMIT 2000 OFFSET 4"
    )
    assert built(object="event") == "SELECT COUNT() FROM Campaign"


def test_a_question_with_faults_has_all_of_them_named() -> None:
    """Names, and values that a field cannot have; the value is in no message."""
    conditions = {"any": [{"field": "birthdate", "value": "Jane Roe"}, {"field": "nickname", "value": "x"}]}
    with pytest.raises(QueryRefused) as refused:
        built(object="customer", fields=["email", "Secret__c"], conditions=conditions)
    assert refused.value.faults == (
        "Secret__c is not mapped for Contact",
        "birthdate: a value that it cannot have",
        "nickname is not mapped for Contact",
    )
    with pytest.raises(QueryRefused, match="object: User is not mapped"):
        built(object="User")
    with pytest.raises(QueryRefused, match="a count has none"):
        built(object="event", order=[{"field": "Id"}])


@pytest.mark.parametrize(
    "test",
    [
        {"field": "Email", "is": "in", "value": "x"},
        {"field": "Email", "is": "in", "value": []},
        {"field": "Email", "is": "=", "value": ["x"]},
        {"field": "Email", "is": "contains", "value": 5},
        {"field": "Email", "is": "includes", "value": [5]},
        {"field": "Email' OR Id != '", "is": "=", "value": "x"},
        {"field": "Email", "is": "~", "value": "x"},
        {"field": "Email", "is": "=", "value": float("nan")},
        {"all": []},
    ],
)
def test_a_test_that_is_none_is_refused(test: dict[str, Any]) -> None:
    """Before anything is built."""
    with pytest.raises(ValidationError):
        RecordQuery.model_validate({"object": "Contact", "fields": ["Id"], "conditions": test})


async def test_the_simulated_org_takes_what_was_checked() -> None:
    """And finds by it what the caller meant."""
    moment = f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    async with org_client() as org:
        ann = await org.create(LastName="O'Neil", Email="a_b@example.org", FirstName="50%")
        await org.create(LastName="Other", Email="axb@example.org")
        for text in (
            f"select id from contact c where c.lastname = 'o\\'neil' and createddate <= {moment}",
            "SELECT Id FROM Contact WHERE Email LIKE 'a\\_b%'",
            "SELECT Id FROM Contact WHERE FirstName LIKE '%0\\%' AND NOT LastName IN ('Other')",
        ):
            found = await org.query(asked(text))
            assert [row["Id"] for row in found["records"]] == [ann], text


def test_a_person_who_may_be_a_lead_is_asked_for_in_both_objects() -> None:
    """Each by its own names: what the mapping calls a field there."""
    raw = preset("customers").model_dump(mode="json")
    fields = {"LastName": "LastName", "MailingCity": "City"}
    raw["kinds"]["customer"]["lead"] = {"external_id": "Lead_Id__c", "token": "Lead_Write__c", "fields": fields}
    scope = QueryScope(Mapping.model_validate(raw))
    assert (
        str(checked_soql("SELECT city, lead_id__c FROM lead", scope)) == "SELECT City, Lead_Id__c FROM Lead LIMIT 2000"
    )
    with pytest.raises(QueryRefused) as refused:
        checked_soql("SELECT MailingCity, Email FROM Lead", scope)
    assert [fault.partition(": ")[2] for fault in refused.value.faults] == [
        "MailingCity is not mapped for Lead",
        "Email is not mapped for Lead",
    ]
