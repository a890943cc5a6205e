"""`/api/webhooks`: what the platform was told of Salesforce's changes, how that went, and having it told again.

The URL itself is set by an admin, and never here: a key that leaked must not send people's data elsewhere.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, Protocol
from urllib.parse import quote, urlencode, urlsplit

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from listener.api import problem
from listener.api.contact_bodies import may_know_of
from listener.api.problem import Problem
from listener.api.routes import GET, POST, Answer, Call, Group, Route
from schemas.api_key import Scope
from schemas.delivery import DeliveryState, Endpoint, tried
from schemas.mapping import Mapping as FieldMappings
from schemas.platform_event import DocumentId

PREFIX: Final = "/api/webhooks"
MOST_AT_ONCE: Final = 1_000
NEEDS_ENRICH: Final = f"of this kind, or of one that the mapping has no more, the key needs the scope `{Scope.ENRICH}`"
NOT_THERE: Final = "there is no such delivery, or not any more, or the key needs the scope `enrich` for it"

Row = Mapping[str, Any]
DeliveryId = str


class Deliveries(Protocol):
    """Deliveries as `tandem_deliveries` has them. Every method raises `Unavailable` while the store does not answer."""

    async def listed(
        self,
        *,
        state: str,
        kind: str,
        document_id: str,
        limit: int,
        behind: Row | None = None,
        among: Sequence[str] | None = None,
    ) -> Sequence[Row]:
        """Without their bodies, the newest first; those that follow `behind` in this order, if it is given.

        Where no `kind` is asked for, `among` names those that count; all do without.
        """

    async def get(self, delivery_id: str) -> Row | None:
        """One, with its body."""

    async def counts(self) -> Mapping[str, int]:
        """How many there are in each state."""

    async def failed_ids(self, limit: int) -> Sequence[str]:
        """Those that were given up, the oldest first."""

    async def redeliver(self, ids: Sequence[str], now: int, by: str) -> int:
        """Have these posted anew, whatever became of them, once it is kept who asked; how many there are."""

    async def endpoint(self) -> Endpoint | None:
        """Where they go; None where no URL was ever set."""


class DeliveryPath(BaseModel):
    """Which."""

    id: DeliveryId = Field(min_length=1, max_length=200, description="The event's id, as `webhook-id` has it.")


class Which(BaseModel):
    """Which, and how many."""

    model_config = ConfigDict(extra="forbid")

    state: DeliveryState | None = Field(default=None, description="How far they have come.")
    kind: str | None = Field(default=None, min_length=1, max_length=80, description="A kind of the mapping.")
    document: DocumentId | None = Field(default=None, description="The platform's id, with `kind`.")
    limit: int = Field(default=50, ge=1, le=200, description="How many, of the newest.")
    behind: DeliveryId | None = Field(
        default=None, min_length=1, max_length=200, description="The last delivery of the page before."
    )

    @model_validator(mode="after")
    def _a_document_of_a_kind(self) -> "Which":
        if self.document is not None and self.kind is None:
            raise ValueError("document goes with kind: an id alone may be of several")
        return self


class Again(BaseModel):
    """Which are to be posted again: these, or up to a thousand that were given up, the oldest first."""

    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=True, json_schema_extra={"examples": [{"failed": True}]}
    )

    ids: list[DeliveryId] = Field(default_factory=list, max_length=MOST_AT_ONCE)
    """By their ids."""
    failed: Literal[True] | None = None
    """Those that were given up."""

    @model_validator(mode="after")
    def _one_of_two(self) -> "Again":
        if bool(self.ids) is bool(self.failed):
            raise ValueError("exactly one is needed: ids, or failed")
        return self


class AttemptShown(BaseModel):
    """One try."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    at: AwareDatetime
    status: int
    """The HTTP status; 0 where there was no answer."""
    why: str
    """A stable word; empty where it was taken."""
    milliseconds: int


