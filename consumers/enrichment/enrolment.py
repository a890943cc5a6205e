"""A registration by the API: stored first, then looked up in Salesforce for as long as a person waits, and no longer.

The order is that of every fact: into the log, into the document, and only then an answer. Whatever Salesforce does or
fails to do comes after that, so it can neither lose a registration nor delay it beyond the deadline.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson

from consumers.catalog import Catalog
from consumers.enrichment.guarded import Change, GuardedDocuments
from consumers.enrichment.lookups import ORG_ILL, Lookups
from consumers.enrichment.ports import EventLog, Identities, Requests, Traces, Untraced
from consumers.ports import Documents, ErasedList, Record, Unavailable
from consumers.reconciler.incoming import PlatformFact, Unreadable, flatten, read
from consumers.rules.enrichment import (
    UNVERIFIED,
    await_look,
    comparable,
    email_field,
    email_of,
    made_old,
    take_over,
    verify,
    visitor_view,
)
from consumers.rules.filters import unasked
from consumers.rules.kinds import Kind
from consumers.rules.registration import NAME, full_name, heard, with_names
from consumers.rules.state import DocumentState
from consumers.rules.stored import load
from schemas import cloudevents, topics
from schemas.erasure import thing_name
from schemas.people import LookFailed, PersonRows
from schemas.registration import Erased, InvalidRegistration, Registered, Registration
from schemas.versions import Data, data_schema

SOURCE = "/api/participants"
LATER_MS = 1_000
"""How long after the deadline whoever finds the document unanswered begins to ask by itself."""

Lookup = PersonRows | LookFailed | None


class Enrolment:
    """Of one process."""

    def __init__(
        self,
        *,
        catalog: Callable[[], Catalog],
        documents: Documents,
        guarded: GuardedDocuments,
        identities: Identities,
        log: EventLog,
        requests: Requests,
        lookups: Lookups,
        now: Callable[[], int],
        deadline: float = 2.0,
        asked_within: float = 0.25,
        on_answer: Callable[[str, float], None] = lambda _end, _seconds: None,
        notice: Callable[..., Any] = lambda *_words, **_more: None,
        traces: Traces | None = None,
        erased: ErasedList | None = None,
    ) -> None:
        """`now` is the wall clock, epoch milliseconds; `deadline` seconds; `on_answer` hears how each one ended.

        `asked_within` is how many seconds a person waits beyond that for the log to take in that others go on.
        `erased` is the list of erased people; without it nobody can be erased.
        """
        self._catalog = catalog
        self._documents = documents
        self._guarded = guarded
        self._identities = identities
        self._log = log
        self._requests = requests
        self._lookups = lookups
        self._now = now
        self._deadline = deadline
        self._asked_within = asked_within
        self._on_answer = on_answer
        self._notice = notice
        self._traces = traces or Untraced()
        self._erased = erased

    async def register(self, registration: Registration, *, look: bool = True, kind_name: str = "") -> Registered:
        """Store the person, then look them up; with `look` false leave that to whoever has time.

        Raises:
            InvalidRegistration: it cannot be a registration; nothing was taken.
            Erased: whoever has this id was erased; nobody is asked about them.
            Unavailable: it was not taken, and may be sent again.
            CannotStore: the store refuses the document as it is.
        """
        began = asyncio.get_running_loop().time()
        catalog = self._catalog()
        kind = enriched_kind(catalog, kind_name)
        said = heard(registration.fields, kind)
        fields = with_names(registration.fields, kind)
        email = _address(fields, kind)
        if registration.id:
            # Before anything is kept: the address would be theirs otherwise.
            await self._refuse_erased(kind, registration.id)
        document_id, new = await self._identity(kind, email, registration.id)
        if document_id != registration.id:
            await self._refuse_erased(kind, document_id)
        fact, record = self._fact(catalog, kind, document_id, fields, registration)
        with self._traces.publishing(registration.traceparent) as traceparent:
            headers = [*record.raw_headers, *cloudevents.traced(traceparent)]
            await self._log.append(key=record.key or b"", value=record.value or b"", headers=headers)
        # From here on it is taken: what fails now is done by others.
        try:
            stored, state = await self._stored(
                catalog, kind, document_id, self._awaiting(kind, registration.verified), fact
            )
            # Erased meanwhile: the erasure's second pass has the document, and Salesforce is not asked.
            await self._refuse_erased(kind, document_id)
        except Unavailable as error:
            self._notice("registration_not_stored_yet", reason=str(error))
            self._on_answer("accepted", asyncio.get_running_loop().time() - began)
            return Registered(
                document_id,
                created=False,
                document=None,
                said=said.said,
                ignored=said.ignored,
                visitor=UNVERIFIED,
            )
        with self._traces.waiting(traceparent, kind.name, document_id, email) as ended:
            told = await self._looked_up(catalog, kind, stored, state, began, ended, created=new, look=look)
        # That the address was verified earlier says nothing of who types it now.
        visitor = told.visitor if registration.verified else UNVERIFIED
        return replace(told, said=said.said, ignored=said.ignored, visitor=visitor)

    async def enrich(
        self, document_id: str, *, verified: bool = False, look: bool = True, kind_name: str = ""
    ) -> Registered | None:
        """Look up one who is stored already; None where there is no such document, or they were erased.

        Raises:
            InvalidRegistration: the document shows no e-mail address.
            Unavailable: the store does not answer.
            CannotStore: as `register`.
        """
        began = asyncio.get_running_loop().time()
        catalog = self._catalog()
        kind = enriched_kind(catalog, kind_name)
        if await self._is_erased(kind, document_id):
            return None
        changed = await self._guarded.change(catalog, kind, document_id, self._awaiting(kind, verified))
        if changed is None:
            return None
        stored, state = changed
        if not email_of(state, kind):
            raise InvalidRegistration([f"{_by(kind)}: the document shows no address to look for"])
        with self._traces.waiting("", kind.name, document_id, email_of(state, kind)) as ended:
            return await self._looked_up(catalog, kind, stored, state, began, ended, created=False, look=look)

    async def find(self, document_id: str, *, kind_name: str = "") -> Registered | None:
        """What is stored, as it is now.

        Raises:
            Unavailable: the store does not answer.
        """
        kind = enriched_kind(self._catalog(), kind_name)
        stored = (await self._documents.read(kind.collection, [document_id])).get(document_id)
        if stored is None:
            return None
        return _told(kind, stored, load(stored, document_id, kind), created=False)

    async def _is_erased(self, kind: Kind, document_id: str) -> bool:
        return self._erased is not None and bool(await self._erased.among([thing_name(kind.name, document_id)]))

    async def _refuse_erased(self, kind: Kind, document_id: str) -> None:
        if await self._is_erased(kind, document_id):
            raise Erased

    def _awaiting(self, kind: Kind, verified: bool) -> Change:
        due = self._now() + int(self._deadline * 1000) + LATER_MS

        def change(state: DocumentState) -> bool:
            if not email_of(state, kind) or unasked(state, kind):
                return False
            if verified:
                verify(state, kind)
            await_look(state, due=due)
            return True

        return change

    async def _stored(
        self, catalog: Catalog, kind: Kind, document_id: str, change: Change, fact: PlatformFact | None
    ) -> tuple[dict[str, Any], DocumentState]:
        changed = await self._guarded.change(catalog, kind, document_id, change, fact=fact)
        if changed is None:
            raise Unavailable("the document is gone")
        return changed

    async def _looked_up(
        self,
        catalog: Catalog,
        kind: Kind,
        stored: dict[str, Any],
        state: DocumentState,
        began: float,
        ended: Callable[[str], None],
        *,
        created: bool,
        look: bool,
    ) -> Registered:
        """The answer: with what Salesforce told in time, else as it is stored, and somebody asked to go on."""
        email = email_of(state, kind)
        if unasked(state, kind):
            # Who opted out is asked about nowhere.
            ended("left_out")
            self._on_answer("left_out", asyncio.get_running_loop().time() - began)
            return _told(kind, stored, state, created=created)
        told: Lookup = await self._in_time(kind, email, began) if look else None
        end = "pending"
        try:
            match told:
                case PersonRows():
                    changed = await self._guarded.change(catalog, kind, state.id, _taking(kind, email, told))
                    if changed is not None:
                        stored, state = changed
                    end = "known" if told.found else "not_found"
                    if await self._lookups.overtaken(email, told):
                        stored, state = await self._old(catalog, kind, stored, state)
                case LookFailed(code) if code == ORG_ILL:
                    pass  # to ask for it now would only be refused again: the sweep does once the document is due
                case LookFailed() | None:
                    await self._ask(kind, state.id)
        except Unavailable as error:
            # The document says when it is to be looked up at the latest: the sweep finds it.
            self._notice("enrichment_left_to_the_sweep", reason=str(error))
            end = "pending"
        ended(end)
        self._on_answer(end, asyncio.get_running_loop().time() - began)
        return _told(kind, stored, state, created=created)

    async def _old(
        self, catalog: Catalog, kind: Kind, stored: dict[str, Any], state: DocumentState
    ) -> tuple[dict[str, Any], DocumentState]:
        """What was told stands until somebody has asked again."""
        changed = await self._guarded.change(catalog, kind, state.id, _made_old(self._now()))
        await self._ask(kind, state.id)
        return changed or (stored, state)

    async def _ask(self, kind: Kind, document_id: str) -> None:
        try:
            async with asyncio.timeout(self._asked_within):
                await self._requests.ask([(kind.name, document_id)])
        except TimeoutError:
            raise Unavailable("the log did not take the request in time") from None

    async def _in_time(self, kind: Kind, email: str, began: float) -> Lookup:
        try:
            async with asyncio.timeout_at(began + self._deadline):
                return await self._lookups.find(kind, email)
        except TimeoutError:
            return None

    async def _identity(self, kind: Kind, email: str, given: str) -> tuple[str, bool]:
        """Whose the address is: that of a document which shows it, else the one given, else a new one.

        And whether nobody was there before: of several at once, the first alone is told so. Who makes the document does
        not tell, since the reconciler may have heard of it sooner.
        """
        owner = await self._owner(kind, email)
        proposed = owner or given or secrets.token_hex(12)
        reserved = await self._identities.reserve(kind.name, email, proposed)
        if reserved == proposed:
            known = bool(owner) or (bool(given) and await self._held(kind, given) is not None)
            return reserved, not known
        held = await self._held(kind, reserved)
        if held is None or _shows(held, reserved, kind, email):
            return reserved, False
        taken = await self._identities.reserve(kind.name, email, proposed, reserved)
        return taken, taken == proposed and not owner

    async def _held(self, kind: Kind, document_id: str) -> Mapping[str, Any] | None:
        return (await self._documents.read(kind.collection, [document_id])).get(document_id)

    async def _owner(self, kind: Kind, email: str) -> str:
        found = await self._documents.matching(kind.collection, _by(kind), [email])
        owners = sorted(each["_id"] for each in found if _shows(each, each["_id"], kind, email))
        return owners[0] if owners else ""

    def _fact(
        self, catalog: Catalog, kind: Kind, document_id: str, fields: Mapping[str, Any], registration: Registration
    ) -> tuple[PlatformFact, Record]:
        """The event as the webhook would have put it into the log, and what the reconciler will read from it.

        Raises:
            InvalidRegistration: a value that no transform can take.
        """
        now = self._now()
        moment = datetime.fromtimestamp(now / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        event_type = kind.enrichment.registered if kind.enrichment is not None else ""
        body = {"type": event_type, "timestamp": moment, "data": {"id": document_id, "fields": dict(fields)}}
        headers = cloudevents.headers(
            id=registration.event_id or f"reg_{secrets.token_hex(16)}",
            source=SOURCE,
            type=event_type,
            subject=f"{kind.name}/{document_id}",
            time=moment,
            schema=data_schema(Data.PLATFORM_EVENT),
            extensions={cloudevents.RECEIVED_AT: str(now)},
        )
        try:
            value = orjson.dumps(body)
        except TypeError as error:
            raise InvalidRegistration([f"body: {error}"]) from None
        record = Record(
            topic=topics.PLATFORM_EVENTS,
            partition=0,
            offset=0,
            key=topics.document_key(kind.name, document_id),
            value=value,
            headers=cloudevents.read(headers),
            timestamp=now,
            raw_headers=headers,
        )
        match read(record, catalog):
            case PlatformFact() as fact:
                return fact, record
            case Unreadable(_, detail):
                raise InvalidRegistration(detail.split("; "))
            case _:
                raise InvalidRegistration([f"type: {event_type} is not an event of {kind.name}"])


def enriched_kind(catalog: Catalog, name: str = "") -> Kind:
    """The kind that people register as: the only one, or the one named.

    Raises:
        InvalidRegistration: the mapping looks up no such kind.
    """
    able = [kind for kind in catalog.kinds.values() if kind.enrichment is not None and name in ("", kind.name)]
    if not able:
        raise InvalidRegistration([f"kind: the mapping looks {name or 'nobody'} up in Salesforce by no address"])
    return able[0]


def _taking(kind: Kind, email: str, found: PersonRows) -> Change:
    def change(state: DocumentState) -> bool:
        if email_of(state, kind) != email:
            return False  # it shows another address by now, and is due for that
        take_over(state, kind, email, found)
        return True

    return change


def _made_old(now: int) -> Change:
    def change(state: DocumentState) -> bool:
        made_old(state, now=now)
        return True

    return change


def _address(fields: Mapping[str, Any], kind: Kind) -> str:
    path = _by(kind)
    given = flatten(fields, kind).get(path)
    if not isinstance(given, str) or not given.strip():
        raise InvalidRegistration([f"{path}: Field required"])
    written = kind.by_name[email_field(kind)].outgoing(given)
    address = comparable(str(written))
    local, at, host = address.rpartition("@")
    if not (local and at and "." in host) or len(address) > 80 or any(part.isspace() for part in address):
        raise InvalidRegistration([f"{path}: Input should be an e-mail address of at most 80 characters"])
    return address


def _by(kind: Kind) -> str:
    return kind.by_name[email_field(kind)].dotted


def _shows(document: Mapping[str, Any], document_id: str, kind: Kind, email: str) -> bool:
    state = load(document, document_id, kind)
    return not state.deleted and email_of(state, kind) == email


def _told(kind: Kind, stored: Mapping[str, Any], state: DocumentState, *, created: bool) -> Registered:
    shown = {name: value for name, value in stored.items() if name not in ("_id", "_sync")}
    name = full_name(shown)
    visitor = visitor_view(state, kind, shown, name)
    return Registered(
        state.id,
        created=created,
        document={"id": state.id, **shown},
        name="" if NAME in kind.by_path else name,
        visitor=visitor,
    )
