"""A stage on which a person is kept in a Lead until it is converted, and in a Contact from then on."""

from typing import Any

from consumers.ports import Documents, ParkedRecords, SyncLog
from schemas.presets import preset
from support.fake_documents import FakeLog, FakeParked
from support.sync_stage import Stage

NOBODY = "[not provided]"
LEAD: dict[str, Any] = {
    "external_id": "Tandem_Customer_Id__c",
    "token": "Tandem_Customer_Write__c",
    "fields": {
        "Email": "Email",
        "FirstName": "FirstName",
        "LastName": "LastName",
        "Phone": "Phone",
        "MailingCity": "City",
        "Customer_Tier__c": "Customer_Tier__c",
    },
    "only": ["Company"],
    "placeholders": {"Company": NOBODY},
    "defaults": {"LeadSource": "Hackathon"},
}
ADA = {"last_name": "Lovelace", "email": "ada@example.org", "address.city": "London", "title": "Countess"}


class LeadStage(Stage):
    """Leads and contacts in memory, with what each requires."""

    def __init__(
        self,
        documents: Documents,
        log: SyncLog | None = None,
        parked: ParkedRecords | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(documents, log or FakeLog(), parked or FakeParked())
        self.salesforce.required = {"Contact": frozenset({"LastName"}), "Lead": frozenset({"LastName", "Company"})}
        self.keep_in_leads(**settings)

    def keep_in_leads(self, **settings: Any) -> None:
        """The customer of the preset and its company, with these settings of the kind besides."""
        fields = preset("customers").model_dump(mode="json")["kinds"]["customer"]["fields"]
        company = {"platform": "company", "salesforce": "Company", "transform": ["trim"]}
        self.map(
            **{"lead": LEAD, "create": "lead", "match": {"by": ["Email"]}, "fields": [*fields, company], **settings}
        )

    def records(self, sobject: str) -> dict[str, dict[str, Any]]:
        return self.salesforce.rows.get(sobject, {})

    def only(self, sobject: str) -> dict[str, Any]:
        """The one record of the object."""
        (row,) = self.records(sobject).values()
        return row

    async def shown(self, id_: str = "cust-1") -> tuple[str, str, str | None]:
        """What the platform reads of the sync: status, record, error."""
        public = (await self.document(id_))["salesforce"]
        return public["syncStatus"], public.get("recordId", ""), public.get("syncError")

    async def settle_but_for_tomorrow(self) -> None:
        """Long enough for all that is not put off to the next day."""
        for _round in range(60):
            self.now += 700
            await self.hear()
            await self.sweep.ring_due()
            await self.answer_doorbells()
