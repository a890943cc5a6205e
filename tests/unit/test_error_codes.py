"""`docs/errors.md`, row by row: the writer and the real adapter on a simulated org that answers with each code.

What is expected is written down here and not taken from the table, so a row that is taken out or changed fails.
"""

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
from support.fake_documents import FakeDocuments, FakeParked
from support.org import OrgClient, log_in, org_client
from support.running import until
from support.sync_stage import Stage

from adapters.salesforce.error_codes import CODES, WHAT_WE_DO, Remedy
from adapters.salesforce.login import Login
from adapters.salesforce.opening import open_salesforce
from adapters.salesforce.records import SalesforceRecords
from adapters.salesforce.settings import SalesforceSettings
from consumers.rules.retry import GiveUp, RetryPolicy, Wait
from ops import errors_page
from schemas.mapping import Mapping
from schemas.presets import preset
from schemas.record_id import to_18
from schemas.records import Failure
from schemas.session import LoginFailed

LOG_IN, ORG, ADMIN, LOCK = Remedy.LOG_IN, Remedy.WAIT_FOR_ORG, Remedy.WAIT_FOR_ADMIN, Remedy.WAIT_FOR_LOCK
APPROVAL, AGAIN, LOOK, SHRINK = Remedy.WAIT_FOR_APPROVAL, Remedy.TRY_AGAIN, Remedy.LOOK_AGAIN, Remedy.SHRINK
UPDATE, MERGE, CONVERSION = Remedy.UPDATE_INSTEAD, Remedy.FOLLOW_MERGE, Remedy.FOLLOW_CONVERSION
INSIDE, PARK = Remedy.LOOK_INSIDE, Remedy.PARK

EXPECTED: Final[dict[str, Remedy]] = {
    "ALL_OR_NONE_OPERATION_ROLLED_BACK": AGAIN,
    "API_CURRENTLY_DISABLED": ORG,
    "API_DISABLED_FOR_ORG": ORG,
    "BATCH_PROCESSING_HALTED": AGAIN,
    "CANNOT_EXECUTE_FLOW_TRIGGER": INSIDE,
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": INSIDE,
    "CANNOT_UPDATE_CONVERTED_LEAD": CONVERSION,
    "DELETE_FAILED": PARK,
    "DUPLICATES_DETECTED": PARK,
    "DUPLICATE_EXTERNAL_ID": UPDATE,
    "DUPLICATE_VALUE": UPDATE,
    "ENTITY_IS_DELETED": MERGE,
    "ENTITY_IS_LOCKED": APPROVAL,
    "EXCEEDED_ID_LIMIT": SHRINK,
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": PARK,
    "FIELD_FILTER_VALIDATION_EXCEPTION": PARK,
    "FIELD_INTEGRITY_EXCEPTION": PARK,
    "FUNCTIONALITY_NOT_ENABLED": ADMIN,
    "INACTIVE_OWNER_OR_USER": PARK,
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": PARK,
    "INSUFFICIENT_ACCESS_OR_READONLY": PARK,
    "INVALID_CROSS_REFERENCE_KEY": MERGE,
    "INVALID_EMAIL_ADDRESS": PARK,
    "INVALID_FIELD": PARK,
    "INVALID_FIELD_FOR_INSERT_UPDATE": PARK,
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": PARK,
    "INVALID_QUERY_FILTER_OPERATOR": PARK,
    "INVALID_QUERY_LOCATOR": PARK,
    "INVALID_SESSION_ID": LOG_IN,
    "INVALID_TYPE": PARK,
    "JSON_PARSER_ERROR": PARK,
    "LIMIT_EXCEEDED": AGAIN,
    "MALFORMED_ID": MERGE,
    "MALFORMED_QUERY": PARK,
    "METHOD_NOT_ALLOWED": ADMIN,
    "NOT_FOUND": MERGE,
    "NUMBER_OUTSIDE_VALID_RANGE": PARK,
    "OPERATION_NOT_ALLOWED": ADMIN,
    "OPERATION_TOO_LARGE": SHRINK,
    "PROCESSING_HALTED": AGAIN,
    "QUERY_TIMEOUT": AGAIN,
    "QUERY_TOO_COMPLICATED": SHRINK,
    "REQUEST_LIMIT_EXCEEDED": ORG,
    "REQUIRED_FIELD_MISSING": PARK,
    "SELF_REFERENCE_FROM_TRIGGER": PARK,
    "SERVER_UNAVAILABLE": ORG,
    "STORAGE_LIMIT_EXCEEDED": ORG,
    "STRING_TOO_LONG": PARK,
    "TOO_MANY_ENUM_VALUE": PARK,
    "TXN_SECURITY_METERING_ERROR": AGAIN,
    "UNABLE_TO_LOCK_ROW": LOCK,
    "UNKNOWN_EXCEPTION": LOOK,
    "UNSUPPORTED_MEDIA_TYPE": ADMIN,
}
"""All of the wire reference's catalogue, and those that Collections and composite calls bring besides."""

