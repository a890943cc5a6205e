"""A small history for the observer, written down line by line as the witnesses would."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

import schemas
from schemas.mapping import Mapping as FieldsMapping
from simulator.observer.judge import judge
from simulator.observer.verdict import Verdict

CUSTOMER = "cust-1"
RECORD = "003000000000001AAA"


def customers() -> FieldsMapping:
    """The preset that the demo runs with."""
    preset = Path(schemas.__file__).parent / "presets" / "customers.yaml"
    return FieldsMapping.model_validate(yaml.safe_load(preset.read_text()))


class Witnesses:
    """Takes down what happens, keeps the records as the org would, and calls the judge. Without a word of the kind or
    the object it is about customers, who are Contacts."""

    def __init__(self, mapping: FieldsMapping | None = None) -> None:
        self.mapping = mapping or customers()
        self.journal: list[dict[str, Any]] = []
        self.commits: list[dict[str, Any]] = []
        self.audit: list[dict[str, Any]] = []
        self.records: dict[str, dict[str, Any]] = {}
        """The live ones, of all objects."""
        self.bin: dict[str, dict[str, Any]] = {}
        """Those in the recycle bin."""
        self.entities: dict[str, str] = {}
        """The object of every record but Contacts."""
        self.documents: dict[str, dict[str, Any]] = {}
        self.collections: dict[str, str] = {}
        """The collection of every document but customers."""
        self.gaps: list[dict[str, Any]] = []
        """As they were recorded."""
        self.writes = 0

    def sent(
        self,
        at: int,
        fields: Mapping[str, Any],
        *,
        edits: list[str] | None = None,
        changed: list[str] | None = None,
        seen: int | None = None,
        document: str = CUSTOMER,
        type: str = "customer.updated",  # noqa: A002 - the row's own name
        statuses: tuple[int, ...] = (202,),
    ) -> str:
        """The platform posts; the event's id comes back. Without `edits` all that it names, or all there is, is one."""
        event = f"e{len(self.journal)}"
        if edits is None:
            edits = list(fields) if changed is None else changed
        self.journal.append(
            {
                "row": "sent",
                "event_id": event,
                "type": type,
                "document_id": document,
                "occurred_at": at,
                "fields": dict(fields),
                "edits": edits,
                "changed": changed,
                "seen": seen,
            }
        )
        for status in statuses:
            self.journal.append({"row": "posted", "event_id": event, "at": at, "status": status})
        return event

    def looked(self, at: int, revision: int, fields: Mapping[str, Any], document: str = CUSTOMER) -> None:
        """The platform sees its document."""
        row = {"row": "seen", "document_id": document, "revision": revision, "at": at, "fields": dict(fields)}
        self.journal.append(row)

    def commit(
        self,
        at: int,
        values: Mapping[str, Any],
        by: str,
        *,
        record: str = RECORD,
        written: Mapping[str, Any] | None = None,
        authors: Mapping[str, str] | None = None,
        client: str = "",
        entity: str = "",
        transaction: str = "",
    ) -> int:
        """A commit of the org: only what changes a value is in `after`; `authors` tells fields set by somebody else."""
        if entity:
            self.entities[record] = entity
        held = self.records.get(record)
        kind = "UPDATE" if held is not None else "CREATE"
        held = self.records.setdefault(record, {"Id": record})
        after = {name: value for name, value in values.items() if held.get(name) != value}
        row = {
            "number": len(self.commits) + 1,
            "timestamp": at,
            "transaction_key": transaction or f"t{len(self.commits)}",
            "origin": "com/salesforce/api/rest/64.0" if by == "api" else "",
            "client": client,
            "user": "005000000000001AAA" if by == "api" else "005000000000002AAA",
            "entity": self.entities.get(record, "Contact"),
            "record_id": record,
            "type": kind,
            "before": {name: held.get(name) for name in after} if kind == "UPDATE" else {},
            "after": after,
            "by": {name: (authors or {}).get(name, by) for name in after},
            "written": dict(written or {}),
        }
        held.update(after)
        self.commits.append(row)
        return len(self.commits)

    def user(self, at: int, record: str = RECORD, entity: str = "", **values: Any) -> int:
        """A Salesforce user edits the record."""
        return self.commit(at, values, "user", record=record, entity=entity)

    def ended(self, at: int, record: str, change: str, **values: Any) -> None:
        """A user deletes a record (`DELETE`), or what is done with it closes it (`UPDATE`)."""
        self.commit(at, values, "user", record=record, transaction=f"end of {record}")
        self.commits[-1]["type"] = change
        if change == "DELETE":
            self.bin[record] = self.records.pop(record)

    def undeleted(self, at: int, record: str) -> None:
        """A user takes a record out of the recycle bin."""
        self.records[record] = self.bin.pop(record)
        self.commit(at, {"IsDeleted": False}, "user", record=record)
        self.commits[-1]["type"] = "UNDELETE"

    def merged(self, at: int, loser: str, master: str, **values: Any) -> None:
        """A user merges a record into another, which takes these values."""
        self.ended(at, loser, "DELETE", IsDeleted=True, MasterRecordId=master)
        if values:
            self.commit(at, values, "user", record=master, transaction=f"end of {loser}")

    def converted(self, at: int, lead: str, contact: str, **values: Any) -> None:
        """A user converts a lead: a contact with these values is made, or takes them."""
        self.commit(at, values, "user", record=contact, transaction=f"end of {lead}")
        self.ended(at, lead, "UPDATE", IsConverted=True, ConvertedContactId=contact)

    def ours(
        self,
        at: int,
        *,
        document: str = CUSTOMER,
        record: str = RECORD,
        triggers: Mapping[str, Any] | None = None,
        kind: str = "customer",
        entity: str = "",
        **values: Any,
    ) -> int:
        """Our client writes; `triggers` are the values that triggers set in the same commit."""
        self.writes += 1
        of = self.mapping.kinds[kind]
        written = {**values, of.external_id: document, of.token: f"{document}:{self.writes}"}
        if not entity and of.sobject != "Contact":
            entity = of.sobject
        authors = dict.fromkeys(triggers or {}, "trigger")
        return self.commit(
            at,
            {**written, **(triggers or {})},
            "api",
            record=record,
            written=written,
            authors=authors,
            client="tandem/1",
            entity=entity,
        )

    def shows(
        self,
        revision: int,
        document: str = CUSTOMER,
        record: str = RECORD,
        kind: str = "customer",
        sync_status: str = "synced",
        **fields: Any,
    ) -> None:
        """The document as MongoDB holds it at the end."""
        self.collections[document] = self.mapping.kinds[kind].collection
        self.documents[document] = {
            "_id": document,
            "revision": revision,
            "salesforce": {"recordId": record, "syncStatus": sync_status},
            **fields,
        }

    def settled(
        self,
        path: str,
        field: str,
        platform: tuple[Any, int],
        salesforce: tuple[Any, int],
        *,
        winner: str,
        document: str = CUSTOMER,
        rule: str = "13.salesforce_wins",
        note: str = "",
        event: str = "",
        result: Any = None,
    ) -> None:
        """An audit row; one without a winner of the two tells what was made of both."""
        loser = "platform" if winner == "salesforce" else "salesforce"
        value, made_at = platform if loser == "platform" else salesforce
        self.audit.append(
            {
                "_id": f"customer:{document}:{len(self.audit)}:{field}",
                "type": "audit",
                "kind": "customer",
                "document": document,
                "record": RECORD,
                "field": field,
                "path": path,
                "platform": {"value": platform[0], "at": platform[1]},
                "salesforce": {"value": salesforce[0], "at": salesforce[1]},
                "winner": winner,
                "loser": loser if winner in ("platform", "salesforce") else "nobody",
                "lost": {"side": loser, "value": value, "at": made_at}
                if winner in ("platform", "salesforce")
                else None,
                **({"result": result} if winner == "both" else {}),
                "rule": rule,
                "note": note,
                "event": event,
                "at": max(platform[1], salesforce[1]),
            }
        )

    def verdict(self, resting_since: int | None = None) -> Verdict:
        """What the observer says."""
        return judge(
            self.journal,
            self.commits,
            self._grouped(self.records, self.entities, "Contact"),
            self._grouped(self.documents, self.collections, "customers"),
            self.audit,
            self.mapping,
            resting_since=resting_since,
            gaps=self.gaps,
        )

    @staticmethod
    def _grouped(
        rows: Mapping[str, dict[str, Any]], names: Mapping[str, str], otherwise: str
    ) -> dict[str, list[dict[str, Any]]]:
        groups: dict[str, list[dict[str, Any]]] = {}
        for key, row in rows.items():
            groups.setdefault(names.get(key, otherwise), []).append(row)
        return groups


def synced(**fields: Any) -> Witnesses:
    """One customer, created by the platform at 100 and written at 200: nothing wrong."""
    witnesses = Witnesses()
    names = {"title": "Title", "last_name": "LastName", "phone": "Phone"}
    values = {"last_name": "Ionescu", "title": "Host", **fields}
    witnesses.sent(100, values, type="customer.created")
    witnesses.ours(200, **{names[path]: value for path, value in values.items()})
    witnesses.shows(3, **values)
    return witnesses
