"""A small world for the rules: one document, one Salesforce record, a change stream, people on both sides. No I/O."""

import copy
import random
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from consumers.catalog import Catalog
from consumers.rules.answers import answered, linked
from consumers.rules.audit import Occasion
from consumers.rules.existence import deletion_answered, deletion_asked, moved, stays_gone
from consumers.rules.kinds import Kind, token_of
from consumers.rules.platform import Assertion, assert_platform
from consumers.rules.retry import RetryPolicy
from consumers.rules.rows import Row, apply_row
from consumers.rules.salesforce import apply_change
from consumers.rules.state import DocumentState
from consumers.rules.stored import dump, load, value_at
from consumers.rules.timing import Timing
from consumers.rules.unread import end_unread
from consumers.rules.versions import bring_up
from consumers.rules.writes import (
    Delete,
    Find,
    Follow,
    Read,
    Send,
    Until,
    after_find,
    due_at,
    give_up_unanswered,
    next_step,
    not_found,
    take,
    wait,
)
from schemas.change import Change, ChangeType
from schemas.mapping import Mapping
from schemas.mapping_versions import since
from schemas.outcome import Result
from schemas.position import CommitPosition
from schemas.records import Failure, RowResult

TIMING = Timing(visible_after=50, answer_within=3_000, event_within=4_000, look_again=120_000, quiet_before_read=1_500)
RECORD = "003000000000001AAA"


OF_POLICY: dict[str, dict[str, Any]] = {
    "union": {"platform": "skills", "salesforce": "Skills__c", "transform": ["multi_select"]},
    "max": {"platform": "best_score", "salesforce": "Best_Score__c", "transform": ["number"]},
    "min": {"platform": "first_visit", "salesforce": "First_Visit__c", "transform": ["date"]},
}
"""By policy that goes with some values only: a field of such values, which the mapping has beside its four."""


def mapping(policy: str = "salesforce_wins", on_delete: dict[str, str] | None = None) -> Mapping:
    """Two two-way fields, a push-only one and a pull-only one."""
    own = OF_POLICY.get(policy, {})
    transform = ["number"] if policy == "min" else own.get("transform", [])
    return Mapping.model_validate(
        {
            "kinds": {
                "customer": {
                    "collection": "customers",
                    "sobject": "Contact",
                    "external_id": "Ext__c",
                    "token": "Token__c",
                    "events": {"customer.updated": "values", "customer.deleted": "deleted"},
                    "on_delete": on_delete or {},
                    "fields": [
                        {"platform": "phone", "salesforce": "Phone", "policy": policy, "transform": transform},
                        {"platform": "title", "salesforce": "Title", "policy": policy, "transform": transform},
                        {"platform": "total", "salesforce": "Total__c", "direction": "push"},
                        {"platform": "tier", "salesforce": "Tier__c", "direction": "pull"},
                        *([{**own, "policy": policy}] if own else []),
                    ],
                }
            }
        }
    )


def changed(before: Mapping, salesforce: str, **settings: Any) -> Mapping:
    """The next version: one field with other settings, `platform=""` takes it out; an unknown field is put in."""
    raw = before.model_dump(mode="json")
    fields = raw["kinds"]["customer"]["fields"]
    field = next((field for field in fields if field["salesforce"] == salesforce), None)
    if field is None:
        fields.append({"salesforce": salesforce, **settings})
    elif settings.get("platform") == "":
        fields.remove(field)
    else:
        field.update(settings)
    after = Mapping.model_validate(raw)
    version = before.version + 1
    return after.model_copy(update={"version": version, "since": since(before, after, version)})


@dataclass
class Edit:
    """What a person meant: who, which field, which value, and the edits whose effect that person could see."""

    side: str
    name: str
    value: Any
    at: int


