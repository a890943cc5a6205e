"""The proof's world: the rules driven as the reconciler and the writer drive them, and people on both sides. No I/O."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from consumers.catalog import Catalog
from consumers.rules import answers, existence, kept_writes, platform, review, rows, salesforce, stored, unread, writes
from consumers.rules.audit import Occasion
from consumers.rules.kinds import token_of
from consumers.rules.platform import Assertion
from consumers.rules.retry import RetryPolicy
from consumers.rules.review import OpenReview
from consumers.rules.rows import Row
from consumers.rules.state import DocumentState, FieldState, Side
from consumers.rules.timing import Timing
from consumers.rules.writes import Delete, Find, Follow, Read, Send, Until
from schemas.change import ChangeType
from schemas.mapping import Mapping
from schemas.outcome import Outcome, Result
from schemas.place import IS_CONVERTED, LEAD_PREFIX
from schemas.records import Converted, Failure, RowResult
from support.oracle import NOBODY, Edit, Ledger
from support.oracle_org import EXTERNAL_ID, FIRST_LEAD, RECORD, TRIGGERS, Org
from support.oracle_values import TRANSFORMS, said_under, stored_under, value_under

TIMING: Final = Timing(
    visible_after=2_000, answer_within=20_000, event_within=8_000, look_again=120_000, quiet_before_read=2_200
)
RETRY: Final = RetryPolicy(quick_wait=10, first_long_wait=100, longest=500, tries=10_000)
START: Final = 1_700_000_000_400
LONGEST_CALL: Final = 590_000
"""No call of ours lands later than this after it was taken."""
TWO_WAY: Final = {"phone": "Phone", "title": "Title"}
PUSHED: Final = "total"
PULLED: Final = "tier"
PATHS: Final = {**TWO_WAY, PUSHED: "Total__c", PULLED: "Tier__c"}
OWNERS: Final = {PUSHED: "platform", PULLED: "salesforce"}
WEBHOOK_TAKES: Final = 300
"""From an event's being made to its being received: the most that a clock ahead of ours can be seen to be ahead."""
SHOWN_KEPT: Final = 7
"""Shown values that the document keeps, beside the present one."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What holds for a whole schedule. Skews are milliseconds ahead of our clock."""

    policy: str = "salesforce_wins"
    other_policy: str = "latest_wins"
    trigger: str = "none"
    platform_skew: int = 0
    salesforce_skew: int = 0
    on_delete: tuple[str, str] = ("unlink", "unlink")
    """What follows a deletion: by Salesforce, by the platform."""
    lead: bool = False
    """The thing is kept in a Lead until somebody converts it."""
    exists: bool = False
    """The record is there before the platform says anything, and the document's first write finds it."""


@lru_cache
def catalog_of(policy: str, other_policy: str, on_delete: tuple[str, str], *, lead: bool = False) -> Catalog:
    """One kind, with two two-way fields, a pushed one and a pulled one."""
    fields = [
        {"platform": "phone", "salesforce": "Phone", **_settled_by(policy)},
        {
            "platform": "title",
            "salesforce": "Title",
            "policy": other_policy,
            "transform": TRANSFORMS.get(other_policy, []),
        },
        {"platform": "total", "salesforce": "Total__c", "direction": "push"},
        {"platform": "tier", "salesforce": "Tier__c", "direction": "pull"},
    ]
    kind = {
        "collection": "customers",
        "sobject": "Contact",
        "external_id": "Ext__c",
        "token": "Token__c",
        "events": {"customer.updated": "values", "customer.deleted": "deleted"},
        "on_delete": {"salesforce": on_delete[0], "platform": on_delete[1]},
        "fields": fields,
    }
    if lead:
        same = {str(field["salesforce"]): str(field["salesforce"]) for field in fields}
        kind |= {"create": "lead", "lead": {"external_id": "Ext__c", "token": "Token__c", "fields": same}}
    return Catalog(Mapping.model_validate({"kinds": {"customer": kind}}))


def _settled_by(policy: str) -> dict[str, Any]:
    return {"policy": policy, "transform": TRANSFORMS.get(policy, [])}


@dataclass(frozen=True, slots=True)
class Shown:
    """What the document showed from `at` on: values and edits by Salesforce name."""

    revision: int
    at: int
    values: dict[str, Any]
    made_by: dict[str, int]


