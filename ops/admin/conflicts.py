"""Conflicts that wait for a person (`review`): both values, and a button for each."""

from typing import Any, Final

from consumers.rules.state import Side
from ops.admin.answers import Answer, Asked, CannotDo, Done, Page, Question
from ops.admin.masks import is_hidden
from ops.parked_view import MASK
from ops.reviews import CannotChoose
from ops.reviews import Question as Waiting
from ops.reviews_view import said

LIMIT: Final = 100
MOST_LOOKED_AT: Final = 200
"""Documents of each kind: a page does not look through a backlog, of which a person settles one after the other."""


async def show_all(asked: Asked) -> Answer:
    """The queue, the oldest first."""
    queue = await asked.parts.reviews.waiting(asked.query("kind"), "", LIMIT, MOST_LOOKED_AT)
    shows = {
        "number": queue.count,
        "more": queue.more,
        "questions": [
            {
                "kind": one.kind,
                "id": one.id,
                "path": one.path,
                "field": one.field,
                "platform": _seen(asked, one, one.platform),
                "salesforce": _seen(asked, one, one.salesforce),
                "shown": one.shown,
                "since": one.since,
            }
            for one in queue.questions
        ],
    }
    return Page("conflicts.html", "Conflicts", shows)


def _seen(asked: Asked, question: Waiting, value: Any) -> str:
    if not asked.masked:
        return said(value)
    kind = asked.parts.mapping().kinds.get(question.kind)
    field = next((each for each in kind.fields if each.platform == question.path), None) if kind else None
    return MASK if kind is None or is_hidden(kind, field, value) else said(value)


async def choose(asked: Asked) -> Answer:
    """Settle one, for the side that is named, if it is still about the values that were shown."""
    kind, document, path = (asked.form.get(name, "") for name in ("kind", "document", "path"))
    try:
        side = Side(asked.form.get("side", ""))
    except ValueError:
        raise CannotDo("choose platform or salesforce") from None
    question = await asked.parts.reviews.question(kind, document, path)
    shown = {Side.PLATFORM: said(question.platform), Side.SALESFORCE: said(question.salesforce)}
    if not asked.is_sure:
        lines = [f"{path} of {kind} {document}", *(f"{each}: {shown[each]}" for each in Side)]
        whose = "the platform's" if side is Side.PLATFORM else "Salesforce's"
        return Question(f"Take {whose} value", lines, f"Take {whose}", "/admin/conflicts")
    why, about = asked.why(), {"kind": kind, "document": document}
    async with asked.noted("choose", f"{path} of {kind} {document}", why, f"{side} was chosen", **about):
        try:
            await asked.parts.reviews.choose(question, side, who=asked.user.name, why=why)
        except CannotChoose as reason:
            raise CannotDo(str(reason)) from None
    return Done(f"{path} of {kind} {document} is settled for {side}", "/admin/conflicts")
