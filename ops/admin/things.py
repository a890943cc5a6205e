"""One thing: its document and what each side has said, field by field, and its whole story."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote

from aiohttp import web

from adapters.mongo.history import parked_of, story_rows
from consumers.rules.registers import load_field
from consumers.rules.state import FieldState
from ops.admin import customer
from ops.admin.answers import Answer, Asked, CannotDo, Done, Page, Question
from ops.admin.debugging import Debugged, debugged, turn
from ops.admin.masks import is_hidden
from ops.held import NothingHeld, as_json, audit_row
from ops.parked_view import MASK
from ops.show_view import text, value_at
from ops.story import Entry, Known, story
from ops.sync_now import CannotSync, SyncNow
from schemas.field_mapping import FieldMapping
from schemas.mapping import KindMapping
from schemas.transforms import compile_field

ROWS: Final = 200
IN_QUESTION: Final = "in question"


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One mapped field: what the document shows, what each side said last, when, and whether they are the same."""

    path: str
    field: str
    direction: str
    document: str
    source: str
    made_at: int
    platform: str
    platform_at: int
    salesforce: str
    salesforce_at: int
    same: bool | None
    """None where Salesforce has not been heard."""
    waits: bool
    """A conflict there waits for a person."""


@dataclass(frozen=True, slots=True)
class Thing:
    """A document, as its page shows it."""

    kind: str
    id: str
    found: bool
    status: str
    error: str
    record: str
    record_url: str
    account: str
    account_url: str
    tier: str
    revision: int
    due_at: int
    last_synced_at: int
    fields: list[FieldRow]
    story: list[Entry]
    debugged: Debugged | None = None
    """Where somebody looks at it closely."""


async def show(asked: Asked) -> Answer:
    """The page of one; 404 where nothing at all is known of it."""
    kind_name, document_id = asked.request.match_info["kind"], asked.request.match_info["id"]
    kind = kind_named(asked, kind_name)
    if kind is None:
        kinds = ", ".join(asked.parts.mapping().kinds)
        return Page("problem_within.html", "No such kind", {"detail": f"the mapping has the kinds {kinds}"}, 404)
    name, mapped = kind
    known = await _known(asked, name, mapped, document_id)
    if known.is_nothing:
        told = f"nothing is known of {name} {document_id}: no document, no log, nothing parked"
        return Page("problem_within.html", "Not found", {"detail": told}, 404)
    instance = next((each.instance_url for each in await asked.parts.overview.connections()), "")
    shown = thing(known, mapped, instance, masked=asked.masked)
    shown = replace(shown, debugged=await debugged(asked, name, document_id))
    return Page("thing.html", f"{name} {document_id}", shown)


async def find(asked: Asked) -> Answer:
    """What is meant by an id of ours, an id of Salesforce's, or a value that documents are matched by, as an e-mail."""
    given = asked.query("q").strip()
    found: list[tuple[str, str]] = []
    if given:
        mapping, documents = asked.parts.mapping(), asked.parts.documents
        matched = set(mapping.matched())
        for name, mapped in mapping.kinds.items():
            found += [(name, each) for each in await documents.read(mapped.collection, [given])]
            linked = await documents.read_linked(mapped.collection, [given])
            found += [(name, str(each["_id"])) for each in linked.get(given, ())]
            for collection, path in matched:
                if collection == mapped.collection:
                    alike = await documents.matching(collection, path, [given])
                    found += [(name, str(each["_id"])) for each in alike]
    shows = {"q": given, "found": [{"kind": kind, "id": each} for kind, each in dict.fromkeys(found)]}
    return Page("find.html", "Find", shows)


async def sync_now(asked: Asked) -> Answer:
    """Have the record of one read whole, and what differs written, without waiting for anything."""
    kind, document_id = _named(asked)
    parts, to = asked.parts, f"/admin/{quote(kind, safe='')}/{quote(document_id, safe='')}"
    syncing = SyncNow(parts.documents, parts.log, parts.catalog, parts.timing, parts.now)
    try:
        foretold = await syncing.foretell(kind, document_id)
    except CannotSync as reason:
        raise CannotDo(str(reason)) from None
    if not asked.is_sure:
        return Question(f"Sync {kind} {document_id} now", [f"{kind} {document_id}: {foretold}"], "Sync now", to)
    about = {"kind": kind, "document": document_id}
    async with asked.noted("sync now", f"{kind} {document_id}", asked.why(), **about) as ending:
        try:
            ending.result = await syncing.sync(kind, document_id)
        except CannotSync as reason:
            raise CannotDo(str(reason)) from None
    return Done(f"asked for: {ending.result}", to)


async def debug(asked: Asked) -> Answer:
    """Look closely at one for a while, or no more."""
    kind, document_id = _named(asked)
    return await turn(asked, kind, asked.parts.mapping().kinds[kind], document_id)