@dataclass(slots=True)
class Post:
    """A webhook on its way. `views` are paths that only repeat what a page showed, as of history place `base`."""

    assertion: Assertion
    views: frozenset[str] = frozenset()
    base: int = 0
    edits: tuple[int, ...] = ()
    delivered: bool = False
    heard: bool = False


@dataclass(slots=True)
class Visit:
    """What a writer process is in the middle of."""

    phase: str
    values: dict[str, Any] = field(default_factory=dict)
    carries: dict[str, int] = field(default_factory=dict)
    first: bool = False
    number: int = 0
    result: RowResult | None = None
    began_at: int = 0
    record_id: str = RECORD
    lead: bool = False
    """A record that it makes is a Lead."""
    row: Row | None = None


class World:
    """One document, one record, what is on its way between them, and two writers."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.catalog = catalog_of(setting.policy, setting.other_policy, setting.on_delete, lead=setting.lead)
        self.kind = self.catalog.kinds["customer"]
        self.anew = "recreate" in setting.on_delete or "delete" in setting.on_delete
        self.ledger = Ledger()
        self.policies = {"Phone": setting.policy, "Title": setting.other_policy}
        self._said = {name: said_under(policy) for name, policy in self.policies.items()}
        stores = {name: stored_under(policy) for name, policy in self.policies.items()}
        trigger = TRIGGERS[setting.trigger]
        self.org = Org(self.ledger, trigger, setting.salesforce_skew, stores=stores, said=self._said)
        if setting.lead:
            self.org.record_id = FIRST_LEAD
        self.now = START
        self.document: dict[str, Any] | None = None
        self.history: list[Shown] = [Shown(0, 0, {}, {})]
        self.posts: list[Post] = []
        self.past_posts: list[Post] = []
        self.heard = 0
        self.in_flight: list[Visit] = []
        self.visits: list[Visit | None] = [None, None]
        self.audit: dict[str, dict[str, Any]] = {}
        self.calls = 0
        self.serial = 0
        self.deleted_at = self.existed_at = 0
        self.heard_at: dict[str, int] = {}
        """By path: how late the platform has been heard to say anything of it."""
        self.platform_edits: dict[str, int] = {}
        """By Salesforce name: the platform's last own edit that has not been heard."""
        if setting.exists:
            self.org.record = {EXTERNAL_ID: "c-1"}
            self.org.edit({name: self.new_value(name) for name in ("Phone", "Tier__c")}, self.now - 60_000)

    # -- the document ------------------------------------------------------------------------------------------

    def load(self) -> DocumentState:
        return stored.load(self.document, "c-1", self.kind)

    def save(self, state: DocumentState) -> bool:
        """The guarded update: false, and nothing happens, where the revision has moved."""
        if (self.document or {}).get("revision") != state.revision:
            return False
        for row in state.audit:
            self.audit.setdefault(row["_id"], row)
        state.audit = []
        writes.give_up_unanswered(state, self.kind, TIMING, now=self.now)
        kept_writes.forget_old_writes(state, now=self.now)
        due = writes.due_at(state, self.kind, TIMING, now=self.now)
        changes = stored.dump(state, self.kind, now=self.now, due_at=due, decision="d")
        self.document = {**(self.document or {"_id": "c-1"}), **changes}
        self._show(state, state.next_revision)
        return True

    def _show(self, state: DocumentState, revision: int) -> None:
        before = self.history[-1]
        values, made_by = dict(before.values), dict(before.made_by)
        for name, known in state.fields.items():
            if known.source is not None and known.shown_revision == revision:
                values[name] = self.said(name, known.value)
                made_by[name] = self._maker(name, known)
        if values != before.values or made_by != before.made_by:
            self.history.append(Shown(revision, self.now, values, made_by))

    def _maker(self, name: str, known: FieldState) -> int:
        if not known.merged:
            return self.ledger.with_value(name, self.said(name, known.value), str(known.source))
        platform, theirs_is = known.platform, known.theirs
        assert platform is not None
        assert theirs_is is not None
        ours = self.ledger.with_value(name, self.said(name, platform.value), "platform")
        theirs = self.ledger.with_value(name, self.said(name, theirs_is.value), "salesforce")
        return self.ledger.merge(name, self.said(name, known.value), (ours, theirs))

    def said(self, name: str, value: Any) -> Any:
        """A value of a field, as the oracle compares it."""
        return self._said[name](value) if name in self._said else value

    def update(self, decide: Callable[[DocumentState], bool], meanwhile: Callable[[], object] | None = None) -> None:
        """Load, decide, save; what happens `meanwhile` may take the document away, and then it is decided again."""
        while True:
            state = self.load()
            if not decide(state):
                return
            if meanwhile is not None:
                meanwhile()
                meanwhile = None
            if self.save(state):
                return

    def occasion(self, event: str) -> Occasion:
        return Occasion(event, self.now, self.now + TIMING.visible_after)

    # -- people of the platform --------------------------------------------------------------------------------

    def new_value(self, name: str, looked_at: Any = None) -> str:
        self.serial += 1
        return value_under(self.policies.get(name, ""), self.serial, looked_at)

    def new_in_salesforce(self, *names: str) -> dict[str, Any]:
        """What somebody sets there who looks at the record."""
        return {name: self.new_value(name, (self.org.record or {}).get(name)) for name in names}

    def page(self, behind: int) -> int:
        """The place in history of the page that somebody looks at, so many changes behind."""
        return max(0, len(self.history) - 1 - min(behind, 6))

    def platform_edit(
        self,
        path: str,
        *,
        whole: bool = False,
        behind: int = 0,
        tells_seen: bool = False,
        own: bool = False,
        value: Any = ...,
    ) -> None:
        """Somebody saves a field on a page; the platform posts it alone, or with the whole record as the page has it.

        `own`: the platform shows its people their own edits before they have come back to it.
        """
        name = PATHS[path]
        if whole and path == PULLED:
            raise ValueError("a value in a whole record is a view of a field that the platform does not own")
        at = self._occurs_at()
        place = self.page(behind)
        looked_at = self.history[place]
        if value is ...:
            value = self.new_value(name, looked_at.values.get(name))
        if tells_seen:
            saw = [looked_at.made_by.get(name, NOBODY)]
            number = self.ledger.add("platform", name, value, order=at, saw=saw)
        else:
            # A first value in a whole record may have been made at any time: that is first contact (rule 18).
            datable = not whole or path in self.heard_at
            certain = self._shown_at(at - TIMING.visible_after).made_by.get(name, NOBODY) if datable else NOBODY
            possible = self.history[-1].made_by.get(name, NOBODY)
            number = self.ledger.add("platform", name, value, order=at, saw=[certain], might_have=[certain, possible])
        fields = self._whole(looked_at, own=own and not tells_seen) if whole else {}
        fields[path] = value
        self._post(
            fields, None if whole else frozenset({path}), looked_at.revision if tells_seen else None, at, place, number
        )
        self.platform_edits[name] = number

    def platform_view(self, *, behind: int = 0, tells_seen: bool = False, own: bool = False) -> None:
        """A whole record is posted because of something that is not mapped."""
        place = self.page(behind)
        looked_at = self.history[place]
        fields = self._whole(looked_at, own=own and not tells_seen)
        self._post(fields, None, looked_at.revision if tells_seen else None, self._occurs_at(), place)

    def platform_delete(self) -> None:
        """The platform deletes the thing."""
        self.serial += 1
        self.posts.append(Post(Assertion(f"e{self.serial}", self._occurs_at(), {}, deletes=True)))
        self.now += 1  # as after any post: an edit of the very time of a deletion is before or after it by arrival

    def _whole(self, looked_at: Shown, *, own: bool) -> dict[str, Any]:
        fields = {path: looked_at.values[name] for path, name in PATHS.items() if name in looked_at.values}
        for path, name in PATHS.items():
            if name in self.platform_edits and own:
                fields[path] = self.ledger.edits[self.platform_edits[name]].value
            elif path in fields:
                # One page has shown the document's own value again: from now on all of them do.
                self.platform_edits.pop(name, None)
        return fields

    def _occurs_at(self) -> int:
        return min(self.now + self.setting.platform_skew, self.now + WEBHOOK_TAKES)

    def _shown_at(self, at: int) -> Shown:
        for shown in reversed(self.history):
            if shown.at < at:
                return shown
        return self.history[0]

    def _post(
        self,
        fields: dict[str, Any],
        changed: frozenset[str] | None,
        seen: int | None,
        at: int,
        base: int,
        *edits: int,
    ) -> None:
        self.serial += 1
        self.now += 1  # no two posts of one time: the unit tests show how ties are broken
        mine = {path for path in fields if path in PATHS and fields[path] not in self._values(base, path)}
        views = frozenset() if changed is not None else frozenset(fields) - mine
        self.posts.append(Post(Assertion(f"e{self.serial}", at, fields, changed, seen), views, base, edits))

    def _values(self, place: int, path: str) -> tuple[Any, ...]:
        return (self.history[place].values.get(PATHS[path]),)

    def deliver_post(
        self, index: int = 0, *, keep: bool = False, meanwhile: Callable[[], object] | None = None
    ) -> bool:
        if not self.posts:
            return False
        post = self.posts[index % len(self.posts)]
        if not keep:
            self.posts.remove(post)
        self._deliver(post, meanwhile)
        return True

    def deliver_again(self, index: int = 0) -> None:
        """A webhook that was heard before."""
        if self.past_posts:
            self._deliver(self.past_posts[-1 - index % len(self.past_posts)], None)

    def _deliver(self, post: Post, meanwhile: Callable[[], object] | None) -> None:
        assertion = self._arrives(post)

        def decide(state: DocumentState) -> bool:
            result = platform.assert_platform(state, assertion, self.kind, self.occasion(assertion.event_id))
            return result.outcome is Outcome.APPLIED

        self.update(decide, meanwhile)
        self._heard(post, assertion)

    def _arrives(self, post: Post) -> Assertion:
        """What the post says to who hears it now."""
        if not post.delivered:
            post.delivered = True
            self.past_posts.append(post)
        assertion = post.assertion
        for edit in (self.ledger.edits[number] for number in post.edits):
            edit.forgotten = edit.forgotten or self._is_forgotten(assertion, edit)
            edit.by_page = edit.by_page and assertion.changed is None
        for path in assertion.fields.keys() - self.heard_at.keys() if assertion.changed is None else ():
            own = self.ledger.edits[self.ledger.with_value(PATHS[path], assertion.fields[path], "platform")]
            if own.side == "platform":
                # The first that is heard of the field is a page that names no change: that is first contact (rule 18).
                own.by_page = True
        too_old = {path for path in post.views if self._shows_since(post.base, PATHS[path]) > SHOWN_KEPT}
        if too_old:
            # The document keeps eight shown values: a view that is older than that is a change to it (rule 4).
            fields = {path: value for path, value in assertion.fields.items() if path not in too_old}
            assertion = Assertion(assertion.event_id, assertion.occurred_at, fields, None, assertion.seen)
        for path, value in assertion.fields.items():
            number = self.platform_edits.get(PATHS[path])
            if number is not None and self.ledger.edits[number].value == value:
                del self.platform_edits[PATHS[path]]
        return assertion

    def _is_forgotten(self, assertion: Assertion, edit: Edit) -> bool:
        """Whether a late edit within a whole record looks like an old view, by what the document still remembers."""
        path = next(path for path, name in PATHS.items() if name == edit.name)
        late = assertion.changed is None and assertion.occurred_at < self.heard_at.get(path, 0)
        theirs = self.ledger.edits[self.history[-1].made_by.get(edit.name, NOBODY)].side in ("salesforce", "both")
        return late and theirs and self._shows_since(0, edit.name) > SHOWN_KEPT

    def _heard(self, post: Post, assertion: Assertion) -> None:
        for path in assertion.fields:
            self.heard_at[path] = max(self.heard_at.get(path, 0), assertion.occurred_at)
        at = post.assertion.occurred_at
        if post.assertion.deletes:
            self.deleted_at = max(self.deleted_at, at)
        elif at < self.deleted_at and self.existed_at < self.deleted_at and not post.heard:
            for number in post.edits:
                self.ledger.edits[number].void = True
        else:
            self.existed_at = max(self.existed_at, at)
        post.heard = True

    def _shows_since(self, place: int, name: str) -> int:
        return sum(
            1
            for before, after in zip(self.history[place:], self.history[place + 1 :], strict=False)
            if before.values.get(name) != after.values.get(name)
        )

    # -- Salesforce's stream -----------------------------------------------------------------------------------

    def deliver_change(self, meanwhile: Callable[[], object] | None = None) -> bool:
        if self.heard >= len(self.org.stream):
            return False
        change = self.kind.told(self.org.stream[self.heard])
        self.heard += 1
        timestamp, number, _ = change.position

        def decide(state: DocumentState) -> bool:
            occasion = self.occasion(f"{RECORD}@{timestamp}.{number}")
            result = salesforce.apply_change(state, change, self.kind, occasion)
            return result.outcome in (Outcome.APPLIED, Outcome.ECHO)

        self.update(decide, meanwhile)
        return True

    def deliver_change_twice(self) -> None:
        """A partition moves: its former owner is still deciding a change while the next one reads it again, and on."""
        place = self.heard

        def by_the_next_owner() -> None:
            self.heard = place
            self.deliver_change()
            self.deliver_change()

        self.deliver_change(by_the_next_owner)

    def rewind(self, by: int) -> None:
        """The stream is read again from an earlier event."""
        self.heard = max(0, self.heard - by)

    def deliver_ahead(self) -> None:
        """The next event of the record that the thing is now comes before all that is unheard of its former ids.

        Each record's events are in order; those of two are in partitions of their own, and so in none.
        """
        ahead = (place for place in range(self.heard, len(self.org.stream)) if self._is_of_the_record(place))
        place = next(ahead, None)
        if place is not None:
            self.org.stream.insert(self.heard, self.org.stream.pop(place))
            self.deliver_change()

    def _is_of_the_record(self, place: int) -> bool:
        return self.org.stream[place].record_id == self.org.record_id

    def gap(self) -> None:
        """The next event unheard comes without its values: Salesforce could not make it.

        Only a user's: without the token of our own write nobody can tell that an edit after it had seen its value.
        """
        if self.heard < len(self.org.stream):
            change = self.org.stream[self.heard]
            if change.type is ChangeType.UPDATE and self.kind.token not in change.fields:
                kind = ChangeType(f"GAP_{change.type}")
                self.org.stream[self.heard] = change.model_copy(update={"type": kind, "fields": {}})
                for edit in self.ledger.edits:
                    if edit.side == "salesforce" and edit.order == change.position.number:
                        edit.untold = True

    # -- the writer --------------------------------------------------------------------------------------------

    def advance(self, milliseconds: int) -> None:
        """Time passes; no call is on its way longer than a call may last."""
        until = self.now + milliseconds
        for process, visit in enumerate(self.visits):
            if visit is not None and visit.phase in ("stored", "called") and until > visit.began_at + LONGEST_CALL:
                self.step(process)
                self.step(process)
        while self.in_flight and until > self.in_flight[0].began_at + LONGEST_CALL:
            self.land()
        self.now = until

    def step(self, process: int, fate: str = "ok", meanwhile: Callable[[], object] | None = None) -> str:
        """One writer goes one step on: looks at the document, makes the call it has stored, or takes the answer in."""
        visit = self.visits[process]
        if visit is None:
            visit = self._look(meanwhile)
            if visit is None:
                return "nothing"
            self.visits[process] = None if visit.phase == "done" else visit
        elif visit.phase == "stored":
            self._call(visit, fate)
            self.visits[process] = None if visit.phase == "done" else visit
        elif visit.phase == "deleting":
            self._delete(visit, fate)
            self.visits[process] = None if visit.phase == "done" else visit
        elif visit.phase == "called":
            self._answer(visit)
            self.visits[process] = None
        elif visit.phase == "begun":
            there = self._held_by(visit.record_id)
            values = None if there is None else {**dict.fromkeys(self.kind.by_name), **there}
            server_time = (visit.began_at + self.setting.salesforce_skew) // 1000 * 1000
            visit.row = Row(visit.began_at, server_time, values, self.org.modified // 1000 * 1000)
            visit.phase = "read"
        else:
            self._take_row(visit)
            self.visits[process] = None
        return visit.phase

    def _held_by(self, record_id: str) -> dict[str, Any] | None:
        """What a read by Id shows; a lead that was converted is still there, and says so."""
        if record_id in self.org.converted:
            return {**self.org.converted[record_id], IS_CONVERTED: True}
        return self.org.record if record_id == self.org.record_id else None

    def kill(self, process: int) -> None:
        """The writer dies; what it has sent may be answered to nobody."""
        self.visits[process] = None

    def write(self, fate: str = "ok") -> str:
        """A whole visit of a writer that nobody disturbs; what became of it."""
        process = 0 if self.visits[0] is None else 1
        if self.visits[process] is not None:
            return "busy"
        phase = self.step(process)
        if fate == "killed" and phase == "stored":
            self.kill(process)
        while self.visits[process] is not None:
            if phase == "begun":
                self.now += 1
            phase = self.step(process, fate)
            if fate == "killed_after" and phase == "called":
                self.kill(process)
        return phase

    def _look(self, meanwhile: Callable[[], object] | None) -> Visit | None:
        if self.document is None:
            return None
        state = self.load()
        writes.give_up_unanswered(state, self.kind, TIMING, now=self.now)
        step = writes.next_step(state, self.kind, TIMING, now=self.now)
        if isinstance(step, Find):
            if self.org.record is not None:
                answers.linked(state, self.org.record_id, now=self.now)
                return Visit("done") if self.save(state) else None
            step = writes.after_find(state, self.kind, TIMING, now=self.now)
            writes.not_found(state, TIMING, now=self.now)
            if isinstance(step, Until):
                writes.wait(state, "LOOK_AGAIN", until=step.at)
                self.save(state)
        record_id = RECORD if state.link is None else state.link.record_id
        if isinstance(step, Follow):
            successor = self.org.masters.get(record_id)
            unread.end_unread(state, self.kind, self.occasion(f"gone:{record_id}:{state.next_revision}"))
            if successor is None:
                existence.stays_gone(state)
            else:
                became = Converted(successor) if record_id in self.org.converted else None
                existence.moved(state, successor, now=self.now, claimed=False, conversion=became)
            return Visit("done") if self.save(state) else None
        if isinstance(step, Delete):
            existence.deletion_asked(state, now=self.now)
            if not self.save(state):
                return None
            return Visit("deleting", record_id=record_id)
        if isinstance(step, Read):
            return Visit("begun", began_at=self.now, record_id=record_id)
        if not isinstance(step, Send):
            if state.stored_due_at != writes.due_at(state, self.kind, TIMING, now=self.now):
                self.save(state)
            return None
        write = writes.take(state, step.values, now=self.now)
        if meanwhile is not None:
            meanwhile()
        carries = {name: self.history[-1].made_by.get(name, NOBODY) for name in step.values}
        first = state.record is None
        claims = state.record is not None and not state.record.claimed
        if not self.save(state):
            return Visit("done")
        values = {**step.values, self.kind.token: token_of("c-1", write.number)}
        if first or claims:
            values[EXTERNAL_ID] = "c-1"
        lead = existence.place_of(state, self.kind).is_lead
        return Visit("stored", values, carries, first, write.number, began_at=self.now, record_id=record_id, lead=lead)

    def _delete(self, visit: Visit, fate: str) -> None:
        """The record is deleted by us; an answer that is lost is asked for again."""
        visit.phase = "done"
        found = self.org.record is not None and visit.record_id == self.org.record_id
        if found and fate not in ("lost", "late", "not_run"):
            self.org.delete(self.now)
        if fate in ("lost", "late", "unanswered", "killed_after"):
            return
        refused = RowResult(failure=Failure.NOT_RUN, code="UNABLE_TO_LOCK_ROW")
        gone = RowResult(failure=Failure.GONE, code="ENTITY_IS_DELETED")
        result = refused if fate == "not_run" else RowResult() if found else gone

        def decide(state: DocumentState) -> bool:
            existence.deletion_answered(state, self.kind, result, RETRY, now=self.now)
            return True

        self.update(decide)

    def _call(self, visit: Visit, fate: str) -> None:
        self.calls += 1
        visit.phase = "called"
        match fate:
            case "lost":
                visit.result = RowResult(failure=Failure.UNKNOWN, code="TIMEOUT")
            case "late":
                self.in_flight.append(visit)
                visit.result = RowResult(failure=Failure.UNKNOWN, code="TIMEOUT")
            case "unanswered":
                self._land(visit)
                visit.result = RowResult(failure=Failure.UNKNOWN, code="TIMEOUT")
            case "not_run":
                visit.result = RowResult(failure=Failure.NOT_RUN, code="UNABLE_TO_LOCK_ROW")
            case _:
                record_id = self._land(visit)
                if record_id:
                    visit.result = RowResult(record_id=record_id, created=visit.first)
                elif visit.record_id in self.org.converted:
                    visit.result = RowResult(failure=Failure.CONVERTED, code="CANNOT_UPDATE_CONVERTED_LEAD")
                else:
                    visit.result = RowResult(failure=Failure.GONE, code="ENTITY_IS_DELETED")

    def _answer(self, visit: Visit) -> None:
        result = visit.result
        assert result is not None

        def decide(state: DocumentState) -> bool:
            answers.answered(state, self.kind, visit.number, result, RETRY, now=self.now)
            return True

        self.update(decide)

    def _take_row(self, visit: Visit) -> None:
        row = visit.row
        assert row is not None
        state = self.load()
        occasion = self.occasion(f"row:{RECORD}@{row.modified}:{state.next_revision}")
        result: Result = rows.apply_row(state, row, self.kind, occasion)
        if result.outcome is Outcome.DEFERRED:
            writes.wait(state, "READ_AGAIN", until=self.now + TIMING.quiet_before_read)
        self.save(state)

    def ask_for_row(self) -> None:
        """A periodic compare or a repair wants the record read."""

        def decide(state: DocumentState) -> bool:
            state.read_reason = "asked for"
            return state.link is not None

        if self.document is not None:
            self.update(decide)

    def land(self) -> None:
        """The oldest call that nobody waits for any more lands."""
        if self.in_flight:
            self._land(self.in_flight.pop(0))

    def _land(self, visit: Visit) -> str:
        return self.org.write(
            visit.values,
            visit.carries,
            self.now,
            upsert=visit.first,
            record_id=visit.record_id,
            anew=self.anew,
            lead=visit.lead,
        )

    # -- people who decide ----------------------------------------------------------------------------------

    def choose(self, side: Side) -> None:
        """Somebody settles every conflict that waits under `review`, for this side."""

        def decide(state: DocumentState) -> bool:
            chosen = False
            for question in list(review.open_reviews(state, self.kind)):
                rule = question.rule
                self._chosen(question, side)
                occasion = self.occasion(f"choice:{len(self.ledger.edits)}")
                chosen |= review.choose(state, state.field(rule.name), rule, side, occasion, "chosen")
            return chosen

        if self.document is not None:
            self.update(decide)

    def _chosen(self, question: OpenReview, side: Side) -> None:
        """Who chooses has seen both values, and asserts one of them again."""
        name = question.rule.name
        both = {Side.PLATFORM: question.platform, Side.SALESFORCE: question.salesforce}
        values = {side: self.said(name, value) for side, value in both.items()}
        saw = [self.ledger.with_value(name, value, str(whose)) for whose, value in values.items()]
        order = self.ledger.edits[saw[list(values).index(side)]].order
        self.ledger.add(str(side), name, values[side], order=order, saw=saw)  # type: ignore[arg-type]

    def undelete(self) -> None:
        """Somebody takes the record out of the recycle bin.

        Not while another one may be made: our upsert would find it, and write over what nobody has told us of.
        """
        if not self._may_be_made():
            self.org.undelete(self.now)

    def _may_be_made(self) -> bool:
        return any(visit.first for visit in (*self.in_flight, *self.visits) if visit is not None)

    def merge(self, *names: str) -> None:
        """Somebody in Salesforce merges the record into another.

        Not while it may be made a second time, nor before it was read: the token goes with the record, and that alone
        tells what a first contact is about.
        """
        if self._may_end_in_another():
            self.org.merge(self.new_in_salesforce(*names), self.now)

    def convert(self, *names: str) -> None:
        """Somebody in Salesforce converts the lead, and sets these fields of the contact; at times as for a merge."""
        if self.org.record_id.startswith(LEAD_PREFIX) and self._may_end_in_another():
            self.org.convert(self.new_in_salesforce(*names), self.now)

    def edit_converted(self, name: str) -> None:
        """Somebody edits the lead that was converted, when it is known what it has become.

        Not where a trigger runs: what it puts back in the contact meanwhile counts as set after that (decision 0038).
        """
        link = self.load().link
        if link is None or not self.org.converted or self.setting.trigger != "none":
            return
        known = link.record_id == self.org.record_id and link.read and not link.gone
        if known and self.now + self.setting.salesforce_skew > max(link.linked_at, link.first_row):
            lead = next(reversed(self.org.converted))
            value = self.new_value(name, self.org.converted[lead].get(name))
            self.now += 1  # of two records no two commits of one time: what is shown keeps no more than that
            self.org.edit_converted({name: value}, self.now)
            self.now += 1

    def _may_end_in_another(self) -> bool:
        link = self.load().link
        made = self._may_be_made()
        return link is not None and link.record_id == self.org.record_id and link.read and not link.gone and not made
