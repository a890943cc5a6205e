"""Record filters, evaluated as SOQL would: two-valued, text without case, and nothing equals an empty value."""

from collections.abc import Callable
from typing import Any, assert_never

from consumers.rules.kinds import FieldRule, Kind
from consumers.rules.state import DocumentState
from schemas.record_filter import AllOf, AnyOf, Comparison, Condition, NoneOf

ValueOf = Callable[[FieldRule], Any]
"""A field's value, of either side."""


def matches(condition: Condition, kind: Kind, value_of: ValueOf) -> bool:
    """Whether the condition holds of these values. Paths that are not mapped any more have none."""
    match condition:
        case Comparison():
            return _holds(condition, kind, value_of)
        case AllOf(all=parts):
            return all(matches(part, kind, value_of) for part in parts)
        case AnyOf(any=parts):
            return any(matches(part, kind, value_of) for part in parts)
        case NoneOf(none=parts):
            return not any(matches(part, kind, value_of) for part in parts)
        case _:
            assert_never(condition)


def left_out(state: DocumentState, kind: Kind) -> bool:
    """The mapping's filter keeps the document from being written."""
    return not _holds_of(kind.push_filter, state, kind)


def unasked(state: DocumentState, kind: Kind) -> bool:
    """The person is not to be looked up, and nothing that was found is to be shown: they are left out altogether, or
    have not consented to this."""
    consent = None if kind.enrichment is None else kind.enrichment.consent
    return left_out(state, kind) or not _holds_of(consent, state, kind)


def lacks_consent(state: DocumentState, kind: Kind, rule: FieldRule) -> bool:
    """The person has not allowed what the field is for, or not any more."""
    return rule.consent is not None and not _holds_of(rule.consent, state, kind)


def _holds_of(condition: Condition | None, state: DocumentState, kind: Kind) -> bool:
    if condition is None:
        return True

    def shown(rule: FieldRule) -> Any:
        field = state.fields.get(rule.name)
        return None if field is None or field.source is None else field.value

    return matches(condition, kind, shown)


def _holds(test: Comparison, kind: Kind, value_of: ValueOf) -> bool:
    rule = kind.by_path.get(test.path)
    held = None if rule is None else _compared(rule, value_of(rule))
    if test.present is not None:
        return (held is not None) is test.present
    if rule is None:
        return False
    if test.equals is not None:
        return held is not None and held == _compared(rule, test.equals)
    if test.one_of is not None:
        return held is not None and held in [_compared(rule, each) for each in test.one_of]
    bound = _compared(rule, test.at_most if test.at_least is None else test.at_least)
    if held is None or bound is None or isinstance(held, str) is not isinstance(bound, str):
        return False
    return bool(held <= bound) if test.at_least is None else bool(held >= bound)


def _compared(rule: FieldRule, value: Any) -> Any:
    """In the form that Salesforce stores; a boolean as its word, since a YAML file cannot tell the two apart."""
    written = rule.outgoing(value)
    if isinstance(written, bool):
        return "true" if written else "false"
    if isinstance(written, str):
        return written.strip().casefold() or None
    return written
