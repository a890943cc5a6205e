"""One Salesforce record for the proof: commits, triggers, its change stream, and what its users look at. No I/O."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from schemas.change import Change, ChangeType
from schemas.place import CONVERTED_TO, IS_CONVERTED, LEAD_PREFIX
from schemas.position import CommitPosition
from support.oracle import NOBODY, Author, Ledger
from support.oracle_values import Said

RECORD: Final = "003000000000001AAA"
FIRST_LEAD: Final = "00Q000000000001AAA"
LEFT_BEHIND: Final = "Total__c"
"""A custom field that no admin has mapped: a conversion does not carry it along."""
TOKEN: Final = "Token__c"
EXTERNAL_ID: Final = "Ext__c"
Trigger = Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]
"""(values being set, record before) → what the trigger sets over them."""


def _rewrites(values: Mapping[str, Any], _before: Mapping[str, Any]) -> dict[str, Any]:
    return {"Phone": str(values["Phone"]).upper()} if values.get("Phone") else {}


def _resets(values: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    return {"Phone": before.get("Phone")} if "Phone" in values and TOKEN in values else {}


def _resets_some(values: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    refused = "Phone" in values and TOKEN in values and str(values["Phone"])[-1:] in "02468"
    return {"Phone": before.get("Phone")} if refused else {}


def _sets_another(values: Mapping[str, Any], _before: Mapping[str, Any]) -> dict[str, Any]:
    return {"Title": f"for {values['Phone']}"} if values.get("Phone") else {}


def _insists(values: Mapping[str, Any], _before: Mapping[str, Any]) -> dict[str, Any]:
    return {"Total__c": "0"} if "Total__c" in values else {}


TRIGGERS: Final[dict[str, Trigger | None]] = {
    "none": None,
    "rewrites": _rewrites,
    "resets": _resets,
    "resets some": _resets_some,
    "sets another": _sets_another,
    "insists on a pushed field": _insists,
}


@dataclass(slots=True)
class Org:
    """The record as Salesforce holds it. `skew` is how far its clock is ahead of ours, milliseconds."""

    ledger: Ledger
    trigger: Trigger | None = None
    skew: int = 0
    record: dict[str, Any] | None = None
    made_by: dict[str, int] = field(default_factory=dict)
    """By field: the edit whose value the record holds."""
    bin: dict[str, Any] | None = None
    record_id: str = RECORD
    masters: dict[str, str] = field(default_factory=dict)
    """By the id of a record that was merged: the id of the one that took its place."""
    converted: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By the id of a lead that was converted: what it held then."""
    converted_by: dict[str, dict[str, int]] = field(default_factory=dict)
    """By the id of such a lead: by field, the edit whose value it holds."""
    modified: int = 0
    commits: int = 0
    records: int = 1
    stream: list[Change] = field(default_factory=list)
    fired: dict[str, int] = field(default_factory=dict)
    """By field: the trigger's edit that the record holds."""
    stores: Mapping[str, Said] = field(default_factory=dict)
    """By field: what is kept of a value, where that is not the value as it comes."""
    said: Mapping[str, Said] = field(default_factory=dict)
    """By field: how the oracle compares its values, where not as they are."""

    def edit(self, values: Mapping[str, Any], now: int) -> None:
        """A user saves these fields, having looked at the record."""
        if self.record is None:
            return
        made = {}
        for name, value in values.items():
            if self._said(name, self.record.get(name)) != self._said(name, value):
                made[name] = self._add("salesforce", name, value, self.made_by.get(name, NOBODY))
        self._commit(values, made, now)

    def write(
        self,
        values: Mapping[str, Any],
        carries: Mapping[str, int],
        now: int,
        *,
        upsert: bool,
        record_id: str = RECORD,
        anew: bool = False,
        lead: bool = False,
    ) -> str:
        """A write of ours lands; `carries` names the edits whose values it brings. The record's id, empty without.

        `anew`: it may make another record in the place of one that was deleted, and a `lead` where that is asked for.
        """
        if not upsert and (self.record is None or record_id != self.record_id):
            return ""
        if self.record is None and self.bin is not None:
            if not anew:
                return ""
            self.bin, self.made_by, self.fired = None, {}, {}
            self.record_id = self._new_id(LEAD_PREFIX if lead else "003")
            for edit in self.ledger.edits:
                # What was said in the record that is gone went with it.
                edit.void = edit.void or edit.side == "salesforce"
        self._commit(values, carries, now)
        return self.record_id

    def delete(self, now: int) -> None:
        """Somebody deletes the record."""
        if self.record is not None:
            self.bin, self.record = self.record, None
            self._tell(ChangeType.DELETE, {}, now)

    def merge(self, values: Mapping[str, Any], now: int) -> None:
        """A user merges the record into another, and chooses these values; the others are taken over from it."""
        if self.record is None:
            return
        loser = self.record_id
        self._tell(ChangeType.DELETE, {}, now)
        self.masters[loser] = self._new_id(loser[:3])
        self._goes_on(self.masters[loser], (TOKEN, EXTERNAL_ID), values, ChangeType.UPDATE, now)

    def convert(self, values: Mapping[str, Any], now: int) -> None:
        """A user converts the lead to a new contact, and chooses these values there; the others are carried along."""
        if self.record is None:
            return
        lead, contact = self.record_id, self._new_id("003")
        self.converted[lead], self.converted_by[lead] = dict(self.record), dict(self.made_by)
        self._tell(ChangeType.UPDATE, {IS_CONVERTED: True, CONVERTED_TO: contact}, now)
        self.masters[lead] = contact
        self.made_by.pop(LEFT_BEHIND, None)
        self.fired.pop(LEFT_BEHIND, None)
        for edit in self.ledger.of(LEFT_BEHIND, "salesforce"):
            edit.void = True  # what was said there stays with the lead
        self._goes_on(contact, (TOKEN, EXTERNAL_ID, LEFT_BEHIND), values, ChangeType.CREATE, now)

    def edit_converted(self, values: Mapping[str, Any], now: int) -> None:
        """Somebody edits the lead that was converted: it is still there, and shows what it showed then."""
        lead = next(reversed(self.converted))
        made_by = self.converted_by[lead]
        for name, value in values.items():
            made_by[name] = self._add("salesforce", name, value, made_by.get(name, NOBODY))
        self.converted[lead] |= values
        self.commits += 1
        self._add_to_stream(lead, ChangeType.UPDATE, dict(values), now + self.skew)

    def _goes_on(
        self, record_id: str, without: Sequence[str], values: Mapping[str, Any], told_as: ChangeType, now: int
    ) -> None:
        self.record_id = record_id
        self.record = {name: value for name, value in (self.record or {}).items() if name not in without}
        for name, chosen in values.items():
            value = self._stored(name, chosen)
            self.made_by[name] = self._add("salesforce", name, value, self.made_by.get(name, NOBODY))
            if name in self.fired:
                self.ledger.edits[self.fired.pop(name)].void = True
            self.record[name] = value
        self._tell(told_as, {name: value for name, value in self.record.items() if value is not None}, now)

    def _stored(self, name: str, value: Any) -> Any:
        return self.stores[name](value) if name in self.stores else value

    def _said(self, name: str, value: Any) -> Any:
        return self.said[name](value) if name in self.said else value

    def _add(self, author: Author, name: str, value: Any, seen: int) -> int:
        return self.ledger.add(author, name, self._said(name, value), order=self.commits + 1, saw=[seen])

    def _new_id(self, prefix: str) -> str:
        self.records += 1
        return f"{prefix}000000000{self.records:03}AAA"

    def undelete(self, now: int) -> None:
        """A user takes it out of the recycle bin."""
        if self.bin is not None:
            self.record, self.bin = self.bin, None
            self._tell(ChangeType.UNDELETE, {}, now)

    def _commit(self, values: Mapping[str, Any], made: Mapping[str, int], now: int) -> None:
        values = {name: self._stored(name, value) for name, value in values.items()}
        before = self.record or {}
        after = {**before, **values}
        by = {**self.made_by, **made}
        if self.trigger is not None:
            for name in made:
                # The trigger runs on this save too: what it made of an earlier value it has now had a chance to redo.
                if name in self.fired:
                    self.ledger.edits[self.fired.pop(name)].void = True
            for name, set_by_it in self.trigger(values, before).items():
                value = self._stored(name, set_by_it)
                if after.get(name) == value:
                    continue
                by[name] = self._add("trigger", name, value, by.get(name, NOBODY))
                self.fired[name] = by[name]
                after[name] = value
        changed = {name: value for name, value in after.items() if name not in before or before[name] != value}
        created = self.record is None
        self.record, self.made_by = after, by
        if created:
            changed = {name: value for name, value in after.items() if value is not None}
        if changed:
            self._tell(ChangeType.CREATE if created else ChangeType.UPDATE, changed, now)

    def _tell(self, kind: ChangeType, changed: dict[str, Any], now: int) -> None:
        self.commits += 1
        self.modified = now + self.skew
        self._add_to_stream(self.record_id, kind, changed, self.modified)

    def _add_to_stream(self, record_id: str, kind: ChangeType, changed: dict[str, Any], at: int) -> None:
        self.stream.append(
            Change.model_construct(
                entity="Lead" if record_id.startswith(LEAD_PREFIX) else "Contact",
                record_id=record_id,
                type=kind,
                position=CommitPosition(at, self.commits, 1),
                transaction_key=f"t{self.commits}",
                fields=changed,
                differences=(),
            )
        )