HOUR: Final = 3_600_000
CODES_AND_ONE_OF_TOMORROW: Final = {**EXPECTED, "A_CODE_OF_TOMORROW": PARK}


class OrgStage(Stage):
    """The stage with the real adapter, on the simulated org."""

    org: OrgClient
    login: Login

    def kept(self) -> FakeParked:
        assert isinstance(self.parked, FakeParked)
        return self.parked

    async def linked(self, **fields: Any) -> str:
        """A customer whose record is written and read; its id."""
        await self.post({"last_name": "Popescu", **fields})
        await self.settle()
        return str((await self.document())["salesforce"]["recordId"])

    async def rounds(self, count: int = 3) -> None:
        """Doorbells are answered while no time passes that a longer wait would need."""
        for _round in range(count):
            self.now += 700
            await self.sweep.ring_due()
            await self.answer_doorbells()

    async def retry(self) -> dict[str, Any]:
        return dict((await self.document())["_sync"].get("retry") or {})

    async def writes(self) -> list[dict[str, Any]]:
        return list((await self.document())["_sync"]["writes"])

    async def lets_in(self) -> bool:
        try:
            return bool(await self.login.current())
        except LoginFailed:
            return False

    async def plant(self, kind: str, **more: Any) -> None:
        await self.org.admin("POST", "/faults", {"kind": kind, "path": "/composite/sobjects", "verb": "PATCH", **more})

    async def put_right(self) -> None:
        """The cause is gone: time passes, and the edit gets through."""
        await self.org.admin("DELETE", "/faults")
        self.now += 25 * HOUR
        self.org.token = await log_in(self.org.org, self.org.http)
        await self.settle()


@pytest.fixture
async def stage() -> AsyncIterator[OrgStage]:
    async def at_once(_seconds: float) -> None:
        """The quick repeats after a row lock take no time here."""

    stage = OrgStage(FakeDocuments())
    async with org_client(clock=lambda: stage.now) as org:
        settings = SalesforceSettings(
            client_id=org.org.client_id, client_secret=org.org.client_secret, login_url=org.org.base_url
        )
        async with open_salesforce(settings, now=lambda: stage.now) as salesforce:
            stage.org, stage.login = org, salesforce.login
            stage.salesforce = SalesforceRecords(salesforce.rest, sleep=at_once)  # type: ignore[assignment]
            stage.writer = stage.new_writer()
            yield stage


def test_the_table_is_what_is_expected_and_the_page_shows_it(pytestconfig: pytest.Config) -> None:
    """No code more or less; the page in the repository is the one that the table makes."""
    assert {code: meaning.remedy for code, meaning in CODES.items()} == EXPECTED
    assert set(WHAT_WE_DO) == set(Remedy) == set(EXPECTED.values())
    page = (pytestconfig.rootpath / "docs" / "errors.md").read_text()
    assert page == errors_page.page()
    assert all(f"| `{code}` |" in page and f"[{remedy}](#" in page for code, remedy in EXPECTED.items())
    assert "| any other |" in page


