"""SOQL: what is understood, what it means, and how mistakes are told."""

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from typing import Any

import pytest

from simulator.org.errors import SalesforceError
from simulator.org.objects import load_objects
from simulator.org.soql import dates, strings
from simulator.org.soql.compile import CompiledQuery, compile_query
from simulator.org.soql.parse import SoqlParser
from simulator.org.soql.query import Chain, Comparison, Membership, Negation
from simulator.org.store import Row, Store

PARSER = SoqlParser()
OBJECTS = load_objects()
NOW = 1_735_787_045_000  # 2025-01-02T03:04:05Z, a Thursday
DAY = 86_400_000


def compiled(soql: str, *, deleted: bool = False) -> CompiledQuery:
    """A query ready to run."""
    return compile_query(soql, PARSER.parse(soql), OBJECTS, now=NOW, root="/r", deleted=deleted)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    """Five contacts, of whom one is deleted; two users; one account."""
    store = Store(OBJECTS)
    blank: Row = dict.fromkeys((one.name for one in OBJECTS["Contact"].columns), None)
    people: list[dict[str, Any]] = [
        {"LastName": "Lovelace", "FirstName": "Ada", "Email": "Ada@x.org", "Total_Tickets__c": 3.0},
        {"LastName": "Hopper", "FirstName": "Grace", "Email": "grace@x.org", "Birthdate": "1906-12-09"},
        {"LastName": "Șerban", "FirstName": "Ion_%", "Total_Tickets__c": 7.0, "Newsletter__c": 1},
        {"LastName": "O'Neil\\", "Total_Tickets__c": -1.5, "CreatedDate": NOW - 3 * DAY, "AccountId": "001A"},
        {"LastName": "Gone", "IsDeleted": 1},
    ]
    defaults = {"IsDeleted": 0, "Newsletter__c": 0, "CreatedDate": NOW, "OwnerId": "005Boss", "SystemModstamp": NOW}
    rows = [{**blank, **defaults, "Id": f"0035g0000000000{n}AA", **person} for n, person in enumerate(people, start=1)]
    store.insert(OBJECTS["Contact"], rows)
    user: Row = dict.fromkeys((one.name for one in OBJECTS["User"].columns), None)
    store.insert(OBJECTS["User"], [{**user, "Id": "005Boss", "Name": "The Boss", "Username": "boss@x.org"}])
    account: Row = dict.fromkeys((one.name for one in OBJECTS["Account"].columns), None)
    store.insert(OBJECTS["Account"], [{**account, "Id": "001A", "Name": "Acme", "OwnerId": "005Boss"}])
    with closing(store):
        yield store


def run(store: Store, soql: str, *, deleted: bool = False) -> list[dict[str, Any]]:
    """Every record of a query."""
    query = compiled(soql, deleted=deleted)
    rows = store.connection.execute(query.reading(), (*query.parameters, query.limit, query.offset))
    return [query.record(row) for row in rows]


