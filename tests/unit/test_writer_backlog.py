"""A backlog in the writer's hands: its documents are put down between steps, and nothing else becomes of them."""

from typing import Any

import pytest
from support.fake_documents import FakeDocuments
from support.sync_stage import Stage

from consumers.writer import visit

ROWS = 12
KINDS = {
    "customer": {
        "collection": "customers",
        "sobject": "Contact",
        "external_id": "Tandem_Customer_Id__c",
        "token": "Tandem_Customer_Write__c",
        "events": {"customer.updated": "values", "customer.deleted": "deleted"},
        "on_delete": {"platform": "delete"},
        "fields": [
            {"platform": "last_name", "salesforce": "LastName"},
            {"platform": "title", "salesforce": "Title"},
            {"platform": "company_id", "salesforce": "AccountId", "lookup": "company"},
        ],
    },
    "company": {
        "collection": "companies",
        "sobject": "Account",
        "external_id": "Tandem_Company_Id__c",
        "token": "Tandem_Company_Write__c",
        "events": {"company.updated": "values"},
        "fields": [{"platform": "name", "salesforce": "Name"}],
    },
}


async def _lived(stage: Stage) -> dict[str, Any]:
    """First writes with parents, edits, records merged and deleted, rows refused; what there is in the end."""
    stage.map_kinds({"kinds": KINDS})
    for number in range(ROWS):
        await stage.post({"name": f"C{number}"}, id_=f"comp-{number}", type_="company.updated")
        values = {"last_name": f"L{number}", "company_id": f"comp-{number % 7}"}
        await stage.post(values, id_=f"cust-{number}")
    await stage.settle()
    rows = stage.salesforce.rows["Contact"]
    records = {row["Tandem_Customer_Id__c"]: record_id for record_id, row in rows.items()}
    for number in range(0, ROWS, 4):
        winner = stage.salesforce.create("Contact", {"LastName": f"W{number}"})
        stage.salesforce.merge("Contact", winner, [records[f"cust-{number}"]])
    stage.salesforce.fail_rows(lambda update: update.values.get("Title") == "T6")
    for number in range(ROWS):
        gone = number % 4 == 1
        type_ = "customer.deleted" if gone else "customer.updated"
        await stage.post({} if gone else {"title": f"T{number}"}, id_=f"cust-{number}", type_=type_)
    await stage.settle()
    names = {record_id: row["Name"] for record_id, row in stage.salesforce.rows["Account"].items()}
    return {
        row["Tandem_Customer_Id__c"]: (row["LastName"], row.get("Title"), names.get(row.get("AccountId") or ""))
        for row in stage.salesforce.rows["Contact"].values()
    }


async def test_a_backlog_ends_as_it_would_all_in_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found, sent, read, followed and deleted alike, by no more calls of rows; refused rows are parked alike."""
    told: list[tuple[Any, ...]] = []
    for in_hand in (2 * ROWS, 5):
        monkeypatch.setattr(visit, "AT_A_TIME", in_hand)
        stage = Stage(FakeDocuments())
        found = await _lived(stage)
        calls = [call.operation for call in stage.salesforce.calls if call.operation not in {"find", "successors"}]
        parked = sorted(row.document_id for row in stage.parked.rows.values())  # type: ignore[attr-defined]
        told.append((found, sorted(calls), parked))
    assert told[1] == told[0]
    found, _, parked = told[0]
    assert found.keys() == {f"cust-{n}" for n in range(ROWS) if n % 4 != 1}
    assert found["cust-2"] == ("L2", "T2", "C2")
    assert found["cust-6"] == ("L6", None, "C6")
    assert parked == ["cust-6"]
