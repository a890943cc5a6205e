"""CloudEvents 1.0 in Kafka's binary mode: the attributes as headers, the data as the record's value.

Source: the CloudEvents Kafka protocol binding, section 3.2 (header names are the attribute names behind `ce_`).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

SPEC_VERSION: Final = "1.0"
ID: Final = "ce_id"
SOURCE: Final = "ce_source"
TYPE: Final = "ce_type"
SUBJECT: Final = "ce_subject"
TIME: Final = "ce_time"
DATA_SCHEMA: Final = "ce_dataschema"
"""The format of the value (`schemas.versions`)."""
CONTENT_TYPE: Final = "content-type"
TRACEPARENT: Final = "traceparent"

# Extension attributes of ours. CloudEvents allows lower-case letters and digits only.
RECEIVED_AT: Final = "ce_receivedat"
"""When the listener took the event in: epoch milliseconds."""
CLOCK_OFFSET: Final = "ce_clockoffset"
"""How far the source's clock is behind ours, in milliseconds: what is added to `occurred_at` (merge rule 2)."""

Headers = list[tuple[str, bytes]]


def headers(
    *,
    id: str,  # noqa: A002 - the attribute's own name
    source: str,
    type: str,  # noqa: A002
    subject: str,
    time: str,
    schema: str | None = None,
    traceparent: str | None = None,
    content_type: str = "application/json",
    extensions: Mapping[str, str] | None = None,
) -> Headers:
    """Headers of one Kafka record, as aiokafka takes them."""
    made = [
        ("ce_specversion", SPEC_VERSION.encode()),
        (ID, id.encode()),
        (SOURCE, source.encode()),
        (TYPE, type.encode()),
        (SUBJECT, subject.encode()),
        (TIME, time.encode()),
        (CONTENT_TYPE, content_type.encode()),
    ]
    if schema:
        made.append((DATA_SCHEMA, schema.encode()))
    if extensions:
        made += [(name, value.encode()) for name, value in extensions.items()]
    return made + traced(traceparent)


def traced(traceparent: str | None) -> Headers:
    """The header that says which trace a record belongs to, if any."""
    return [(TRACEPARENT, traceparent.encode())] if traceparent else []


class ReadHeaders(Mapping[str, str]):
    """As `read`, each decoded when it is asked for: of nine, a consumer asks for three."""

    __slots__ = ("_raw",)

    def __init__(self, raw: Iterable[tuple[str, bytes]]) -> None:
        self._raw = dict(raw)

    def __getitem__(self, name: str) -> str:
        return self._raw[name].decode("utf-8", "replace")

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)

    def get(self, name: str, default: Any = None) -> Any:
        """As any mapping's."""
        raw = self._raw.get(name)
        return default if raw is None else raw.decode("utf-8", "replace")


def read(raw: Iterable[tuple[str, bytes]]) -> dict[str, str]:
    """Headers by name; a name that comes twice keeps its last value, bytes that are not UTF-8 are replaced."""
    return {name: value.decode("utf-8", "replace") for name, value in raw}
