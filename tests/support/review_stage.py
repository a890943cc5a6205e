"""Conflicts that wait for a person, made by the real reconciler and writer, and whoever lists and settles them."""

from typing import Any

from ops.reviews import ReviewedDocuments, Reviews
from schemas.mapping import Mapping
from schemas.presets import preset
from support.sync_stage import TIMING, Stage

HOUR = 3_600_000
AGREED = {"last_name": "Lovelace", "phone": "+40700000000", "title": "Countess", "department": "Engines"}
PATHS = {"Phone": "phone", "Title": "title"}


def reviewing_mapping(direction: str = "both") -> Mapping:
    """The preset, where a person chooses phone and title."""
    raw = preset("customers").model_dump(mode="json")
    for field in raw["kinds"]["customer"]["fields"]:
        if field["salesforce"] in PATHS:
            field.update(policy="review", direction=direction)
    return Mapping.model_validate(raw)


def reviews_of(stage: Stage, documents: ReviewedDocuments) -> Reviews:
    """On the documents and by the clock of a stage."""
    return Reviews(
        documents=documents, log=stage.log, catalog=lambda: stage.catalog, now=lambda: stage.now, timing=TIMING
    )


def record_of(stage: Stage, id_: str = "cust-1") -> dict[str, Any]:
    """The customer's Contact."""
    (row,) = [row for row in stage.salesforce.rows["Contact"].values() if row["Tandem_Customer_Id__c"] == id_]
    return row


async def agree(stage: Stage, id_: str = "cust-1") -> None:
    """Both sides hold `AGREED`."""
    await stage.post(AGREED, id_=id_, type_="customer.created")
    await stage.settle()
    stage.now += HOUR


async def disagree(stage: Stage, id_: str = "cust-1", field: str = "Phone", *, shown: str = "salesforce") -> None:
    """Two edits of which neither author saw the other's: `p-<id>` and `s-<id>`; the document shows that of `shown`."""
    await agree(stage, id_)
    if shown == "salesforce":
        await sell(stage, f"s-{id_}", id_, field)
        await stage.post({PATHS[field]: f"p-{id_}"}, id_=id_, changed=[PATHS[field]])
    else:
        await stage.post({PATHS[field]: f"p-{id_}"}, id_=id_, changed=[PATHS[field]])
        await sell(stage, f"s-{id_}", id_, field)
    await stage.settle()


async def sell(stage: Stage, value: str | None, id_: str = "cust-1", field: str = "Phone") -> None:
    """A Salesforce user edits, and the event is delivered."""
    stage.salesforce.edit("Contact", record_of(stage, id_)["Id"], {field: value})
    await stage.hear()
