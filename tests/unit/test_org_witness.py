"""A foreign client, unchanged, is content with the org: simple-salesforce as it was released."""

import asyncio
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceResourceNotFound,
)
from support.browser import PASSWORD, USERNAME
from support.keys import certificate, new_key, pem
from support.tls import server_context, session_for

from simulator.org.app import RunningOrg, running_org
from simulator.org.settings import OrgSettings

HOST = "tandem.my.salesforce.com"
KEY = "Tandem_Customer_Id__c"


class Witness:
    """The org over TLS, and simple-salesforce logged in to it."""

    def __init__(self, org: RunningOrg, authority: trustme.CA, folder: Path) -> None:
        self.org = org
        port = urlsplit(org.base_url).port
        assert port is not None
        self._session = session_for(authority, HOST, port, folder)

    def close(self) -> None:
        """Close its connections."""
        self._session.close()

    def log_in(self, secret: str | None = None) -> Salesforce:
        """By client credentials, on the org's own domain as Salesforce demands."""
        return self.sign_in(consumer_secret=secret or self.org.client_secret)

    def sign_in(self, **credentials: str) -> Salesforce:
        """However these credentials make it."""
        return Salesforce(
            consumer_key=self.org.client_id,
            domain="tandem.my",
            session=self._session,
            version="60.0",
            **credentials,
        )


@pytest.fixture
async def witness(tmp_path: Path) -> AsyncIterator[Witness]:
    """An org behind a certificate for its own domain."""
    authority = trustme.CA()
    async with running_org(OrgSettings(), ssl=server_context(authority, HOST)) as org:
        witness = Witness(org, authority, tmp_path)
        yield witness
        witness.close()


def test_it_is_the_released_one() -> None:
    """The version that the lock names."""
    assert version("simple-salesforce") == "1.12.10"


async def test_it_logs_in_and_describes(witness: Witness) -> None:
    """The instance it is told to use is the host it asked; usage comes with each call."""

    def act() -> None:
        salesforce = witness.log_in()
        assert salesforce.sf_instance == HOST
        described = salesforce.describe()
        assert described is not None
        assert "Contact" in {one["name"] for one in described["sobjects"]}
        fields = {one["name"] for one in salesforce.Contact.describe()["fields"]}
        assert {"LastName", KEY} <= fields
        assert salesforce.limits()["DailyApiRequests"]["Max"] == 100_000
        assert salesforce.api_usage["api-usage"].used == 3

    await asyncio.to_thread(act)


async def test_it_is_refused_with_a_wrong_secret(witness: Witness) -> None:
    """As its own exception, with Salesforce's words."""
    with pytest.raises(SalesforceAuthenticationFailed, match="invalid client credentials"):
        await asyncio.to_thread(witness.log_in, "wrong")


async def test_it_signs_in_by_jwt_and_by_password(witness: Witness, tmp_path: Path) -> None:
    """The assertion and the form that it makes are what the org takes; a stranger's key is refused."""
    app = witness.org.org.app
    app.policy = app.policy.model_copy(update={"certificate": certificate(new_key())})

    def act() -> None:
        for name in ("ours", "theirs"):
            (tmp_path / name).write_bytes(pem(new_key(name=name)))
        assert witness.sign_in(username=USERNAME, privatekey_file=str(tmp_path / "ours")).limits()
        with pytest.raises(SalesforceAuthenticationFailed, match="invalid assertion"):
            witness.sign_in(username=USERNAME, privatekey_file=str(tmp_path / "theirs"))
        secret = {"consumer_secret": witness.org.client_secret}
        password = PASSWORD + witness.org.org.settings.security_token.get_secret_value()
        assert witness.sign_in(username=USERNAME, password=password, **secret).limits()
        with pytest.raises(SalesforceAuthenticationFailed, match="authentication failure"):
            witness.sign_in(username=USERNAME, password=PASSWORD, **secret)

    await asyncio.to_thread(act)


async def test_it_creates_upserts_updates_and_deletes(witness: Witness) -> None:
    """Status codes and ids as it expects them, its exceptions for what went wrong."""

    def act() -> None:
        salesforce = witness.log_in()
        contact = salesforce.Contact
        made = contact.create({"LastName": "Popescu", "Email": "ana@x.org", "Legacy_Id__c": "L"})
        assert made["success"]
        record_id = made["id"]
        assert contact.update(record_id, {"FirstName": "Ana"}) == 204
        assert contact.get(record_id)["Name"] == "Ana Popescu"
        assert contact.upsert(f"{KEY}/cust-1", {"LastName": "Doe"}) == 201
        assert contact.upsert(f"{KEY}/cust-1", {"FirstName": "Jo"}) == 200
        assert contact.get_by_custom_id(KEY, "cust-1")["FirstName"] == "Jo"
        contact.create({"LastName": "Other", "Legacy_Id__c": "L"})
        with pytest.raises(SalesforceMoreThanOneRecord):
            contact.get_by_custom_id("Legacy_Id__c", "L")
        with pytest.raises(SalesforceMalformedRequest, match="REQUIRED_FIELD_MISSING"):
            contact.create({"FirstName": "x"})
        assert contact.delete(record_id) == 204
        with pytest.raises(SalesforceResourceNotFound):
            contact.get(record_id)

    await asyncio.to_thread(act)


