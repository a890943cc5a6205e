"""sObject rows over HTTP: one record at a time."""

from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest
from support.org import KEY, OrgClient, org_client


@pytest.fixture
async def client() -> AsyncIterator[OrgClient]:
    """An org of the test's own, logged in."""
    async with org_client() as one:
        yield one


async def test_a_record_is_made_read_changed_and_deleted(client: OrgClient) -> None:
    """201 with its place, 200, 204, 204, and then it is gone."""
    body = {"lastname": "Popescu", "FirstName": "Ana", "MailingCity": "Cluj", "Total_Spent__c": 5}
    status, told, headers = await client.full("POST", "/sobjects/Contact/", body)
    assert (status, told["success"], told["errors"]) == (201, True, [])
    record_id = told["id"]
    assert headers["Location"] == f"/services/data/v60.0/sobjects/Contact/{record_id}"
    record = await client.read(record_id)
    assert record["attributes"]["url"] == headers["Location"]
    assert (record["Name"], record["Email"], record["Total_Spent__c"]) == ("Ana Popescu", None, 5.0)
    assert record["MailingAddress"]["city"] == "Cluj"
    assert record["OtherAddress"] is None
    assert record["CreatedDate"].endswith(".000+0000")
    path = f"/sobjects/Contact/{record_id[:15]}"
    assert await client.call("PATCH", path, {"MailingCity": None, "FirstName": ""}) == (204, None)
    record = await client.read(record_id)
    assert (record["Name"], record["FirstName"], record["MailingAddress"]) == ("Popescu", None, None)
    assert await client.call("DELETE", path) == (204, None)
    for verb, sent in (("GET", None), ("PATCH", {"FirstName": "x"}), ("DELETE", None)):
        status, told = await client.call(verb, path, sent)
        assert (status, told) == (
            404,
            [{"message": "entity is deleted", "errorCode": "ENTITY_IS_DELETED", "fields": []}],
        )


async def test_chosen_fields_are_read(client: OrgClient) -> None:
    """`fields` in any case, the id always with them; an unknown one is a mistake."""
    record_id = await client.create(FirstName="Ana")
    _, told = await client.call("GET", f"/sobjects/Contact/{record_id}?fields=firstname,MailingAddress")
    assert set(told) == {"attributes", "Id", "FirstName", "MailingAddress"}
    status, told = await client.call("GET", f"/sobjects/Contact/{record_id}?fields=Nothing")
    assert (status, told[0]["errorCode"]) == (400, "INVALID_FIELD")


@pytest.mark.parametrize(
    ("body", "code", "fields"),
    [
        ({"FirstName": "x"}, "REQUIRED_FIELD_MISSING", ["LastName"]),
        ({"LastName": " "}, "REQUIRED_FIELD_MISSING", ["LastName"]),
        ({"LastName": "x", "Id": "0035g00000QrStUAAV"}, "INVALID_FIELD", None),
        ({"LastName": "x", "Nothing": 1}, "INVALID_FIELD", None),
        ({"LastName": "x", "Name": "y"}, "INVALID_FIELD_FOR_INSERT_UPDATE", ["Name"]),
        ({"LastName": "x", "CreatedDate": None, "isdeleted": True}, "INVALID_FIELD_FOR_INSERT_UPDATE", None),
        ({"LastName": "x", "MailingAddress": {}}, "INVALID_FIELD_FOR_INSERT_UPDATE", ["MailingAddress"]),
        ({"LastName": "x", "Email": "no"}, "INVALID_EMAIL_ADDRESS", ["Email"]),
        ({"LastName": "x", "AccountId": "0015g00000XyZaBAAV"}, "INVALID_CROSS_REFERENCE_KEY", ["AccountId"]),
        ([], "JSON_PARSER_ERROR", None),
    ],
)
async def test_a_bad_record_is_refused(client: OrgClient, body: object, code: str, fields: list[str] | None) -> None:
    """400, an array of one error; nothing is stored and nobody hears of it."""
    status, told = await client.call("POST", "/sobjects/Contact", body)
    assert (status, told[0]["errorCode"]) == (400, code)
    if fields is not None:
        assert told[0]["fields"] == fields
    assert client.events() == []
    assert await client.admin("GET", "/commits") == []


