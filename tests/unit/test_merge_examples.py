"""The worked examples of docs/merge.md, run against the rules: each ends as it says, and shows its own rule."""

from collections.abc import Callable

import pytest
from support.bending import bent
from support.merge_examples.book import examples, rule_of
from support.merge_examples.story import Story
from support.mutations import MUTATIONS, Mutation


@pytest.mark.parametrize("example", examples().values(), ids=examples().keys())
def test_a_worked_example_ends_as_it_says(example: Callable[[], Story]) -> None:
    """What the document shows, what Salesforce holds, the next call, the outcomes and the audit rows."""
    story = example()
    assert story.end() == story.expected


@pytest.mark.parametrize("rule", sorted({mutation.rule for mutation in MUTATIONS}, key=int))
def test_an_example_shows_its_own_rule(rule: str) -> None:
    """It ends otherwise, or cannot go on, where the rule is bent in one of the ways that the mutations know."""
    own = [example for name, example in examples().items() if rule_of(name) == int(rule)]
    assert any(notices(example, mutation) for mutation in MUTATIONS if mutation.rule == rule for example in own)


def notices(example: Callable[[], Story], mutation: Mutation) -> bool:
    """Whether the example ends otherwise under the mutation."""
    with bent(f"consumers.rules.{mutation.module}", (mutation.old, mutation.new)):
        try:
            story = example()
        except AssertionError:
            return True
        return story.end() != story.expected