def names(store: Store, where: str, *, deleted: bool = False) -> set[str]:
    """Last names' first letters of the contacts that a WHERE finds."""
    found = run(store, f"SELECT LastName FROM Contact {where}", deleted=deleted)
    return {record["LastName"][0] for record in found}


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("", "LHȘO"),
        ("WHERE LastName = 'lovelace'", "L"),
        ("WHERE LastName = 'șERBAN'", "Ș"),
        ("WHERE LastName != 'hopper'", "LȘO"),
        ("WHERE LastName <> 'hopper'", "LȘO"),
        ("WHERE LastName > 'm'", "ȘO"),
        ("WHERE LastName <= 'LOVELACE'", "LH"),
        ("WHERE Email = null", "ȘO"),
        ("WHERE Email = ''", "ȘO"),
        ("WHERE Email != NULL", "LH"),
        ("WHERE Email != 'ada@x.org'", "HȘO"),
        ("WHERE Total_Tickets__c > 0", "LȘ"),
        ("WHERE Total_Tickets__c < 5", "LO"),
        ("WHERE Total_Tickets__c = -1.5", "O"),
        ("WHERE Total_Tickets__c >= 3e0", "LȘ"),
        ("WHERE NOT Total_Tickets__c > 0", "HO"),
        ("WHERE Total_Tickets__c != 3", "HȘO"),
        ("WHERE LastName LIKE 'lo%'", "L"),
        ("WHERE LastName LIKE '_OPPER'", "H"),
        ("WHERE FirstName LIKE '%\\_\\%'", "Ș"),
        ("WHERE FirstName LIKE '%a%'", "LH"),
        ("WHERE NOT FirstName LIKE '%a%'", "ȘO"),
        ("WHERE (NOT FirstName LIKE '%a%') AND Email = null", "ȘO"),
        ("WHERE LastName IN ('LOVELACE', 'hopper', 'nobody')", "LH"),
        ("WHERE Email IN ('grace@x.org', null)", "HȘO"),
        ("WHERE Email NOT IN ('grace@x.org')", "LȘO"),
        ("WHERE Email NOT IN ('grace@x.org', null)", "L"),
        ("WHERE LastName = 'O\\'Neil\\\\'", "O"),
        ("WHERE LastName = '\\u0218erban'", "Ș"),
        ("WHERE Newsletter__c = true", "Ș"),
        ("WHERE Newsletter__c = FALSE", "LHO"),
        ("WHERE Newsletter__c = null", "LHO"),
        ("WHERE Birthdate = 1906-12-09", "H"),
        ("WHERE Birthdate < 1906-12-09", ""),
        ("WHERE Birthdate < TODAY", "H"),
        ("WHERE CreatedDate = TODAY", "LHȘ"),
        ("WHERE CreatedDate < TODAY", "O"),
        ("WHERE CreatedDate > YESTERDAY", "LHȘ"),
        ("WHERE CreatedDate != TODAY", "O"),
        ("WHERE CreatedDate = LAST_N_DAYS:2", "LHȘ"),
        ("WHERE CreatedDate = LAST_N_DAYS:3", "LHȘO"),
        ("WHERE CreatedDate = N_DAYS_AGO:3", "O"),
        ("WHERE CreatedDate IN (N_DAYS_AGO:3, TODAY)", "LHȘO"),
        ("WHERE CreatedDate NOT IN (TODAY)", "O"),
        ("WHERE CreatedDate >= 2025-01-02T05:04:05+02:00", "LHȘ"),
        ("WHERE CreatedDate > 2025-01-02T03:04:05.000Z", ""),
        ("WHERE Email != null AND Total_Tickets__c = 3", "L"),
        ("WHERE Email != null AND (Total_Tickets__c = 3 OR FirstName = 'grace')", "LH"),
        ("WHERE (Email = null AND Total_Tickets__c > 0) OR LastName = 'Hopper'", "HȘ"),
        ("WHERE NOT (Email = null OR LastName = 'Hopper')", "L"),
        ("WHERE Account.Name = 'acme'", "O"),
        ("WHERE Account.Owner.Name LIKE '%boss'", "O"),
        ("WHERE Account.Name = null", "LHȘ"),
        ("WHERE Contact.LastName = 'hopper'", "H"),
        ("WHERE IsDeleted = true", ""),
    ],
)
def test_conditions_mean_what_they_mean_at_salesforce(store: Store, where: str, found: str) -> None:
    """Case does not count, empty fields are never smaller nor like anything, and `!=` holds for them."""
    assert names(store, where) == set(found)


def test_query_all_sees_the_recycle_bin(store: Store) -> None:
    """queryAll has deleted records too."""
    assert names(store, "", deleted=True) == set("LHȘOG")
    assert names(store, "WHERE IsDeleted = true", deleted=True) == {"G"}


