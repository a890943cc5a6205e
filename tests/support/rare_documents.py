"""Documents in states that a small demo has no occasion for: each part that a document may have is in one of them."""

from collections.abc import Iterator, Mapping
from typing import Any

from consumers.rules.enriched import Enriched, Known
from consumers.rules.kinds import Kind
from consumers.rules.state import (
    Awaited,
    DocumentState,
    Existence,
    Link,
    Refusal,
    Retry,
    Review,
    SalesforceRegister,
    Side,
    Theirs,
    Write,
    WriteState,
)
from consumers.rules.stored import dump, load, updated
from schemas.position import CommitPosition

NOW = 1_796_000_000_000
EARLIER = CommitPosition(NOW - 5_000, 1, 0)
LATER = CommitPosition(NOW - 1_000, 2, 0)


def rare_documents(document: Mapping[str, Any], kind: Kind) -> Iterator[dict[str, Any]]:
    """Like the document given, which may be any of the kind's, and stored by the rules' own code.

    The kind must have a field in which a conflict may be held for a person, and a lookup.
    """
    makers = (
        *(_refused, _undeletable, _waiting, _kept_back, _in_question, _converted),
        *(_handed_over, _writing, _looked_up, _telling),
    )
    for place, make in enumerate(makers):
        name = f"rare-{make.__name__.strip('_')}"
        known = {**document, "_id": name}
        state = load(known, name, kind)
        state.existence = Existence(exists=True, heard=NOW, events=(f"evt-{name}",), first=NOW - 10_000)
        state.link = Link(f"00v0000000{place:05}AAA", NOW - 9_000, read=True)
        make(state, kind)
        yield updated({**known, "revision": 3}, dump(state, kind, now=NOW, due_at=NOW + 60_000, decision="rare"), ())


def _refused(state: DocumentState, kind: Kind) -> None:
    name = next(iter(kind.by_name))
    state.refusal = Refusal({name: "too long"}, "STRING_TOO_LONG", f"{name}: too long", NOW, fields=(name,))
    state.row_mark, state.heard_at, state.position = NOW - 1, NOW, LATER


def _undeletable(state: DocumentState, kind: Kind) -> None:
    state.existence = Existence(exists=False, heard=NOW, events=("evt-gone",))
    state.refusal = Refusal({}, "DELETE_FAILED", f"others hang on this {kind.name}", NOW, deletion=True)


def _waiting(state: DocumentState, kind: Kind) -> None:
    state.link = None
    lookup = next(name for name, rule in kind.by_name.items() if rule.lookup)
    state.awaited = {lookup: Awaited("parent-1", NOW + 60_000, NOW - 60_000)}
    state.retry = Retry(2, NOW + 60_000, "UNABLE_TO_LOCK_ROW", True)
    state.read_reason = "an event left fields out"
    state.underived = state.uncounted = True


def _kept_back(state: DocumentState, kind: Kind) -> None:
    lookup = next(name for name, rule in kind.by_name.items() if rule.lookup)
    state.awaited = {lookup: Awaited("parent-2", NOW + 60_000, NOW - 60_000, "participant/parent-2")}
    state.keeps = True


def _in_question(state: DocumentState, kind: Kind) -> None:
    held = state.field(kind.may_hold[-1].name)
    held.show("vegan", Side.PLATFORM, made_at=NOW - 9_000, at=NOW - 8_000, revision=1)
    held.show("vegan, nuts", Side.PLATFORM, made_at=NOW - 7_000, at=NOW - 6_000, revision=2, merged=True)
    held.theirs = Theirs(NOW - 6_000, 2, NOW - 7_000, "nuts")
    held.agreed, held.overruled = EARLIER, True
    held.review = Review(Side.SALESFORCE, "fish", NOW - 3_000, NOW - 2_000)


def _converted(state: DocumentState, kind: Kind) -> None:
    name = next(iter(kind.by_name))
    state.position = LATER
    state.link = Link(
        "0030000000000R1AAA",
        NOW - 9_000,
        anew=True,
        from_lead=True,
        former=("00Q0000000000R1AAA", "00Q0000000000R2AAA"),
        positions={"00Q0000000000R1AAA": EARLIER},
        first_row=NOW - 4_000,
        converted=True,
        converted_at=NOW - 9_500,
        account="0010000000000R1AAA",
        opportunity="0060000000000R1AAA",
        claimed=False,
        touched=frozenset({name}),
        left=frozenset({name}),
        edits={name: SalesforceRegister("theirs", EARLIER)},
    )


def _handed_over(state: DocumentState, _kind: Kind) -> None:
    state.link = Link(
        "0030000000000R2AAA",
        NOW - 9_000,
        gone=True,
        searched=True,
        deleted_for=NOW - 3_000,
        deleting=NOW - 2_000,
        merged_into="rare-refused",
        handed_over=True,
    )


def _writing(state: DocumentState, kind: Kind) -> None:
    name = next(iter(kind.by_name))
    state.writes = [
        Write(
            each,
            {name: f"value {each}"},
            each,
            NOW,
            known,
            NOW + 1,
            first=each == 0,
            heard=True,
            covered=NOW - 1,
            claims=True,
        )
        for each, known in enumerate(WriteState)
        if known is not WriteState.OPEN
    ]
    state.writes.append(Write(9, {name: "of a job"}, 9, NOW, job="7500000000000R1AAA", ask_at=NOW + 30_000))
    state.last_number = 9


def _looked_up(state: DocumentState, _kind: Kind) -> None:
    state.link = None
    state.enriched = Enriched(
        status=Known.ERROR,
        email="rare@example.com",
        record_id="0030000000000R3AAA",
        within={"accountName": "Rare Ltd"},
        beside={"tier": "gold"},
        at=NOW - 2_000,
        due=NOW + 60_000,
        tries=2,
        code="QUERY_TIMEOUT",
        member_id="00v0000000000R3AAA",
        verified="rare@example.com",
        parents=("0010000000000R3AAA",),
        old=NOW - 1_000,
    )


def _telling(state: DocumentState, kind: Kind) -> None:
    name = next(iter(kind.by_name))
    state.audit = [{"_id": f"{kind.name}:rare:{name}:1", "type": "conflict", "field": name, "at": NOW}]
    state.told = [{"_id": f"{kind.name}:rare:3", "type": f"{kind.name}.changed", "at": NOW, "revision": 3}]
