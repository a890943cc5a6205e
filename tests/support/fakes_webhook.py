"""A log that keeps what it is given in a list, signing as a sender does, and a webhook listening on loopback."""

import asyncio
import base64
import hmac
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
from standardwebhooks import Webhook as Sender

from listener.webhook.app import serve
from listener.webhook.handler import Webhook, wall_clock
from listener.webhook.ports import Refused, Unavailable
from listener.webhook.settings import WebhookSettings
from schemas.cloudevents import Headers

SOURCE = "tickets"
KEY = bytes(range(32))
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"

KINDS = {
    "customer.created": "customer",
    "customer.updated": "customer",
    "customer.deleted": "customer",
    "badge.printed": "participant",
}
"""Event types a mapping names; the last shows that the kind is the mapping's word, not the type's first half."""


@dataclass(frozen=True)
class Appended:
    """One record as the log was given it."""

    key: bytes
    value: bytes
    headers: Headers


@dataclass
class FakeEventLog:
    """Keeps what it is given. `away` makes it fail as a log that does not answer; a cleared `open` holds it up."""

    records: list[Appended] = field(default_factory=list)
    away: bool = False
    open: asyncio.Event = field(default_factory=asyncio.Event)
    asked: int = 0
    waiting: int = 0

    def __post_init__(self) -> None:
        self.open.set()

    async def append(self, *, key: bytes, value: bytes, headers: Headers) -> None:
        """As the port says; what is held up is kept only when let go."""
        self.asked += 1
        self.waiting += 1
        try:
            await self.open.wait()
        finally:
            self.waiting -= 1
        if self.away:
            raise Unavailable("the fake log is away")
        self.records.append(Appended(key, value, headers))

    async def ping(self) -> None:
        """As the port says."""
        await self.open.wait()
        if self.away:
            raise Unavailable("the fake log is away")


@dataclass
class Witness:
    """What the webhook told its metric and its log."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    notices: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def answered(self, source: str, status: int, seconds: float) -> None:
        """As the port says."""
        assert seconds >= 0
        self.answers[source, status] += 1

    def notice(self, event: str, **fields: object) -> None:
        """As the port says."""
        self.notices.append((event, fields))


@dataclass(frozen=True)
class Running:
    """A webhook that listens."""

    url: str
    port: int
    log: FakeEventLog
    witness: Witness
    webhook: Webhook


def _untold(*_: object) -> None:
    """Nobody listens."""


@asynccontextmanager
async def listening(
    *,
    log: FakeEventLog | None = None,
    clock: Callable[[], int] = wall_clock,
    kind_of_event: Callable[[str], str | None] = KINDS.get,
    refused: Refused = _untold,
    **settings: Any,
) -> AsyncIterator[Running]:
    """A webhook on a free port with one source, `tickets`, for as long as the block runs."""
    settings = {"secrets": {SOURCE: SECRET}, "port": 0, "shutdown_seconds": 5, **settings}
    group = WebhookSettings(**settings)
    log, witness = log or FakeEventLog(), Witness()
    webhook = Webhook(
        settings=group,
        log=log,
        kind_of_event=kind_of_event,
        answered=witness.answered,
        notice=witness.notice,
        refused=refused,
        clock=clock,
    )
    async with serve(group, webhook, log, witness.notice) as at:
        yield Running(f"http://{at.host}:{at.port}", at.port, log, witness, webhook)


def event(type: str = "customer.updated", **data: Any) -> bytes:  # noqa: A002 - the body's own word
    """The body of a good event."""
    data = {"id": "cust-42", "fields": {"phone": "+1 555 0100"}, "changed": ["phone"], "seen": 17, **data}
    return orjson.dumps({"type": type, "timestamp": "2026-11-22T10:00:00Z", "data": data})


def signed(
    body: bytes, *, webhook_id: str = "msg_1", at: datetime | None = None, secret: str = SECRET
) -> dict[str, str]:
    """The headers the released `standardwebhooks` package makes for this body."""
    at = at or datetime.now(UTC)
    timestamp = str(int(at.timestamp()))
    try:
        signature = Sender(secret).sign(webhook_id, at, body.decode())
    except UnicodeDecodeError:  # the package signs text only
        digest = hmac.digest(KEY, f"{webhook_id}.{timestamp}.".encode() + body, "sha256")
        signature = f"v1,{base64.b64encode(digest).decode()}"
    return {
        "Content-Type": "application/json",
        "webhook-id": webhook_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": signature,
    }
