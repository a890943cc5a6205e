"""When a document is looked at next, after the sweep has rung for it."""

from support.fake_documents import FakeDocuments
from support.sync_stage import TIMING, Stage

from schemas import gap_change


async def test_what_was_rung_for_too_early_is_rung_for_in_time() -> None:
    """The sweep has put off its next bell by half a minute, in case the writer is away; the writer was there."""
    stage = Stage(FakeDocuments())
    await stage.post({"last_name": "Lovelace"})
    await stage.settle()
    heard = stage.now
    look = gap_change.differing("Contact", stage.contact()["Id"], stage.now)
    await stage.reconciler.handle([stage.change(look)])
    due = await due_at(stage)
    assert due == heard + TIMING.quiet_before_read
    early = heard + 100
    await stage.documents.postpone("customers", {"cust-1": due}, early)
    stage.now = early
    assert await stage.sweep.ring_due() == 1
    assert await due_at(stage) == early + 30_000
    (result,) = await stage.answer_doorbells()
    assert result.reason == "waiting for an answer, an event or the next try"
    assert await due_at(stage) == due
    stage.now = due
    assert await stage.sweep.ring_due() == 1
    await stage.answer_doorbells()
    assert (await stage.document())["salesforce"]["syncStatus"] == "synced"


async def due_at(stage: Stage) -> int | None:
    """Of the document."""
    due: int | None = (await stage.document())["_sync"].get("due_at")
    return due
