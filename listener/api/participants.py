"""Who registers: stored, looked up in Salesforce while they wait, and what is known is told to whom may know it."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Protocol

from pydantic import BaseModel, ConfigDict, Field

from listener.api.contact_bodies import Ignored
from listener.api.problem import CONFLICT, ERASED, INVALID, NOT_FOUND, Fault, Problem
from listener.api.routes import GET, POST, Answer, Call, Group, Route
from schemas.api_key import Scope
from schemas.platform_event import DocumentId
from schemas.registration import CannotStore, Erased, InvalidRegistration, Registered, Registration

KIND: Final = "participant"
PENDING: Final = "pending"

Told = str | int | float | bool | None
"""A value of Salesforce's, as the mapping shows it."""


class Enrolling(Protocol):
    """Registrations. Every method raises `Unavailable` where nothing was taken, and the request may come again."""

    async def register(self, registration: Registration, *, look: bool = True) -> Registered:
        """Store the person, then look them up for as long as a person waits; without `look` leave that to others.

        Raises:
            InvalidRegistration: it cannot be one; nothing was taken.
            Erased: whoever has this id was erased.
            CannotStore: the store refuses the document.
        """

    async def enrich(self, document_id: str, *, verified: bool = False) -> Registered | None:
        """Look up one who is stored; None where there is no such document, or they were erased.

        Raises as `register`.
        """

    async def find(self, document_id: str) -> Registered | None:
        """What is stored; None where there is no such document."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class RegistrationBody(BaseModel):
    """Who registers: mapped fields by their platform paths. A whole `name` is taken apart into first and last name.
    Names that are not mapped are stored nowhere, and told in `ignored`."""

    model_config = ConfigDict(
        frozen=True,
        extra="allow",
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [{"email": "ana@example.com", "name": "Ana Pop", "skills": ["Go"], "consent": True}]
        },
    )

    email: Annotated[str, Field(min_length=3, max_length=320)]
    """Whose address it is; one address is one participant."""
    id: DocumentId | None = None
    """The platform's own id. One is made where it is missing; who has the address already keeps theirs."""
    emailVerified: bool = False  # noqa: N815 - as the platform spells it
    """The platform has made sure that the address is that person's own."""


class EnrichBody(_Model):
    """How one who is stored is looked up."""

    emailVerified: bool = False  # noqa: N815
    """The platform has made sure that the address is that person's own."""


class ParticipantPath(_Model):
    """Which participant."""

    id: DocumentId
    """The platform's id."""


class SalesforceShown(BaseModel):
    """What Salesforce knows of a participant. Names that are missing have no value there."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)

    syncStatus: str  # noqa: N815
    """`pending`: Salesforce has still to tell. `synced`, `not_found`, `error`; more in docs/document.md."""
    syncError: str | None = None  # noqa: N815
    """Why it is `error`: a stable word."""
    lastSyncedAt: datetime | None = None  # noqa: N815
    """When the document was last brought up to date."""
    contactId: Told = None  # noqa: N815
    """The Contact, 18 characters."""
    leadId: Told = None  # noqa: N815
    """The Lead, 18 characters, where there is no Contact."""
    accountId: Told = None  # noqa: N815
    """The Contact's Account."""
    accountName: Told = None  # noqa: N815
    """What that is called."""
    title: Told = None
    """What they are there."""
    company: Told = None
    """The Account's name, or the Lead's company."""
    phone: Told = None
    """As Salesforce has it."""
    city: Told = None
    """The Contact's mailing city, or the Lead's city."""
    department: Told = None
    """The Contact's."""
    ownerId: Told = None  # noqa: N815
    """Whose record it is in sales."""
    ownerName: Told = None  # noqa: N815
    """What that user is called."""
    leadSource: Told = None  # noqa: N815
    """Where sales have them from."""
    campaignMemberId: Told = None  # noqa: N815
    """The campaign member of their newest registration that has one."""


class ParticipantShown(BaseModel):
    """A participant as stored. What Salesforce knows is in it only for keys with the scope `enrich`."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)

    id: str
    """The platform's id."""
    revision: int | None = None
    """Of the document: comes back as `seen` in events."""
    salesforce: SalesforceShown | None = None
    """What Salesforce knows."""
    customerTier: Told = None  # noqa: N815
    """`enterprise`, `growth`, `startup`, `community`."""
    isExistingCustomer: bool | None = None  # noqa: N815
    """Sales know them as a Contact."""


class VisitorShown(_Model):
    """What the person themselves may be shown. Before their address is verified: nothing, whoever they are.

    What was verified earlier does not count for a registration, since anybody may type the address.
    """

    verified: bool
    """The platform said that the address is theirs."""
    welcomeBack: str | None = None  # noqa: N815
    """Their name, where sales know them."""
    customerTier: Told = None  # noqa: N815
    """As of the participant."""
    isExistingCustomer: bool | None = None  # noqa: N815
    """As of the participant."""


class EnrolledShown(_Model):
    """A participant, and what they themselves may be shown."""

    participant: ParticipantShown
    """As stored; for keys without the scope `enrich` what was said and is taken. `name` is the whole name."""
    ignored: tuple[Ignored, ...] | None = None
    """Of a registration: what was said and has no effect, a name that is misspelt too. Left out where all is taken."""
    visitor: VisitorShown | None = None
    """For keys with the scope `enrich`. A registration is answered with more than `verified: false` only where it says
    `emailVerified` itself."""


class RegisteredShown(EnrolledShown):
    """What the hackathon platform's own route answers."""

    success: bool
    """It is stored, or will be."""