@pytest.mark.parametrize(
    ("order", "found"),
    [
        ("ORDER BY LastName", "HLOȘ"),
        ("ORDER BY LastName DESC", "ȘOLH"),
        ("order by Total_Tickets__c", "HOLȘ"),
        ("ORDER BY Total_Tickets__c ASC NULLS LAST", "OLȘH"),
        ("ORDER BY Total_Tickets__c DESC NULLS FIRST", "HȘLO"),
        ("ORDER BY Email NULLS LAST, LastName DESC", "LHȘO"),
        ("ORDER BY LastName LIMIT 2", "HL"),
        ("ORDER BY LastName LIMIT 2 OFFSET 1", "LO"),
        ("ORDER BY LastName OFFSET 3", "Ș"),
        ("ORDER BY LastName LIMIT 0", ""),
        ("ORDER BY LastName LIMIT 99999999999999999999999", "HLOȘ"),
        ("ORDER BY Account.Name NULLS LAST, LastName LIMIT 1", "O"),
    ],
)
def test_results_are_ordered_and_cut(store: Store, order: str, found: str) -> None:
    """Empty fields come first unless they are told to come last."""
    records = run(store, f"SELECT LastName FROM Contact {order}")
    assert "".join(record["LastName"][0] for record in records) == found


def test_records_hold_what_was_selected_under_its_own_name(store: Store) -> None:
    """Names come back as the org spells them; a parent is an object of its own, or null."""
    found = run(
        store, "select id, c.lastname, ACCOUNT.name, account.owner.name from contact c where lastname like 'o%'"
    )
    assert found == [
        {
            "attributes": {"type": "Contact", "url": "/r/sobjects/Contact/0035g00000000004AA"},
            "Id": "0035g00000000004AA",
            "LastName": "O'Neil\\",
            "Account": {
                "attributes": {"type": "Account", "url": "/r/sobjects/Account/001A"},
                "Name": "Acme",
                "Owner": {"attributes": {"type": "User", "url": "/r/sobjects/User/005Boss"}, "Name": "The Boss"},
            },
        }
    ]
    assert run(store, "SELECT Account.Name FROM Contact WHERE FirstName = 'Ada'")[0]["Account"] is None


