"""Fields that the mapping marks as personal or sensitive: masked where they are shown, and not kept in the audit."""

from typing import Any

import pytest
from support.fake_documents import FakeDocuments, FakeLog
from support.sync_stage import Stage

from consumers.rules.audit import MASK
from ops.show_view import Findings, field_rows
from schemas.mapping import Mapping
from schemas.presets import preset


def marked(privacy: str | None) -> Mapping:
    """The customers, whose phone is marked."""
    raw = preset("customers").model_dump(mode="json")
    (phone,) = (each for each in raw["kinds"]["customer"]["fields"] if each["salesforce"] == "Phone")
    phone["privacy"] = privacy
    return Mapping.model_validate(raw)


PEOPLE = {"hackathon": {"participant"}, "ticketing": {"customer", "prospect"}}
NOT_OF_THE_PERSON = {
    "company_id",  # names a document, by which people find their way
    *("consent", "opted_out", "email_opt_out", "do_not_call"),  # decisions: they say why nothing is written
    *("status", "rating"),  # of the sales team's own work
}


@pytest.mark.parametrize("name", ["hackathon", "ticketing"])
def test_the_presets_mark_every_field_that_says_something_of_a_person(name: str) -> None:
    """Of people all but what is named here; of what they take part in what is theirs; of companies nothing."""
    kinds = preset(name).kinds
    for kind in PEOPLE[name]:
        unmarked = {each.platform for each in kinds[kind].fields if each.privacy is None}
        assert unmarked <= NOT_OF_THE_PERSON, kind
    for kind in ("company", "event"):
        assert [each.platform for each in kinds[kind].fields if each.privacy is not None] == []
    needs = {each.platform: each for each in kinds["registration"].fields}["dietary_needs"]
    assert (needs.privacy, needs.consent is None) == ("sensitive", False)


def test_of_a_project_what_its_makers_wrote_is_marked() -> None:
    """It may name them."""
    fields = preset("hackathon").kinds["project"].fields
    assert {each.platform for each in fields if each.privacy is not None} == {"title", "summary", "url"}


async def conflicting(privacy: str | None) -> tuple[Stage, list[dict[str, Any]]]:
    """A conflict on the phone; its audit."""
    stage, log = Stage(FakeDocuments()), FakeLog()
    stage.map_kinds(marked(privacy).model_dump(mode="json"))
    stage.log = log
    stage.reconciler, stage.writer = stage.new_reconciler(), stage.new_writer()
    await stage.post({"last_name": "Pop", "phone": "+40700000001"})
    await stage.settle()
    (record_id,) = stage.salesforce.rows["Contact"]
    stage.salesforce.edit("Contact", record_id, {"Phone": "+40700000002"})
    await stage.post({"phone": "+40700000003"}, changed=["phone"])
    await stage.settle()
    return stage, [row for row in log.rows.values() if row["type"] == "audit" and row["field"] == "Phone"]


async def test_of_a_sensitive_field_the_audit_keeps_that_there_was_a_conflict_and_no_value() -> None:
    """Who won, by which rule and when; both sides are the same all the same."""
    stage, rows = await conflicting("sensitive")
    assert rows
    assert all(row["platform"]["value"] == row["salesforce"]["value"] == row["lost"]["value"] == MASK for row in rows)
    assert all(row["winner"] in ("platform", "salesforce") and row["rule"] for row in rows)
    assert "+4070000000" not in str(rows)
    assert (await stage.document())["phone"] == stage.contact()["Phone"]


@pytest.mark.parametrize("privacy", ["personal", None])
async def test_of_other_fields_the_audit_keeps_both_values(privacy: str | None) -> None:
    """No conflict is silent."""
    _stage, rows = await conflicting(privacy)
    values = {row[side]["value"] for row in rows for side in ("platform", "salesforce")}
    assert {"+40700000002", "+40700000003"} <= values


@pytest.mark.parametrize("privacy", ["personal", "sensitive"])
async def test_marked_values_are_masked_where_they_are_shown_unless_they_are_asked_for(privacy: str) -> None:
    """Other fields stand there as ever."""
    stage, rows = await conflicting(privacy)
    kind, document = marked(privacy).kinds["customer"], await stage.document()
    for values in (False, True):
        found = Findings("customer", kind, "cust-1", document, record=stage.contact(), log=rows, values=values)
        shown = {row[0].split()[0]: " ".join(row) for row in field_rows(found)}
        assert (MASK in shown["phone"]) or values
        assert ("+4070000000" in shown["phone"]) == values
        assert "Pop" in shown["last_name"]
