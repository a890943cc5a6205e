"""One Salesforce record for the proof: commits, triggers, its change stream, and what its users look at. No I/O."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from schemas.change import Change, ChangeType
from schemas.position import CommitPosition
from support.oracle import NOBODY, Ledger

RECORD: Final = "003000000000001AAA"
TOKEN: Final = "Token__c"
EXTERNAL_ID: Final = "Ext__c"
Trigger = Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]
"""(values being set, record before) → what the trigger sets over them."""


def _rewrites(values: Mapping[str, Any], _before: Mapping[str, Any]) -> dict[str, Any]:
    return {"Phone": values["Phone"].upper()} if values.get("Phone") else {}


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
    modified: int = 0
    commits: int = 0
    records: int = 1
    stream: list[Change] = field(default_factory=list)
    fired: dict[str, int] = field(default_factory=dict)
    """By field: the trigger's edit that the record holds."""

    def edit(self, values: Mapping[str, Any], now: int) -> None:
        """A user saves these fields, having looked at the record."""
        if self.record is None:
            return
        made = {}
        for name, value in values.items():
            if self.record.get(name) != value:
                seen = self.made_by.get(name, NOBODY)
                made[name] = self.ledger.add("salesforce", name, value, order=self.commits + 1, saw=[seen])
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
    ) -> str:
        """A write of ours lands; `carries` names the edits whose values it brings. The record's id, empty without.

        `anew`: it may make another record in the place of one that was deleted.
        """
        if not upsert and (self.record is None or record_id != self.record_id):
            return ""
        if self.record is None and self.bin is not None:
            if not anew:
                return ""
            self.bin, self.made_by, self.fired = None, {}, {}
            self.record_id = self._new_id()
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
        record, loser = self.record, self.record_id
        self._tell(ChangeType.DELETE, {}, now)
        self.masters[loser] = self.record_id = self._new_id()
        self.record = {name: value for name, value in record.items() if name not in (TOKEN, EXTERNAL_ID)}
        for name, value in values.items():
            seen = self.made_by.get(name, NOBODY)
            self.made_by[name] = self.ledger.add("salesforce", name, value, order=self.commits + 1, saw=[seen])
            if name in self.fired:
                self.ledger.edits[self.fired.pop(name)].void = True
            self.record[name] = value
        self._tell(ChangeType.UPDATE, {name: value for name, value in self.record.items() if value is not None}, now)

    def _new_id(self) -> str:
        self.records += 1
        return f"003000000000{self.records:03}AAA"

    def undelete(self, now: int) -> None:
        """A user takes it out of the recycle bin."""
        if self.bin is not None:
            self.record, self.bin = self.bin, None
            self._tell(ChangeType.UNDELETE, {}, now)

    def _commit(self, values: Mapping[str, Any], made: Mapping[str, int], now: int) -> None:
        before = self.record or {}
        after = {**before, **values}
        by = {**self.made_by, **made}
        if self.trigger is not None:
            for name in made:
                # The trigger runs on this save too: what it made of an earlier value it has now had a chance to redo.
                if name in self.fired:
                    self.ledger.edits[self.fired.pop(name)].void = True
            for name, value in self.trigger(values, before).items():
                if after.get(name) == value:
                    continue
                seen = [by.get(name, NOBODY)]
                order = self.commits + 1
                by[name] = self.ledger.add("trigger", name, value, order=order, saw=seen)
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
        self.stream.append(
            Change.model_construct(
                entity="Contact",
                record_id=self.record_id,
                type=kind,
                position=CommitPosition(self.modified, self.commits, 1),
                transaction_key=f"t{self.commits}",
                fields=changed,
                differences=(),
            )
        )