def test_a_parent_named_in_where_alone_is_not_shown(store: Store) -> None:
    """Joining a table does not select it."""
    assert "Account" not in run(store, "SELECT Id FROM Contact WHERE Account.Name = 'Acme'")[0]


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("", "MALFORMED_QUERY"),
        ("SELECT", "MALFORMED_QUERY"),
        ("SELECT FROM Contact", "MALFORMED_QUERY"),
        ("SELECT * FROM Contact", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE Email = 'a", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE Email = 'a\\x'", "MALFORMED_QUERY"),
        ('SELECT Id FROM Contact WHERE Email = "a"', "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE a = 1 AND b = 2 OR c = 3", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE a = 1 OR b = 2 AND c = 3", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE Email IN ()", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact LIMIT", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact LIMIT -1", "MALFORMED_QUERY"),
        ("SELECT COUNT() FROM Contact ORDER BY Id", "MALFORMED_QUERY"),
        ("SELECT FIELDS(ALL) FROM Contact", "MALFORMED_QUERY"),
        ("SELECT FIELDS(SOME) FROM Contact", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE CreatedDate = LAST_N_YEARS:99999", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE CreatedDate = SOMEDAY", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE Birthdate = 2001-02-29", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact; DROP TABLE Contact", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE Email = '" + "x" * 100_000 + "'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Nothing", "INVALID_TYPE"),
        ("SELECT Nothing FROM Contact", "INVALID_FIELD"),
        ("SELECT number FROM Contact", "INVALID_FIELD"),
        ("SELECT Id, id FROM Contact", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE Nothing = 1", "INVALID_FIELD"),
        ("SELECT Id FROM Contact ORDER BY Nothing", "INVALID_FIELD"),
        ("SELECT Nobody.Name FROM Contact", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE Description = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE MailingAddress = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Contact ORDER BY Description", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE Total_Tickets__c = '3'", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE LastName = 3", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE LastName = TODAY", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE CreatedDate = 2025-01-01", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE CreatedDate = '2025-01-01T00:00:00Z'", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE Birthdate = 2025-01-01T00:00:00Z", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE Newsletter__c = 'true'", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE Id = 'nonsense'", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Contact WHERE Id LIKE '003%'", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Contact WHERE Birthdate LIKE '19%'", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Contact WHERE LastName > null", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Contact OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE"),
    ],
)
def test_mistakes_have_salesforces_codes(soql: str, code: str) -> None:
    """Each sort of mistake is told by its own code."""
    with pytest.raises(SalesforceError) as refused:
        compiled(soql)
    assert (refused.value.code, refused.value.status) == (code, 400)


def test_a_mistake_is_pointed_at() -> None:
    """Row and column, as Salesforce tells them."""
    with pytest.raises(SalesforceError) as refused:
        compiled("SELECT Id, Foo FROM Contact")
    assert refused.value.message.startswith(
        "\nSELECT Id, Foo FROM Contact\n           ^\nERROR at Row:1:Column:12\nNo such"
    )


def test_keywords_can_begin_names_and_stand_in_any_case() -> None:
    """A field may be called like a keyword with more behind it."""
    query = PARSER.parse("sElEcT Orders__c, Incoming__c From Limits__c wHere Notes__c nOt iN ('a') Order By Android__c")
    assert [path.names for path in query.fields] == [("Orders__c",), ("Incoming__c",)]
    assert query.sobject == "Limits__c"
    assert isinstance(query.where, Membership)
    assert query.where.excluded


def test_terms_nest_as_they_are_written() -> None:
    """Parentheses, NOT and chains."""
    query = PARSER.parse("SELECT Id FROM C WHERE NOT (a = 1 AND b = 2) AND (c = 3 OR d LIKE 'x' OR e IN (1, 2))")
    assert isinstance(query.where, Chain)
    assert query.where.all_of
    negated, either = query.where.terms
    assert isinstance(negated, Negation)
    assert isinstance(either, Chain)
    assert (either.all_of, len(either.terms)) == (False, 3)
    assert isinstance(either.terms[1], Comparison)


@pytest.mark.parametrize(
    ("literal", "first", "after"),
    [
        ("TODAY", "2025-01-02", "2025-01-03"),
        ("yesterday", "2025-01-01", "2025-01-02"),
        ("TOMORROW", "2025-01-03", "2025-01-04"),
        ("THIS_WEEK", "2024-12-29", "2025-01-05"),
        ("LAST_WEEK", "2024-12-22", "2024-12-29"),
        ("NEXT_MONTH", "2025-02-01", "2025-03-01"),
        ("LAST_MONTH", "2024-12-01", "2025-01-01"),
        ("LAST_QUARTER", "2024-10-01", "2025-01-01"),
        ("THIS_YEAR", "2025-01-01", "2026-01-01"),
        ("LAST_FISCAL_YEAR", "2024-01-01", "2025-01-01"),
        ("LAST_N_DAYS:7", "2024-12-26", "2025-01-03"),
        ("NEXT_N_DAYS:1", "2025-01-03", "2025-01-04"),
        ("N_DAYS_AGO:2", "2024-12-31", "2025-01-01"),
        ("LAST_N_MONTHS:2", "2024-11-01", "2025-01-01"),
        ("NEXT_N_WEEKS:1", "2025-01-05", "2025-01-12"),
        ("N_QUARTERS_AGO:1", "2024-10-01", "2025-01-01"),
        ("LAST_90_DAYS", "2024-10-04", "2025-01-03"),
    ],
)
def test_date_literals_name_spans(literal: str, first: str, after: str) -> None:
    """From the first day to before the day after the last."""
    assert dates.span(literal, date(2025, 1, 2)) == (date.fromisoformat(first), date.fromisoformat(after))


def test_escapes_are_those_of_the_reference() -> None:
    r"""`\n \r \t \b \f \" \' \\ \_ \% \uXXXX`, and nothing else."""
    assert strings.decode(r"a\n\'\"\\\tb\u0103\_") == "a\n'\"\\\tbă_"
    assert strings.like_pattern(r"\%a\\%_\_") == r"\%a\\%_\_"
    assert strings.decode(r"\q") is None
    assert strings.decode(r"\u12") is None
