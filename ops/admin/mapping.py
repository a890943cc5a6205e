"""The mapping: what goes with what, its versions, and a change of it: written, planned, published, rolled back."""

import uuid
from typing import Any, Final

from adapters.mongo.operations import Row
from ops.admin.answers import Answer, Asked, CannotDo, Done, Page, Question
from ops.admin.render import json
from ops.admin.trying import Tried, tried
from ops.errands import mappings as errands
from ops.errands.keeper import FAILED
from schemas.mapping import Mapping
from schemas.mapping_faults import find_faults, is_made_from
from schemas.mapping_mending import Reading
from schemas.mapping_reading import InvalidMapping
from schemas.mapping_versions import differences
from schemas.mapping_yaml import dump_mapping, load_mapping, read_yaml
from schemas.unavailable import Unavailable

LIMIT: Final = 20
TO: Final = "/admin/mapping"


async def show(asked: Asked) -> Answer:
    """The version in force, all versions, and the changes that were asked for."""
    return await _page(asked, dump_mapping(await _current(asked)), [])


async def show_version(asked: Asked) -> Answer:
    """One version as it was published, and what differed from the one before it, and differs from the one in force."""
    number = asked.request.match_info["version"]
    found = await asked.parts.mappings.get(int(number)) if number.isdecimal() else None
    if found is None:
        return Page("problem_within.html", "Mapping", {"detail": f"there is no version {number}"}, 404)
    before, current = await asked.parts.mappings.get(found.version - 1), await _current(asked)
    shows = {
        "version": found.version,
        "in_force": current.version,
        "changed": differences(before, found) if before else [],
        "differs": differences(found, current),
        "yaml": dump_mapping(found),
    }
    return Page("mapping_version.html", f"Mapping version {found.version}", shows)


async def show_change(asked: Asked) -> Answer:
    """What differs, what would come of it, and how far it is."""
    row = await _one(asked)
    return Page("mapping_change.html", "A change of the mapping", shown(row, notes=not asked.masked))


async def propose(asked: Asked) -> Answer:
    """Take what was written, if it can be used, and have a plan made of it."""
    text, current = _text(asked), await _current(asked)
    try:
        return await _asked_for(asked, current, read_yaml(text))
    except InvalidMapping as wrong:
        return await _page(asked, text, list(wrong.problems), status=422)


async def check(asked: Asked) -> Answer:
    """What is wrong with what is being written, and what it changes: JSON, asked for while somebody types."""
    text, current = _text(asked), await _current(asked)
    try:
        _mapping, told, notes = await _looked_at(asked, current, read_yaml(text))
    except InvalidMapping as wrong:
        return json({"problems": wrong.problems, "differences": [], "notes": []})
    return json({"problems": [], "differences": told, "notes": notes})


async def try_on(asked: Asked) -> Answer:
    """Show what is being written on one document: what would be written, and what would become of it."""
    text, current = _text(asked), await _current(asked)
    kind, document_id = asked.form.get("kind", ""), asked.form.get("document", "").strip()
    try:
        mapping = load_mapping(text)
        if kind not in mapping.kinds:
            raise CannotDo(f"{kind} is no kind of what is written")
        found = await asked.parts.documents.read(mapping.kinds[kind].collection, [document_id])
        if document_id not in found:
            return await _page(asked, text, [f"there is no {kind} {document_id} to try it on"], status=422)
        shown_of_it = tried(found[document_id], kind, current, mapping, asked.parts.timing, asked.parts.now())
    except InvalidMapping as wrong:
        return await _page(asked, text, list(wrong.problems), status=422)
    return await _page(asked, text, [], shown_of_it)


async def roll_back(asked: Asked) -> Answer:
    """Have a plan made of what an older version said."""
    number, current = asked.form.get("version", ""), await _current(asked)
    found = await asked.parts.mappings.get(int(number)) if number.isdecimal() else None
    if found is None:
        raise CannotDo(f"there is no version {number}")
    try:
        return await _asked_for(asked, current, Reading(found.model_copy(update={"version": current.version})))
    except InvalidMapping as wrong:
        raise CannotDo("; ".join(wrong.problems)) from None


async def publish(asked: Asked) -> Answer:
    """Bring what was planned into force, and have all documents decided by it."""
    row = await _one(asked)
    if row["state"] != "planned":
        raise CannotDo(f"it is {row['state']}: only what is planned can be published")
    current, to = await _current(asked), f"{TO}/changes/{row['_id']}"
    if current.version != row["before"]:
        raise CannotDo(f"version {current.version} has been published since: make the change anew")
    if not asked.is_sure:
        lines = [*row["differences"], *row["plan"]]
        return Question(f"Publish version {current.version + 1} of the mapping", lines, "Publish", to, dangerous=True)
    begun = {"state": "begun", "work": errands.APPLY, "by": asked.user.name, "note": asked.why(), "passed": 0}
    if not await asked.parts.operations.turn(row["_id"], ["planned"], {**begun, "begun_at": asked.parts.now()}):
        raise CannotDo("somebody was faster: look again")
    return Done(f"version {current.version + 1} is being published", to)


