"""Whether conflicts went as the policies that look at the values say, and what their audit rows excuse."""

from collections.abc import Sequence
from typing import Any

from schemas.field_mapping import Policy
from simulator.observer.authorship import Key, MappedField, PlatformEdit
from simulator.observer.causality import Edit
from simulator.observer.history import Settled
from simulator.observer.verdict import Fault, Finding

BOTH = "both"
NOBODY = "nobody"


def misjudged(document: str, mapped: MappedField, settled: Sequence[Settled]) -> list[Finding]:
    """Rows by which `union` dropped a value, or the lesser won with `max`, or the greater with `min`."""
    found = []
    for one in settled:
        if one.field != mapped.name or one.of_one_side or _is_right(mapped, one):
            continue
        values = {"platform": one.platform, "salesforce": one.salesforce, "winner": one.winner, "result": one.result}
        why = f"its audit row tells of another outcome than {one.policy}"
        found.append(Finding(Fault.LOST, document, mapped.name, f"audit row {one.row}", why, values))
    return found


def named_by_both(mapped: MappedField, settled: Sequence[Settled], edits: Sequence[Edit]) -> set[int]:
    """The edits, by identity, that went into a value made of both, or that wait for a person to choose."""
    named: set[int] = set()
    for one in settled:
        if one.field != mapped.name or one.winner not in (BOTH, NOBODY):
            continue
        for edit in edits:
            value = one.platform if isinstance(edit, PlatformEdit) else one.salesforce
            if edit.key == mapped.key(value):
                named.add(id(edit))
    return named


def dropped(
    document: str, mapped: MappedField, settled: Sequence[Settled], edits: Sequence[Edit], final: Key
) -> list[Finding]:
    """Values made of both that are not there in the end, though nobody has set another since."""
    made = [one for one in settled if one.field == mapped.name and one.winner == BOTH]
    if not made or any(mapped.key(one.result) == final for one in made):
        return []
    parts = named_by_both(mapped, made, edits)
    if any(edit.key == final and id(edit) not in parts for edit in edits):
        return []
    why = "was made of both sides' values, and is gone though nobody set another"
    return [
        Finding(Fault.LOST, document, mapped.name, f"audit row {one.row}", why, {"lost": one.result})
        for one in made[-1:]
    ]


def _is_right(mapped: MappedField, one: Settled) -> bool:
    match one.policy:
        case Policy.UNION:
            parts = _members(mapped, one.platform) | _members(mapped, one.salesforce)
            winner = {"platform": one.platform, "salesforce": one.salesforce}.get(one.winner, one.result)
            return _members(mapped, winner) == parts
        case Policy.MAX | Policy.MIN:
            won, lost = (one.platform, one.salesforce) if one.winner == "platform" else (one.salesforce, one.platform)
            greater, lesser = (won, lost) if one.policy == Policy.MAX else (lost, won)
            return _at_least(mapped.key(greater), mapped.key(lesser), nothing_is_less=one.policy == Policy.MAX)
        case _:
            return True


def _at_least(greater: Any, lesser: Any, *, nothing_is_less: bool) -> bool:
    """Whether the one is the other or more; nothing never wins."""
    if greater is None or lesser is None:
        return lesser is None if nothing_is_less else greater is None
    if isinstance(greater, str) is not isinstance(lesser, str):
        return True  # one of them is none that the field can hold
    return bool(greater >= lesser)


def _members(mapped: MappedField, value: Any) -> set[str]:
    key = mapped.key(value)
    return {part.strip() for part in str(key).split(";") if part.strip()} if key is not None else set()