class Participants:
    """Handlers of `/api/participants` and `/api/register`."""

    def __init__(self, enrolling: Enrolling) -> None:
        self._enrolling = enrolling

    def group(self) -> Group:
        """The routes."""
        registering = {200: EnrolledShown, 201: EnrolledShown, 202: EnrolledShown}
        return Group(
            "Participants",
            "/api",
            (
                Route(
                    POST,
                    "/participants",
                    self.register,
                    scope=Scope.EVENTS,
                    summary="Register a participant",
                    description="201 for a new one, 200 for one whose address is known, 202 where it is taken in and "
                    "stored as soon as the store answers again. Never waits for Salesforce beyond the deadline.",
                    body=RegistrationBody,
                    answers=registering,
                    problems=(CONFLICT, ERASED),
                    idempotent=True,
                    exclude_none=True,
                ),
                Route(
                    POST,
                    "/register",
                    self.register_plainly,
                    scope=Scope.EVENTS,
                    summary="Register a participant, in the hackathon platform's own form",
                    body=RegistrationBody,
                    answers={200: RegisteredShown, 201: RegisteredShown, 202: RegisteredShown},
                    problems=(CONFLICT, ERASED),
                    idempotent=True,
                    exclude_none=True,
                ),
                Route(
                    GET,
                    "/participants/{id}",
                    self.show,
                    scope=Scope.ENRICH,
                    summary="One participant, and what Salesforce knows",
                    path=ParticipantPath,
                    answers={200: EnrolledShown},
                    problems=(NOT_FOUND,),
                    exclude_none=True,
                ),
                Route(
                    POST,
                    "/participants/{id}/enrich",
                    self.enrich,
                    scope=Scope.ENRICH,
                    summary="Look up a participant who is stored",
                    path=ParticipantPath,
                    body=EnrichBody,
                    answers={200: EnrolledShown},
                    problems=(NOT_FOUND, CONFLICT),
                    exclude_none=True,
                ),
            ),
            description="Who registers, and what Salesforce knows of them: docs/enrichment.md.",
        )

    async def register(self, call: Call) -> Answer:
        """Store and look up."""
        told, shown = await self._registered(call)
        return Answer(EnrolledShown(**shown), status=_status(told), about=f"{KIND}/{told.id}")

    async def register_plainly(self, call: Call) -> Answer:
        """The same."""
        told, shown = await self._registered(call)
        return Answer(RegisteredShown(success=True, **shown), status=_status(told), about=f"{KIND}/{told.id}")

    async def show(self, call: Call) -> Answer:
        """As stored."""
        return _found(await self._enrolling.find(call.path(ParticipantPath).id))

    async def enrich(self, call: Call) -> Answer:
        """Look up one who is stored."""
        verified = call.body(EnrichBody).emailVerified
        try:
            return _found(await self._enrolling.enrich(call.path(ParticipantPath).id, verified=verified))
        except InvalidRegistration as wrong:
            raise Problem(CONFLICT, str(wrong)) from None
        except CannotStore as refused:
            raise Problem(CONFLICT, f"the store refuses the document: {refused}") from None

    async def _registered(self, call: Call) -> tuple[Registered, dict[str, Any]]:
        body = call.body(RegistrationBody)
        fields = {"email": body.email, **(body.model_extra or {})}
        may_know = call.key is not None and Scope.ENRICH in call.key.scopes
        registration = Registration(
            fields,
            id=body.id or "",
            verified=body.emailVerified,
            event_id=_event_id(call),
            traceparent=call.traceparent,
        )
        try:
            told = await self._enrolling.register(registration, look=may_know)
        except InvalidRegistration as wrong:
            raise Problem(INVALID, errors=[_fault(place) for place in wrong.places]) from None
        except Erased:
            raise Problem(ERASED, "register them under another id, if they want to be known again") from None
        except CannotStore as refused:
            raise Problem(CONFLICT, f"the store refuses the document: {refused}") from None
        ignored = tuple(Ignored(field=name, reason=reason) for name, reason in told.ignored.items()) or None
        if may_know:
            return told, {**_shown(told), "ignored": ignored}
        # A key that may not know hears its own words: not even whether somebody was found.
        revision = None if told.document is None else told.document.get("revision")
        own = ParticipantShown(**_own(told.said), id=told.id, revision=revision)
        return told, {"participant": own, "ignored": ignored}


def _own(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is Tandem's to say."""
    return {name: value for name, value in fields.items() if name not in ParticipantShown.model_fields}


def _status(told: Registered) -> int:
    if told.document is None:
        return 202
    return 201 if told.created else 200


def _found(told: Registered | None) -> Answer:
    if told is None:
        raise Problem(NOT_FOUND, "no such participant")
    return Answer(EnrolledShown(**_shown(told)))


def _shown(told: Registered) -> dict[str, Any]:
    document = dict(told.document) if told.document is not None else {**_own(told.said), "id": told.id}
    if told.name:
        document.setdefault("name", told.name)
    salesforce = dict(document.pop("salesforce", {"syncStatus": PENDING}))
    moment = salesforce.get("lastSyncedAt")
    if isinstance(moment, int):
        salesforce["lastSyncedAt"] = datetime.fromtimestamp(moment / 1000, UTC)
    participant = ParticipantShown(**{**document, "salesforce": SalesforceShown(**salesforce)})
    return {"participant": participant, "visitor": VisitorShown(**told.visitor)}


def _event_id(call: Call) -> str:
    """The same for a request that is sent again under its name, so that it is the same event whatever became of it.

    One that was mended is another.
    """
    if call.idempotency_key is None or call.key is None:
        return ""
    name = f"{call.key.id}:{call.idempotency_key}:{call.fingerprint}"
    return f"reg_{hashlib.sha256(name.encode()).hexdigest()[:40]}"


def _fault(place: str) -> Fault:
    path, _, why = place.partition(": ")
    return Fault(detail=why or place, pointer="/" + path.replace(".", "/")) if why else Fault(detail=place)
