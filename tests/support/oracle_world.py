"""The proof's world: the rules driven as the reconciler and the writer drive them, and people on both sides. No I/O."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from consumers.catalog import Catalog
from consumers.rules import existence, platform, review, rows, salesforce, stored, writes
from consumers.rules.audit import Occasion
from consumers.rules.kinds import token_of
from consumers.rules.platform import Assertion
from consumers.rules.retry import RetryPolicy
from consumers.rules.review import OpenReview
from consumers.rules.rows import Row
from consumers.rules.state import DocumentState, Side
from consumers.rules.timing import Timing
from consumers.rules.writes import Delete, Find, Follow, Read, Send, Until
from schemas.change import ChangeType
from schemas.mapping import Mapping
from schemas.outcome import Outcome, Result
from schemas.records import Failure, RowResult
from support.oracle import NOBODY, Ledger
from support.oracle_org import EXTERNAL_ID, RECORD, TRIGGERS, Org

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
    exists: bool = False
    """The record is there before the platform says anything, and the document's first write finds it."""


@lru_cache
def catalog_of(policy: str, other_policy: str, on_delete: tuple[str, str]) -> Catalog:
    """One kind, with two two-way fields, a pushed one and a pulled one."""
    fields = [
        {"platform": "phone", "salesforce": "Phone", "policy": policy},
        {"platform": "title", "salesforce": "Title", "policy": other_policy},
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
    return Catalog(Mapping.model_validate({"kinds": {"customer": kind}}))


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
    row: Row | None = None


class World:
    """One document, one record, what is on its way between them, and two writers."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.catalog = catalog_of(setting.policy, setting.other_policy, setting.on_delete)
        self.kind = self.catalog.kinds["customer"]
        self.anew = "recreate" in setting.on_delete or "delete" in setting.on_delete
        self.ledger = Ledger()
        self.org = Org(self.ledger, TRIGGERS[setting.trigger], setting.salesforce_skew)
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
        self.heard_paths: set[str] = set()
        """Where the platform has been heard to say anything."""
        self.platform_edits: dict[str, int] = {}
        """By Salesforce name: the platform's last own edit that has not been heard."""
        if setting.exists:
            self.org.record = {EXTERNAL_ID: "c-1"}
            self.org.edit({"Phone": self.new_value(), "Tier__c": self.new_value()}, self.now - 60_000)

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
        writes.forget_old_writes(state, now=self.now)
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
                values[name] = known.value
                made_by[name] = self.ledger.with_value(name, known.value, str(known.source))
        if values != before.values or made_by != before.made_by:
            self.history.append(Shown(revision, self.now, values, made_by))

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

    def new_value(self) -> str:
        self.serial += 1
        return f"v{self.serial}"

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
        if value is ...:
            value = self.new_value()
        if whole and path == PULLED:
            raise ValueError("a value in a whole record is a view of a field that the platform does not own")
        at = self._occurs_at()
        place = self.page(behind)
        looked_at = self.history[place]
        if tells_seen:
            saw = [looked_at.made_by.get(name, NOBODY)]
            number = self.ledger.add("platform", name, value, order=at, saw=saw)
        else:
            # A first value in a whole record may have been made at any time: that is first contact (rule 18).
            datable = not whole or path in self.heard_paths
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

    def _heard(self, post: Post, assertion: Assertion) -> None:
        self.heard_paths |= assertion.fields.keys()
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
        change = self.org.stream[self.heard]
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
            there = self.org.record if visit.record_id == self.org.record_id else None
            values = None if there is None else {**dict.fromkeys(self.kind.by_name), **there}
            server_time = (visit.began_at + self.setting.salesforce_skew) // 1000 * 1000
            visit.row = Row(visit.began_at, server_time, values, self.org.modified // 1000 * 1000)
            visit.phase = "read"
        else:
            self._take_row(visit)
            self.visits[process] = None
        return visit.phase

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
                writes.linked(state, self.org.record_id, now=self.now)
                return Visit("done") if self.save(state) else None
            step = writes.after_find(state, self.kind, TIMING, now=self.now)
            if isinstance(step, Until):
                writes.wait(state, "LOOK_AGAIN", until=step.at)
                self.save(state)
        record_id = RECORD if state.link is None else state.link.record_id
        if isinstance(step, Follow):
            successor = self.org.masters.get(record_id)
            if successor is None:
                existence.stays_gone(state)
            else:
                existence.moved(state, successor, now=self.now, claimed=False)
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
        return Visit("stored", values, carries, first, write.number, began_at=self.now, record_id=record_id)

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
            existence.deletion_answered(state, result, RETRY, now=self.now)
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
                else:
                    visit.result = RowResult(failure=Failure.GONE, code="ENTITY_IS_DELETED")

    def _answer(self, visit: Visit) -> None:
        result = visit.result
        assert result is not None

        def decide(state: DocumentState) -> bool:
            writes.answered(state, self.kind, visit.number, result, RETRY, now=self.now)
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
            visit.values, visit.carries, self.now, upsert=visit.first, record_id=visit.record_id, anew=self.anew
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
        name, values = question.rule.name, {Side.PLATFORM: question.platform, Side.SALESFORCE: question.salesforce}
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
        link = self.load().link
        made = self._may_be_made()
        if link is not None and link.record_id == self.org.record_id and link.read and not link.gone and not made:
            self.org.merge({name: self.new_value() for name in names}, self.now)
