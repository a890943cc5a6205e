"""Which of several records that match is taken, and when none may be."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.orders import MAPPING

from consumers.rules.kinds import compile_kind
from consumers.rules.matching import (
    Matched,
    Taken,
    choose,
    fields_to_read,
    in_order,
    is_another,
    matches,
    texts_to_match,
    tried_before,
)
from consumers.rules.state import DocumentState, Side
from schemas.mapping import Mapping, Preference
from schemas.presets import preset

EXTERNAL_ID = "Tandem_Customer_Id__c"
Preferences = tuple[Preference, ...]
ACCOUNT_THEN_ACTIVE = (
    Preference(take="present", field="AccountId"),
    Preference(take="latest", field="LastActivityDate"),
)


def row(id_: str, **values: Any) -> dict[str, Any]:
    return {"Id": id_, "CreatedDate": "2026-01-01T00:00:00.000+0000", EXTERNAL_ID: None, **values}


def chosen(*rows: dict[str, Any], prefer: Preferences = ACCOUNT_THEN_ACTIVE, **owners: str) -> Matched | Taken | None:
    return choose(rows, prefer, EXTERNAL_ID, "cust-1", owners)


def test_the_first_preference_that_tells_them_apart_decides() -> None:
    """An account goes before later activity, that before none at all, and the oldest record is taken at last."""
    plain, young = row("1"), row("2", CreatedDate="2025-01-01T00:00:00.000+0000")
    quiet = row("3", AccountId="001", LastActivityDate="2024-05-01")
    active, idle = row("4", AccountId="001", LastActivityDate="2026-05-01"), row("5", AccountId="002")
    assert chosen(plain, idle, quiet, active, young) == Matched("4", ("3", "5", "2", "1"))
    assert chosen(plain, young, prefer=()) == Matched("2", ("1",))


def test_the_earliest_and_numbers() -> None:
    """What holds nothing comes last whichever way it is sorted."""
    rows = [row("1", N=2), row("2", N=None), row("3", N=10), row("4", N=0.5)]
    assert [one["Id"] for one in in_order(rows, [Preference(take="earliest", field="N")])] == ["4", "1", "3", "2"]
    assert [one["Id"] for one in in_order(rows, [Preference(take="latest", field="N")])] == ["3", "1", "4", "2"]


@given(st.permutations(["1", "2", "3", "4"]), st.lists(st.sampled_from(["x", "", None]), min_size=4, max_size=4))
def test_the_choice_does_not_depend_on_the_order_of_the_answer(ids: list[str], accounts: list[str | None]) -> None:
    """Salesforce promises none."""
    rows = {id_: row(id_, AccountId=account) for id_, account in zip("1234", accounts, strict=True)}
    assert chosen(*(rows[id_] for id_ in ids)) == chosen(*rows.values())


def test_a_record_of_another_document_is_never_taken() -> None:
    """By its link, by its claim, or by an external id that we may know nothing of."""
    free, linked, named = row("1"), row("2", AccountId="001"), row("3", AccountId="001", **{EXTERNAL_ID: "cust-9"})
    assert chosen(free, linked, named, **{"2": "cust-2"}) == Matched("1")
    assert chosen(linked, named, **{"2": "cust-2"}) == Taken({"2": "cust-2", "3": "cust-9"})
    assert chosen(row("2"), **{"2": "cust-1"}) == Matched("2"), "claimed before a crash"
    assert chosen() is None


def test_texts_are_compared_as_salesforce_does_and_in_its_form() -> None:
    """After the mapping's transform, whatever the case; nothing matches nothing."""
    kind = compile_kind("customer", Mapping.model_validate(MAPPING))
    state = DocumentState("customer", "cust-1")
    assert texts_to_match(state, kind, "LastName") == ()
    state.field("LastName").show("  Lovelace ", Side.PLATFORM, made_at=1, at=1, revision=1)
    assert texts_to_match(state, kind, "LastName") == ("Lovelace",)
    assert matches(["Lovelace"], {"LastName": "LOVELACE "}, "LastName")
    assert not matches(["Lovelace"], {"LastName": None}, "LastName")
    assert fields_to_read(kind.own, ACCOUNT_THEN_ACTIVE, "LastName") == (
        "LastName",
        EXTERNAL_ID,
        "CreatedDate",
        "AccountId",
        "LastActivityDate",
    )


COMPANY = compile_kind("company", preset("ticketing"))


def company(website: str | None) -> DocumentState:
    """By this name, with or without a website."""
    state = DocumentState("company", "acme")
    for name, value in (("Name", "Acme"), ("Website", website)):
        state.field(name).show(value, Side.PLATFORM, made_at=1, at=1, revision=1)
    return state


@pytest.mark.parametrize(
    ("ours", "theirs", "another"),
    [
        ("acme.ro", "https://www.Acme.com/en", True),
        ("https://acme.ro", "http://WWW.acme.ro/contact", False),
        ("acme.ro", None, False),
        (None, "acme.ro", False),
        ("acme.ro", "to be asked", False),
        ("none", "acme.ro", False),
    ],
)
def test_companies_of_one_name_are_two_where_their_domains_differ(
    ours: str | None, theirs: str | None, another: bool
) -> None:
    """However they are written; where one of them has none, or none that is a domain, the name decides."""
    held = {"Name": "Acme", "Website": theirs}.get
    assert is_another(company(ours), COMPANY, "Name", held) is another
    assert not is_another(company(ours), COMPANY, "Website", held), "nothing was tried before it"
    assert tried_before(COMPANY, "Name") == ("Website",)
    assert fields_to_read(COMPANY.own, (), "Name", ("Website",))[:2] == ("Name", "Website")
