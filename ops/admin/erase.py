"""Forgetting a person: asked for here, done by `tandem schedule`, and the certificate."""

import uuid
from typing import Final

from adapters.mongo.erasures import MongoErasures
from ops.admin.answers import Answer, Asked, CannotDo, Done, Page, Question
from ops.erasure.certificate import certificate, left

TO: Final = "/admin/erase"


async def show(asked: Asked) -> Answer:
    """The form; and of somebody who is named, how far it is."""
    erasures = asked.parts.erasures
    kind, document = asked.query("kind"), asked.query("id").strip()
    row = await erasures.certificate(kind, document) if erasures is not None and kind and document else None
    told = None if row is None else certificate(row)
    shows = {
        "set_up": erasures is not None,
        "kinds": list(asked.parts.catalog().kinds),
        "kind": kind,
        "id": document,
        "certificate": told,
        "left": [] if told is None else left(told),
        "unfinished": 0 if erasures is None else await erasures.unfinished(),
    }
    return Page("erase.html", "Erase a person", shows)


async def ask(asked: Asked) -> Answer:
    """Have somebody forgotten. From that moment on nothing is taken in of them; the rest follows within minutes."""
    erasures = _erasures(asked)
    name, document = asked.form.get("kind", ""), asked.form.get("person", "").strip()
    kind = asked.parts.catalog().kinds.get(name)
    if kind is None or not document:
        raise CannotDo("say of which kind, and the id that the platform knows them by")
    there = document in await asked.parts.documents.read(kind.collection, [document])
    if not asked.is_sure:
        lines = [
            f"{name} {document}: {'a document is there' if there else 'no document is there; what is beside goes'}",
            "Their documents, what cannot be without them, their Salesforce records and every row about them go.",
            "Late events, replays and a restored backup do not bring them back. Nothing of it can be undone.",
        ]
        return Question(f"Forget {name} {document}", lines, "Forget", TO, dangerous=True)
    why = asked.why()
    # Of who was forgotten the audit knows the reference alone.
    reference = erasures.id_of(name, document)
    row = {"_id": uuid.uuid4().hex, "what": "erase", "by": asked.user.name, "note": why, "at": asked.parts.now()}
    await asked.parts.operations.add([{**row, "item": reference, "result": "asked for"}])
    await erasures.ask_again(name, document, asked.parts.now(), asked.user.name)
    return Done(f"it is asked for; the certificate is {reference}", TO)


def _erasures(asked: Asked) -> MongoErasures:
    if asked.parts.erasures is None:
        raise CannotDo("ERASED_KEY is not set: the list of erased people could not be kept")
    return asked.parts.erasures
