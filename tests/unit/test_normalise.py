"""From CometD's data to changes, and to the records of the topic."""

from typing import Any

import pytest
from support.scripted_bayeux import change_payload

from listener.changes.normalise import client_of, commit_timestamp, normalise, schema_of
from schemas.change import OVERFLOW_RECORD_ID, ChangeType, Told
from schemas.codec import Undecodable
from schemas.position import CommitPosition


def data(header: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """An event's data with these header members and fields."""
    payload = change_payload(7, **(fields or {"LastName": "x"}))
    payload["ChangeEventHeader"] |= header or {}
    return {"schema": "s", "payload": payload, "event": {"replayId": 7}}


def fields_of(**fields: Any) -> dict[str, Any]:
    """The normalised fields."""
    (change,) = normalise(data(**fields), 7)
    return change.fields


def test_the_header() -> None:
    """Every part of it has its place."""
    (change,) = normalise(data(Email=None), 7)
    assert change.model_dump() == {
        "entity": "Contact",
        "record_id": "003000000000007AAA",
        "type": ChangeType.UPDATE,
        "position": CommitPosition(1_700_000_000_007, 10_000_000_007, 1),
        "transaction_key": "tx-7",
        "fields": {"Email": None},
        "differences": (),
        "client": "SfdcInternalAPI",
        "commit_user": "005000000000001AAA",
        "replay_id": 7,
        "told": Told.EVENT,
    }


@pytest.mark.parametrize(
    ("sent", "flat"),
    [
        (
            {"Name": {"Salutation": "Ms.", "FirstName": "A", "LastName": "B", "MiddleName": None, "Suffix": "III"}},
            {"Salutation": "Ms.", "FirstName": "A", "LastName": "B", "MiddleName": None, "Suffix": "III"},
        ),
        ({"Name": "Acme"}, {"Name": "Acme"}),
        (
            {"MailingAddress": {"Street": "1 Main", "City": None, "GeocodeAccuracy": "Zip"}},
            {"MailingStreet": "1 Main", "MailingCity": None, "MailingGeocodeAccuracy": "Zip"},
        ),
        ({"Address": {"City": "Cluj", "CountryCode": "RO"}}, {"City": "Cluj", "CountryCode": "RO"}),
        ({"PersonMailingAddress": {"PostalCode": "1"}}, {"PersonMailingPostalCode": "1"}),
        ({"IpAddress": "10.0.0.1"}, {"IpAddress": "10.0.0.1"}),
        ({"IpAddress": None}, {"IpAddress": None}),
        ({"Venue__c": {"Latitude": 1.5, "Longitude": None}}, {"Venue__Latitude__s": 1.5, "Venue__Longitude__s": None}),
        ({"Tier__c": "Gold", "Email": None}, {"Tier__c": "Gold", "Email": None}),
        ({"Prefs": ["A", "B"]}, {"Prefs": ["A", "B"]}),
    ],
)
def test_fields_have_their_rest_names(sent: dict[str, Any], flat: dict[str, Any]) -> None:
    """Compounds become their parts; null, absent and a value stay apart."""
    assert fields_of(**sent) == flat


def test_a_compound_cleared_as_a_whole() -> None:
    """Every part of it was cleared."""
    assert fields_of(OtherAddress=None) == {
        f"Other{part}": None
        for part in (
            "Street",
            "City",
            "State",
            "PostalCode",
            "Country",
            "StateCode",
            "CountryCode",
            "Latitude",
            "Longitude",
            "GeocodeAccuracy",
        )
    }


def test_long_texts_as_differences() -> None:
    """They are named, alone or within a compound, and must be read from the record."""
    diff = {"diff": "--- \n+++ abc\n@@ -1 +1 @@"}
    (change,) = normalise(data(Description=diff, MailingAddress={"Street": diff, "City": "x"}, Notes__c=diff), 7)
    assert change.differences == ("Description", "MailingStreet", "Notes__c")
    assert change.fields == {"MailingCity": "x"}


@pytest.mark.parametrize("kind", list(ChangeType))
def test_every_type_of_change(kind: ChangeType) -> None:
    """Gap and overflow events have a header only."""
    raw = data({"changeType": kind.value})
    raw["payload"] = {"ChangeEventHeader": raw["payload"]["ChangeEventHeader"]}
    (change,) = normalise(raw, 7)
    assert change.type is kind
    assert change.fields == {}


@pytest.mark.parametrize(
    ("ids", "no_record"),
    [(["003A", "003B", "003C"], False), (["001*"], True), ([OVERFLOW_RECORD_ID], True)],
)
def test_merged_wildcard_and_overflow_events(ids: list[str], *, no_record: bool) -> None:
    """One change for each id, in order, each with its own event id; ids that name no record stay as they are."""
    changes = normalise(data({"recordIds": ids, "changeType": "DELETE"}), 7)
    assert [change.record_id for change in changes] == ids
    assert len({change.event_id for change in changes}) == len(ids)
    assert all(change.names_no_record is no_record for change in changes)


def test_a_record_is_named_by_its_18_characters() -> None:
    """Documents are linked by them; an event may name the record by 15."""
    short, full = "0035g00000Qr000", "0035g00000Qr000AAB"
    (change,) = normalise(data({"recordIds": [short]}), 7)
    assert change.record_id == full
    assert change == normalise(data({"recordIds": [full]}), 7)[0]


@pytest.mark.parametrize(
    ("origin", "client"),
    [
        ("com/salesforce/api/rest/60.0;client=Tandem", "Tandem"),
        ("com/salesforce/api/soap/60.0;client=SfdcInternalAPI/", "SfdcInternalAPI"),
        ("com/salesforce/api/rest/60.0", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_the_client_mark(origin: object, client: str) -> None:
    """The text after `;client=`, without a slash at its end."""
    assert client_of(origin) == client


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        (None, "payload"),
        ("text", "payload"),
        ({}, "payload"),
        ({"payload": {"LastName": "Secret"}}, "ChangeEventHeader"),
        (data({"recordIds": []}), "recordIds"),
        (data({"recordIds": ["003A", 7]}), "recordIds"),
        (data({"recordIds": "003A"}), "recordIds"),
        (data({"changeType": "SNAPSHOT"}), "changeType"),
        (data({"changeType": None}), "changeType"),
        (data({"entityName": ""}), "entityName"),
        (data({"transactionKey": 7}), "transactionKey"),
        (data({"commitTimestamp": "yesterday"}), "commitTimestamp"),
        (data({"commitTimestamp": 10**18}), "commitTimestamp"),
        (data({"commitNumber": 1.5}), "commitNumber"),
        (data({"sequenceNumber": True}), "sequenceNumber"),
        (data({"commitUser": {"Id": "Secret"}}), "commit_user"),
    ],
)
def test_what_cannot_be_normalised(raw: object, place: str) -> None:
    """The place is named, never what stood there."""
    with pytest.raises(Undecodable, match=place) as caught:
        normalise(raw, 7)
    assert "Secret" not in str(caught.value)


def test_the_commit_time_of_what_cannot_be_normalised() -> None:
    """It is known where the header tells it, and missing where it does not."""
    assert commit_timestamp(data({"changeType": "SNAPSHOT"})) == 1_700_000_000_007
    assert commit_timestamp(data({"commitTimestamp": None})) is None
    assert commit_timestamp("text") is None
    assert commit_timestamp({"payload": {"ChangeEventHeader": 7}}) is None


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (data(), ("Contact", "s")),
        (data() | {"schema": None}, None),
        ({"schema": "s", "payload": {}}, None),
        (data({"entityName": 7}), None),
        ([], None),
    ],
)
def test_the_schema_of_an_event(raw: object, told: tuple[str, str] | None) -> None:
    """With the object; an event that does not tell both says nothing of it."""
    assert schema_of(raw) == told
