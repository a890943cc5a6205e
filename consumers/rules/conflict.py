"""Rule 13: a conflict is settled by the field's policy. The same for `first` on first contact (rule 18)."""

from dataclasses import dataclass
from typing import Any, assert_never

from consumers.rules.kinds import FieldRule
from consumers.rules.state import FieldState, Side
from schemas.field_mapping import Policy
from schemas.transforms import InvalidValue

Claim = tuple[Any, int]
"""A side's raw value, and when that side last changed it (epoch milliseconds)."""


@dataclass(frozen=True, slots=True)
class Merged:
    """Both win: a value that neither side has asserted, made of both."""

    value: Any


Verdict = Side | Merged | None
"""Who wins; None where a person has to choose."""


def settle_by(policy: Policy, rule: FieldRule, *, platform: Claim, salesforce: Claim) -> Verdict:
    """What the policy makes of two claims that differ. A tie goes to Salesforce."""
    match policy:
        case Policy.SALESFORCE_WINS:
            return Side.SALESFORCE
        case Policy.PLATFORM_WINS:
            return Side.PLATFORM
        case Policy.LATEST_WINS:
            return Side.PLATFORM if platform[1] > salesforce[1] else Side.SALESFORCE
        case Policy.FILL_ONLY:
            return Side.PLATFORM if rule.key(salesforce[0]) is None else Side.SALESFORCE
        case Policy.REVIEW:
            return None
        case Policy.UNION:
            return _union(rule, platform[0], salesforce[0])
        case Policy.MAX:
            return _extreme(rule, platform[0], salesforce[0], greatest=True)
        case Policy.MIN:
            return _extreme(rule, platform[0], salesforce[0], greatest=False)
        case _:
            assert_never(policy)


def claims(field: FieldState) -> tuple[Claim, Claim]:
    """What stands against a new value, and against which of the two it stands: the platform's, Salesforce's.

    A current value that was made of both is nobody's: against each side's new word stands what the other last said.
    """
    current = (field.value, field.made_at)
    if not field.merged:
        return current, current
    platform, theirs = field.platform, field.part_of_theirs
    return current if platform is None else (platform.value, platform.changed), (theirs.value, theirs.made_at)


def has_platforms_part(rule: FieldRule, field: FieldState, held: Any) -> bool:
    """Whether `held` has all that the platform has in a value that was made of both."""
    ours = field.platform
    return field.merged and ours is not None and rule.same(_together(rule, held, ours.value), held)


def _union(rule: FieldRule, platform: Any, salesforce: Any) -> Verdict:
    both = _together(rule, platform, salesforce)
    if rule.same(both, salesforce):
        return Side.SALESFORCE
    return Side.PLATFORM if rule.same(both, platform) else Merged(both)


def _together(rule: FieldRule, one: Any, other: Any) -> Any:
    return rule.values.pull([*_several(rule, one), *_several(rule, other)])


def _several(rule: FieldRule, value: Any) -> list[Any]:
    shown = rule.values.pull(value)
    return shown if isinstance(shown, list) else [] if shown is None else [shown]


def _extreme(rule: FieldRule, platform: Any, salesforce: Any, *, greatest: bool) -> Side:
    """Nothing never wins, and neither does a value that the field's transform cannot take, unless both are such."""
    ours, theirs = _comparable(rule, platform), _comparable(rule, salesforce)
    if ours is None or theirs is None:
        return Side.SALESFORCE if ours is None else Side.PLATFORM
    wins = ours > theirs if greatest else ours < theirs
    return Side.PLATFORM if wins else Side.SALESFORCE


def _comparable(rule: FieldRule, value: Any) -> Any:
    try:
        return rule.values.push(value)
    except InvalidValue:
        return None
