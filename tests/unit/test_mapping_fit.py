"""What an org has against a change of the mapping, and how often it is asked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from ops import mapping_fit
from ops.mapping_fit import (
    REMEMBERED_SECONDS,
    Fit,
    Remembered,
    against,
    fit_of,
    fit_of_change,
    new_misfits,
)
from schemas.mapping import Mapping
from schemas.presets import preset

BEFORE = preset("customers")


def with_field(name: str) -> Mapping:
    """With one more field."""
    raw = BEFORE.model_dump(mode="json")
    raw["kinds"]["customer"]["fields"].append({"platform": "nickname", "salesforce": name})
    return Mapping.model_validate(raw)


def test_what_did_not_fit_before_is_no_reason_to_refuse_a_change() -> None:
    """An org without the object says so of both versions; only what is new counts."""
    assert against({"Contact": None}, BEFORE, with_field("Nickname__c")) == []


def test_what_is_switched_off_need_not_be_in_the_org() -> None:
    """Whoever has no such object can still publish a mapping."""
    raw = BEFORE.model_dump(mode="json")
    raw["kinds"]["customer"]["sobject"] = "Customer__c"
    after = Mapping.model_validate(raw)
    assert against({"Contact": {"name": "Contact"}, "Customer__c": None}, BEFORE, after) != []
    assert against({}, BEFORE, after, frozenset({"Contact", "Customer__c"})) == []


async def test_nobody_asks_for_what_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a command as well as by the pages."""
    rest = Rest()

    class Salesforce:
        def __init__(self) -> None:
            self.rest = rest

    @asynccontextmanager
    async def signed_in(_settings: Any) -> AsyncIterator[Salesforce]:
        yield Salesforce()

    monkeypatch.setattr(mapping_fit, "open_signed_in", signed_in)
    for name, value in (("LOGIN_URL", "https://x.example"), ("CLIENT_ID", "a"), ("CLIENT_SECRET", "b")):
        monkeypatch.setenv(f"SALESFORCE_{name}", value)
    monkeypatch.setenv("SYNC_CONTACTS", "false")
    assert await fit_of(BEFORE) == Fit()
    assert await fit_of_change(Remembered(), BEFORE, with_field("Nickname__c")) == ([], "")
    assert await new_misfits(cast("Any", Salesforce()), BEFORE, BEFORE, frozenset({"Contact"})) == []
    assert rest.asked == []
    monkeypatch.delenv("SYNC_CONTACTS")
    assert (await fit_of(BEFORE)).blocking != []


class Rest:
    """Answers, and counts."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def describe(self, sobject: str) -> dict[str, Any] | None:
        self.asked.append(sobject)
        return None


async def test_an_object_is_asked_for_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often somebody types; another one is asked for when it is named."""
    rest, now = Rest(), [0.0]

    class Salesforce:
        def __init__(self) -> None:
            self.rest = rest

    @asynccontextmanager
    async def signed_in(_settings: Any) -> AsyncIterator[Salesforce]:
        yield Salesforce()

    monkeypatch.setattr(mapping_fit, "open_signed_in", signed_in)
    for name, value in (("LOGIN_URL", "https://x.example"), ("CLIENT_ID", "a"), ("CLIENT_SECRET", "b")):
        monkeypatch.setenv(f"SALESFORCE_{name}", value)
    remembered = Remembered(lambda: now[0])
    for _ in range(3):
        assert await remembered.describes(["Contact"]) == {"Contact": None}
    assert rest.asked == ["Contact"]
    await remembered.describes(["Contact", "Lead"])
    assert rest.asked == ["Contact", "Lead"]
    now[0] += REMEMBERED_SECONDS
    await remembered.describes(["Contact"])
    assert rest.asked == ["Contact", "Lead", "Contact"]
