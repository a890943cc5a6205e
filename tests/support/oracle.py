"""The causal oracle: who could have seen what, and whether what is left at rest is right. It knows no rule."""

from collections.abc import Collection, Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from support.oracle_values import NUMBERS, Said, elements

Author = Literal["platform", "salesforce", "trigger", "nobody", "merge"]
NOBODY: Final = 0
"""The number of the edit that stands for the empty field before anybody said anything."""


class Violation(AssertionError):
    """A promise of the merge that a schedule has broken."""


@dataclass(slots=True)
class Edit:
    """One field set by one author. Times are epoch milliseconds.

    `order` places it among the edits of its own side: the platform's clock, or Salesforce's order of commits.
    `saw` are the edits that the author certainly had seen, `might_have` those that the author could have: by the
    clocks alone nobody can tell more (design, rules 5 and 6).
    """

    number: int
    author: Author
    name: str
    value: Any
    order: int
    saw: frozenset[int]
    might_have: frozenset[int]
    void: bool = False
    """It does not count: a trigger's, when the trigger has run again on the field and had its say anew; the platform's,
    when it was heard after a later deletion."""
    untold: bool = False
    """Salesforce has told it to nobody: its event came without values, and nothing but a row can show it."""
    parts: tuple[int, ...] = ()
    """Of a merge, which nobody has made: the two edits whose values it holds (`union`)."""
    forgotten: bool = False
    """It came within a whole record, after later pages, when the document had shown more values than it keeps: it
    cannot be told from an old view, so it may lose, and the audit names it (decision 0009)."""
    by_page: bool = False
    """So far it is known from a page alone, the first that was heard of the field: when it was made nobody can tell."""

    @property
    def side(self) -> str:
        """The side on which it was made; both, where it was made of both."""
        return {"platform": "platform", "merge": "both"}.get(self.author, "salesforce")


