"""`/contacts`: a person found by any of their names, and said by the platform as if it were a webhook.

What is posted becomes a platform event in the same topic, judged by the same rules: nothing is written past them. Then
it is waited for a moment, since most are through in a fraction of a second.
"""

import asyncio
import hashlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol
from urllib.parse import quote

import orjson

from listener.api import contact_form, mapping_form, problem
from listener.api.contact_bodies import (
    ContactPath,
    ContactResult,
    ContactSaid,
    ContactShown,
    Document,
    Ignored,
    OfKind,
    may_know_of,
    shown_contact,
)
from listener.api.paths import PREFIX
from listener.api.ports import ErasedList
from listener.api.problem import Fault, Problem, ProblemType
from listener.api.routes import GET, POST, Answer, Call, Group, Route
from listener.webhook.ports import EventLog
from schemas import cloudevents
from schemas.api_key import Scope
from schemas.erasure import thing_name
from schemas.mapping import KindMapping
from schemas.mapping import Mapping as FieldMappings
from schemas.outcome import Outcome
from schemas.record_id import is_id, to_18
from schemas.topics import document_key
from schemas.unavailable import Unavailable
from schemas.versions import Data, data_schema

CONTACT: Final = "Contact"
PENDING: Final = "pending"
LOOK_SECONDS: Final = 0.05
NOT_TAKEN: Final = ProblemType("not_taken", 409, "The event was taken in, and cannot be applied as it is")
SEVERAL: Final = ProblemType("several", 409, "Several things answer to this name")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a platform event ended."""

    outcome: Outcome
    reason: str


class Documents(Protocol):
    """Where people are kept. Every method raises `Unavailable` while the store does not answer."""

    async def read(self, collection: str, document_id: str) -> Document | None:
        """One by its id."""

    async def linked(self, collection: str, record_id: str) -> Sequence[Document]:
        """Those whose Salesforce record has, or had, this id of 18 characters."""

    async def matching(self, collection: str, path: str, text: str) -> Sequence[Document]:
        """Those that show this text at this path, in whatever case."""

    async def ended(self, kind: str, document_id: str, event_id: str) -> Ended | None:
        """How an event about a thing ended; nothing while it has not."""


class Identities(Protocol):
    """Ids of people who are said by their e-mail address alone, so that two who post at once make one person."""

    async def reserve(self, kind: str, email: str, document_id: str, instead_of: str | None = None) -> str:
        """This id for this address, if it has none for now, or has `instead_of`; the id that it has.

        Raises:
            Unavailable: the store does not answer.
        """


class Contacts:
    """The handlers."""

    def __init__(
        self,
        *,
        mapping: Callable[[], FieldMappings],
        documents: Documents,
        identities: Identities,
        log: EventLog,
        wait_seconds: float,
        clock: Callable[[], float],
        erased: ErasedList | None = None,
    ) -> None:
        """`clock` tells seconds that only go forward. Without `erased` nobody can be erased."""
        self._mapping = mapping
        self._documents = documents
        self._identities = identities
        self._log = log
        self._wait = wait_seconds
        self._clock = clock
        self._erased = erased

    def group(self) -> Group:
        """Their routes."""
        several = (problem.NOT_FOUND, SEVERAL)
        return Group(
            "Contacts",
            PREFIX,
            (
                Route(
                    GET,
                    "/contacts/{id}",
                    self.show,
                    Scope.READ,
                    "One contact",
                    {200: ContactShown},
                    "By its Salesforce id, the platform's id or an e-mail address, which are told apart. Where people "
                    "of the kind are looked up while they register, what Salesforce knows of them needs `enrich` too.",
                    query=OfKind,
                    path=ContactPath,
                    problems=several,
                ),
                Route(
                    POST,
                    "/contacts",
                    self.say,
                    Scope.EVENTS,
                    "Make or change a contact",
                    {200: ContactResult, 201: ContactResult, 202: ContactResult},
                    "What is said goes through the topics and rules as a webhook does. 200 or 201 (a new one) when it "
                    "is in both systems; 202 when that takes longer than API_WAIT_SECONDS. `contact` is for keys that "
                    "have `read` too.",
                    body=ContactSaid,
                    query=OfKind,
                    problems=(*several, NOT_TAKEN, problem.ERASED),
                    idempotent=True,
                ),
            ),
            "People, on both sides.",
        )

    async def show(self, call: Call) -> Answer:
        """One."""
        for name, kind in self._kinds(call.query(OfKind).kind).items():
            may_know = may_know_of(kind, call.scopes)
            if found := await self._find(kind, call.path(ContactPath).id, by_record=may_know):
                shown = shown_contact(name, kind, one(name, found), call.scopes)
                return Answer(shown, headers={"ETag": f'"{shown.revision}"'}, about=f"{name}/{shown.id}")
        raise Problem(problem.NOT_FOUND, "nobody here answers to this id or address")

    async def say(self, call: Call) -> Answer:
        """What the platform knows of one."""
        said = call.body(ContactSaid)
        name, kind = self._kind(call.query(OfKind).kind)
        taken = contact_form.taken(kind, said.__pydantic_extra__ or {}, said.custom_fields)
        document_id = said.id or await self._id_of(name, kind, taken.fields)
        if self._erased is not None and await self._erased.among([thing_name(name, document_id)]):
            # The log would keep what is said of them long after the certificate's date.
            raise Problem(problem.ERASED, "say who it is by another id, if they want to be known again")
        before = await self._documents.read(kind.collection, document_id)
        event_id = _event_id(call)
        await self._publish(call, said, (name, kind), document_id, event_id, taken.fields, is_new=before is None)
        ended, after = await self._result((name, kind), document_id, event_id)
        if ended is not None and ended.outcome is Outcome.PARKED:
            raise Problem(NOT_TAKEN, f"parked: {ended.reason}; event {event_id}")
        scopes = call.scopes
        shown = shown_contact(name, kind, after, scopes) if after is not None and Scope.READ in scopes else None
        there = ended is not None and after is not None and not _is_pending(after)
        result = ContactResult(
            id=document_id,
            kind=name,
            event_id=event_id,
            outcome=None if ended is None else str(ended.outcome),
            reason="" if ended is None else ended.reason,
            ignored=tuple(Ignored(field=each, reason=reason) for each, reason in taken.ignored.items()),
            contact=shown,
        )
        status = 202 if not there else 200 if before is not None else 201
        place = {"Location": f"{PREFIX}/contacts/{quote(document_id, safe='')}"}
        return Answer(result, status, place, f"{name}/{document_id}")

    def _kinds(self, wanted: str | None) -> dict[str, KindMapping]:
        """Those kept in Contact, or the one that is named; first those that are at home there."""
        mapping = self._mapping()
        kept = dict(mapping.kinds_of_sobject(CONTACT))
        if wanted is None:
            home = mapping_form.kinds_called(CONTACT, mapping)
            return {name: kept[name] for name in dict.fromkeys([*home, *kept])}
        if wanted not in kept:
            raise Problem(problem.INVALID, errors=[Fault(detail="no such kind is kept in Contact", parameter="kind")])
        return {wanted: kept[wanted]}

    def _kind(self, wanted: str | None) -> tuple[str, KindMapping]:
        """The one that somebody new would be of."""
        kinds = self._kinds(wanted)
        home = [name for name in mapping_form.kinds_called(CONTACT, self._mapping()) if name in kinds] or list(kinds)
        if len(home) == 1:
            return home[0], kinds[home[0]]
        told = "nothing is kept in Contact" if not home else f"one of {', '.join(home)} must be named"
        raise Problem(problem.INVALID, errors=[Fault(detail=told, parameter="kind")])

    async def _find(self, kind: KindMapping, name: str, *, by_record: bool) -> Sequence[Document]:
        """A record id goes first, then the platform's id, then an e-mail address: no two of them look alike.

        Whose record it is, is not told to whom may not know who has one.
        """
        if by_record and is_id(name) and (linked := await self._documents.linked(kind.collection, to_18(name))):
            return linked
        if (document := await self._documents.read(kind.collection, name)) is not None:
            return [document]
        path = contact_form.email_path(kind)
        return await self._matching(kind, path, name) if path and "@" in name else []

    async def _matching(self, kind: KindMapping, path: str, email: str) -> Sequence[Document]:
        """Who has this address; not who had it and was deleted, whose document stays."""
        found = await self._documents.matching(kind.collection, path, email.strip())
        return [each for each in found if _exists(each)]

    async def _id_of(self, name: str, kind: KindMapping, fields: Mapping[str, Any]) -> str:
        """Whom an e-mail address means."""
        path = contact_form.email_path(kind)
        email = fields.get(path) if path is not None else None
        if path is None or not isinstance(email, str) or not email.strip():
            wanted = [Fault(detail="is needed, or `email`: one of them says who it is", pointer="/id")]
            raise Problem(problem.INVALID, errors=wanted)
        if found := await self._matching(kind, path, email):
            return str(one(name, found)["_id"])
        new = str(uuid.uuid4())
        reserved = await self._identities.reserve(name, email.strip().casefold(), new)
        document = await self._documents.read(kind.collection, reserved)
        if document is None:
            return reserved
        shown = contact_form.value_of(document, path)
        if _exists(document) and isinstance(shown, str) and shown.strip().casefold() == email.strip().casefold():
            return reserved
        # Whoever had the address has another one now, or was deleted: this is somebody else.
        return await self._identities.reserve(name, email.strip().casefold(), new, instead_of=reserved)

    async def _publish(
        self,
        call: Call,
        said: ContactSaid,
        of: tuple[str, KindMapping],
        document_id: str,
        event_id: str,
        fields: Mapping[str, Any],
        *,
        is_new: bool,
    ) -> None:
        name, kind = of
        event = contact_form.event_type(kind, is_new=is_new)
        if event is None:
            raise Problem(problem.CONFLICT, f"the mapping names no event by which a {name} could be said")
        now = datetime.fromtimestamp(call.now / 1000, UTC)
        moment = min(now, said.occurred_at or now)
        data: dict[str, Any] = {"id": document_id, "fields": dict(fields)}
        if said.changed is not None:
            data["changed"] = list(said.changed)
        if said.seen is not None:
            data["seen"] = said.seen
        at = moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        headers = cloudevents.headers(
            id=event_id,
            source=f"/api/{call.key.id if call.key is not None else ''}",
            type=event,
            subject=f"{name}/{document_id}",
            time=at,
            schema=data_schema(Data.PLATFORM_EVENT),
            extensions={cloudevents.RECEIVED_AT: str(call.now), cloudevents.CLOCK_OFFSET: "0"},
        )
        value = orjson.dumps({"type": event, "timestamp": at, "data": data})
        await self._log.append(key=document_key(name, document_id), value=value, headers=headers)

    async def _result(
        self, of: tuple[str, KindMapping], document_id: str, event_id: str
    ) -> tuple[Ended | None, Document | None]:
        """How it ended, and the document, once Salesforce has it too, or the wait is over.

        The event is in: where the store goes away meanwhile, no more is known of it.
        """
        try:
            return await self._awaited(of, document_id, event_id)
        except Unavailable:
            return None, None

    async def _awaited(
        self, of: tuple[str, KindMapping], document_id: str, event_id: str
    ) -> tuple[Ended | None, Document | None]:
        name, kind = of
        until = self._clock() + self._wait
        ended: Ended | None = None
        while True:
            ended = ended or await self._documents.ended(name, document_id, event_id)
            document = await self._documents.read(kind.collection, document_id) if ended is not None else None
            if document is not None and document.get("salesforce", {}).get("syncStatus") != PENDING:
                return ended, document
            if (ended is not None and ended.outcome is Outcome.PARKED) or self._clock() >= until:
                return ended, document
            await asyncio.sleep(LOOK_SECONDS)


def one(kind: str, found: Sequence[Document]) -> Document:
    """The only one.

    Raises:
        Problem: there are several; it names their ids.
    """
    if len(found) > 1:
        named = [Fault(detail=f"{kind}/{document['_id']}") for document in found[:20]]
        raise Problem(SEVERAL, "name one of them by its id", errors=named)
    return found[0]


def _is_pending(document: Document) -> bool:
    return bool(document.get("salesforce", {}).get("syncStatus", PENDING) == PENDING)


def _exists(document: Document) -> bool:
    """The platform has not deleted it."""
    existence: Mapping[str, Any] = document.get("_sync", {}).get("existence") or {}
    return bool(existence.get("exists", True))


def _event_id(call: Call) -> str:
    """The same request is the same event; one that was mended under its name is another."""
    if call.idempotency_key is None or call.key is None:
        return f"api-{uuid.uuid4().hex}"
    name = f"{call.key.id}:{call.idempotency_key}:{call.fingerprint}"
    return f"api-{hashlib.sha256(name.encode()).hexdigest()[:32]}"
