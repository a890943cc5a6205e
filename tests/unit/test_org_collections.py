"""sObject Collections over HTTP: up to 200 rows in a call."""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.org import KEY, OrgClient, org_client

COLLECTIONS = "/composite/sobjects"
UPSERT = f"{COLLECTIONS}/Contact/{KEY}"
ROLLED_BACK = "ALL_OR_NONE_OPERATION_ROLLED_BACK"


@pytest.fixture
async def client() -> AsyncIterator[OrgClient]:
    """An org of the test's own, logged in."""
    async with org_client() as one:
        yield one


def contact(**fields: Any) -> dict[str, Any]:
    """A record of a request."""
    return {"attributes": {"type": "Contact"}, **fields}


def codes(results: list[dict[str, Any]]) -> list[str]:
    """Each row's error code, empty where it succeeded."""
    return [one["errors"][0]["statusCode"] if one["errors"] else "" for one in results]


async def send(
    client: OrgClient, verb: str, path: str, *records: Any, all_or_none: bool = False
) -> list[dict[str, Any]]:
    """Results of a call that is understood."""
    status, told = await client.call(verb, path, {"allOrNone": all_or_none, "records": list(records)})
    assert status == 200, told
    return list(told)


async def test_each_row_has_its_own_outcome_in_order(client: OrgClient) -> None:
    """A bad row fails alone, with its fields; a failed create has no id."""
    rows = [contact(LastName="A"), contact(FirstName="B"), contact(LastName="C", Email="no"), contact(LastName="D")]
    results = await send(client, "POST", COLLECTIONS, *rows)
    assert codes(results) == ["", "REQUIRED_FIELD_MISSING", "INVALID_EMAIL_ADDRESS", ""]
    assert results[1] == {
        "success": False,
        "errors": [
            {
                "statusCode": "REQUIRED_FIELD_MISSING",
                "message": "Required fields are missing: [LastName]",
                "fields": ["LastName"],
            }
        ],
    }
    found = await client.query("SELECT Id FROM Contact ORDER BY LastName")
    assert [one["Id"] for one in found["records"]] == [results[0]["id"], results[3]["id"]]


async def test_all_or_none_is_what_it_says(client: OrgClient) -> None:
    """One failure rolls every row back: no record, no event, no log."""
    results = await send(client, "POST", COLLECTIONS, contact(LastName="A"), contact(), all_or_none=True)
    assert codes(results) == [ROLLED_BACK, "REQUIRED_FIELD_MISSING"]
    kept = await client.create(FirstName="old")
    rows = [contact(id=kept, FirstName="new"), contact(id=kept[:-4] + "9" + kept[-3:], FirstName="x")]
    assert ROLLED_BACK in codes(await send(client, "PATCH", COLLECTIONS, *rows, all_or_none=True))
    assert (await client.read(kept))["FirstName"] == "old"
    results = await send(
        client, "PATCH", UPSERT, contact(LastName="A", **{KEY: "1"}), contact(LastName="B"), all_or_none=True
    )
    assert [(one["created"], "id" in one) for one in results] == [(False, False)] * 2
    assert len(client.events()) == len(await client.admin("GET", "/commits")) == 1


async def test_update_by_id(client: OrgClient) -> None:
    """15 and 18 characters, Id in any case; missing, malformed, unknown and deleted ids fail in their rows."""
    first, second, gone = [await client.create() for _ in range(3)]
    await client.call("DELETE", f"/sobjects/Contact/{gone}")
    results = await send(
        client,
        "PATCH",
        COLLECTIONS,
        contact(id=first[:15], FirstName="1"),
        contact(Id=second, FirstName="2"),
        contact(FirstName="3"),
        contact(id="nonsense", FirstName="4"),
        contact(id="003Td0000000zzz", FirstName="5"),
        contact(id=gone, FirstName="6"),
        contact(id="001Td0000000001", FirstName="7"),
    )
    assert codes(results) == [
        "",
        "",
        "MISSING_ARGUMENT",
        "MALFORMED_ID",
        "INVALID_CROSS_REFERENCE_KEY",
        "ENTITY_IS_DELETED",
        "MALFORMED_ID",
    ]
    assert results[0] == {"id": first, "success": True, "errors": []}
    assert results[5]["id"] == gone
    assert (await client.read(second))["FirstName"] == "2"