async def test_what_is_no_json_is_told_so(client: OrgClient) -> None:
    """JSON_PARSER_ERROR with a place."""
    url = f"{client.org.base_url}/services/data/v60.0/sobjects/Contact"
    async with client.http.post(url, data=b'{"a', headers={"Authorization": f"Bearer {client.token}"}) as reply:
        assert reply.status == 400
        (told,) = await reply.json()
    assert told["errorCode"] == "JSON_PARSER_ERROR"
    assert "[line:1, column:" in told["message"]


async def test_a_required_field_cannot_be_cleared(client: OrgClient) -> None:
    """Nor by null, nor by an empty text."""
    record_id = await client.create()
    status, told = await client.call("PATCH", f"/sobjects/Contact/{record_id}", {"LastName": None})
    assert (status, told[0]["errorCode"]) == (400, "REQUIRED_FIELD_MISSING")


async def test_a_unique_value_is_had_once_in_any_case(client: OrgClient) -> None:
    """DUPLICATE_VALUE names the other record with 15 characters; a deleted record holds nothing back."""
    first = await client.create(Membership_Number__c="M-1")
    second = await client.create()
    path = f"/sobjects/Contact/{second}"
    status, told = await client.call("PATCH", path, {"Membership_Number__c": "m-1"})
    assert (status, told[0]["errorCode"]) == (400, "DUPLICATE_VALUE")
    assert told[0]["message"].endswith(f"with id: {first[:15]}")
    assert (await client.call("PATCH", f"/sobjects/Contact/{first}", {"Membership_Number__c": "m-1"}))[0] == 204
    await client.call("DELETE", f"/sobjects/Contact/{first}")
    assert (await client.call("PATCH", path, {"Membership_Number__c": "M-1"}))[0] == 204


async def test_upsert_makes_then_changes(client: OrgClient) -> None:
    """201 with created true, then 200 with created false, matched in any case."""
    path = f"/sobjects/Contact/{KEY}/cust-1"
    status, made = await client.call("PATCH", path, {"LastName": "Doe"})
    assert (status, made["created"]) == (201, True)
    status, changed = await client.call("PATCH", f"/sobjects/Contact/{KEY.lower()}/CUST-1", {"FirstName": "Jo"})
    assert (status, changed["created"], changed["id"]) == (200, False, made["id"])
    _, record = await client.call("GET", path)
    assert (record["Name"], record[KEY]) == ("Jo Doe", "cust-1")
    assert (await client.call("DELETE", path))[0] == 204
    assert (await client.call("GET", path))[0] == 404
    status, again = await client.call("PATCH", path, {"LastName": "Doe"})
    assert status == 201
    assert again["id"] != made["id"]


async def test_an_external_id_may_hold_any_character(client: OrgClient) -> None:
    """Percent-encoded in the path, slashes too."""
    value = "a/b c+ș?#%25"
    path = f"/sobjects/Contact/{KEY}/{quote(value, safe='')}"
    url = f"{client.org.base_url}/services/data/v60.0{path}"
    from yarl import URL

    headers = {"Authorization": f"Bearer {client.token}"}
    async with client.http.patch(URL(url, encoded=True), json={"LastName": "x"}, headers=headers) as reply:
        assert reply.status == 201
        record_id = (await reply.json())["id"]
    assert (await client.read(record_id))[KEY] == value


async def test_several_matches_are_listed_and_nothing_is_written(client: OrgClient) -> None:
    """300 with the records' addresses, for GET, PATCH and DELETE."""
    ids = [await client.create(Legacy_Id__c="L1") for _ in range(2)]
    before = await client.admin("GET", "/commits")
    for verb, body in (("GET", None), ("PATCH", {"FirstName": "x"}), ("DELETE", None)):
        status, told = await client.call(verb, "/sobjects/Contact/Legacy_Id__c/l1", body)
        assert (status, sorted(told)) == (300, [f"/services/data/v60.0/sobjects/Contact/{one}" for one in sorted(ids)])
    assert await client.admin("GET", "/commits") == before