@dataclass
class World:
    """Drives the rules as the reconciler and the writer do, in any order a seed picks."""

    rng: random.Random
    policy: str = "salesforce_wins"
    on_delete: dict[str, str] = field(default_factory=dict)
    now: int = 1_700_000_000_000
    stored: dict[str, Any] | None = None
    record: dict[str, Any] | None = None
    record_id: str = RECORD
    bin: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Deleted records by id."""
    masters: dict[str, str] = field(default_factory=dict)
    """What a deleted record was merged into."""
    modified: int = 0
    commits: int = 0
    stream: list[Change] = field(default_factory=list)
    unheard: int = 0
    posts: list[Assertion] = field(default_factory=list)
    in_flight: list[tuple[dict[str, Any], bool, int]] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)
    audit: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: int = 0
    serial: int = 0
    trigger: Any = None
    timing: Timing = TIMING

    def __post_init__(self) -> None:
        self.catalog = Catalog(mapping(self.policy, self.on_delete))
        self.kind: Kind = self.catalog.kinds["customer"]

    # -- the document ------------------------------------------------------------------------------------------

    def load(self) -> DocumentState:
        return load(copy.deepcopy(self.stored), "c-1", self.kind)

    def save(self, state: DocumentState) -> None:
        """Store and read again, as MongoDB would; drain the audit."""
        for row in state.audit:
            self.audit[row["_id"]] = row
        state.audit = []
        due = due_at(state, self.kind, self.timing, now=self.now)
        changes = dump(state, self.kind, now=self.now, due_at=due, decision="d")
        self.stored = {**(self.stored or {"_id": "c-1"}), **copy.deepcopy(changes)}

    def occasion(self, event: str) -> Occasion:
        return Occasion(event, self.now, self.now + self.timing.visible_after)

    def publish(self, after: Mapping) -> bool:
        """Another version of the mapping is in force, and the document is decided by it; whether it was."""
        self.catalog = Catalog(after)
        self.kind = self.catalog.kinds["customer"]
        state = self.load()
        occasion = self.occasion(f"mapping:{after.version}")
        done = bring_up(state, self.kind, occasion, partial(value_at, self.stored or {}))
        self.save(state)
        return done

    # -- people ------------------------------------------------------------------------------------------------

    def new_value(self) -> str:
        self.serial += 1
        return f"v{self.serial}"

    def platform_edits(self, name: str, *, named: bool = True, seen: bool = False) -> None:
        value = self.new_value()
        self.edits.append(Edit("platform", name, value, self.now))
        self.posts.append(
            Assertion(
                event_id=f"e{self.serial}",
                occurred_at=self.now,
                fields={name: value},
                changed=frozenset({name}) if named else None,
                seen=(self.stored or {}).get("revision", 0) if seen else None,
            )
        )

    def deliver_post(self, index: int = 0, *, again: bool = False) -> Result | None:
        if not self.posts:
            return None
        post = self.posts[index % len(self.posts)]
        if not again:
            self.posts.remove(post)
        state = self.load()
        result = assert_platform(state, post, self.kind, self.occasion(post.event_id))
        self.save(state)
        return result

    def salesforce_edits(self, name: str, value: Any = ...) -> None:
        if self.record is None:
            return
        if value is ...:
            value = self.new_value()
        self.edits.append(Edit("salesforce", name, value, self.now))
        self.commit({name: value})

    # -- Salesforce --------------------------------------------------------------------------------------------

    def commit(self, values: dict[str, Any], *, upsert: bool = False) -> str:
        values = dict(values)
        if self.trigger is not None:
            values |= self.trigger(values)
        before = self.record
        created = before is None
        if created and not upsert:
            return ""
        if created and self.bin:
            self.record_id = f"00300000000000{len(self.bin) + 1}AAA"
        self.record = {**(before or {}), **values}
        changed = {key: value for key, value in values.items() if created or before.get(key) != value}
        self._tell(ChangeType.CREATE if created else ChangeType.UPDATE, self.record_id, changed)
        return self.record_id

    def _tell(self, change_type: ChangeType, record_id: str, fields: dict[str, Any] | None = None) -> None:
        self.commits += 1
        self.modified = self.now
        self.stream.append(
            Change(
                entity="Contact",
                record_id=record_id,
                type=change_type,
                position=CommitPosition(self.now, self.commits, 1),
                transaction_key=f"t{self.commits}",
                fields=fields or {},
            )
        )

    def delete(self) -> None:
        """The record goes to the recycle bin."""
        if self.record is not None:
            self.bin[self.record_id], self.record = self.record, None
            self._tell(ChangeType.DELETE, self.record_id)

    def undelete(self) -> None:
        """It comes back out of it."""
        if self.record_id in self.bin:
            self.record = self.bin.pop(self.record_id)
            self._tell(ChangeType.UNDELETE, self.record_id, self.record)

    def merge(self, values: dict[str, Any]) -> None:
        """Somebody merges the record into another one, which holds these values afterwards."""
        loser = self.record_id
        self.delete()
        self.record_id = f"00300000000000{len(self.bin) + 1}AAA"
        self.masters[loser] = self.record_id
        self.record = dict(values)
        self._tell(ChangeType.UPDATE, self.record_id, dict(values))

    def deliver_change(self) -> Result | None:
        if self.unheard >= len(self.stream):
            return None
        change = self.stream[self.unheard]
        self.unheard += 1
        state = self.load()
        timestamp, number, _ = change.position
        result = apply_change(state, change, self.kind, self.occasion(f"{change.record_id}@{timestamp}.{number}"))
        self.save(state)
        return result

    def rewind(self) -> None:
        self.unheard = self.rng.randint(0, self.unheard)

    # -- the writer --------------------------------------------------------------------------------------------

    def write(self, fate: str = "ok") -> str:
        """One visit of the writer. `fate` is what becomes of the call."""
        if self.stored is None:
            return "nothing"
        state = self.load()
        give_up_unanswered(state, self.kind, self.timing, now=self.now)
        step = next_step(state, self.kind, self.timing, now=self.now)
        if isinstance(step, Find):
            if self.record is not None:
                linked(state, self.record_id, now=self.now)
                self.save(state)
                return "linked"
            step = after_find(state, self.kind, self.timing, now=self.now)
            not_found(state, self.timing, now=self.now)
            if isinstance(step, Until):
                wait(state, "LOOK_AGAIN", until=step.at)
                self.save(state)
        if isinstance(step, Follow):
            return self._follow(state)
        if isinstance(step, Delete):
            return self._delete(state, fate)
        if isinstance(step, Read):
            return self._read(state)
        if not isinstance(step, Send):
            if state.stored_due_at != due_at(state, self.kind, self.timing, now=self.now):
                self.save(state)
            return "nothing"
        self.calls += 1
        first = state.record is None
        claims = state.record is not None and not state.record.claimed
        write = take(state, step.values, now=self.now)
        self.save(state)
        values = {**step.values, self.kind.token: token_of("c-1", write.number)}
        if first or claims:
            values[self.kind.external_id] = "c-1"
        match fate:
            case "killed":
                return fate
            case "lost":
                result = RowResult(failure=Failure.UNKNOWN, code="TIMEOUT")
            case "late":
                self.in_flight.append((values, first, write.number))
                result = RowResult(failure=Failure.UNKNOWN, code="TIMEOUT")
            case "unanswered":
                self.commit(values, upsert=first)
                result = RowResult(failure=Failure.UNKNOWN, code="TIMEOUT")
            case "not_run":
                result = RowResult(failure=Failure.NOT_RUN, code="UNABLE_TO_LOCK_ROW")
            case "killed_after":
                self.commit(values, upsert=first)
                return fate
            case _:
                record_id = self.commit(values, upsert=first)
                result = RowResult(record_id=record_id, created=first)
                if not record_id:
                    result = RowResult(failure=Failure.GONE, code="ENTITY_IS_DELETED")
        state = self.load()
        policy = RetryPolicy(quick_wait=10, first_long_wait=100, longest=500, tries=10_000)
        answered(state, self.kind, write.number, result, policy, now=self.now)
        self.save(state)
        return fate

    def _is_there(self, state: DocumentState) -> bool:
        """Whether the linked record exists."""
        return self.record is not None and state.link is not None and state.link.record_id == self.record_id

    def _follow(self, state: DocumentState) -> str:
        assert state.link is not None
        successor = self.masters.get(state.link.record_id)
        end_unread(state, self.kind, self.occasion(f"gone:{state.link.record_id}:{state.next_revision}"))
        if successor is None:
            stays_gone(state)
        else:
            moved(state, successor, now=self.now, claimed=False)
        self.save(state)
        return "followed"

    def _delete(self, state: DocumentState, fate: str) -> str:
        deletion_asked(state, now=self.now)
        self.save(state)
        there = self._is_there(state)
        if fate != "killed" and there:
            self.delete()
        if fate in ("killed", "killed_after"):
            return fate
        state = self.load()
        answer = RowResult() if there else RowResult(failure=Failure.GONE, code="ENTITY_IS_DELETED")
        deletion_answered(state, self.kind, answer, RetryPolicy(), now=self.now)
        self.save(state)
        return "deleted"

    def _read(self, state: DocumentState) -> str:
        self.now += 1
        values = {**dict.fromkeys(self.kind.by_name), **(self.record or {})} if self._is_there(state) else None
        row = Row(self.now, self.now, values, self.modified)
        self.now += 1
        apply_row(state, row, self.kind, self.occasion(f"row@{self.modified}:{state.next_revision}"))
        self.save(state)
        return "read"

    def land_late(self) -> None:
        if self.in_flight:
            values, first, _number = self.in_flight.pop(0)
            self.commit(values, upsert=first)

    # -- rest --------------------------------------------------------------------------------------------------

    def settle(self, limit: int = 400) -> int:
        """Deliver everything and let the writer finish; how many calls it took. Fails if writing does not stop."""
        while self.in_flight:
            self.land_late()
        while self.posts:
            self.deliver_post()
        calls = self.calls
        quiet = 0
        for _ in range(limit):
            self.now += 700
            moved = self.deliver_change() is not None
            moved |= self.write() != "nothing"
            quiet = 0 if moved else quiet + 1
            if quiet > 1_000_000 // 700:
                break
            if not moved:
                due = (self.stored or {}).get("_sync", {}).get("due_at")
                if due is None:
                    break
                self.now = max(self.now, due)
        else:
            raise AssertionError(f"writing does not stop: {self.calls - calls} calls")
        return self.calls - calls
