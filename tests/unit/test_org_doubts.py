"""What is doubtful of Salesforce is asked by `make test-org`, or has a reason why not."""

from support.org_doubts import DOUBTS, FACTS, SECTIONS


def test_each_doubt_is_asked_or_says_why_not() -> None:
    """One or the other, and never in words alone: what is said to be asked is."""
    asked = {fact.fact for fact in FACTS}
    assert [doubt.what for doubt in DOUBTS if bool(doubt.facts) == bool(doubt.why_not)] == []
    assert [fact for doubt in DOUBTS for fact in doubt.facts if fact not in asked] == []
    assert list(dict.fromkeys(doubt.section for doubt in DOUBTS)) == list(SECTIONS)


def test_each_fact_is_one_and_belongs_to_a_doubt() -> None:
    """Those of the reference's list of doubts; what is asked beside it is of another section."""
    assert len({fact.fact for fact in FACTS}) == len(FACTS)
    told = {fact for doubt in DOUBTS for fact in doubt.facts}
    assert [fact.fact for fact in FACTS if fact.section.startswith("9.") and fact.fact not in told] == []
