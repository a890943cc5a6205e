"""A platform event read off its bytes: by hand where it is written as nearly all are, else by its model.

The webhook reads every event that it lets in, and the reconciler once more. What is looked at here by hand is narrower
than what `PlatformEvent` takes, so the model alone says what is wrong with an event, and takes what is merely unusual.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from schemas.codec import parse, validated
from schemas.platform_event import PlatformEvent, epoch_ms

_TYPE: Final = re.compile(r"[a-z][a-z0-9_]{0,48}\.[a-z][a-z0-9_]{0,48}")
_ID: Final = re.compile(r"[A-Za-z0-9._~-]{1,200}")
_MOMENT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{3})?Z")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MS: Final = 86_400_000


class ReadEvent(NamedTuple):
    """What an event says, as `PlatformEvent` has it. `occurred` is epoch milliseconds by the platform's clock."""

    type: str
    occurred: int | None
    id: str
    fields: Mapping[str, Any]
    changed: Sequence[str] | None
    seen: int | None

    def occurred_at(self, *, received_at: int, clock_offset: int = 0) -> int:
        """When it occurred, epoch milliseconds by our clock: never later than `received_at` (merge rule 2)."""
        return received_at if self.occurred is None else min(self.occurred + clock_offset, received_at)


def read_event(raw: bytes | None) -> ReadEvent:
    """The event held by `raw`.

    Raises:
        Undecodable: as `codec.decode`.
    """
    body = parse(raw)
    return usual(body) or modelled(validated(PlatformEvent, body))


def modelled(event: PlatformEvent) -> ReadEvent:
    """The same of a model."""
    occurred = None if event.timestamp is None else epoch_ms(event.timestamp)
    data = event.data
    return ReadEvent(event.type, occurred, data.id, data.fields, data.changed, data.seen)


def usual(body: Any) -> ReadEvent | None:
    """What an event of the usual form says; nothing for any other, right or wrong. `body` is parsed JSON."""
    if body.__class__ is not dict:
        return None
    data = body.get("data")
    type_, moment = body.get("type"), body.get("timestamp")
    if data.__class__ is not dict or type_.__class__ is not str or not _TYPE.fullmatch(type_):
        return None
    id_, fields, changed, seen = data.get("id"), data.get("fields"), data.get("changed"), data.get("seen")
    if id_.__class__ is not str or not _ID.fullmatch(id_) or fields.__class__ is not dict:
        return None
    if changed is not None and (changed.__class__ is not list or {*map(type, changed)} - {str}):
        return None
    if seen is not None and (seen.__class__ is not int or seen < 0):
        return None
    if moment.__class__ is not str or not _MOMENT.fullmatch(moment):
        return None
    try:
        since: timedelta = datetime.fromisoformat(moment) - _EPOCH
    except ValueError:
        return None
    occurred = since.days * _DAY_MS + since.seconds * 1000 + since.microseconds // 1000
    return ReadEvent(type_, occurred, id_, fields, changed, seen)
