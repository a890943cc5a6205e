"""Lead conversion, as SOAP `convertLead` does it: one transaction, in the order Account, Contact, Opportunity, Lead.

Source: SOAP API guide, "convertLead()"; Change Data Capture guide, "Change Events for Lead Conversion".
"""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from pydantic import BaseModel, ConfigDict

from simulator.org.bodies import Values
from simulator.org.errors import SalesforceError
from simulator.org.objects import ObjectDefinition, Objects
from simulator.org.store import Row
from simulator.org.transactions import Transaction

_ADDRESS = ("Street", "City", "State", "PostalCode", "Country")
_TO_ACCOUNT = {"Phone": "Phone", "Website": "Website", "Industry": "Industry"} | {
    part: f"Billing{part}" for part in _ADDRESS
}
_TO_CONTACT = {
    name: name
    for name in (
        "FirstName",
        "LastName",
        "Salutation",
        "Title",
        "Phone",
        "MobilePhone",
        "Email",
        "LeadSource",
        "Description",
        "HasOptedOutOfEmail",
        "DoNotCall",
    )
} | {part: f"Mailing{part}" for part in _ADDRESS}
_LONGEST_NAME = 80


class Conversion(BaseModel):
    """What a conversion is to make of a Lead."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: str = "Closed - Converted"
    account_id: str = ""
    """An Account to take instead of a new one; only its empty fields are filled."""
    contact_id: str = ""
    """A Contact to take instead of a new one; the same."""
    opportunity_name: str = ""
    """Else the company's name."""
    no_opportunity: bool = False


def convert(
    transaction: Transaction,
    objects: Objects,
    lead_id: str,
    wanted: Conversion,
    *,
    today: date,
    along: Iterable[str] = (),
) -> None:
    """Convert a Lead; `along` names the custom fields that an administrator has mapped to the Contact's of that name.

    Raises:
        SalesforceError: it cannot be done. The transaction may be half done then, and must not be committed.
    """
    leads = objects["Lead"]
    lead = transaction.alive(leads, lead_id)
    if lead["IsConverted"]:
        raise SalesforceError("CANNOT_UPDATE_CONVERTED_LEAD", "lead already converted", [])
    owner = {"OwnerId": lead["OwnerId"]}
    account_id = _into(
        transaction,
        objects["Account"],
        wanted.account_id,
        {"Name": lead["Company"]} | _mapped(lead, _TO_ACCOUNT),
        owner,
    )
    person = _mapped(lead, _TO_CONTACT | {name: name for name in along}) | {"AccountId": account_id}
    contact_id = _into(transaction, objects["Contact"], wanted.contact_id, person, owner)
    made: Values = {
        "IsConverted": 1,
        "ConvertedDate": today.isoformat(),
        "ConvertedAccountId": account_id,
        "ConvertedContactId": contact_id,
        "Status": wanted.status,
    }
    if not wanted.no_opportunity:
        made["ConvertedOpportunityId"] = transaction.create(
            objects["Opportunity"],
            {
                "Name": (wanted.opportunity_name or str(lead["Company"]))[:_LONGEST_NAME],
                "AccountId": account_id,
                "StageName": objects["Opportunity"].by_name["StageName"].values[0],
                "CloseDate": _end_of_quarter(today).isoformat(),
                "LeadSource": lead["LeadSource"],
                **owner,
            },
        )
    transaction.mark(leads, lead_id, "UPDATE", made)
    _take_members(transaction, objects["CampaignMember"], lead_id, contact_id)


def _into(transaction: Transaction, definition: ObjectDefinition, record_id: str, values: Values, owner: Values) -> str:
    """Make the record, or fill what is empty in one that is there; its id."""
    if not record_id:
        return transaction.create(definition, values | owner)
    row = transaction.alive(definition, record_id)
    empty: Values = {name: value for name, value in values.items() if row[name] is None and value is not None}
    if empty:
        transaction.update(definition, record_id, empty)
    return record_id


def _mapped(lead: Row, names: Mapping[str, str]) -> Values:
    return {to: lead[name] for name, to in names.items()}


def _take_members(transaction: Transaction, members: ObjectDefinition, lead_id: str, contact_id: str) -> None:
    """The Lead's memberships are the Contact's from now on; where it has one of that campaign, the Lead's goes."""
    of_contact = {
        transaction.alive(members, one)["CampaignId"]
        for one in transaction.records.matches(members, members.by_name["ContactId"], contact_id)
    }
    for member_id in transaction.records.matches(members, members.by_name["LeadId"], lead_id):
        if transaction.alive(members, member_id)["CampaignId"] in of_contact:
            transaction.delete(members, member_id)
        else:
            transaction.mark(members, member_id, "UPDATE", {"ContactId": contact_id})


def _end_of_quarter(today: date) -> date:
    month = (today.month - 1) // 3 * 3 + 4
    first_after = date(today.year + 1, 1, 1) if month > 12 else date(today.year, month, 1)
    return first_after - timedelta(days=1)
