"""A kind's commits and records in the kind's own words, whichever object they are of."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from schemas.mapping import KindMapping
from schemas.place import IS_CONVERTED, LEAD, Place
from simulator.observer.history import Commit, Row

ENDS: Final = ("MasterRecordId", "ConvertedContactId")
"""What the org sets in a record that another has taken the place of."""
_KEPT: Final = {*ENDS, "Id", "IsDeleted", IS_CONVERTED}
_AS_CONTACT: Final = {part: f"Mailing{part}" for part in ("Street", "City", "State", "PostalCode", "Country")}
"""What becomes of a lead's fields when it is converted, where no mapping says it."""


def in_own_words(kind: KindMapping, log: Sequence[Commit]) -> list[Commit]:
    """The commits of every object that the kind is kept in, and of leads, out of which its records may come."""
    places = {place.sobject: place for place in kind.places()}
    leads = _named_leads(kind)
    found = []
    for commit in log:
        place = places.get(commit.entity)
        if place is None and commit.entity != LEAD:
            continue
        if place is None or place.is_lead:
            found.append(_translated(commit, place))
        else:
            found.append(_joined(commit, leads) if leads else commit)
    return found


def live(kind: KindMapping, records: Mapping[str, Sequence[Row]]) -> list[Row]:
    """The kind's records as they stand; a converted lead is none any more."""
    found: list[Row] = []
    leads = _named_leads(kind)
    for place in kind.places():
        for row in records.get(place.sobject, ()):
            if not place.is_lead:
                found.append(_one_name(row, leads) if leads else row)
            elif not row.get(IS_CONVERTED):
                found.append({"Id": row["Id"], **_words(row, place)})
    return found


def _named_leads(kind: KindMapping) -> dict[str, str]:
    """Fields that name a person while that is a lead, and the field that does so afterwards."""
    return {mapped.lead: mapped.salesforce for mapped in kind.fields if mapped.lead is not None}


def _joined(commit: Commit, leads: Mapping[str, str]) -> Commit:
    before, after, written = (_one_name(values, leads) for values in (commit.before, commit.after, commit.written))
    return replace(commit, before=before, after=after, written=written, by=_one_name(commit.by, leads))


def _one_name(values: Mapping[str, Any], leads: Mapping[str, str]) -> dict[str, Any]:
    """A lead stands for the person under the one name, unless the contact is named too."""
    told = dict(values)
    for lead, contact in leads.items():
        if told.get(contact) is None and told.get(lead) is not None:
            told[contact] = told[lead]
    return told


def _translated(commit: Commit, place: Place | None) -> Commit:
    before, after, written = (_words(values, place) for values in (commit.before, commit.after, commit.written))
    return replace(commit, before=before, after=after, written=written, by=_words(commit.by, place))


def _words(values: Mapping[str, Any], place: Place | None) -> dict[str, Any]:
    if place is None:
        return {_AS_CONTACT.get(name, name): value for name, value in values.items()}
    told = {name: value for name, value in values.items() if name in _KEPT}
    for name, value in values.items():
        if known := place.kinds_names.get(name):
            told[known] = None if value is not None and value == place.placeholders.get(known) else value
    return told
