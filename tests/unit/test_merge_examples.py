"""The worked examples of docs/merge.md, run against the rules: each ends as it says it must."""

from collections.abc import Callable

import pytest
from support.merge_examples.book import examples
from support.merge_examples.story import Story


@pytest.mark.parametrize("example", examples().values(), ids=examples().keys())
def test_a_worked_example_ends_as_it_says(example: Callable[[], Story]) -> None:
    """What the document shows, what Salesforce holds, the next call, the outcomes and the audit rows."""
    story = example()
    assert story.end() == story.expected
