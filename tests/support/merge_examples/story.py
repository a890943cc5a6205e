"""The steps of a worked example: each runs the real rules, and is told in a line that a sales admin can read."""

from typing import Any, Final

from consumers.rules.derived import derive
from consumers.rules.kept_writes import forget_old_writes
from consumers.rules.review import choose
from consumers.rules.rows import Row
from consumers.rules.state import Side
from consumers.rules.writes import Delete, Find, Follow, Nothing, Read
from schemas.mapping import Mapping
from support.merge_examples.tale import FIELDS, Tale
from support.merge_examples.words import SIDES, call_of, clock, value_of, values_of
from support.merge_world import changed, mapping
from support.orders import MAPPING as ORDERS

FIRST: Final = "555 0100"
"""The phone that both sides agree on at the start."""
FATES: Final = {
    "ok": "",
    "lost": "; no answer comes",
    "late": "; no answer comes",
    "unanswered": "; no answer comes",
    "killed": " and is killed before the call",
    "killed_after": " and is killed after the call",
}
"""What may become of a call, as `World.write` knows it, and how it is told."""


class Story(Tale):
    """People on both sides, the change stream and the writer. `name` is a field's; times are seconds after ten."""

    # -- people ------------------------------------------------------------------------------------------------

    def posts(
        self, value: Any, *, name: str = "phone", named: bool = True, dated: int | None = None, seen: int | None = None
    ) -> str:
        """The platform posts one field, named as changed or in a whole record. The event's id is returned.

        `dated` is when the event says that it occurred; `seen` the revision that its author looked at.
        """
        event_id = f"event-{len(self.lines)}"
        self.take_post(event_id, {name: value}, dated, changed=frozenset({name}) if named else None, seen=seen)
        how = "" if named else " in a whole record"
        when = "" if dated is None else f", dated {clock(self.lines[0].at + dated * 1_000)}"
        self.tell(f"The platform posts {values_of({name: value})}{how}{when}")
        if seen is not None:
            self.tell_more(f"its author had seen revision {seen}")
        return event_id

    def posts_again(self, event_id: str, value: Any, *, name: str = "phone", dated: int) -> None:
        """An event is delivered once more."""
        self.take_post(event_id, {name: value}, dated, changed=frozenset({name}))
        self.tell(f"The event with {values_of({name: value})} is delivered again")

    def platform_deletes(self) -> None:
        """The platform says that the customer was deleted."""
        self.take_post(f"event-{len(self.lines)}", {}, deletes=True)
        self.tell("The platform says that the customer was deleted")

    def salesforce_sets(self, value: Any, *, name: str = "Phone", heard: bool = True) -> None:
        """A Salesforce user edits; `heard` is whether the change event comes at once."""
        self.world.salesforce_edits(name, value)
        if heard:
            self.hear()
        self.tell(f"A Salesforce user sets {values_of({name: value})}")
        if not heard:
            self.tell_more("its event is still on its way")

    def salesforce_deletes(self) -> None:
        """A Salesforce user deletes the record, and the event comes."""
        self.world.delete()
        self.hear()
        self.tell("A Salesforce user deletes the record")

    def salesforce_undeletes(self) -> None:
        """Somebody takes it out of the recycle bin, and the event comes."""
        self.world.undelete()
        self.hear()
        self.tell("The record is taken out of the recycle bin")

    def salesforce_merges(self, values: dict[str, Any]) -> None:
        """The record is merged into another, which holds these values then; the event of its deletion comes."""
        self.world.merge(values)
        self.hear()
        self.tell(f"A Salesforce user merges the record into another, with {values_of(values)}")

    def trigger(self, phone: str, values: dict[str, Any], told: str) -> None:
        """From the start a trigger answers a write of this phone with values of its own."""
        self.world.trigger = lambda written: values if written.get("Phone") == phone else {}
        self.tell_more(told)

    def person_chooses(self, side: Side) -> None:
        """A conflict that waits under `review` is settled: the value of this side is to stand."""
        world = self.world
        rule = world.kind.by_path[self.about]
        state = world.load()
        occasion = world.occasion(f"choice-{len(self.lines)}")
        assert choose(state, state.fields[rule.name], rule, side, occasion, "a person chose"), "nothing to choose"
        world.save(state)
        self.tell(f"A person chooses {SIDES[side]}'s value")

    def mapping_is_published(self, field: str, told: str, **settings: Any) -> None:
        """Another version of the mapping, in which one Salesforce field has other settings."""
        world = self.world
        before = mapping(world.policy, world.on_delete)
        assert world.publish(changed(before, field, **settings)), "the document was not decided again"
        self.tell(f"A mapping is published: {told}")

    # -- documents of another kind -----------------------------------------------------------------------------

    def total_is_of_orders(self) -> None:
        """From the start `total` is the sum of what the customer's orders cost."""
        world = self.world
        derive = {"take": "sum", "of": "order", "by": "customer_id", "path": "amount"}
        after = changed(mapping(world.policy, world.on_delete), "Total__c", derive=derive)
        order = Mapping.model_validate(ORDERS).kinds["order"]
        world.publish(after.model_copy(update={"kinds": {**after.kinds, "order": order}}))
        self.tell_more("`total` is the sum of the customer's orders")

    def orders_come_to(self, total: int, told: str) -> None:
        """The orders have changed: they come to this sum now, which is taken anew."""
        world = self.world
        state = world.load()
        derive(state, world.kind, {"Total__c": total}, now=world.now)
        world.save(state)
        self.tell(told)

    # -- the change stream -------------------------------------------------------------------------------------

    def event_comes(self) -> None:
        """The next change event of the record is heard."""
        committed_at = self.world.stream[self.world.unheard].position.timestamp
        self.hear()
        self.tell(f"The event of the commit at {clock(committed_at)} comes")

    def event_is_lost(self) -> None:
        """The next change event will never be heard."""
        committed_at = self.world.stream.pop(self.world.unheard).position.timestamp
        self.tell(f"The event of the commit at {clock(committed_at)} is lost")

    def stream_begins_again(self, events: int) -> None:
        """The change stream goes back by so many events, which come again."""
        self.world.unheard -= events
        for _ in range(events):
            self.event_comes()

    def lands_late(self) -> None:
        """A request that nobody answered reaches Salesforce after all, and its event comes."""
        number = self.world.in_flight[0][2]
        self.world.land_late()
        self.hear()
        self.tell(f"Write {number} lands after all, and its event comes")

    # -- the writer --------------------------------------------------------------------------------------------

    def writes(self, fate: str = "ok") -> None:
        """The writer's next call, if it is no read; `fate` is what becomes of a write."""
        step = self.next_step()
        assert not isinstance(step, Read | Nothing), call_of(step)
        looked = " looks the record up" if isinstance(step, Find) else ""
        calls, found = self.world.calls, self.world.write(fate)
        if isinstance(step, Follow):
            held = "nothing" if self.world.record is None else "the other record, now linked"
            self.tell(f"The writer asks what took its place: {held}")
        elif isinstance(step, Delete):
            self.tell("The writer deletes the record")
        elif self.world.calls > calls:
            write = self.world.load().writes[-1]
            none = ", finds none and" if looked else ""
            sent = values_of(write.values) or "our external id"
            self.tell(f"The writer{looked}{none} sends {sent} as write {write.number}{FATES[fate]}")
        elif looked:
            self.tell(f"The writer{looked} and {'finds it: it is linked' if found == 'linked' else 'finds none'}")
        else:
            self.tell("The writer waits")

    def begins_read(self) -> Row:
        """A whole read of the record begins; what it will answer is returned."""
        self._must_be_read()
        row = self.row()
        self.tell("A whole read of the record begins")
        return row

    def answers_read(self, row: Row) -> None:
        """The answer of a read that began before."""
        self.take_row(row)
        self.tell("The read is answered")

    def reads(self) -> None:
        """A whole read, answered at once."""
        self._must_be_read()
        self.take_row(self.row())
        name, record = FIELDS[self.about], self.world.record
        self.tell("The record is read whole: " + ("there is none" if record is None else value_of(record.get(name))))

    def _must_be_read(self) -> None:
        step = self.next_step()
        assert isinstance(step, Read), call_of(step)

    def edits_and_writes(self, values: list[str]) -> None:
        """Phones posted one a second, each written and heard of; and old writes forgotten, as before every save."""
        for value in values:
            self.world.now += 1_000
            self.take_post(f"event-{value}", {"phone": value}, changed=frozenset({"phone"}))
            self.world.write()
            self.hear()
        state = self.world.load()
        forget_old_writes(state, now=self.world.now)
        self.world.save(state)
        edits = "One more edit is" if len(values) == 1 else f"{len(values)} edits, one a second, are"
        self.tell(f"{edits} posted, written and heard of", f"{len(state.writes)} writes kept")


