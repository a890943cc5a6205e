"""What the platform is told of Salesforce's changes: where, how it went, told again, and held back."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from adapters.platform.addresses import UnfitUrl
from ops.admin.answers import Answer, Asked, CannotDo, Done, Page, Question
from ops.deliveries_command import refuse_unfit
from schemas.delivery import DeliveryState, tried

LIMIT: Final = 100
MOST_AT_ONCE: Final = 10_000
MOST_COUNTED: Final = 1_000
"""Of each state: a page counts no further."""
TO: Final = "/admin/deliveries"


async def show_all(asked: Asked) -> Answer:
    """Where they go, how many there are of each state, and the newest."""
    state, kind, document = (asked.query(name) for name in ("state", "kind", "document"))
    rows = await asked.parts.deliveries.listed(state=state, kind=kind, document_id=document, limit=LIMIT)
    endpoint = await asked.parts.endpoints.current()
    shows = {
        "endpoint": None
        if endpoint is None
        else {
            "url": endpoint.url,
            "enabled": endpoint.enabled,
            "reason": reason_seen(endpoint.reason, masked=asked.masked),
            "failing_since": endpoint.failing_since,
        },
        "counts": dict(await asked.parts.deliveries.counts_to(MOST_COUNTED)),
        "most": MOST_COUNTED,
        "deliveries": [shown(row) for row in rows],
        "limit": LIMIT,
        "state": state,
        "kind": kind,
        "document": document,
        "states": list(DeliveryState),
        "kinds": list(asked.parts.catalog().kinds),
    }
    return Page("deliveries.html", "Deliveries", shows)


async def show_one(asked: Asked) -> Answer:
    """One and its tries; what it says only for those who may see personal data."""
    row = await asked.parts.deliveries.get(asked.query("id"))
    if row is None:
        return Page("problem_within.html", "Deliveries", {"detail": "there is no such delivery"}, 404)
    body = None if asked.masked else orjson.loads(bytes(row["body"]))
    shows = {**shown(row), "attempts": row.get("attempts", []), "body": body}
    return Page("delivery.html", f"Delivery {row['_id']}", shows)


async def redeliver(asked: Asked) -> Answer:
    """Have those that are chosen, or all that were given up, posted again under their own ids."""
    deliveries = asked.parts.deliveries
    ids = list(asked.chosen)
    if asked.form.get("failed"):
        ids = await deliveries.failed_ids(MOST_AT_ONCE)
    if not ids:
        raise CannotDo("nothing is chosen: tick what is meant")
    if not asked.is_sure:
        told = "The platform tells doubles apart by webhook-id: a delivery keeps its own."
        return Question(f"Redeliver {len(ids):,}", [told, *ids], "Redeliver", TO)
    async with asked.noted("redeliver", f"{len(ids):,} deliveries", asked.why(), deliveries=ids[:100]) as ending:
        count = await deliveries.redeliver(ids, asked.parts.now())
        if not count:
            raise CannotDo("there are no such deliveries any more")
        ending.result = f"{count:,} to be posted again"
    return Done(f"{count:,} to be posted again", TO)


async def switch(asked: Asked) -> Answer:
    """Post nothing more, or go on."""
    what = asked.form.get("what", "")
    if what not in ("enable", "disable"):
        raise CannotDo("say enable or disable")
    if not asked.is_sure:
        told = {
            "enable": "What has waited is posted first, then what comes.",
            "disable": "Nothing more is posted; what Salesforce changes is kept meanwhile, and posted once enabled.",
        }
        return Question(
            f"{what.capitalize()} deliveries", [told[what]], what.capitalize(), TO, dangerous=what == "disable"
        )
    why, endpoints = asked.why(), asked.parts.endpoints
    async with asked.noted(f"deliveries_{what}", "the platform's URL", why):
        if what == "enable":
            await endpoints.enable(asked.user.name, asked.parts.now())
        else:
            await endpoints.disable(f"by {asked.user.name}: {why}", asked.parts.now())
    return Done(f"deliveries are {what}d", TO)


async def set_url(asked: Asked) -> Answer:
    """Post there from now on; empty: where the settings say."""
    url = asked.form.get("url", "").strip()
    try:
        await refuse_unfit(url, asked.parts.deliver)
    except UnfitUrl as unfit:
        raise CannotDo(f"the URL {unfit}") from None
    if not asked.is_sure:
        told = f"From now on deliveries go to {url}, those that wait too." if url else "The URL of DELIVER_URL counts."
        return Question("Set the URL of deliveries", [told], "Set", TO, dangerous=True)
    async with asked.noted("deliveries_url", url or "that of the settings", asked.why(), url=url):
        await asked.parts.endpoints.set_url(url, asked.user.name, asked.parts.now())
    return Done("the URL is set" if url else "the URL of the settings counts", TO)


def reason_seen(reason: str, *, masked: bool) -> str:
    """Why nothing is posted; of what a person has switched off, viewers are told who did it, and not why."""
    return reason.partition(": ")[0] if masked and reason.startswith("by ") else reason


def shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """As the list shows it: no value of a field."""
    last = (row.get("attempts") or [{}])[-1]
    return {
        "id": row["_id"],
        "type": row["type"],
        "kind": row["kind"],
        "document": row["document"],
        "revision": row["revision"],
        "state": row["state"],
        "tries": tried(row),
        "answer": str(last.get("status") or last.get("why") or ""),
        "made_at": row["made_at"],
        "next_at": row["next_at"] if row["state"] == DeliveryState.PENDING else 0,
    }