class DeliveryShown(BaseModel):
    """A delivery, without what it says."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    """As `webhook-id` has it: the same one each time that it is posted."""
    type: str
    kind: str
    document: str
    revision: int
    state: DeliveryState
    tries: int
    made_at: AwareDatetime
    next_at: AwareDatetime | None
    """When it is tried next, while it is pending."""
    last: AttemptShown | None
    """The last try."""


class DeliveryWhole(DeliveryShown):
    """A delivery with its tries and what it says."""

    attempts: tuple[AttemptShown, ...]
    """The last twenty."""
    payload: dict[str, Any]
    """The body that is signed and posted."""


class DeliveryList(BaseModel):
    """Deliveries, the newest first."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    deliveries: tuple[DeliveryShown, ...]
    next: str | None
    """The address of the next page."""


class Asked(BaseModel):
    """How many are to be posted again."""

    count: int


class EndpointShown(BaseModel):
    """Where deliveries go, and how that stands."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    url: str | None
    """Without its query, which may hold a secret; null where none is set, and nobody is told."""
    enabled: bool
    """While it is not, deliveries are kept, and posted once an operator has enabled it."""
    reason: str
    """Why it is disabled."""
    failing_since: AwareDatetime | None
    """Since when it has taken nothing."""
    counts: dict[DeliveryState, int]
    """How many deliveries there are in each state."""


class DeliveryRoutes:
    """The routes.

    Whom people of a kind are to Salesforce, while they are looked up as they register, is for the scope `enrich` alone.
    That there is a delivery tells it already, and ids of deliveries can be worked out: so keys without that scope find
    none of them, and are not told which of the two it is.
    """

    def __init__(self, deliveries: Deliveries, mapping: Callable[[], FieldMappings]) -> None:
        self._deliveries = deliveries
        self._mapping = mapping

    def group(self) -> Group:
        """As the app takes them."""
        missing = (problem.NOT_FOUND,)
        one = "/deliveries/{id}"
        return Group(
            "Webhooks",
            PREFIX,
            (
                Route(
                    GET,
                    "/endpoint",
                    self.endpoint,
                    Scope.READ,
                    "Where the platform is told",
                    {200: EndpointShown},
                    "An admin sets the URL: `tandem deliveries url`.",
                ),
                Route(
                    GET,
                    "/deliveries",
                    self.newest,
                    Scope.READ,
                    "The newest deliveries",
                    {200: DeliveryList},
                    "Of people who are looked up while they register only for keys with `enrich` too.",
                    query=Which,
                    problems=missing,
                ),
                Route(
                    POST,
                    "/deliveries/redeliver",
                    self.redeliver_several,
                    Scope.DELIVERIES,
                    "Have several posted again",
                    {202: Asked},
                    "Those of them that are still there, under the ids that they have.",
                    body=Again,
                    idempotent=True,
                ),
                Route(
                    GET, one, self.show, Scope.READ, "One delivery", {200: DeliveryWhole},
                    "What it says is Salesforce's word: of people who are looked up while they register it needs "
                    "`enrich` too.",
                    path=DeliveryPath,
                    problems=missing,
                ),
                Route(
                    POST,
                    f"{one}/redeliver",
                    self.redeliver,
                    Scope.DELIVERIES,
                    "Have one posted again",
                    {202: DeliveryShown},
                    "Whatever became of it. The receiver tells doubles apart by the id.",
                    path=DeliveryPath,
                    problems=missing,
                    idempotent=True,
                ),
            ),
            "What the platform was told of Salesforce's changes, and how that went.",
        )  # fmt: skip

    async def endpoint(self, call: Call) -> Answer:
        """200, also where none is set."""
        del call
        there = await self._deliveries.endpoint()
        counts = await self._deliveries.counts()
        return Answer(
            EndpointShown(
                url=None if there is None else _without_query(there.url),
                enabled=there is not None and there.enabled,
                reason="" if there is None else there.reason,
                failing_since=None if there is None else _moment(there.failing_since),
                counts={state: counts.get(state, 0) for state in DeliveryState},
            )
        )

    async def newest(self, call: Call) -> Answer:
        """A page of them."""
        asked = call.query(Which)
        behind = None if asked.behind is None else await self._seen(call, asked.behind)
        found = await self._deliveries.listed(
            state=asked.state or "",
            kind=asked.kind or "",
            document_id=asked.document or "",
            limit=asked.limit + 1,  # one more than are shown tells whether there is another page
            behind=behind,
            among=self._among(call, asked.kind),
        )
        rows = found[: asked.limit]
        return Answer(
            DeliveryList(
                deliveries=tuple(map(shown, rows)),
                next=_following(asked, str(rows[-1]["_id"])) if len(found) > asked.limit else None,
            )
        )

    async def show(self, call: Call) -> Answer:
        """One."""
        row = await self._seen(call, call.path(DeliveryPath).id)
        payload = orjson.loads(bytes(row["body"]))
        attempts = tuple(map(_attempt, row.get("attempts") or ()))
        return Answer(DeliveryWhole(**dict(shown(row)), attempts=attempts, payload=payload))

    async def redeliver(self, call: Call) -> Answer:
        """202 with the delivery, which is due now."""
        row = await self._known(call.path(DeliveryPath).id)
        await self._deliveries.redeliver([row["_id"]], call.now, _by(call))
        return Answer(shown(await self._known(row["_id"])), 202, about=f"{row['kind']}/{row['document']}")

    async def redeliver_several(self, call: Call) -> Answer:
        """202 with how many."""
        asked = call.body(Again)
        ids = list(dict.fromkeys(asked.ids)) or await self._deliveries.failed_ids(MOST_AT_ONCE)
        return Answer(Asked(count=await self._deliveries.redeliver(ids, call.now, _by(call)) if ids else 0), 202)

    async def _known(self, delivery_id: str) -> Row:
        row = await self._deliveries.get(delivery_id)
        if row is None:
            raise Problem(problem.NOT_FOUND, NOT_THERE)
        return row

    async def _seen(self, call: Call, delivery_id: str) -> Row:
        """One that this key may see."""
        row = await self._known(delivery_id)
        if not self._may_see(call, row["kind"]):
            raise Problem(problem.NOT_FOUND, NOT_THERE)
        return row

    def _among(self, call: Call, wanted: str | None) -> Sequence[str] | None:
        """The kinds of which this key may see deliveries; None for all.

        Raises:
            Problem: the kind that is asked for is none of them.
        """
        if wanted is not None and not self._may_see(call, wanted):
            raise Problem(problem.OUT_OF_SCOPE, NEEDS_ENRICH)
        if wanted is not None or _enriches(call):
            return None
        return [kind for kind in self._mapping().kinds if self._may_see(call, kind)]

    def _may_see(self, call: Call, name: str) -> bool:
        """Of a kind that the mapping has no more nobody can say that it was not looked up."""
        kind = self._mapping().kinds.get(name)
        return _enriches(call) if kind is None else may_know_of(kind, call.scopes)


def shown(row: Row) -> DeliveryShown:
    """As lists show it: no value of a field."""
    attempts = row.get("attempts") or ()
    pending = row["state"] == DeliveryState.PENDING
    return DeliveryShown(
        id=row["_id"],
        type=row["type"],
        kind=row["kind"],
        document=row["document"],
        revision=row["revision"],
        state=DeliveryState(row["state"]),
        tries=tried(row),
        made_at=datetime.fromtimestamp(row["made_at"] / 1000, UTC),
        next_at=_moment(row["next_at"]) if pending else None,
        last=_attempt(attempts[-1]) if attempts else None,
    )


def _enriches(call: Call) -> bool:
    return Scope.ENRICH in call.scopes


def _attempt(told: Row) -> AttemptShown:
    at = datetime.fromtimestamp(told["at"] / 1000, UTC)
    return AttemptShown(at=at, status=told["status"], why=told["why"], milliseconds=told["milliseconds"])


def _moment(at: int | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at / 1000, UTC)


def _without_query(url: str) -> str:
    return urlsplit(url)._replace(query="", fragment="").geturl()


def _following(asked: Which, last: str) -> str:
    wanted = {"state": asked.state, "kind": asked.kind, "document": asked.document, "limit": asked.limit}
    said = {name: str(value) for name, value in wanted.items() if value is not None}
    query = urlencode({**said, "behind": last}, quote_via=quote)
    return f"{PREFIX}/deliveries?{query}"


def _by(call: Call) -> str:
    return "" if call.key is None else f"api key {call.key.id} ({call.key.name})"[:200]