async def test_upsert_knows_its_limits(client: OrgClient) -> None:
    """A field that is no external id, the key in the body, an update that may not create."""
    status, told = await client.call("PATCH", "/sobjects/Contact/Email/a@x.org", {"LastName": "x"})
    assert (status, told[0]["errorCode"]) == (404, "NOT_FOUND")
    status, told = await client.call("PATCH", f"/sobjects/Contact/{KEY}/c", {"LastName": "x", KEY: "c"})
    assert (status, told[0]["errorCode"]) == (400, "INVALID_FIELD")
    assert (await client.call("PATCH", f"/sobjects/Contact/{KEY}/c?updateOnly=true", {"LastName": "x"}))[0] == 404


async def test_conditional_headers_hold(client: OrgClient) -> None:
    """304 for what was not modified since, 412 for what was."""
    record_id = await client.create()
    path = f"/sobjects/Contact/{record_id}"
    _, _, headers = await client.full("GET", path)
    since = {"If-Modified-Since": headers["Last-Modified"]}
    assert (await client.call("GET", path, headers=since))[0] == 304
    old = "Wed, 3 Jul 2013 19:43:31 GMT"
    assert (await client.call("GET", path, headers={"If-Modified-Since": old}))[0] == 200
    changed = {"FirstName": "x"}
    assert (await client.call("PATCH", path, changed, headers={"If-Unmodified-Since": old}))[0] == 412
    assert (await client.call("PATCH", path, changed, headers={"If-Unmodified-Since": headers["Last-Modified"]}))[
        0
    ] == 204
    assert (await client.call("GET", path, headers={"If-Modified-Since": "yesterday"}))[0] == 400


async def test_post_can_carry_another_method(client: OrgClient) -> None:
    """`_HttpMethod`, for clients that know no PATCH."""
    record_id = await client.create()
    path = f"/sobjects/Contact/{record_id}"
    assert (await client.call("POST", f"{path}?_HttpMethod=PATCH", {"FirstName": "x"}))[0] == 204
    assert (await client.call("POST", f"/sobjects/Contact/{KEY}/k?_HttpMethod=PATCH", {"LastName": "x"}))[0] == 201
    status, told = await client.call("POST", path, {})
    assert (status, told[0]["errorCode"]) == (405, "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize(
    ("verb", "path", "status", "code"),
    [
        ("GET", "/sobjects/Contact/0035g00000QrStUAAV", 404, "NOT_FOUND"),
        ("GET", "/sobjects/Contact/nonsense", 404, "NOT_FOUND"),
        ("GET", "/sobjects/Contact/0055g000001MnOpAAK", 404, "NOT_FOUND"),
        ("GET", "/sobjects/Nothing/0035g00000QrStUAAV", 404, "NOT_FOUND"),
        ("GET", "/nothing", 404, "NOT_FOUND"),
        ("PUT", "/sobjects/Contact/0035g00000QrStUAAV", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/services/data/v57.0/limits", 404, "NOT_FOUND"),
        ("GET", "/services/data/v68.0/limits", 404, "NOT_FOUND"),
        ("GET", "/services/data/v30.0/limits", 410, "GONE"),
        ("GET", "/services/data/vx/limits", 404, "NOT_FOUND"),
        ("GET", "/query?q=" + "x" * 16_384, 414, "URI_TOO_LONG"),
    ],
)
async def test_wrong_addresses_are_told_apart(client: OrgClient, verb: str, path: str, status: int, code: str) -> None:
    """An array of one error, whatever is wrong."""
    found, told = await client.call(verb, path)
    assert (found, told[0]["errorCode"]) == (status, code)


async def test_every_version_from_58_to_67_answers(client: OrgClient) -> None:
    """And puts its number into addresses and origins."""
    for number in range(58, 68):
        client.version = f"{number}.0"
        record_id = await client.create()
        assert (await client.read(record_id))["attributes"]["url"].startswith(f"/services/data/v{number}.0/")
        origin = client.events()[-1]["ChangeEventHeader"]["changeOrigin"]
        assert origin == f"com/salesforce/api/rest/{number}.0;client=Tandem"
