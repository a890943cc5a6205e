"""docs/mapping.md tells the truth."""

import re
from enum import StrEnum
from pathlib import Path

import pytest

from schemas.field_mapping import Direction, FieldMapping, Policy, Privacy, Transform
from schemas.mapping import (
    Asserts,
    Creation,
    KindMapping,
    LeadMapping,
    OnMerge,
    PlatformDeletion,
    SalesforceDeletion,
    Unlinked,
)
from schemas.mapping_reading import InvalidMapping
from schemas.mapping_yaml import load_mapping

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "mapping.md").read_text(encoding="utf-8")
EXAMPLE, *_parts = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_the_example_can_be_used() -> None:
    """Whoever copies it has a mapping that works."""
    assert len(load_mapping(EXAMPLE).kinds["customer"].fields) == 6


def test_the_messages_shown_are_those_told() -> None:
    """The page's two faults, made in the page's example, in the page's words."""
    broken = EXAMPLE.replace("policy: salesforce_wins", "policy: newest")
    with pytest.raises(InvalidMapping) as first:
        load_mapping(broken)
    with pytest.raises(InvalidMapping) as second:
        load_mapping(EXAMPLE.replace("salesforce: Phone", "salesforce: Name"))
    (told,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    assert told.splitlines() == [_told(first), _told(second)]


def _told(caught: pytest.ExceptionInfo[InvalidMapping]) -> str:
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize(
    "words",
    [Direction, Policy, Transform, Asserts, SalesforceDeletion, PlatformDeletion, Unlinked, Creation, OnMerge, Privacy],
)
def test_every_word_is_explained(words: type[StrEnum]) -> None:
    """No direction, policy, transform or assertion is a secret."""
    assert [word for word in words if not re.search(rf"\b{word}\b", PAGE)] == []


def test_every_setting_of_a_field_and_a_kind_is_shown() -> None:
    """The page names all there is."""
    names = [*FieldMapping.model_fields, *KindMapping.model_fields, *LeadMapping.model_fields]
    assert [name for name in names if not re.search(rf"\b{name}\b", PAGE)] == []