def agreed(
    *,
    policy: str | None = None,
    about: str = "phone",
    first: Any = None,
    on_delete: dict[str, str] | None = None,
) -> Story:
    """A customer that is linked and was read whole; both sides hold `first` in a field of another policy.

    `policy` and `on_delete` are told only where they are given.
    """
    story = Story(policy=policy or "salesforce_wins", about=about, on_delete=on_delete)
    story.take_post("first", {"phone": FIRST} if first is None else {about: first})
    story.world.settle()
    story.at(0).tell_start(
        "Both sides agree" if about == "phone" or first is not None else f"Both sides know nothing of {about}"
    )
    if policy:
        story.tell_more(f"the policy is `{policy}`")
    for by, what in (on_delete or {}).items():
        story.tell_more(f"`on_delete` of {SIDES[by]} is `{what}`")
    return story


def unknown(record: dict[str, Any] | None, *, policy: str | None = None) -> Story:
    """A customer that was never heard of; `record` is what Salesforce holds of the same person, if anything."""
    story = Story(policy=policy or "salesforce_wins", about="phone")
    story.world.record = record
    story.world.modified = story.world.now
    story.at(0).tell_start("Tandem knows nothing of the customer")
    if policy:
        story.tell_more(f"the policy is `{policy}`")
    return story
