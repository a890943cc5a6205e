"""Rule 14: what cannot be without a parent is kept back while a filter leaves that parent out. Pure, time by hand."""

from typing import Any

import pytest

from consumers.catalog import Catalog
from consumers.rules.hanging import Above, kept_back, lets_go, needed, note_keeper
from consumers.rules.kinds import Kind
from consumers.rules.lookups import LATEST, SOONEST, Parents, note_awaited
from consumers.rules.plan import Effect, effects
from consumers.rules.state import DocumentState, Existence, Link, SalesforceRegister, Side
from consumers.rules.stored import dump, load
from consumers.rules.sync_verdict import Verdict, push_verdict
from consumers.rules.timing import Timing
from consumers.rules.verify import BothSides, differences
from consumers.rules.verify_reasons import Difference, Why
from consumers.rules.writes import Nothing, Send, Until, due_at, next_step
from schemas.mapping import Mapping
from schemas.position import CommitPosition
from schemas.presets import preset

HACKATHON = Catalog(preset("hackathon"))
DAY = 86_400_000
NOW = 100 * DAY


def filtered_ticketing(**settings: Any) -> Catalog:
    """Buyers may opt out; orders need a buyer, and lines need an order. Neither of those has a filter."""
    raw = preset("ticketing").model_dump(mode="json")
    raw["kinds"]["customer"]["filters"] = {"push": {"none": [{"path": "email_opt_out", "equals": True}]}}
    return Catalog(Mapping.model_validate(raw | settings))


TICKETING = filtered_ticketing()


def document(kinds: Catalog, kind: str, id_: str, **shows: Any) -> DocumentState:
    """A document that shows these values, all of them the platform's, by platform path."""
    state = DocumentState(kind=kind, id=id_, revision=1, mapping=kinds.kinds[kind].version)
    for path, value in shows.items():
        field = state.field(kinds.kinds[kind].by_path[path].name)
        field.value, field.source = value, Side.PLATFORM
    state.existence = Existence(exists=True, heard=NOW, events=("e",))
    return state


def linked(state: DocumentState, **held: Any) -> DocumentState:
    """The same with a record that was read whole, of which these fields are known by Salesforce's names."""
    state.link = Link("00v000000000001AAA", linked_at=1, read=True)
    for name, value in held.items():
        state.field(name).salesforce = SalesforceRegister(value, CommitPosition(1, 1, 1))
    return state


def above(*states: DocumentState) -> Above:
    return {(state.kind, state.id): state for state in states}


def person(*, out: bool = True) -> DocumentState:
    return document(HACKATHON, "participant", "p-1", opted_out=out)


def registration(**shows: Any) -> DocumentState:
    return document(HACKATHON, "registration", "r-1", **{"participant_id": "p-1", "event_id": "h-1"} | shows)


REGISTRATION = HACKATHON.kinds["registration"]


def note(state: DocumentState, *others: DocumentState, now: int = NOW, kinds: Catalog = HACKATHON) -> str:
    """Who keeps it back, noted now."""
    note_keeper(state, kinds.kinds[state.kind], kinds.kinds, above(*others), now=now)
    return next((one.keeper for one in state.awaited.values()), "")


def at_all(kind: Kind) -> tuple[list[str], bool]:
    return [rule.dotted for rule in kind.hangs], kind.hung_on


def test_who_hangs_on_whom_follows_from_the_mapping() -> None:
    """A required lookup to what a filter may leave out, or to what hangs on that; else nothing is ever asked."""
    assert at_all(REGISTRATION) == (["participant_id"], False)
    assert at_all(HACKATHON.kinds["participant"]) == ([], True)
    assert at_all(HACKATHON.kinds["event"]) == ([], False)
    assert [at_all(TICKETING.kinds[name]) for name in ("order_line", "order", "customer")] == [
        (["order_id"], False),
        (["customer_id"], False),
        ([], True),
    ]
    assert not any(kind.hangs or kind.hung_on for kind in Catalog(preset("ticketing")).kinds.values())


def test_what_hangs_on_who_is_left_out_is_kept_back() -> None:
    """While its parent is; and not for one that it does not need, or that is not there."""
    assert note(registration(), person()) == "participant/p-1"
    assert note(registration(), person(out=False)) == ""
    assert note(registration()) == ""
    assert note(registration(participant_id="p-2"), person()) == ""
    company = document(TICKETING, "company", "c-1")
    assert note(document(TICKETING, "customer", "ana", company_id="c-1"), company, kinds=TICKETING) == ""


