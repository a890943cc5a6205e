"""What a viewer of the admin page does not see."""

from typing import Any

import pytest

from ops.admin.masks import is_hidden
from ops.admin.things import thing
from ops.parked_view import MASK
from ops.story import Known
from schemas.field_mapping import FieldMapping
from schemas.mapping import KindMapping, Mapping
from schemas.presets import preset


def customer(**privacy: str) -> KindMapping:
    """The preset's, with these fields marked."""
    raw = preset("customers").model_dump(mode="json")
    for field in raw["kinds"]["customer"]["fields"]:
        if field["platform"] in privacy:
            field["privacy"] = privacy[field["platform"]]
    return Mapping.model_validate(raw).kinds["customer"]


def field_of(kind: KindMapping, path: str) -> FieldMapping:
    return next(each for each in kind.fields if each.platform == path)


@pytest.mark.parametrize(
    ("path", "value", "hidden"),
    [
        ("email", "ada@example.org", True),
        ("total_spent", 120, True),
        ("title", "Countess", False),
        ("email", None, False),
        ("email", "", False),
    ],
)
def test_the_mapping_says_what_is_hidden(path: str, value: Any, hidden: bool) -> None:
    """Marked fields, of whatever type, and no others."""
    kind = customer(email="personal", total_spent="sensitive")
    assert is_hidden(kind, field_of(kind, path), value) is hidden


@pytest.mark.parametrize(
    ("value", "hidden"),
    [("Countess", True), (["chess"], True), (120, False), (1.5, False), (True, False), ("", False), (None, False)],
)
def test_a_mapping_that_says_nothing_hides_every_text(value: Any, hidden: bool) -> None:
    """Numbers tell nothing of who it is."""
    kind = customer()
    assert is_hidden(kind, field_of(kind, "title"), value) is hidden


def test_a_field_that_is_not_mapped_any_more_is_hidden() -> None:
    """Nobody can say of it that it is not personal."""
    assert is_hidden(customer(email="personal"), None, "Countess")


def test_what_was_looked_up_of_a_person_is_hidden() -> None:
    """The Account may bear a person's name, and the tier is what sales thinks of them."""
    document = {"_id": "c-1", "customerTier": "Gold", "salesforce": {"accountName": "Lovelace & Co"}}
    known = Known("customer", "c-1", document)
    seen, hidden = (thing(known, customer(), "", masked=masked) for masked in (False, True))
    assert (seen.account, seen.tier) == ("Lovelace & Co", "Gold")
    assert (hidden.account, hidden.tier) == (MASK, MASK)
    assert thing(Known("customer", "c-1", {"_id": "c-1"}), customer(), "", masked=True).tier == ""


ACME = "0015g000001AcmeAAK"
ORG = "https://example.my.salesforce.com"


@pytest.mark.parametrize(
    ("named", "kind", "document"),
    [
        ("customers", "customer", {"customer_tier": "Gold"}),
        ("ticketing", "customer", {"customer_tier": "Gold"}),
        ("hackathon", "participant", {"customer_tier": "Gold"}),
        ("hackathon", "participant", {"customerTier": "Gold"}),
    ],
)
def test_the_tier_stands_where_the_mapping_puts_it(named: str, kind: str, document: dict[str, Any]) -> None:
    """Mapped, or looked up while somebody registers."""
    mapped = preset(named).kinds[kind]
    assert thing(Known(kind, "c-1", document), mapped, "", masked=False).tier == "Gold"
    assert thing(Known(kind, "c-1", document), mapped, "", masked=True).tier == MASK


@pytest.mark.parametrize(
    ("document", "account", "link"),
    [
        ({"salesforce": {"accountId": ACME, "accountName": "Acme"}}, "Acme", f"{ORG}/{ACME}"),
        ({"salesforce": {"accountId": ACME}}, ACME, f"{ORG}/{ACME}"),
        ({"_sync": {"fields": {"AccountId": f'{{"s":["{ACME}",[1,2,3]]}}'}}}, ACME, f"{ORG}/{ACME}"),
        ({"_sync": {"fields": {"AccountId": '{"s":[null,[1,2,3]]}'}}}, "", ""),
        ({"salesforce": {"accountName": "Acme", "accountId": "../setup?x"}}, "Acme", ""),
    ],
)
def test_the_account_is_linked_where_its_record_is_known(document: dict[str, Any], account: str, link: str) -> None:
    """Told of, or the parent that Salesforce names; a link is made of nothing but an id. A viewer sees neither."""
    participant = preset("hackathon").kinds["participant"]
    seen, hidden = (
        thing(Known("participant", "p-1", document), participant, ORG, masked=each) for each in (False, True)
    )
    assert (seen.account, seen.account_url) == (account, link)
    assert (hidden.account, hidden.account_url) == (MASK if account else "", "")