@pytest.mark.parametrize(("code", "remedy"), CODES_AND_ONE_OF_TOMORROW.items())
async def test_a_row_with_the_code(stage: OrgStage, code: str, remedy: Remedy) -> None:
    """An update that Salesforce answers so for as long as the cause is there, and what comes of it afterwards."""
    await stage.linked(title="Engineer")
    await stage.plant("refuse_row", code=code, message="in Salesforce's words", fields=["Title"])
    await stage.post({"title": "Director"})
    await stage.rounds()
    retry, parked = await stage.retry(), list(stage.kept().rows.values())
    match remedy:
        case Remedy.LOG_IN | Remedy.WAIT_FOR_ORG:
            assert (retry["code"], retry["tries"], parked) == (code, 0, [])
        case Remedy.WAIT_FOR_LOCK | Remedy.TRY_AGAIN | Remedy.LOOK_AGAIN:
            assert (retry["code"], parked) == (code, [])
            assert retry["tries"] > 1
            assert retry["at"] < stage.now + 60_000
        case Remedy.WAIT_FOR_APPROVAL:
            assert (retry["code"], retry["tries"], parked) == (code, 1, [])
            assert stage.now + HOUR - 10_000 < retry["at"] <= stage.now + HOUR
        case _:
            assert [(row.reason, row.detail) for row in parked] == [(code, "Title (title): in Salesforce's words")]
            assert retry == {}
            await stage.org.admin("DELETE", "/faults")
            await stage.post({"title": "Director of all"})
    await stage.put_right()
    record = (await stage.document())["salesforce"]["recordId"]
    assert (await stage.org.read(record))["Title"] == (await stage.document())["title"]
    assert str((await stage.document())["title"]).startswith("Director")


@pytest.mark.parametrize(("code", "remedy"), CODES_AND_ONE_OF_TOMORROW.items())
async def test_a_whole_call_with_the_code(stage: OrgStage, code: str, remedy: Remedy) -> None:
    """The only row of a call that is refused as a whole: blamed only where it may be its own doing."""
    await stage.linked(title="Engineer")
    status = CODES[code].status if code in CODES else 400
    await stage.plant("refuse_call", code=code, message="in Salesforce's words", status=status)
    await stage.post({"title": "Director"})
    await stage.rounds()
    retry, parked = await stage.retry(), list(stage.kept().rows.values())
    if remedy in (AGAIN, LOCK, LOOK):
        assert (retry["code"], parked) == (code, [])
        assert retry["tries"] > 1
    elif remedy in (LOG_IN, ORG, ADMIN) or status not in (300, 400):
        assert (retry["code"], retry["tries"], parked) == (code, 0, [])
    else:
        assert [row.reason for row in parked] == [code]
        await stage.org.admin("DELETE", "/faults")
        await stage.post({"title": "Director of all"})
    await stage.put_right()
    record = (await stage.document())["salesforce"]["recordId"]
    assert str((await stage.org.read(record))["Title"]).startswith("Director")


OTHER_ANSWERS: Final[dict[str, dict[str, Any]]] = {
    "HTTP_502": {"kind": "server_error", "status": 502, "body": "gateway"},
    "HTTP_503": {"kind": "server_error", "status": 503, "body": "gateway", "runs": True},
    "ServerDisconnectedError": {"kind": "request_lost"},
    "ServerDisconnectedError, and it ran": {"kind": "reply_lost"},
}


@pytest.mark.parametrize("answer", OTHER_ANSWERS)
async def test_an_answer_that_is_not_salesforces(stage: OrgStage, answer: str) -> None:
    """Nobody knows what became of the row: nobody's try is used up, and it goes again under a new number."""
    record = await stage.linked(title="Engineer")
    await stage.plant(count=1, **OTHER_ANSWERS[answer])
    await stage.post({"title": "Director"})
    await stage.rounds(1)
    retry, (write,) = await stage.retry(), [one for one in await stage.writes() if one["n"] == 2]
    assert (retry["code"], retry["tries"], write["state"]) == (answer.partition(",")[0], 0, "unknown")
    await stage.put_right()
    assert (await stage.org.read(record))["Title"] == "Director"
    assert max(one["n"] for one in await stage.writes()) == 3
    assert stage.kept().rows == {}