async def test_upsert_tells_what_it_made(client: OrgClient) -> None:
    """`created` in every row; a deleted record is not matched."""
    rows = [contact(LastName="A", **{KEY: "1"}), contact(LastName="B", **{KEY: "2"})]
    made = await send(client, "PATCH", UPSERT, *rows)
    assert [one["created"] for one in made] == [True, True]
    rows = [contact(LastName="A2", **{KEY: "1"}), contact(LastName="C", **{KEY: "3"}), contact(LastName="D")]
    mixed = await send(client, "PATCH", UPSERT, *rows)
    assert [one.get("created") for one in mixed[:2]] == [False, True]
    assert mixed[0]["id"] == made[0]["id"]
    assert codes(mixed)[2] == "MISSING_ARGUMENT"
    assert len(await client.upsert([{KEY: "1", "FirstName": "no last name needed"}])) == 1
    await client.call("DELETE", f"/sobjects/Contact/{made[1]['id']}")
    (again,) = await send(client, "PATCH", UPSERT, contact(LastName="B", **{KEY: "2"}))
    assert again["created"]


async def test_upsert_by_id_and_by_what_is_not_unique(client: OrgClient) -> None:
    """By Id it changes; where an external id matches several records the row fails."""
    ids = [await client.create(Legacy_Id__c="L") for _ in range(2)]
    rows = [contact(id=ids[0], FirstName="x"), contact(id="nonsense", LastName="x"), contact(id=5)]
    results = await send(client, "PATCH", f"{COLLECTIONS}/Contact/Id", *rows)
    assert codes(results) == ["", "MALFORMED_ID", "JSON_PARSER_ERROR"]
    assert [one["created"] for one in results] == [False, False, False]
    rows = [contact(Legacy_Id__c="l", FirstName="x"), contact(Legacy_Id__c="new", LastName="y")]
    results = await send(client, "PATCH", f"{COLLECTIONS}/Contact/Legacy_Id__c", *rows)
    assert codes(results) == ["DUPLICATE_EXTERNAL_ID", ""]


async def test_a_record_twice_in_a_call_fails_twice(client: OrgClient) -> None:
    """Both rows, whatever the case of the key; the others are done."""
    rows = [
        contact(LastName="A", **{KEY: "x"}),
        contact(LastName="B", **{KEY: "y"}),
        contact(LastName="C", **{KEY: " X"}),
    ]
    results = await send(client, "PATCH", UPSERT, *rows)
    assert codes(results) == ["DUPLICATE_VALUE", "", "DUPLICATE_VALUE"]
    assert results[2]["errors"][0]["message"].startswith("Duplicate external id specified: x")
    record_id = results[1]["id"]
    rows = [contact(id=record_id, FirstName="1"), contact(id=record_id[:15], FirstName="2")]
    results = await send(client, "PATCH", COLLECTIONS, *rows)
    assert codes(results) == ["DUPLICATE_VALUE"] * 2
    assert results[0]["errors"][0]["message"] == f"Duplicate id specified: {record_id}"


async def test_two_rows_cannot_take_one_unique_value(client: OrgClient) -> None:
    """A row sees those before it in its call; a value that was let go can be taken."""
    rows = [contact(LastName="A", Membership_Number__c="M"), contact(LastName="B", Membership_Number__c="m")]
    results = await send(client, "POST", COLLECTIONS, *rows)
    assert codes(results) == ["", "DUPLICATE_VALUE"]
    other = await client.create()
    rows = [contact(id=results[0]["id"], Membership_Number__c=None), contact(id=other, Membership_Number__c="M")]
    assert codes(await send(client, "PATCH", COLLECTIONS, *rows)) == ["", ""]


async def test_delete_by_ids(client: OrgClient) -> None:
    """In order, each with its outcome."""
    first, second = await client.create(), await client.create()
    path = f"{COLLECTIONS}?ids={first},nonsense,{second}"
    status, told = await client.call("DELETE", path + "&allOrNone=true")
    assert (status, codes(told)) == (200, [ROLLED_BACK, "MALFORMED_ID", ROLLED_BACK])
    _, told = await client.call("DELETE", path)
    assert codes(told) == ["", "MALFORMED_ID", ""]
    _, told = await client.call("DELETE", f"{COLLECTIONS}?ids={first}")
    assert codes(told) == ["ENTITY_IS_DELETED"]