async def turn(asked: Asked) -> Answer:
    """Drop a change that is not published, or have one go on that was not applied to its end."""
    row, what = await _one(asked), asked.form.get("what", "")
    if what not in ("drop", "resume") or what not in _may(row):
        raise CannotDo(f"it is {row['state']}: say drop of what is not published, resume of what has failed")
    to = f"{TO}/changes/{row['_id']}"
    if not asked.is_sure:
        return Question(f"{what.capitalize()} this change", list(row["differences"]), what.capitalize(), to)
    begun = {"state": "begun", "work": errands.APPLY, "reason": ""}
    told = begun if what == "resume" else {"state": "dropped", "work": None}
    async with asked.noted(f"{what} mapping change", str(row["_id"]), asked.why()):
        if not await asked.parts.operations.turn(row["_id"], [row["state"]], told):
            raise CannotDo("it has moved on in this moment: look again")
    return Done(f"the change: {what}", to)


def shown(row: Row, *, notes: bool) -> dict[str, Any]:
    """As the list and the page of one show it; why, only with `notes`."""
    return {
        "id": row["_id"],
        "before": row["before"],
        "version": row.get("version", 0),
        "by": row["by"],
        "note": row["note"] if notes else "",
        "at": row["at"],
        "state": row["state"],
        "reason": row.get("reason", ""),
        "waits": row.get("waits", ""),
        "refused": list(row.get("refused", ())),
        "differences": list(row["differences"]),
        "notes": list(row["notes"]),
        "plan": list(row.get("plan", ())),
        "passed": row.get("passed", 0),
        "of": row.get("of", 0),
        "moves": bool(row.get("work")),
        "may": _may(row),
        "ended_at": row.get("ended_at", 0),
    }


def _may(row: Row) -> list[str]:
    begun = bool(row.get("begun_at"))
    if row["state"] in ("planning", "planned") or (row["state"] == FAILED and not begun):
        return ["drop"]
    return ["resume"] if row["state"] == FAILED else []


async def _asked_for(asked: Asked, current: Mapping, reading: Reading) -> Answer:
    """Raises InvalidMapping as `_looked_at`, and where nothing differs."""
    mapping, told, notes = await _looked_at(asked, current, reading)
    if not told:
        raise InvalidMapping([f"nothing differs from version {current.version}, which is in force"])
    row_id = f"mapping-{uuid.uuid4().hex[:12]}"
    row = errands.asked_row(row_id, mapping, told, notes, by=asked.user.name, at=asked.parts.now())
    await asked.parts.operations.add([row])
    return Done("planning: what it would do is told below", f"{TO}/changes/{row_id}")


async def _looked_at(asked: Asked, current: Mapping, reading: Reading) -> tuple[Mapping, list[str], list[str]]:
    """What was written, what differs, and what is worth saying beside it.

    Raises InvalidMapping with all that is wrong: in itself, made from another version, such that documents cannot
    follow, or against the org.
    """

    async def ask_org(mapping: Mapping) -> tuple[list[str], str]:
        return await asked.parts.org.misfits(current, mapping)

    found, mapping = await find_faults(reading, current, ask_org), reading.mapping
    faults = found.told
    if mapping is not None and not is_made_from(reading, current):
        told_of = f"it was made from version {mapping.version}, and version {current.version} is in force"
        faults.append(f"{told_of}: make your change there")
    if faults or mapping is None:
        raise InvalidMapping(faults)
    return mapping, list(found.differences), found.not_compared


def _text(asked: Asked) -> str:
    return asked.form.get("yaml", "").replace("\r\n", "\n")


async def _page(
    asked: Asked, text: str, problems: list[str], on_one: Tried | None = None, *, status: int = 200
) -> Answer:
    current, parts, notes = await _current(asked), asked.parts, not asked.masked
    shows = {
        "version": current.version,
        "kinds": [
            {
                "kind": name,
                "objects": [place.sobject for place in kind.places()],
                "fields": [
                    {
                        "platform": field.platform,
                        "salesforce": field.salesforce,
                        "direction": field.direction,
                        "policy": field.policy,
                        "privacy": field.privacy,
                    }
                    for field in kind.fields
                ],
            }
            for name, kind in current.kinds.items()
        ],
        "versions": [
            {
                "version": each.version,
                "at": int(each.at.timestamp() * 1000),
                "by": each.by,
                "note": each.note if notes else "",
            }
            for each in await parts.mappings.publications()
        ],
        "changes": [shown(row, notes=notes) for row in await parts.operations.of_sort("mapping", LIMIT)],
        "yaml": text,
        "problems": problems,
        "tried": on_one,
    }
    return Page("mapping.html", "Mapping", shows, status)


async def _current(asked: Asked) -> Mapping:
    found = await asked.parts.mappings.current()
    if found is None:  # it was seeded when the process began, and versions are never removed
        raise Unavailable("no mapping is published")
    return found


async def _one(asked: Asked) -> Row:
    row = await asked.parts.operations.get(asked.request.match_info["change"])
    if row is None or row.get("what") != "mapping":
        raise CannotDo("there is no such change")
    return row