async def export(asked: Asked) -> Answer:
    """All that is held of one person, in both systems, as a file of JSON. The audit has it before it is given."""
    kind, document_id = _named(asked)
    if not asked.is_sure:
        to = f"/admin/{quote(kind, safe='')}/{quote(document_id, safe='')}"
        told = "All that is held of this person here, and read from Salesforce now, as one file: it is personal data."
        return Question(f"Export {kind} {document_id}", [told], "Export", to)
    why, parts = asked.why(), asked.parts
    try:
        held = await parts.org.held(kind, document_id)
    except NothingHeld as reason:
        raise CannotDo(str(reason)) from None
    row_id = uuid.uuid4().hex
    await parts.operations.add(
        [audit_row(kind, document_id, by=asked.user.name, at=parts.now(), row_id=row_id, note=why)]
    )
    name = quote(f"{kind}-{document_id}.json", safe="")
    return web.Response(
        body=as_json(held).encode(),
        content_type="application/json",
        charset="utf-8",
        headers={"Content-Disposition": f"attachment; filename*=UTF-8''{name}"},
    )


def _named(asked: Asked) -> tuple[str, str]:
    kind = kind_named(asked, asked.request.match_info["kind"])
    if kind is None:
        raise CannotDo(f"the mapping has the kinds {', '.join(asked.parts.mapping().kinds)}")
    return kind[0], asked.request.match_info["id"]


def kind_named(asked: Asked, name: str) -> tuple[str, KindMapping] | None:
    """A kind by its name or by its collection: `participants` is as good as `participant`."""
    for known, mapped in asked.parts.mapping().kinds.items():
        if name in (known, mapped.collection):
            return known, mapped
    return None


def thing(known: Known, kind: KindMapping, instance_url: str, *, masked: bool) -> Thing:
    """Everything that its page shows, from what is stored. No I/O."""
    document = known.document or {}
    sync, shown = document.get("_sync", {}), document.get("salesforce", {})
    record, account = sync.get("link", {}).get("id", ""), customer.account_id(document)
    fields = [_row(document, kind, mapped, masked=masked) for mapped in kind.fields]
    return Thing(
        kind=known.kind,
        id=known.id,
        found=known.document is not None,
        status=_status(shown.get("syncStatus", "unknown"), fields),
        error=shown.get("syncError", ""),
        record=record,
        record_url=_url(instance_url, record),
        account=_hidden(shown.get("accountName") or account, masked=masked),
        account_url="" if masked else _url(instance_url, account),
        tier=_hidden(customer.tier(document, kind), masked=masked),
        revision=document.get("revision", 0),
        due_at=sync.get("due_at", 0),
        last_synced_at=shown.get("lastSyncedAt", 0),
        fields=fields,
        story=story(known, values=not masked, notes=not masked)[::-1],
    )


def _status(told: str, fields: Sequence[FieldRow]) -> str:
    """What the platform is told, but for a conflict that waits: with that one something is left to do here."""
    return IN_QUESTION if told == "synced" and any(row.waits for row in fields) else told


def _row(document: Mapping[str, Any], kind: KindMapping, mapped: FieldMapping, *, masked: bool) -> FieldRow:
    def seen(value: Any) -> str:
        return MASK if masked and is_hidden(kind, mapped, value) else text(value)

    value = value_at(document, mapped.platform)
    stored = document.get("_sync", {}).get("fields", {}).get(mapped.salesforce)
    field = FieldState() if stored is None else load_field(stored, value)
    key = compile_field(mapped).key
    ours, theirs = field.platform, field.salesforce
    return FieldRow(
        path=mapped.platform,
        field=mapped.salesforce,
        direction=str(mapped.direction),
        document=seen(value),
        source=str(field.source or ""),
        made_at=field.made_at,
        platform=seen(ours.value if ours else None),
        platform_at=ours.changed if ours else 0,
        salesforce=seen(theirs.value if theirs else None),
        salesforce_at=theirs.position.timestamp if theirs else 0,
        same=None if theirs is None else key(value) == key(theirs.value),
        waits=field.review is not None,
    )


def _url(instance_url: str, record: str) -> str:
    return f"{instance_url}/{record}" if record and instance_url.startswith("https://") else ""


def _hidden(value: Any, *, masked: bool) -> str:
    """What sales knows of a person, and an Account, which may be called after one: no mark need say that of them."""
    return MASK if masked and value else text(value or "")


async def _known(asked: Asked, name: str, kind: KindMapping, document_id: str) -> Known:
    documents = await asked.parts.documents.read(kind.collection, [document_id])
    document = documents.get(document_id)
    link = (document or {}).get("_sync", {}).get("link", {})
    records = [each for each in (link.get("id", ""), *link.get("former", ())) if each]
    return Known(
        kind=name,
        id=document_id,
        document=document,
        log=await story_rows(asked.parts.database, name, document_id, records, ROWS),
        parked=await parked_of(asked.parts.database, name, document_id, records, ROWS),
        operations=await asked.parts.operations.of_document(name, document_id, ROWS),
    )
