"""What changes between two versions of the mapping, and what may not."""

import pytest

from adapters.mongo.mappings import next_version
from schemas.mapping import Mapping
from schemas.mapping_reading import InvalidMapping
from schemas.mapping_versions import differences, impossible, since
from schemas.mapping_yaml import load_mapping

BEFORE = """
format: 1
version: 3
kinds:
  customer:
    collection: customers
    sobject: Contact
    external_id: Ext__c
    token: Token__c
    events: {customer.updated: values}
    fields:
      - {platform: phone, salesforce: Phone, policy: latest_wins, transform: [trim]}
      - {platform: title, salesforce: Title}
"""


def edited(*changes: tuple[str, str]) -> Mapping:
    """The mapping with texts replaced."""
    text = BEFORE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return load_mapping(text)


def test_a_field_counts_from_the_version_that_gave_it_its_path() -> None:
    """One that keeps its path keeps its version, through any number of others; one that comes back counts anew."""
    moved = next_version(edited(), edited(("platform: phone", "platform: mobile")))
    assert (moved.version, moved.since) == (4, {"customer": {"Phone": 4}})
    kept = next_version(moved, edited(("platform: phone", "platform: mobile"), ("latest_wins", "platform_wins")))
    assert (kept.version, kept.since) == (5, {"customer": {"Phone": 4}})
    gone = next_version(
        kept, edited(("      - {platform: phone, salesforce: Phone, policy: latest_wins, transform: [trim]}\n", ""))
    )
    assert gone.since == {}
    assert next_version(gone, edited()).since == {"customer": {"Phone": 7}}


def test_the_first_version_counts_from_the_first_and_a_kind_that_was_away_from_its_return() -> None:
    """Its documents, if it had any, were kept by nobody meanwhile."""
    assert next_version(None, edited()).since == {}
    assert since(edited(("  customer:", "  company:")), edited(), 4) == {"customer": {"Phone": 4, "Title": 4}}


def test_a_kind_stays_in_its_object_and_its_collection_with_the_fields_it_is_known_by() -> None:
    """Its documents are linked to records of the one and stored in the other; the fields tell which and by whom."""
    after = edited(
        ("sobject: Contact", "sobject: Lead"),
        ("collection: customers", "collection: people"),
        ("Ext__c", "Other__c"),
        ("Token__c", "Write__c"),
    )
    problems = impossible(edited(), after)
    assert [problem.partition(":")[0] for problem in problems] == [
        f"kinds.customer.{setting}" for setting in ("collection", "sobject", "external_id", "token")
    ]
    assert 'cannot change from "Contact" to "Lead"' in problems[1]
    with pytest.raises(InvalidMapping, match="cannot change"):
        next_version(edited(), after)


def test_a_person_reads_what_changes() -> None:
    """One line for each thing, with what it was and what it is."""
    after = edited(
        ("latest_wins, transform: [trim]", "review, transform: [phone_e164], region: RO"),
        ("platform: title, salesforce: Title", "platform: city, salesforce: MailingCity"),
        ("    events:", "    on_delete: {platform: delete}\n    events:"),
    )
    assert differences(edited(), after) == [
        "customer: on_delete {salesforce: unlink, platform: unlink} → {salesforce: unlink, platform: delete}",
        "customer: Phone: policy latest_wins → review, transform [trim] → [phone_e164], region none → RO",
        "customer: Title is no longer mapped to title",
        "customer: MailingCity is mapped to city",
    ]
    asked = edited(
        ("transform: [trim]", "transform: [trim], consent: {none: [{path: title, one_of: [Mr, Dr]}]}"),
        ("    events:", "    filters: {push: {path: title, present: false}}\n    events:"),
    )
    assert differences(edited(), asked) == [
        "customer: filters {} → {push: {path: title, present: False}}",
        "customer: Phone: consent none → {none: [{path: title, one_of: [Mr, Dr]}]}",
    ]
    assert differences(edited(), edited()) == []
    other = edited(("  customer:", "  company:"))
    assert differences(edited(), other) == [
        "customer: is gone: its documents are left as they are",
        "company: is new",
    ]
