"""Salesforce records in memory: the `Records` port with faults by script, people who edit, triggers and change events.

One behaviour suite (`support/records_behaviour.py`) runs on this and on the real adapter, so that it does not drift.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

from adapters.salesforce.values import Unrenderable, render_all
from schemas.change import Change, ChangeType
from schemas.position import CommitPosition
from schemas.record_id import is_id, to_18
from schemas.records import Converted, Failure, RecordRead, RecordUpdate, RowResult
from schemas.unavailable import Unavailable

Row = dict[str, Any]
Trigger = Callable[[str, Row, Row], Mapping[str, Any]]
"""(sobject, row before, values written) → values that are set in the same transaction, over those written."""

INTEGRATION_USER = "0055g000001MnOpAAK"
PERSON = "0055g000001PersAAM"
_MERGEABLE = {"Account", "Contact", "Lead"}
_PREFIXES = {"Contact": "003", "Account": "001", "Lead": "00Q", "Campaign": "701"}


@dataclass(frozen=True)
class Call:
    """One call as it was asked for: `keys` are record ids, or external ids of an upsert and a find."""

    operation: Literal[
        "update", "upsert", "delete", "read", "find", "match", "successors", "merged", "conversions", "converted"
    ]
    sobject: str
    keys: tuple[str, ...]
    values: tuple[Mapping[str, Any], ...] = ()


@dataclass
class CallFault:
    """How the next write call fails. With UNKNOWN its rows may land all the same: at once, later, or never."""

    failure: Failure
    code: str
    org_wide: bool
    lands: Literal["never", "at_once", "later"]


@dataclass
class RowFault:
    """Rows that match fail so often. A row to be deleted has no values."""

    when: Callable[[RecordUpdate], bool]
    failure: Failure
    code: str
    times: int
    details: Mapping[str, Any] = field(default_factory=dict)
    """Of the result: its message, its fields, the existing records."""


@dataclass
class FakeRecords:
    """`now` gives epoch milliseconds; `on_change` hears of every commit, one `Change` for each record.

    `rows` are the live records by sObject and 18-character id, `deleted` those in the recycle bin by id, `masters` what
    merged ones became, `calls` every call made. While `away` is set, reads raise Unavailable and writes fail as NOT_RUN
    for the whole org.
    """

    now: Callable[[], int] = field(default_factory=lambda: itertools.count(1_700_000_000_000, 1_000).__next__)
    on_change: Callable[[Change], None] | None = None
    required: Mapping[str, frozenset[str]] = field(default_factory=lambda: {"Contact": frozenset({"LastName"})})
    references: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By sObject: its lookup fields, and the sObject whose live records they may name."""
    tell_unchanged: bool = True
    """An update that changes no value brings an event with LastModifiedDate alone; otherwise none."""
    client: str = "Tandem"
    triggers: list[Trigger] = field(default_factory=list)
    rows: dict[str, dict[str, Row]] = field(default_factory=dict)
    deleted: dict[str, Row] = field(default_factory=dict)
    masters: dict[str, str] = field(default_factory=dict)
    contacts: dict[str, str] = field(default_factory=dict)
    """What converted leads became; nothing any more where that was deleted."""
    calls: list[Call] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    away: bool = False
    _call_faults: list[CallFault] = field(default_factory=list)
    _row_faults: list[RowFault] = field(default_factory=list)
    _late: list[Callable[[], list[RowResult]]] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    # What a test does to it

    def fail_next_call(
        self,
        failure: Failure = Failure.UNKNOWN,
        code: str = "ServerDisconnectedError",
        *,
        org_wide: bool = True,
        lands: Literal["never", "at_once", "later"] = "never",
    ) -> None:
        """The next write call fails as a whole; calls after it are as before."""
        if failure is not Failure.UNKNOWN and lands != "never":
            raise ValueError("only a call with an unknown end can land")
        self._call_faults.append(CallFault(failure, code, org_wide, lands))

    def fail_rows(
        self,
        when: Callable[[RecordUpdate], bool],
        failure: Failure = Failure.REJECTED,
        code: str = "FIELD_CUSTOM_VALIDATION_EXCEPTION",
        *,
        times: int = 1,
        **details: Any,
    ) -> None:
        """The next `times` rows that match fail; the other rows of their calls do not."""
        self._row_faults.append(RowFault(when, failure, code, times, details))

    def land_late(self) -> list[RowResult]:
        """Let the oldest call that was to land later land now."""
        return self._late.pop(0)()

    def edit(self, sobject: str, record_id: str, values: Mapping[str, Any]) -> None:
        """A person in Salesforce changes a record."""
        self._change(sobject, to_18(record_id), render_all(values), self._transaction(), 1, by=PERSON)

    def create(self, sobject: str, values: Mapping[str, Any]) -> str:
        """A person in Salesforce makes a record; its id."""
        return self._create(sobject, render_all(values), self._transaction(), 1, by=PERSON)

    def remove(self, sobject: str, record_id: str) -> None:
        """A person in Salesforce deletes a record."""
        self._remove(sobject, to_18(record_id), self._transaction(), 1, by=PERSON)

    def undelete(self, sobject: str, record_id: str) -> None:
        """A person in Salesforce takes a record out of the recycle bin; one that was merged is its own again."""
        record_id, transaction = to_18(record_id), self._transaction()
        row = self.rows[sobject][record_id] = self.deleted.pop(record_id)
        self.masters.pop(record_id, None)
        self._stamp(row, transaction)
        self._tell(sobject, record_id, ChangeType.UNDELETE, _told_whole(row), transaction, 1, by=PERSON)

    def merge(
        self, sobject: str, master: str, losers: Sequence[str], values: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        """A person in Salesforce merges records: the master takes these values, the others go to the recycle bin."""
        transaction = self._transaction()
        for sequence, loser in enumerate(map(to_18, losers), start=1):
            self._remove(sobject, loser, transaction, sequence, by=PERSON)
            self.masters[loser] = to_18(master)
        self._change(sobject, to_18(master), render_all(values), transaction, len(losers) + 1, by=PERSON)

    def convert(
        self, lead_id: str, contact_id: str = "", carried: Mapping[str, str] = MappingProxyType({}), **values: Any
    ) -> str:
        """A person in Salesforce converts a lead, to a new contact or to this one, whose empty fields are filled.

        `carried` are the lead's fields by the contact's, beside those of the same name; the contact's id.
        """
        lead, transaction = self.rows["Lead"][to_18(lead_id)], self._transaction()
        names = {"FirstName": "FirstName", "LastName": "LastName", "Email": "Email", "Phone": "Phone", **carried}
        made = {here: lead[there] for here, there in names.items() if lead.get(there) is not None} | render_all(values)
        if contact_id:
            there = self.rows["Contact"][to_18(contact_id)]
            filled = {name: value for name, value in made.items() if there.get(name) is None}
            self._change("Contact", to_18(contact_id), filled, transaction, 2, by=PERSON)
        else:
            contact_id = self._create("Contact", made, transaction, 2, by=PERSON)
        ended = {"IsConverted": True, "ConvertedContactId": to_18(contact_id), "Status": "Closed - Converted"}
        self._change("Lead", to_18(lead_id), ended, transaction, 4, by=PERSON)
        self.contacts[to_18(lead_id)] = to_18(contact_id)
        return to_18(contact_id)

    # The port

    async def update(self, sobject: str, updates: Sequence[RecordUpdate]) -> list[RowResult]:
        keys = tuple(update.record_id for update in updates)
        self.calls.append(Call("update", sobject, keys, tuple(update.values for update in updates)))
        return self._write(updates, partial(self._commit, sobject, "", tuple(updates)))

    async def upsert(self, sobject: str, external_id_field: str, updates: Sequence[RecordUpdate]) -> list[RowResult]:
        keys = tuple(update.external_id for update in updates)
        self.calls.append(Call("upsert", sobject, keys, tuple(update.values for update in updates)))
        return self._write(updates, partial(self._commit, sobject, external_id_field, tuple(updates)))

    async def delete(self, sobject: str, record_ids: Sequence[str]) -> list[RowResult]:
        self.calls.append(Call("delete", sobject, tuple(record_ids)))
        keys = [to_18(each) if is_id(each) else each for each in record_ids]
        once = [RecordUpdate({}, record_id=key) for key in dict.fromkeys(keys)]
        outcomes = {row.record_id: row for row in self._write(once, partial(self._commit_deletion, sobject, once))}
        return [outcomes[key] for key in keys]

    async def read(self, sobject: str, record_ids: Sequence[str], fields: Sequence[str]) -> RecordRead:
        self.calls.append(Call("read", sobject, tuple(record_ids)))
        self._raise_if_away()
        began_at = self.now()
        found = {to_18(each): self.rows.get(sobject, {}).get(to_18(each)) for each in record_ids if is_id(each)}
        rows = {
            record_id: {name: row.get(name) for name in ["Id", *fields]}
            for record_id, row in found.items()
            if row is not None
        }
        return RecordRead(began_at=began_at, server_time=self.now() // 1_000 * 1_000, rows=rows)

    async def find(self, sobject: str, external_id_field: str, external_ids: Sequence[str]) -> dict[str, list[str]]:
        self.calls.append(Call("find", sobject, tuple(external_ids)))
        self._raise_if_away()
        found = {each: self._matches(sobject, external_id_field, each) for each in external_ids}
        return {each: matches for each, matches in found.items() if matches}

    async def match(
        self, sobject: str, field: str, values: Sequence[str], fields: Sequence[str]
    ) -> list[Mapping[str, Any]]:
        self.calls.append(Call("match", sobject, tuple(values)))
        self._raise_if_away()
        wanted = {value.casefold() for value in values}
        return [
            {name: row.get(name) for name in ["Id", *fields]}
            for row in self.rows.get(sobject, {}).values()
            if str(row.get(field) or "").casefold() in wanted
        ]

    async def successors(self, sobject: str, record_ids: Sequence[str]) -> dict[str, str]:
        if sobject not in _MERGEABLE:
            return {}
        self.calls.append(Call("successors", sobject, tuple(record_ids)))
        self._raise_if_away()
        ids = [to_18(each) for each in record_ids if is_id(each)]
        return {each: self._successor(each) for each in ids if each in self.masters}

    async def merged(self, sobject: str, record_ids: Sequence[str]) -> dict[str, list[str]]:
        if sobject not in _MERGEABLE:
            return {}
        self.calls.append(Call("merged", sobject, tuple(record_ids)))
        self._raise_if_away()
        found: dict[str, list[str]] = {}
        ids = [to_18(each) for each in record_ids if is_id(each)]
        for loser in self.masters:
            for master in self._masters_of(loser):
                if master in ids:
                    found.setdefault(master, []).append(loser)
                    break
        return found

    async def conversions(self, sobject: str, record_ids: Sequence[str]) -> dict[str, Converted]:
        if sobject != "Lead":
            return {}
        self.calls.append(Call("conversions", sobject, tuple(record_ids)))
        self._raise_if_away()
        ids = [to_18(each) for each in record_ids if is_id(each)]
        return {each: self._became(self.contacts[each]) for each in ids if self.contacts.get(each)}

    async def converted(self, sobject: str, record_ids: Sequence[str]) -> dict[str, list[str]]:
        if sobject != "Lead":
            return {}
        self.calls.append(Call("converted", sobject, tuple(record_ids)))
        self._raise_if_away()
        found: dict[str, list[str]] = {}
        for lead, contact in self.contacts.items():
            if contact in [to_18(each) for each in record_ids if is_id(each)]:
                found.setdefault(contact, []).append(lead)
        return found

    # How it does it

    def _became(self, contact_id: str) -> Converted:
        row = self.rows.get("Contact", {}).get(contact_id, {})
        return Converted(contact_id, str(row.get("AccountId") or ""))

    def _masters_of(self, record_id: str) -> Iterator[str]:
        while record_id in self.masters:
            record_id = self.masters[record_id]
            yield record_id

    def _successor(self, record_id: str) -> str:
        while record_id in self.masters:
            record_id = self.masters[record_id]
        return record_id

    def _raise_if_away(self) -> None:
        if self.away:
            raise Unavailable("the fake org is away")

    def _write(self, updates: Sequence[RecordUpdate], commit: Callable[[], list[RowResult]]) -> list[RowResult]:
        if len(updates) > 200:
            raise ValueError("at most 200 records in a write")
        fault = CallFault(Failure.NOT_RUN, "SERVER_UNAVAILABLE", True, "never") if self.away else None
        if fault is None and self._call_faults and updates:
            fault = self._call_faults.pop(0)
        if fault is None:
            return commit()
        if fault.lands == "at_once":
            commit()
        if fault.lands == "later":
            self._late.append(commit)
        return [_failed(update, fault.failure, fault.code, org_wide=fault.org_wide) for update in updates]

    def _commit(self, sobject: str, external_id_field: str, updates: Sequence[RecordUpdate]) -> list[RowResult]:
        transaction = self._transaction()
        return [
            self._one(sobject, external_id_field, update, transaction, sequence)
            for sequence, update in enumerate(updates, start=1)
        ]

    def _commit_deletion(self, sobject: str, updates: Sequence[RecordUpdate]) -> list[RowResult]:
        transaction = self._transaction()
        return [
            self._one_deletion(sobject, update, transaction, sequence)
            for sequence, update in enumerate(updates, start=1)
        ]

    def _one_deletion(
        self, sobject: str, update: RecordUpdate, transaction: CommitPosition, sequence: int
    ) -> RowResult:
        refused = self._refused(update) or self._not_there(sobject, update)
        if refused is not None:
            return refused
        if update.record_id in self.contacts:
            return _failed(update, Failure.CONVERTED, "CANNOT_UPDATE_CONVERTED_LEAD")
        self._remove(sobject, update.record_id, transaction, sequence, by=INTEGRATION_USER)
        return RowResult(update.record_id)

    def _refused(self, update: RecordUpdate) -> RowResult | None:
        for fault in self._row_faults:
            if fault.times > 0 and fault.when(update):
                fault.times -= 1
                return replace(_failed(update, fault.failure, fault.code), **fault.details)
        return None

    def _not_there(self, sobject: str, update: RecordUpdate) -> RowResult | None:
        if not is_id(update.record_id):
            return _failed(update, Failure.REJECTED, "INVALID_ROW")
        record_id = to_18(update.record_id)
        if record_id in self.rows.get(sobject, {}):
            return None
        code = "ENTITY_IS_DELETED" if record_id in self.deleted else "INVALID_CROSS_REFERENCE_KEY"
        return _failed(update, Failure.GONE, code)

    def _one(
        self, sobject: str, external_id_field: str, update: RecordUpdate, transaction: CommitPosition, sequence: int
    ) -> RowResult:
        refused = self._refused(update)
        if refused is not None:
            return refused
        try:
            values = render_all(update.values)
        except Unrenderable:
            return _failed(update, Failure.REJECTED, "INVALID_ROW")
        if any(
            values.get(name) is not None and values[name] not in self.rows.get(parent, {})
            for name, parent in self.references.get(sobject, {}).items()
        ):
            return _failed(update, Failure.REJECTED, "INVALID_CROSS_REFERENCE_KEY")
        if external_id_field:
            return self._upsert_one(sobject, external_id_field, update, values, transaction, sequence)
        gone = self._not_there(sobject, update)
        if gone is not None:
            return gone
        if to_18(update.record_id) in self.contacts:
            return _failed(update, Failure.CONVERTED, "CANNOT_UPDATE_CONVERTED_LEAD")
        return self._change(sobject, to_18(update.record_id), values, transaction, sequence, by=INTEGRATION_USER)

    def _upsert_one(
        self,
        sobject: str,
        external_id_field: str,
        update: RecordUpdate,
        values: Row,
        transaction: CommitPosition,
        sequence: int,
    ) -> RowResult:
        matches = self._matches(sobject, external_id_field, update.external_id)
        if len(matches) > 1:
            return _failed(update, Failure.DUPLICATE, "DUPLICATE_EXTERNAL_ID")
        if matches:
            return self._change(sobject, matches[0], values, transaction, sequence, by=INTEGRATION_USER)
        if any(values.get(name) is None for name in self.required.get(sobject, ())):
            return _failed(update, Failure.REJECTED, "REQUIRED_FIELD_MISSING")
        made = {**values, external_id_field: update.external_id}
        return RowResult(self._create(sobject, made, transaction, sequence, by=INTEGRATION_USER), created=True)

    def _matches(self, sobject: str, external_id_field: str, external_id: str) -> list[str]:
        rows = self.rows.get(sobject, {})
        return [record_id for record_id, row in rows.items() if row.get(external_id_field) == external_id]

    def _change(
        self, sobject: str, record_id: str, values: Row, transaction: CommitPosition, sequence: int, *, by: str
    ) -> RowResult:
        row = self.rows[sobject][record_id]
        after = self._triggered(sobject, row, values)
        if any(name in after and after[name] is None for name in self.required.get(sobject, ())):
            return RowResult(record_id, failure=Failure.REJECTED, code="REQUIRED_FIELD_MISSING", message="required")
        changed = {name: value for name, value in after.items() if row.get(name) != value}
        row.update(changed)
        if changed or self.tell_unchanged:
            self._stamp(row, transaction)
            self._tell(sobject, record_id, ChangeType.UPDATE, changed, transaction, sequence, by=by)
        return RowResult(record_id)

    def _create(self, sobject: str, values: Row, transaction: CommitPosition, sequence: int, *, by: str) -> str:
        record_id = to_18(f"{_PREFIXES.get(sobject, 'a00')}5g{next(self._numbers):010}")
        row = {"Id": record_id, **self._triggered(sobject, {}, values)}
        row["CreatedDate"] = _stamp(transaction)
        self._stamp(row, transaction)
        self.rows.setdefault(sobject, {})[record_id] = row
        self._tell(sobject, record_id, ChangeType.CREATE, _told_whole(row), transaction, sequence, by=by)
        return record_id

    def _remove(self, sobject: str, record_id: str, transaction: CommitPosition, sequence: int, *, by: str) -> None:
        self.deleted[record_id] = self.rows[sobject].pop(record_id)
        self.contacts |= {lead: "" for lead, contact in self.contacts.items() if contact == record_id}
        self._tell(sobject, record_id, ChangeType.DELETE, {}, transaction, sequence, by=by)

    def _triggered(self, sobject: str, row: Row, values: Row) -> Row:
        after = dict(values)
        for trigger in self.triggers:
            after.update(trigger(sobject, row, after))
        return after

    def _stamp(self, row: Row, transaction: CommitPosition) -> None:
        row["LastModifiedDate"] = row["SystemModstamp"] = _stamp(transaction)

    def _transaction(self) -> CommitPosition:
        return CommitPosition(self.now(), next(self._numbers), 0)

    def _tell(
        self,
        sobject: str,
        record_id: str,
        kind: ChangeType,
        fields: Row,
        transaction: CommitPosition,
        sequence: int,
        *,
        by: str,
    ) -> None:
        stamp = {} if kind is ChangeType.DELETE else {"LastModifiedDate": _stamp(transaction)}
        change = Change(
            entity=sobject,
            record_id=record_id,
            type=kind,
            position=transaction._replace(sequence=sequence),
            transaction_key=f"transaction-{transaction.number}",
            fields={**fields, **stamp},
            client=self.client if by == INTEGRATION_USER else "",
            commit_user=by,
            replay_id=transaction.number * 1_000 + sequence,
        )
        self.changes.append(change)
        if self.on_change is not None:
            self.on_change(change)


def _told_whole(row: Row) -> Row:
    return {name: value for name, value in row.items() if value is not None and name not in ("Id", "SystemModstamp")}


def _failed(update: RecordUpdate, failure: Failure, code: str, *, org_wide: bool = False) -> RowResult:
    return RowResult(update.record_id, failure=failure, code=code, message="told by the fake", org_wide=org_wide)


def _stamp(transaction: CommitPosition) -> str:
    return datetime.fromtimestamp(transaction.timestamp // 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
