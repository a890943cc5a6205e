"""A derived field by cases: the first case counts of which every total is at least what it asks (rule 28)."""

from typing import Any

import pytest

from consumers.rules.derived import case_of
from schemas.derivation import Case, Cases

STAGE = Cases(
    cases=(
        Case(value="advocate", when={"purchases": 3, "attended": 3}),
        Case(value="customer", when={"purchases": 1}),
    ),
    otherwise="prospect",
)


@pytest.mark.parametrize(
    ("purchases", "attended", "stage"),
    [
        (3, 3, "advocate"),
        (9, 2, "customer"),
        (0, 9, "prospect"),
        (1, 0, "customer"),
        (0, 0, "prospect"),
        (None, None, "prospect"),
    ],
)
def test_every_total_of_a_case_must_be_enough(purchases: Any, attended: Any, stage: str) -> None:
    """One that is not enough sends on to the next case; a total that is not there counts as nothing."""
    assert case_of(STAGE, {"purchases": purchases, "attended": attended}) == stage
