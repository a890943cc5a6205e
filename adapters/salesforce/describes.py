"""What the org says of its objects, kept for a while; and rows that it would refuse, refused before they are sent."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from adapters.salesforce.describe_check import picklist_values
from adapters.salesforce.errors import CallFailed
from adapters.salesforce.rest import Described
from schemas.records import Converted, Failure, RecordRead, RecordUpdate, RowResult
from schemas.session import LoginFailed
from schemas.unavailable import Unavailable

KEPT_MS: Final = 3_600_000
"""A description is asked for again after an hour, milliseconds."""
FRESH_MS: Final = 60_000
"""No row is refused by a description older than this: a value may have been added meanwhile. And however often it is
heard that an object has changed, it is not asked for more often than this."""
BAD_CHOICE: Final = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
TOO_LONG: Final = "STRING_TOO_LONG"
NO_FIELD: Final = "INVALID_FIELD"
READ_ONLY: Final = "INVALID_FIELD_FOR_INSERT_UPDATE"
TELL_OF_CHANGE: Final = frozenset({NO_FIELD, READ_ONLY, "INVALID_TYPE", BAD_CHOICE, TOO_LONG})
"""Codes by which Salesforce says that an object is not as it was described."""
_TEXTS: Final = frozenset({"string", "textarea", "phone", "url", "email", "encryptedstring"})
_Answer = TypeVar("_Answer")


class Org(Protocol):
    """Where descriptions come from: `adapters.salesforce.rest.Rest`."""

    async def describe_since(self, sobject: str, since: str = "") -> Described:
        """One object with all its fields, unless it has not changed since."""


@dataclass(slots=True)
class _Kept:
    fields: Mapping[str, Mapping[str, Any]]
    last_modified: str
    read_at: int


class Describes:
    """The fields of objects, by name. `now` gives epoch milliseconds.

    What is old is asked for again if it has changed; what is heard to have changed is asked for outright, since nobody
    documents that a field that was hidden from the login counts as a change.
    """

    def __init__(self, org: Org, now: Callable[[], int]) -> None:
        self._org = org
        self._now = now
        self._kept: dict[str, _Kept] = {}
        self._doubted: set[str] = set()
        self._tried: dict[str, int] = {}
        self._changed: set[str] = set()
        self._lacking: set[str] = set()
        """The objects of which Salesforce has said that they lack a field."""

    async def fields(self, sobject: str, *, no_older_than: int = KEPT_MS) -> Mapping[str, Mapping[str, Any]]:
        """The object's fields; none where the org cannot be asked, has no such object, or may not tell us of it."""
        now = self._now()
        kept = self._kept.get(sobject)
        doubted = sobject in self._doubted and now - self._tried.get(sobject, now) > FRESH_MS
        if kept is not None and now - kept.read_at <= no_older_than and not doubted:
            return kept.fields
        since = "" if kept is None or doubted else kept.last_modified
        self._tried[sobject] = now
        try:
            described = await self._org.describe_since(sobject, since)
        except (CallFailed, LoginFailed, Unavailable):
            # Whoever writes next is told by Salesforce itself; that it is away is said there, and counted.
            return {} if kept is None else kept.fields
        self._doubted.discard(sobject)
        if kept is not None and described.unchanged:
            kept.read_at = now
            return kept.fields
        told = described.definition or {}
        fields = {each["name"]: each for each in told.get("fields", ()) if "name" in each}
        if kept is not None and kept.fields != fields:
            self._changed.add(sobject)
        self._kept[sobject] = _Kept(fields, described.last_modified, now)
        return fields

    def doubt(self, sobject: str) -> None:
        """It is heard that the object has changed: ask the org when it is next needed, once in a minute at most."""
        self._doubted.add(sobject)

    def heard(self, sobject: str, codes: Collection[str]) -> None:
        """What rows are refused with may tell that the object is not as described: then it is described anew."""
        if not TELL_OF_CHANGE.isdisjoint(codes):
            self.doubt(sobject)
        if NO_FIELD in codes:
            self._lacking.add(sobject)

    async def misfits(self, sobject: str, updates: Sequence[RecordUpdate], *, upsert: bool) -> dict[int, RowResult]:
        """The rows that Salesforce would refuse, by their place: each refused alike, with the field named.

        A value that its restricted picklist does not have, a text that is too long, a field that this user may not
        write. No message names a value. A field that is not described is Salesforce's to judge, until it has once
        refused one of the object: for such a field it refuses whole calls, and fails whole jobs.
        """
        strict = sobject in self._lacking
        found = _misfits(updates, await self.fields(sobject), strict=strict, upsert=upsert)
        if found:
            fresh = await self.fields(sobject, no_older_than=FRESH_MS)
            found = _misfits(updates, fresh, strict=strict, upsert=upsert)
        return found

    def changed(self) -> frozenset[str]:
        """The objects that were found changed since the last time this was asked."""
        found, self._changed = frozenset(self._changed), set()
        return found

    async def look(self) -> frozenset[str]:
        """Ask for those that are in doubt and long enough known; the objects found changed, as `changed`."""
        for sobject in sorted(self._doubted & self._kept.keys()):
            await self.fields(sobject)
        return self.changed()


