"""What an erasure's certificate tells."""

from ops.erasure.certificate import certificate, left


def test_a_certificate_names_nobody_and_tells_what_is_left() -> None:
    """Of the last pass."""
    passes = [{"left": []}, {"left": ["Contact: DELETE_FAILED"]}]
    inner = {"document": "cust-1", "things": [["customer", "cust-1"]], "records": [["customer", "003"]], "due_at": 1}
    told = certificate({"_id": "ref", "state": "removed", "passes": passes, **inner})
    assert told == {"reference": "ref", "state": "removed", "passes": passes}
    assert left(told) == ["Contact: DELETE_FAILED"]


def test_before_the_first_pass_nothing_is_left() -> None:
    """Nor when there were none."""
    assert left({"passes": []}) == []
    assert left({}) == []
