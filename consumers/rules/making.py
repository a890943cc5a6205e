"""Whether a record may be made for a document that none matches: by `create`, and only with consent where demanded."""

from typing import Any, Final

from consumers.rules.filters import matches
from consumers.rules.kinds import FieldRule, Kind
from consumers.rules.state import DocumentState
from schemas.mapping import Creation

NO_CONSENT: Final = "NO_CONSENT"
NOTHING_MATCHES: Final = "NO_RECORD_MATCHES"
STATUSES: Final = {NO_CONSENT: "no_consent", NOTHING_MATCHES: "not_found"}
"""By the code of the refusal: what the platform reads of it."""
WHY: Final = {
    NO_CONSENT: "no record matches, and the document gives no consent to make one",
    NOTHING_MATCHES: "no record matches, and the mapping makes none",
}


def why_unmade(state: DocumentState, kind: Kind) -> str:
    """Why no record may be made for the document as it is now; empty where one may."""
    if kind.consent is not None and not matches(kind.consent, kind, lambda rule: _shown(state, rule)):
        return NO_CONSENT
    return NOTHING_MATCHES if kind.create is Creation.NONE else ""


def is_unmade(state: DocumentState) -> bool:
    """Its record was looked for and is not there, and none was made."""
    return state.refusal is not None and state.refusal.code in STATUSES


def given_up(state: DocumentState, kind: Kind, values: dict[str, Any]) -> bool:
    """These very values were refused, and the reason still stands."""
    refusal = state.refusal
    if refusal is None or refusal.values != values:
        return False
    return refusal.code not in STATUSES or bool(why_unmade(state, kind))


def _shown(state: DocumentState, rule: FieldRule) -> Any:
    field = state.fields.get(rule.name)
    return None if field is None or field.source is None else field.value