class Records(Protocol):
    """Where rows go that nothing speaks against: as `consumers.ports.Records`."""

    async def update(self, sobject: str, updates: Sequence[RecordUpdate]) -> list[RowResult]:
        """By Id."""

    async def upsert(self, sobject: str, external_id_field: str, updates: Sequence[RecordUpdate]) -> list[RowResult]:
        """By external id."""

    async def delete(self, sobject: str, record_ids: Sequence[str]) -> list[RowResult]:
        """By Id."""

    async def read(self, sobject: str, record_ids: Sequence[str], fields: Sequence[str]) -> RecordRead:
        """By Id."""

    async def find(self, sobject: str, external_id_field: str, external_ids: Sequence[str]) -> Mapping[str, list[str]]:
        """By external id."""

    async def match(
        self, sobject: str, field: str, values: Sequence[str], fields: Sequence[str]
    ) -> list[Mapping[str, Any]]:
        """By a text."""

    async def conversions(self, sobject: str, record_ids: Sequence[str]) -> Mapping[str, Converted]:
        """What leads have become."""

    async def converted(self, sobject: str, record_ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """The leads that became them."""

    async def successors(self, sobject: str, record_ids: Sequence[str]) -> Mapping[str, str]:
        """What merges put in their place."""

    async def merged(self, sobject: str, record_ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """What was merged into them."""


class CheckedRecords:
    """Records whose rows are compared with the org's description first. Satisfies `consumers.ports.Records`.

    A row that Salesforce would refuse costs no call. What Salesforce refuses itself may tell that the object has
    changed: then it is described anew.
    """

    def __init__(self, records: Records, describes: Describes) -> None:
        self._records = records
        self._describes = describes
        self.delete = records.delete
        self.conversions = records.conversions
        self.converted = records.converted
        self.successors = records.successors
        self.merged = records.merged

    async def update(self, sobject: str, updates: Sequence[RecordUpdate]) -> list[RowResult]:
        """As the port."""
        refused = await self._describes.misfits(sobject, updates, upsert=False)
        sent = [update for place, update in enumerate(updates) if place not in refused]
        answers = await self._records.update(sobject, sent) if sent else []
        return _in_order(len(updates), refused, self._heard(sobject, answers))

    async def upsert(self, sobject: str, external_id_field: str, updates: Sequence[RecordUpdate]) -> list[RowResult]:
        """As the port."""
        refused = await self._describes.misfits(sobject, updates, upsert=True)
        sent = [update for place, update in enumerate(updates) if place not in refused]
        answers = await self._records.upsert(sobject, external_id_field, sent) if sent else []
        return _in_order(len(updates), refused, self._heard(sobject, answers))

    async def read(self, sobject: str, record_ids: Sequence[str], fields: Sequence[str]) -> RecordRead:
        """As the port."""
        return await self._asked(sobject, self._records.read(sobject, record_ids, fields))

    async def find(self, sobject: str, external_id_field: str, external_ids: Sequence[str]) -> Mapping[str, list[str]]:
        """As the port."""
        return await self._asked(sobject, self._records.find(sobject, external_id_field, external_ids))

    async def match(
        self, sobject: str, field: str, values: Sequence[str], fields: Sequence[str]
    ) -> list[Mapping[str, Any]]:
        """As the port."""
        return await self._asked(sobject, self._records.match(sobject, field, values, fields))

    def _heard(self, sobject: str, answers: list[RowResult]) -> list[RowResult]:
        self._describes.heard(sobject, {answer.code for answer in answers})
        return answers

    async def _asked(self, sobject: str, answer: Awaitable[_Answer]) -> _Answer:
        """The answer. A refusal of the whole call may say the same."""
        try:
            return await answer
        except Unavailable as error:
            cause = error.__cause__
            if isinstance(cause, CallFailed) and cause.fault.code in TELL_OF_CHANGE:
                self._describes.doubt(sobject)
            raise


def _in_order(count: int, refused: Mapping[int, RowResult], answers: Sequence[RowResult]) -> list[RowResult]:
    waiting = iter(answers)
    return [refused[place] if place in refused else next(waiting) for place in range(count)]


def _misfits(
    updates: Sequence[RecordUpdate], fields: Mapping[str, Mapping[str, Any]], *, strict: bool, upsert: bool
) -> dict[int, RowResult]:
    choices = {name: there for name, field in fields.items() if (there := picklist_values(field)) is not None}
    known = {name.casefold() for name in fields} if strict else frozenset[str]()
    found: dict[int, RowResult] = {}
    for place, update in enumerate(updates):
        for name, value in update.values.items():
            field = fields.get(name, {})
            if known and name.casefold() not in known:
                found[place] = _refused(NO_FIELD, name, "the object has no such field, or the login may not see it")
            elif field.get("updateable") is False and not (upsert and field.get("createable") is not False):
                # An upsert may make the record, and its answer alone says which it did.
                found[place] = _refused(READ_ONLY, name, "the login may not write this field")
            elif (refused := _misfit(name, value, field, choices.get(name))) is not None:
                found[place] = refused
            else:
                continue
            break
    return found


def _misfit(name: str, value: Any, field: Mapping[str, Any], choices: frozenset[str] | None) -> RowResult | None:
    if not isinstance(value, str) or not value:
        return None
    if choices is not None:
        several = value.split(";") if field.get("type") == "multipicklist" else [value]
        if not {each.strip() for each in several} <= choices:
            return _refused(BAD_CHOICE, name, "its restricted picklist has no such value")
    length = field.get("length")
    if field.get("type") in _TEXTS and isinstance(length, int) and 0 < length < len(value.strip()):
        return _refused(TOO_LONG, name, f"longer than its {length} characters")
    return None


def _refused(code: str, name: str, why: str) -> RowResult:
    return RowResult(failure=Failure.REJECTED, code=code, message=f"{why}; not sent", fields=(name,))