def test_it_is_kept_back_however_far_below_it_hangs() -> None:
    """A line, by its order, by the buyer: named is who keeps it back, and noted is the parent that it names."""
    line = document(TICKETING, "order_line", "l-1", order_id="o-1")
    order = document(TICKETING, "order", "o-1", customer_id="ana")
    buyer = document(TICKETING, "customer", "ana", email_opt_out=True)
    assert note(line, order, buyer, kinds=TICKETING) == "customer/ana"
    assert line.awaited["Ticket_Order__c"].parent == "o-1"
    assert needed(line, TICKETING.kinds["order_line"]) == {"order": {"o-1"}}
    assert note(document(TICKETING, "order_line", "l-2", order_id="o-1"), order, kinds=TICKETING) == ""


@pytest.mark.parametrize(("one", "other"), [(True, False), (False, True)])
def test_two_who_were_merged_keep_back_each_for_the_other(one: bool, other: bool) -> None:
    """What names the one stands under the record of the other: neither's opting out is passed over."""
    merged, stays = person(out=one), document(HACKATHON, "participant", "p-2", opted_out=other)
    merged.link = Link("00Q000000000001AAA", linked_at=1, gone=True, searched=True, merged_into="p-2")
    assert note(registration(), merged, stays) == ("participant/p-1" if one else "participant/p-2")
    assert needed(merged, HACKATHON.kinds["participant"]) == {"participant": {"p-2"}}


def test_documents_that_name_each_other_are_asked_once() -> None:
    """However the mapping goes round."""
    raw = preset("ticketing").model_dump(mode="json")
    raw["kinds"]["order"]["fields"][0] |= {"lookup": "order_line", "required": True, "policy": "salesforce_wins"}
    kinds = filtered_ticketing(kinds=raw["kinds"] | {"customer": TICKETING.mapping.model_dump()["kinds"]["customer"]})
    path = kinds.kinds["order"].fields[0].dotted
    order = document(kinds, "order", "o-1", **{path: "l-1"})
    line = document(kinds, "order_line", "l-1", order_id="o-1")
    assert note(line, order, line, kinds=kinds) == ""


def test_it_is_looked_at_again_soon_once_and_then_for_safety_alone() -> None:
    """Whoever is let go at this moment has not found the note; whoever is later finds it."""
    state = registration()
    note(state, person())
    assert state.awaited["ContactId"].at == NOW + SOONEST
    note(state, person(), now=NOW + SOONEST)
    assert state.awaited["ContactId"].at == NOW + SOONEST + LATEST
    state.field("ContactId").value = "p-2"
    other = document(HACKATHON, "participant", "p-2", opted_out=True)
    note(state, other, now=NOW + DAY)
    assert (state.awaited["ContactId"].parent, state.awaited["ContactId"].at) == ("p-2", NOW + DAY + SOONEST)


def test_a_parent_that_may_go_and_has_no_record_is_missed_from_then_on() -> None:
    """What was kept back for months looks for its parent's record soon, and not months later."""
    state = registration()
    note(state, person())
    note_awaited(state, REGISTRATION, {"ContactId": "p-1"}, Parents(), now=NOW + 50 * DAY)
    assert (state.awaited["ContactId"].keeper, state.awaited["ContactId"].at) == ("", NOW + 50 * DAY + SOONEST)


def test_nothing_is_asked_of_salesforce_for_what_is_kept_back() -> None:
    """Neither a first write, nor an update, nor our id in a record that was there, before it is looked at again."""
    new, timing = registration(status="registered"), Timing()
    known = linked(registration(status="attended"), Status="Registered", ContactId="p-1", CampaignId="h-1")
    unclaimed = linked(registration(), ContactId="p-1", CampaignId="h-1")
    assert unclaimed.link is not None
    unclaimed.link.claimed = False
    for state in (new, known, unclaimed):
        note(state, person())
        assert kept_back(state, REGISTRATION, now=NOW)
        assert next_step(state, REGISTRATION, timing, now=NOW) == Until(NOW + SOONEST)
        assert due_at(state, REGISTRATION, timing, now=NOW) == NOW + SOONEST
        assert push_verdict(state, REGISTRATION, timing, now=NOW) is Verdict.FILTERED
    later = NOW + SOONEST
    assert next_step(known, REGISTRATION, timing, now=later) == Send({"Status": "Attended"})
    assert next_step(unclaimed, REGISTRATION, timing, now=later) == Send({})
    assert push_verdict(new, REGISTRATION, timing, now=later) is Verdict.CREATE