async def test_it_queries_with_paging_and_uses_collections(witness: Witness) -> None:
    """Three pages of Collections' rows, with deleted ones on demand."""

    def act() -> None:
        salesforce = witness.log_in()
        salesforce.headers["Sforce-Query-Options"] = "batchSize=200"
        for start in (0, 200):
            records = [
                {"attributes": {"type": "Contact"}, "LastName": f"L{n:03}", KEY: f"c{n}"}
                for n in range(start, start + 200)
            ]
            results = salesforce.restful(
                f"composite/sobjects/Contact/{KEY}", method="PATCH", json={"allOrNone": False, "records": records}
            )
            assert all(one["success"] for one in results)
        salesforce.Contact.create({"LastName": "L400"})
        soql = "SELECT Id, LastName FROM Contact ORDER BY LastName"
        first = salesforce.query(soql)
        assert (first["totalSize"], len(first["records"]), first["done"]) == (401, 200, False)
        second = salesforce.query_more(first["nextRecordsUrl"], identifier_is_url=True)
        assert second["records"][0]["LastName"] == "L200"
        everything = salesforce.query_all(soql)
        assert [one["LastName"] for one in everything["records"]] == [f"L{n:03}" for n in range(401)]
        salesforce.Contact.delete(everything["records"][0]["Id"])
        assert len(list(salesforce.query_all_iter(soql))) == 400
        assert len(list(salesforce.query_all_iter(soql, include_deleted=True))) == 401
        with pytest.raises(SalesforceMalformedRequest, match="MALFORMED_QUERY"):
            salesforce.query("SELECT")

    await asyncio.to_thread(act)


async def test_it_loads_and_extracts_in_bulk(witness: Witness) -> None:
    """Its bulk2 calls: insert, upsert, update, delete and hard delete, results of each kind, queries page by page."""

    def act() -> None:
        salesforce = witness.log_in()
        contacts = salesforce.bulk2.Contact
        rows = [{"LastName": f"L{n}", KEY: f"c{n}"} for n in range(5)] + [{"LastName": "", KEY: "bad"}]
        (made,) = contacts.insert(records=rows, wait=0)
        assert (made["numberRecordsProcessed"], made["numberRecordsFailed"]) == (6, 1)
        results = contacts.get_all_ingest_records(made["job_id"])
        assert [one[KEY] for one in results["failedRecords"]] == ["bad"]
        assert results["unprocessedRecords"] == []
        ids = [one["sf__Id"] for one in results["successfulRecords"]]
        contacts.upsert(records=[{KEY: "C0", "FirstName": "Ana"}], external_id_field=KEY, wait=0)
        contacts.update(records=[{"Id": ids[1], "FirstName": "Bo"}], wait=0)
        contacts.delete(records=[{"Id": ids[2]}], wait=0)
        contacts.hard_delete(records=[{"Id": ids[3]}], wait=0)
        soql = "SELECT FirstName, LastName FROM Contact ORDER BY LastName"
        pages = list(contacts.query(soql, max_records=2, wait=0))
        assert pages == [
            '"FirstName","LastName"\n"Ana","L0"\n"Bo","L1"\n',
            '"FirstName","LastName"\n"","L4"\n',
        ]
        assert sum(page.count("\n") - 1 for page in contacts.query_all(soql, wait=0)) == 4
        with pytest.raises(SalesforceMalformedRequest, match="INVALID_FIELD"):
            list(contacts.query("SELECT Nope FROM Contact", wait=0))

    await asyncio.to_thread(act)


async def test_it_sees_its_session_end(witness: Witness) -> None:
    """It renews a login by itself after a 401; with a session it was only given, it says so."""

    def act() -> None:
        salesforce = witness.log_in()
        first = salesforce.session_id
        witness.org.org.tokens.revoke_all()
        assert salesforce.query("SELECT COUNT() FROM Contact")["totalSize"] == 0
        assert salesforce.session_id != first
        given = Salesforce(instance=HOST, session_id=first, session=salesforce.session, version="60.0")
        with pytest.raises(SalesforceExpiredSession, match="INVALID_SESSION_ID"):
            given.query("SELECT Id FROM Contact")

    await asyncio.to_thread(act)
