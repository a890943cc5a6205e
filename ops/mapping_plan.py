"""What a new version of the mapping would do to all documents: counted, and told in lines. No I/O."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from consumers.rules.plan import Effect, Effects

WRITES_A_CALL: Final = 200
READS_A_CALL: Final = 2_000

_WRITTEN: Final = (Effect.WRITTEN, Effect.WRITTEN_AFTER_READ, Effect.MADE_ANEW, Effect.TAKEN_ANEW)


@dataclass(slots=True)
class Tally:
    """How many documents, and the ids of the first."""

    count: int = 0
    ids: list[str] = field(default_factory=list)


@dataclass(slots=True)
class KindPlan:
    """The documents of one kind: how many were looked at, and how many each line of the plan is about."""

    looked_at: int = 0
    tallies: dict[tuple[Effect, str], Tally] = field(default_factory=dict)
    to_write: int = 0
    """How many are written at most, however many of their fields."""

    def count(self, effect: Effect, name: str = "") -> int:
        """How many documents this befalls, on this Salesforce field."""
        tally = self.tallies.get((effect, name))
        return tally.count if tally is not None else 0


class Plan:
    """Takes in what befalls each document, in memory that does not grow with them: at most `names` ids a line."""

    def __init__(self, kinds: Iterable[str], names: int = 0) -> None:
        self.kinds = {kind: KindPlan() for kind in kinds}
        self._names = names

    def add(self, kind: str, document_id: str, effects: Effects) -> None:
        """One document was looked at."""
        plan = self.kinds[kind]
        plan.looked_at += 1
        for line in effects:
            tally = plan.tallies.setdefault(line, Tally())
            tally.count += 1
            if len(tally.ids) < self._names:
                tally.ids.append(document_id)
        if any(effect in _WRITTEN for effect, _name in effects):
            plan.to_write += 1

    def calls(self) -> tuple[int, int]:
        """API calls that read, and that write at most, if each goes out full."""
        kinds = self.kinds.values()
        reads = sum(
            _calls(kind.count(Effect.READ), READS_A_CALL) + _calls(kind.count(Effect.LOOKED_UP), WRITES_A_CALL)
            for kind in kinds
        )
        writes = sum(
            _calls(kind.to_write, WRITES_A_CALL) + _calls(kind.count(Effect.DELETED), WRITES_A_CALL) for kind in kinds
        )
        return reads, writes

    def lines(self) -> Iterator[str]:
        """The plan as a person reads it: no personal data but the ids."""
        told = [effect for kind in self.kinds.values() for effect, _on in kind.tallies]
        wide = max((len(effect.value) for effect in told), default=0)
        for name, kind in self.kinds.items():
            yield f"{name}: {kind.looked_at:,} document{'' if kind.looked_at == 1 else 's'} looked at"
            order = {effect: place for place, effect in enumerate(Effect)}
            for (effect, on), tally in sorted(kind.tallies.items(), key=lambda line: (order[line[0][0]], line[0][1])):
                yield f"  {tally.count:>9,}  {effect.value:<{wide}}  {on}".rstrip()
                if tally.ids:
                    more = ", …" if tally.count > len(tally.ids) else ""
                    yield f"{'':13}{', '.join(tally.ids)}{more}"
            if not kind.tallies and kind.looked_at:
                yield "  nothing is written, read or shown differently"
        reads, writes = self.calls()
        yield (
            f"API calls: {reads:,} to read and {writes:,} at most to write, if they go out full "
            f"({READS_A_CALL:,} reads or {WRITES_A_CALL} writes a call)"
        )


def _calls(documents: int, a_call: int) -> int:
    return -(-documents // a_call)