async def test_a_refused_login_is_waited_for(stage: OrgStage) -> None:
    """`LOGIN:` and why: no row is to blame, and it goes out once the login works."""
    record = await stage.linked(title="Engineer")
    await stage.org.admin("POST", "/tokens/revoke")
    fault = {"kind": "server_error", "status": 503, "path": "/services/oauth2/token"}
    await stage.org.admin("POST", "/faults", fault)
    await stage.post({"title": "Director"})
    await stage.rounds(1)
    retry = await stage.retry()
    assert (retry["code"], retry["tries"], stage.kept().rows) == ("LOGIN:http_503", 0, {})
    await stage.org.admin("DELETE", "/faults")
    await until(stage.lets_in, "the login works")  # a failed one is shared for a second
    await stage.put_right()
    assert (await stage.org.read(record))["Title"] == "Director"


async def test_a_value_without_a_form_is_never_sent(stage: OrgStage) -> None:
    """INVALID_ROW: parked with the field named, and no call is made for it."""
    raw = preset("customers").model_dump(mode="json")
    plain = {"platform": "headline", "salesforce": "Department", "policy": "platform_wins"}
    fields = [field for field in raw["kinds"]["customer"]["fields"] if field["salesforce"] != "Department"]
    raw["kinds"]["customer"]["fields"] = [*fields, plain]
    stage.catalog = stage.catalog.__class__(Mapping.model_validate(raw))
    record = await stage.linked(headline="Sales")
    before = await stage.org.admin("GET", "/calls")
    await stage.post({"headline": 2**63})
    await stage.rounds(1)
    (parked,) = stage.kept().rows.values()
    assert (parked.reason, parked.detail) == ("INVALID_ROW", "Department: a number of more than 18 digits")
    assert (await stage.org.admin("GET", "/calls"))["used"] == before["used"]
    await stage.post({"headline": "Events"})
    await stage.settle()
    assert (await stage.org.read(record))["Department"] == "Events"


async def test_an_expired_token_is_renewed_at_once(stage: OrgStage) -> None:
    """INVALID_SESSION_ID of a call: one new login and the same request again, before anything waits."""
    record = await stage.linked(title="Engineer")
    await stage.plant("unauthorized", count=1, revoke=True)
    await stage.post({"title": "Director"})
    await stage.rounds(1)
    assert (await stage.org.read(record))["Title"] == "Director"
    assert await stage.retry() == {}


@pytest.mark.parametrize("code", [code for code, remedy in EXPECTED.items() if remedy is MERGE])
async def test_a_code_that_says_gone_of_a_record_that_is_there_parks(stage: OrgStage, code: str) -> None:
    """No field is named: the record is read, and is there; so a lookup is to blame, and nobody asks without end."""
    record = await stage.linked(title="Engineer")
    await stage.plant("refuse_row", code=code, message="invalid cross reference id")
    await stage.post({"title": "Director"})
    await stage.settle()
    assert [row.reason for row in stage.kept().rows.values()] == [code]
    assert (await stage.document())["salesforce"] == (await stage.document())["salesforce"] | {
        "recordId": record,
        "syncStatus": "error",
    }


async def test_a_merge_is_followed(stage: OrgStage) -> None:
    """ENTITY_IS_DELETED: the edit goes to the record that the other was merged into."""
    loser = await stage.linked(preferred_language="ro")
    master = await stage.org.create(LastName="Popescu")
    await stage.org.merge(master, loser)
    await stage.post({"preferred_language": "de"})
    await stage.settle()
    assert (await stage.document())["salesforce"]["recordId"] == master
    assert (await stage.org.read(master))["Preferred_Language__c"] == "de"
    assert stage.kept().rows == {}


