"""What a release has written, kept for every release after it: records and rows as they are, and what they say."""

import dataclasses
import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from bson import json_util

from adapters.kafka.consumer import as_record
from consumers.catalog import Catalog
from consumers.deliver.keeper import delivery_of
from consumers.enrichment import worker
from consumers.reconciler.incoming import ChangeFact, PlatformFact, Unmapped, Unreadable, read
from consumers.rules.stored import load
from ops.sync import commands
from schemas import topics
from schemas.codec import decode
from schemas.doorbell import Doorbell
from schemas.log_record import Record

FOLDER = Path(__file__).parent.parent / "corpus"
ABSENT = "<absent>"


@dataclass(frozen=True)
class Corpus:
    """One preset's, of one release. `records` are as `of_record` makes them, `rows` by collection."""

    name: str
    records: list[dict[str, Any]]
    rows: dict[str, list[dict[str, Any]]]
    told: dict[str, Any]
    """What the release itself read: by topic, partition and offset, or by collection and id."""

    def log(self) -> list[Record]:
        """The records as a consumer gets them."""
        return [to_record(record) for record in self.records]


def kept() -> list[Path]:
    """Every corpus there is: a file for each release and preset."""
    return sorted(FOLDER.glob("*/*.json.gz"))


def store(path: Path, corpus: Corpus) -> None:
    """Write it; the same corpus makes the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {"records": corpus.records, "rows": corpus.rows, "told": corpus.told}
    text = json_util.dumps(whole, sort_keys=True, json_options=json_util.CANONICAL_JSON_OPTIONS)
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def open_corpus(path: Path) -> Corpus:
    """One that is kept."""
    options = json_util.CANONICAL_JSON_OPTIONS.with_options(tz_aware=True)
    whole = json_util.loads(gzip.decompress(path.read_bytes()), json_options=options)
    name = f"{path.parent.name}/{path.name.removesuffix('.json.gz')}"
    return Corpus(name, whole["records"], whole["rows"], whole["told"])


def of_record(record: Record) -> dict[str, Any]:
    """A record, to be kept."""
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": record.key,
        "value": record.value,
        "headers": [[name, value] for name, value in record.raw_headers],
    }


@dataclass(frozen=True)
class _Raw:
    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


def to_record(kept: Mapping[str, Any]) -> Record:
    """The same as a consumer gets it."""
    headers = [(name, value) for name, value in kept["headers"]]
    return as_record(_Raw(**{**kept, "headers": headers}))  # type: ignore[arg-type]


def told(
    records: Sequence[Record], rows: Mapping[str, Sequence[Mapping[str, Any]]], catalog: Catalog
) -> dict[str, Any]:
    """What this release reads in them."""
    said = {f"{one.topic}:{one.partition}:{one.offset}": of_one(one, catalog) for one in records}
    for kind in catalog.kinds.values():
        for document in rows.get(kind.collection, ()):
            said[f"{kind.collection}:{document['_id']}"] = plain(load(document, document["_id"], kind))
    return said


def of_one(record: Record, catalog: Catalog) -> Any:
    """What a record says."""
    match record.topic:
        case topics.SALESFORCE_WRITES:
            return plain(decode(Doorbell, record.value).model_dump())
        case topics.PLATFORM_CHANGES:
            return plain(delivery_of(record))
        case topics.COMMANDS:
            return plain(commands.request_of(record).model_dump(mode="json"))
        case topics.ENRICHMENT_REQUESTS:
            return plain(worker.request_of(record).model_dump(mode="json"))
        case _:
            return _of_fact(record, catalog)


def _of_fact(record: Record, catalog: Catalog) -> Any:
    match read(record, catalog):
        case PlatformFact(kind, document_id, assertion):
            return {"kind": kind.name, "document": document_id, "assertion": plain(assertion)}
        case ChangeFact(kinds, change):
            return {"kinds": [kind.name for kind in kinds], "change": plain(change.model_dump(mode="json"))}
        case Unreadable(reason) | Unmapped(reason):
            return {"reason": reason}


def plain(value: Any) -> Any:
    """Any value as JSON has it: two that say the same are equal."""
    if isinstance(value, StrEnum):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(value[name]) for name in sorted(value)}
    if isinstance(value, (set, frozenset)):
        return sorted(plain(one) for one in value)
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return json.loads(json.dumps(value, default=str))


def missing(before: Any, now: Any, at: str = "") -> Iterator[str]:
    """Where what is read now is not what was read then, a line each. What is new is no difference."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name in before:
            yield from missing(before[name], now.get(name, ABSENT), f"{at}.{name}")
    elif before != now:
        yield f"{at}: {before!r} was read, and now {now!r}"