async def test_retrieve_answers_in_the_order_of_its_ids(client: OrgClient) -> None:
    """Null for what is not there or deleted; by GET and by POST; up to 2,000 ids."""
    first, second, gone = [await client.create(FirstName=str(n)) for n in range(3)]
    await client.call("DELETE", f"/sobjects/Contact/{gone}")
    wanted = [second, "003Td0000000zzz", first[:15], gone]
    path = f"{COLLECTIONS}/Contact"
    _, told = await client.call("POST", path, {"ids": wanted, "fields": ["FirstName"]})
    assert [one and one["FirstName"] for one in told] == ["1", None, "0", None]
    assert (await client.call("GET", f"{path}?ids={','.join(wanted)}&fields=firstname"))[1] == told
    status, told = await client.call("POST", path, {"ids": wanted, "fields": ["Nothing"]})
    assert (status, told[0]["errorCode"]) == (400, "INVALID_FIELD")
    status, told = await client.call("POST", path, {"ids": ["nonsense"], "fields": ["Id"]})
    assert (status, told[0]["errorCode"]) == (400, "MALFORMED_ID")
    assert (await client.call("POST", path, {"ids": [first] * 2000, "fields": ["Id"]}))[0] == 200
    assert (await client.call("POST", path, {"ids": [first] * 2001, "fields": ["Id"]}))[0] == 400


@pytest.mark.parametrize(
    ("verb", "path", "body"),
    [
        ("POST", COLLECTIONS, []),
        ("POST", COLLECTIONS, {"records": {}}),
        ("POST", COLLECTIONS, {"records": [1]}),
        ("POST", COLLECTIONS, {"records": [{"LastName": "x"}]}),
        ("POST", COLLECTIONS, {"records": [{"attributes": {"type": "Nothing"}}]}),
        ("POST", COLLECTIONS, {"records": [contact(LastName="x")] * 201}),
        ("POST", COLLECTIONS, {"records": [contact(LastName="x"), contact(LastName="x", Nothing=1)]}),
        ("POST", COLLECTIONS, {"records": [contact(LastName="x"), contact(LastName=5)]}),
        ("PATCH", UPSERT, {"records": [{"attributes": {"type": "Account"}, "Name": "x"}]}),
        (
            "POST",
            COLLECTIONS,
            {"records": [contact(LastName="x"), {"attributes": {"type": "Account"}, "Name": "x"}] * 6},
        ),
        ("POST", f"{COLLECTIONS}/Contact", {"ids": "x", "fields": ["Id"]}),
        ("POST", f"{COLLECTIONS}/Contact", {"ids": [], "fields": ["Id"]}),
    ],
)
async def test_a_call_that_is_not_understood_fails_whole(client: OrgClient, verb: str, path: str, body: Any) -> None:
    """400, and nothing is done."""
    status, told = await client.call(verb, path, body)
    assert status == 400
    assert told[0]["errorCode"]
    assert client.events() == []


async def test_an_unreadable_row_may_fail_alone() -> None:
    """Where the setting says so: nobody documents which it is."""
    async with org_client(unreadable_row="row") as client:
        rows = [contact(LastName="x"), contact(LastName=5), contact(LastName="x", Nothing=1)]
        assert codes(await send(client, "POST", COLLECTIONS, *rows)) == ["", "JSON_PARSER_ERROR", "INVALID_FIELD"]


async def test_records_of_several_objects_go_together(client: OrgClient) -> None:
    """One transaction for all of them."""
    account = {"attributes": {"type": "Account"}, "Name": "Acme"}
    results = await send(client, "POST", COLLECTIONS, account, contact(LastName="x"))
    headers = [event["ChangeEventHeader"] for event in client.events()]
    assert [one["entityName"] for one in headers] == ["Account", "Contact"]
    assert [one["sequenceNumber"] for one in headers] == [1, 2]
    assert len({one["transactionKey"] for one in headers}) == 1
    assert results[0]["id"].startswith("001")


async def test_an_id_in_an_insert_is_refused(client: OrgClient) -> None:
    """It names the field."""
    (result,) = await send(client, "POST", COLLECTIONS, contact(Id="0035g00000QrStUAAV", LastName="x"))
    assert codes([result]) == ["INVALID_FIELD_FOR_INSERT_UPDATE"]


async def test_two_hundred_rows_take_a_fraction_of_a_second(client: OrgClient) -> None:
    """Generous by ten, for a busy machine: some 30 ms are usual."""
    rows = [{KEY: f"c{n}", "LastName": f"L{n}", "Email": f"u{n}@x.org", "Phone": f"+40{n}"} for n in range(200)]
    began = time.perf_counter()
    results = await client.upsert(rows)
    assert time.perf_counter() - began < 0.5
    assert all(one["success"] and one["created"] for one in results)