async def test_a_lock_inside_a_trigger_is_waited_for(stage: OrgStage) -> None:
    """The code that it wraps decides, and nothing else of its text."""
    record = await stage.linked(title="Engineer")
    text = "Roll: execution of AfterUpdate caused by: System.DmlException: first error: UNABLE_TO_LOCK_ROW, unable to"
    await stage.plant("refuse_row", code="CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message=text, count=1)
    await stage.post({"title": "Director"})
    await stage.rounds(1)
    assert (await stage.org.read(record))["Title"] == "Director"


@pytest.mark.parametrize(
    ("fields", "code", "named"),
    [
        ({"title": "x" * 129}, "STRING_TOO_LONG", "Title (title): "),
        ({"email": "no address"}, "INVALID_EMAIL_ADDRESS", "Email (email): "),
        ({"last_name": None}, "REQUIRED_FIELD_MISSING", "LastName (last_name): "),
    ],
)
async def test_the_orgs_own_rules_park_with_the_field_named(
    stage: OrgStage, fields: dict[str, Any], code: str, named: str
) -> None:
    """Not by a fault: the org refuses the value. Put right on the platform, it goes out by itself."""
    record = await stage.linked(title="Engineer", department="Sales")
    await stage.post({**fields, "department": "Events"})
    await stage.rounds()
    (parked,) = stage.kept().rows.values()
    assert (parked.reason, parked.detail.startswith(named)) == (code, True), parked.detail
    assert (await stage.document())["_sync"]["refusal"]["fields"] == [named.partition(" ")[0]]
    await stage.post({"title": "Director", "email": "ana@example.com", "last_name": "Ionescu"})
    await stage.settle()
    read = await stage.org.read(record)
    assert (read["Title"], read["LastName"], read["Department"]) == ("Director", "Ionescu", "Events")


class TestDuplicateValue:
    """DUPLICATE_VALUE: the membership number is unique in the org, and the platform's too."""

    @pytest.fixture(autouse=True)
    def _mapped(self, stage: OrgStage) -> None:
        raw = preset("customers").model_dump(mode="json")
        number = {"platform": "membership", "salesforce": "Membership_Number__c", "policy": "platform_wins"}
        raw["kinds"]["customer"]["fields"].append(number)
        stage.catalog = stage.catalog.__class__(Mapping.model_validate(raw))

    async def test_the_record_is_linked_and_updated_instead_of_made(self, stage: OrgStage) -> None:
        """Made by hand, without our id: it is read, gets the id and the platform's values, and stays one record."""
        record = await stage.org.create(LastName="Popescu", Membership_Number__c="M-1", Title="Old")
        await stage.post({"last_name": "Popescu", "membership": "M-1", "email": "ana@example.com"})
        await stage.settle()
        read = await stage.org.read(record)
        assert (read["Tandem_Customer_Id__c"], read["Email"]) == ("cust-1", "ana@example.com")
        assert (await stage.document())["salesforce"]["recordId"] == record
        assert (await stage.document())["title"] == "Old"
        assert (await stage.org.query("SELECT Id FROM Contact"))["totalSize"] == 1
        assert stage.kept().rows == {}

    async def test_a_second_document_of_the_kind_parks_with_both_named(self, stage: OrgStage) -> None:
        """Neither may take the other's values."""
        record = await stage.linked(membership="M-1")
        await stage.post({"last_name": "Ionescu", "membership": "M-1"}, id_="cust-2")
        await stage.settle()
        (parked,) = stage.kept().rows.values()
        assert (parked.reason, parked.document_id) == ("DUPLICATE_VALUE", "cust-2")
        assert f"the record {record} is that of cust-1" in parked.detail
        assert (await stage.org.read(record))["LastName"] == "Popescu"

    async def test_two_of_one_call_do_not_share_a_record(self, stage: OrgStage) -> None:
        """The first takes it, the second is parked."""
        record = await stage.org.create(LastName="Popescu", Membership_Number__c="M-1")
        for name in ("cust-1", "cust-2"):
            await stage.post({"last_name": "Popescu", "membership": "M-1"}, id_=name)
        await stage.settle()
        (parked,) = stage.kept().rows.values()
        linked = {name: (await stage.document(name))["salesforce"].get("recordId") for name in ("cust-1", "cust-2")}
        assert sorted(filter(None, linked.values())) == [record]
        assert f"the record {record} is that of" in parked.detail

    async def test_a_record_with_anothers_id_parks_with_it_named(self, stage: OrgStage) -> None:
        """It belongs to a thing that we do not know."""
        record = await stage.org.create(LastName="P", Membership_Number__c="M-1", Tandem_Customer_Id__c="cust-9")
        await stage.post({"last_name": "Popescu", "membership": "M-1"})
        await stage.settle()
        (parked,) = stage.kept().rows.values()
        assert f"the record {record} holds another external id: cust-9" in parked.detail

    async def test_an_update_parks_with_the_other_record_named(self, stage: OrgStage) -> None:
        """The record is linked already: two cannot become one by an edit."""
        await stage.linked(title="Engineer")
        other = await stage.org.create(LastName="Ionescu", Membership_Number__c="M-1")
        await stage.post({"membership": "M-1"})
        await stage.settle()
        (parked,) = stage.kept().rows.values()
        assert f"the record {other};" in parked.detail

    async def test_salesforce_away_while_it_is_looked_up_uses_no_try(self, stage: OrgStage) -> None:
        """The next try is refused in the same way, and asks again."""
        record = await stage.org.create(LastName="Popescu", Membership_Number__c="M-1")
        await stage.org.admin("POST", "/faults", {"kind": "limit", "path": "/query", "skip": 1, "count": 1})
        await stage.post({"last_name": "Popescu", "membership": "M-1"})
        await stage.rounds(1)
        assert (await stage.retry())["tries"] == 0
        await stage.put_right()
        assert (await stage.document())["salesforce"]["recordId"] == record


async def test_several_records_with_one_external_id_are_all_named(stage: OrgStage) -> None:
    """DUPLICATE_EXTERNAL_ID, where a field that is not unique finds them: parked, for a person to merge them."""
    raw = preset("customers").model_dump(mode="json")
    raw["kinds"]["customer"]["external_id"] = "Legacy_Id__c"
    stage.catalog = stage.catalog.__class__(Mapping.model_validate(raw))
    records = [await stage.org.create(Legacy_Id__c="cust-1") for _each in range(2)]
    await stage.post({"last_name": "Popescu"})
    await stage.settle()
    (parked,) = stage.kept().rows.values()
    assert parked.reason == "DUPLICATE_EXTERNAL_ID"
    assert all(record in parked.detail for record in records)


async def test_a_converted_lead_parks_with_its_contact_named() -> None:
    """CANNOT_UPDATE_CONVERTED_LEAD: who converted it is a contact now, and the mapping keeps the kind in leads."""
    stage = Stage(FakeDocuments())
    stage.map(sobject="Lead")
    await stage.post({"last_name": "Popescu", "title": "Engineer"})
    await stage.settle()
    lead = (await stage.document())["salesforce"]["recordId"]
    contact = to_18("003000000000001")
    stage.salesforce.contacts[lead] = contact
    stage.salesforce.fail_rows(lambda _update: True, Failure.CONVERTED, "CANNOT_UPDATE_CONVERTED_LEAD")
    await stage.post({"title": "Director"})
    await stage.settle()
    assert isinstance(stage.parked, FakeParked)
    (parked,) = stage.parked.rows.values()
    assert (parked.reason, parked.detail) == (
        "CANNOT_UPDATE_CONVERTED_LEAD",
        f"the lead was converted; its contact is {contact}; told by the fake",
    )


async def test_a_change_of_the_record_ends_the_wait_for_an_approval() -> None:
    """Who lets it go mostly writes it. If it is held still, the look has cost no try, and the wait goes on."""
    stage = Stage(FakeDocuments())
    await stage.post({"last_name": "Popescu", "title": "Engineer"})
    await stage.settle()
    record = (await stage.document())["salesforce"]["recordId"]
    stage.salesforce.fail_rows(lambda _update: True, Failure.LOCKED, "ENTITY_IS_LOCKED", times=2)
    await stage.post({"phone": "+40712345678"})
    await stage.answer_doorbells()
    before = (await stage.document())["_sync"]["retry"]
    assert (before["tries"], before["locked"]) == (1, True)
    for department in ("Still held", "Let go"):
        stage.now += 60_000
        stage.salesforce.edit("Contact", record, {"Department": department})
        await stage.hear()
        await stage.answer_doorbells()
        retry = (await stage.document())["_sync"].get("retry")
        assert (retry is None) is (department == "Let go")
        assert retry is None or retry["tries"] == 1
    assert stage.contact()["Phone"] == "+40712345678"


def test_the_waits_for_an_approval_grow_and_end() -> None:
    """ENTITY_IS_LOCKED: an hour, then twice as long up to a day; nineteen waits, some two weeks, and then a person."""
    policy = RetryPolicy()
    waits = [policy.after(tries, org_wide=False, locked=True) for tries in range(20)]
    assert waits == [*(Wait(hours * HOUR) for hours in (1, 2, 4, 8, 16, *[24] * 14)), GiveUp()]