def test_a_lookup_that_names_another_now_is_kept_back_by_nobody_yet() -> None:
    """It is looked at anew, and then there is what that one says."""
    state = registration(status="registered")
    note(state, person())
    state.field("ContactId").value = "p-2"
    assert not kept_back(state, REGISTRATION, now=NOW)
    assert due_at(state, REGISTRATION, Timing(), now=NOW) == NOW


def test_a_note_ends_with_the_version_that_kept_it_back() -> None:
    """A mapping without the filter lets all go at once, whatever was noted before."""
    raw = preset("hackathon").model_dump(mode="json")
    raw["kinds"]["participant"]["filters"] = {}
    free = Catalog(Mapping.model_validate(raw)).kinds["registration"]
    state = registration(status="registered")
    note(state, person())
    assert not kept_back(state, free, now=NOW)
    assert due_at(state, free, Timing(), now=NOW) == NOW


def test_it_says_that_it_is_filtered_until_it_is_let_go() -> None:
    """In the document; and the note is read again as it was stored."""
    state = registration(status="registered")
    note(state, person())
    stored = dump(state, REGISTRATION, now=NOW, due_at=NOW + SOONEST, decision="d")
    assert stored["salesforce"]["syncStatus"] == "filtered"
    assert load({"_id": "r-1", **stored}, "r-1", REGISTRATION).awaited == state.awaited
    later = dump(state, REGISTRATION, now=NOW + SOONEST, due_at=NOW + SOONEST, decision="d")
    assert later["salesforce"]["syncStatus"] == "pending"


def test_who_is_left_out_lets_go_once_they_are_not() -> None:
    """The mark is stored while they are, stays in the document, and makes it due until all has been let go."""
    kind = HACKATHON.kinds["participant"]
    out = person()
    stored = {"_id": "p-1", **dump(out, kind, now=NOW, due_at=None, decision="d")}
    assert stored["_sync"]["keeps"] is True
    known = load(stored, "p-1", kind)
    assert not lets_go(known, kind)
    assert due_at(known, kind, Timing(), now=NOW) is None
    known.field("Sync_Opt_Out__c").value = False
    assert lets_go(known, kind)
    assert due_at(known, kind, Timing(), now=NOW) == NOW
    assert "keeps" in dump(known, kind, now=NOW, due_at=NOW, decision="d")["_sync"]
    known.keeps = False
    assert "keeps" not in dump(known, kind, now=NOW, due_at=NOW, decision="d")["_sync"]
    assert "keeps" not in dump(registration(opted_out=True), REGISTRATION, now=NOW, due_at=None, decision="d")["_sync"]


def test_a_comparison_says_that_it_is_left_out() -> None:
    """Nothing is truly different in what is kept back, with a record or without."""
    known = linked(registration(status="attended"), Status="Registered", ContactId="p-1", CampaignId="h-1")
    new = registration(status="registered")
    shown = {rule.dotted: None for rule in REGISTRATION.fields}
    shown |= {"status": "attended", "participant_id": "p-1", "event_id": "h-1"}
    row = {"Status": "Registered", "ContactId": "p-1", "CampaignId": "h-1", REGISTRATION.external_id: "r-1"}
    for state in (known, new):
        note(state, person())
    compared = BothSides(known, shown, row, modified=1, server_time=NOW)
    found = differences(compared, REGISTRATION, Timing(), now=NOW)
    assert found == [Difference(Why.FILTERED, "status", "attended", "Registered")]
    alone = BothSides(new, shown, None, modified=1, server_time=NOW)
    assert differences(alone, REGISTRATION, Timing(), now=NOW) == [Difference(Why.FILTERED)]


def test_a_plan_promises_no_write_of_what_is_kept_back() -> None:
    """A new version maps one more path: that would be written, and is not."""
    raw = preset("hackathon").model_dump(mode="json") | {"version": 2}
    raw["since"] = {"registration": {"Team__c": 2}}
    after = Catalog(Mapping.model_validate(raw)).kinds["registration"]

    def planned(state: DocumentState) -> list[Effect]:
        stored = dump(state, REGISTRATION, now=NOW, due_at=None, decision="d") | {"_id": "r-1", "team": "Loom"}
        told = effects(stored, REGISTRATION, after, Timing(), in_force=1, now=NOW)
        return [effect for effect, name in told if name == "Team__c"]

    known = registration(status="attended")
    assert planned(known) == [Effect.WRITTEN]
    note(known, person())
    assert planned(known) == []


def test_nothing_is_due_of_what_has_nothing_to_say() -> None:
    """A note that nobody needs any more ends with its time."""
    state = linked(registration(), ContactId="p-1", CampaignId="h-1")
    note(state, person())
    assert next_step(state, REGISTRATION, Timing(), now=NOW + SOONEST) == Nothing()
