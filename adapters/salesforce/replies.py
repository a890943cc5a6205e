"""A reply of the REST API, read as what was promised; anything else is `CallFailed`."""

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from adapters.salesforce.errors import UNEXPECTED_REPLY, CallFailed, Fault
from schemas.platform_event import epoch_ms
from schemas.records import Failure


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply. `began_at` is our clock just before the request, epoch milliseconds."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    began_at: int

    def json(self) -> Any:
        """The body.

        Raises:
            CallFailed: it is not JSON.
        """
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            raise unexpected("not JSON") from None

    def server_time(self) -> int:
        """Salesforce's clock at its answer, epoch milliseconds in whole seconds.

        Raises:
            CallFailed: the reply has no readable `Date`.
        """
        try:
            return epoch_ms(parsedate_to_datetime(self.headers["Date"]))
        except (KeyError, ValueError, TypeError):
            raise unexpected("no Date header") from None


def unexpected(what: str) -> CallFailed:
    """A reply that is not of the promised shape."""
    return CallFailed(Fault(Failure.UNKNOWN, UNEXPECTED_REPLY, what, org_wide=True))


def without_attributes(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row's fields."""
    return {field: value for field, value in row.items() if field != "attributes"}


def object_of(reply: Reply) -> dict[str, Any]:
    """The body, which is a JSON object.

    Raises:
        CallFailed: it is none.
    """
    parsed = reply.json()
    if not isinstance(parsed, dict):
        raise unexpected("not an object")
    return parsed


def objects_of(reply: Reply) -> list[dict[str, Any]]:
    """The body, which is a list of JSON objects.

    Raises:
        CallFailed: it is none.
    """
    parsed = reply.json()
    if not isinstance(parsed, list) or not all(isinstance(each, dict) for each in parsed):
        raise unexpected("not a list of objects")
    return parsed