@dataclass(slots=True)
class Ledger:
    """Every edit of one schedule, and what its author looked at when making it."""

    edits: list[Edit] = field(default_factory=list)
    _by_value: dict[tuple[str, Any], list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        nothing: frozenset[int] = frozenset()
        self.edits.append(Edit(NOBODY, "nobody", "", None, -1, nothing, nothing))

    def add(
        self,
        author: Author,
        name: str,
        value: Any,
        *,
        order: int,
        saw: Collection[int],
        might_have: Collection[int] = (),
    ) -> int:
        """Write an edit down; its number. To see an edit is to see all that its author had seen."""
        number = len(self.edits)
        certain = self._past(saw, certainly=True)
        seen = [*saw, *might_have]
        values = {self.edits[each].value for each in seen}
        alike = [each for one in values for each in self._by_value.get((name, one), ())]
        possible = self._past([*seen, *alike], certainly=False)
        self.edits.append(Edit(number, author, name, value, order, certain, possible))
        self._by_value.setdefault((name, value), []).append(number)
        return number

    def merge(self, name: str, value: Any, parts: tuple[int, int]) -> int:
        """Write down that the document shows a value made of two edits; its number. To see it is to see them both.

        Raises:
            Violation: it is not all that is in the two, or who made one of them had seen the other.
        """
        one, other = (self.edits[part] for part in parts)
        if elements(value) != elements([*elements(one.value), *elements(other.value)]):
            raise Violation(f"{name}: {value!r} is not made of {one.value!r} and {other.value!r}")
        for later, earlier in ((one, other), (other, one)):
            alike = set(self._by_value[name, earlier.value])
            if alike <= later.saw and not (later.void or later.untold or later.forgotten or later.by_page):
                raise Violation(f"{name}: {later.value!r} was made in view of {earlier.value!r}, and is merged with it")
        number = self.add("merge", name, value, order=len(self.edits), saw=parts)
        self.edits[number].parts = parts
        return number

    def with_value(self, name: str, value: Any, side: str) -> int:
        """The first edit that gave the field this value, of that side if it has one: who sees the value has seen it."""
        numbers = self._by_value.get((name, value), [NOBODY])
        return next((number for number in numbers if self.edits[number].side == side), numbers[0])

    def _past(self, seen: Iterable[int], *, certainly: bool) -> frozenset[int]:
        past: set[int] = set()
        for number in seen:
            past.add(number)
            edit = self.edits[number]
            past |= edit.saw if certainly else edit.might_have
        return frozenset(past)

    # -- judgement ---------------------------------------------------------------------------------------------

    def of(self, name: str, owner: str | None = None) -> list[Edit]:
        """The field's edits; those of one side alone where that side owns it."""
        return [edit for edit in self.edits if edit.name == name and owner in (None, edit.side)]

    def supersedes(self, later: Edit, earlier: Edit, *, certainly: bool) -> bool:
        """Whether `later` was made by somebody who had seen `earlier`, or comes after it on the same side."""
        if later.number == earlier.number:
            return False
        if earlier.number in (later.saw if certainly else later.might_have):
            return True
        if later.side != earlier.side:
            return False
        # Ties of the platform's clock go by arrival: either may be the later one.
        return later.order > earlier.order or (later.order == earlier.order and not certainly)

    def judge_survivor(self, name: str, value: Any, owner: str | None = None) -> None:
        """No superseded edit survives, and nothing that nobody asserted; an edit that is not the owner's never does."""
        edits = [edit for edit in self.of(name, owner) if not (edit.void or edit.untold or edit.author == "merge")]
        asserted = [edit for edit in self.of(name, owner) if edit.value == value]
        if value is None:
            asserted.append(self.edits[NOBODY])
        asserted.sort(key=lambda edit: edit.author == "merge")
        if not asserted:
            raise Violation(f"{name}: nobody ever asserted {value!r}")
        for edit in asserted:
            by = [other for other in edits if self.supersedes(other, edit, certainly=True) and not other.forgotten]
            if all(self._taken_back(other, edit, edits) for other in by):
                return
        raise Violation(f"{name}: {value!r} survives, superseded by {[other.value for other in by]}")

    def _taken_back(self, later: Edit, earlier: Edit, edits: list[Edit]) -> bool:
        """Whether the platform itself replaced `later` by an edit whose author, by `seen`, had not seen `earlier`.

        Then which of the two was heard first decides, and the audit names the other (decision 0009).
        """
        return later.side == "platform" != earlier.side and any(
            other.side == "platform"
            and other.order > later.order
            and not self.supersedes(other, earlier, certainly=True)
            for other in edits
        )

    def judge_filled(self, name: str, held: Any) -> None:
        """Where a field is only filled, what Salesforce's people last put there stands, or what triggers made of it."""
        theirs = [edit for edit in self.of(name) if edit.author == "salesforce"]
        if not theirs or any(edit.untold or edit.void for edit in theirs):
            return
        last = max(theirs, key=lambda edit: (edit.order, edit.number))
        made_of_it = {
            edit.value for edit in self.of(name) if edit.author == "trigger" and last.number in edit.might_have
        }
        if last.value is None or held in {last.value, *made_of_it}:
            return
        if any(edit.author == "trigger" and edit.value == held for edit in self.of(name)):
            return  # what a trigger made of our value cannot be told from a person's: the later one stands
        # Two may have filled an empty field at once. Theirs is put back, unless the platform has gone on from it.
        at_once = [edit for edit in self.of(name) if edit.side == "platform" and edit.value == held]
        knowing = any(last.number in edit.might_have for edit in at_once)
        gone_on = any(last.number in edit.might_have for edit in self.of(name) if edit.side == "platform")
        if knowing or not gone_on:
            raise Violation(f"{name}: {last.value!r} of Salesforce's was written over with {held!r}")

    def judge_merges(self, name: str, audit: Iterable[Mapping[str, Any]], said: Said) -> None:
        """Every value that was made of two edits has a row that tells so."""
        told = {said(row["result"]) for row in audit if row["winner"] == "both"}
        silent = [edit.value for edit in self.of(name) if edit.author == "merge" and edit.value not in told]
        if silent:
            raise Violation(f"{name}: {silent} were made of two edits without an audit row")

    def judge_extremes(self, name: str, audit: Iterable[Mapping[str, Any]], said: Said) -> None:
        """Under `max` and `min` the greater number won each conflict, or the lesser; nothing never did."""
        for row in audit:
            rule, _, policy = row["rule"].partition(".")
            if rule not in ("13", "18") or policy not in NUMBERS:
                continue
            both = [said(row[side]["value"]) for side in ("platform", "salesforce")]
            numbers = [int(value) for value in both if value is not None]
            # Of two values of Salesforce's own the later one stands, whatever the policy.
            if not numbers or row["lost"]["side"] == row["winner"]:
                continue
            best = max(numbers) if policy == "max" else min(numbers)
            if said(row[row["winner"]]["value"]) != str(best):
                raise Violation(f"{name}: {row['winner']} won with {policy} of {both}")

    def judge_losers(self, name: str, kept: Container[Any], audit: Iterable[Mapping[str, Any]], said: Said) -> None:
        """Every losing edit not superseded by one whose author could have seen it is named as a loser in the audit.

        `kept` are the values that the sides hold: two where a side may keep one of its own. `audit` are the field's
        rows.
        """
        named = {(row["lost"]["side"], said(row["lost"]["value"])) for row in audit if row["lost"]}
        # What nobody made supersedes its parts only while it stands; who has seen it has seen them.
        edits = [edit for edit in self.of(name) if edit.author != "merge" or edit.value in kept]
        for edit in edits:
            if (
                edit.author == "merge"
                or edit.void
                or edit.untold
                or edit.value in kept
                or (edit.side, edit.value) in named
            ):
                continue
            # The same value on both sides is an agreement, however it came about (rule 17).
            alike = [each for each in edits if each.value == edit.value]
            if not any(self.supersedes(other, each, certainly=False) for other in edits for each in alike):
                raise Violation(f"{name}: {edit.side}'s {edit.value!r} was lost to {kept!r} without an audit row")
