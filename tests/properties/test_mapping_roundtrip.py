"""Any good mapping survives YAML, as our reader and as a plain YAML reader takes it."""

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from schemas.mapping import Asserts, Direction, FieldMapping, KindMapping, Mapping, Policy, Transform
from schemas.mapping_checks import problems
from schemas.mapping_reading import InvalidMapping, read_mapping
from schemas.mapping_yaml import dump_mapping, load_mapping

# Words that a YAML 1.1 reader takes for booleans or null are good names here.
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True) | st.sampled_from(
    ["no", "yes", "on", "y", "null", "true"]
)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(".".join)
API_NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,12}", fullmatch=True) | st.sampled_from(["No", "Off", "NULL"])
REGIONS = st.from_regex(r"[A-Z]{2}", fullmatch=True) | st.just("NO")

FIELDS = st.builds(
    FieldMapping,
    platform=PATHS,
    salesforce=API_NAMES,
    direction=st.sampled_from(Direction),
    policy=st.sampled_from(Policy),
    first=st.none() | st.sampled_from(Policy),
    transform=st.lists(st.sampled_from(Transform), max_size=3).map(tuple),
    region=st.none() | REGIONS,
)
KINDS = st.builds(
    KindMapping,
    collection=NAMES,
    sobject=API_NAMES,
    external_id=API_NAMES,
    token=API_NAMES,
    events=st.dictionaries(st.tuples(NAMES, NAMES).map(".".join), st.sampled_from(Asserts), max_size=3),
    fields=st.lists(FIELDS, min_size=1, max_size=5).map(tuple),
)
MAPPINGS = st.builds(
    Mapping,
    version=st.integers(min_value=0, max_value=10**6),
    kinds=st.dictionaries(NAMES, KINDS, min_size=1, max_size=3),
)


@given(mapping=MAPPINGS)
def test_yaml_gives_back_what_it_got(mapping: Mapping) -> None:
    """Export, edit nothing, publish: nothing changes; and what was wrong before is told with its line."""
    text = dump_mapping(mapping)
    expected = problems(mapping)
    if not expected:
        assert load_mapping(text) == mapping
        return
    with pytest.raises(InvalidMapping) as caught:
        load_mapping(text)
    assert [re.sub(r"^line [0-9]+: ", "", problem) for problem in caught.value.problems] == expected
    assert all(problem.startswith("kinds.") for problem in expected)


@given(mapping=MAPPINGS)
def test_the_export_means_the_same_to_any_yaml_reader(mapping: Mapping) -> None:
    """No name turns into a boolean, whoever reads it."""
    assert read_mapping(yaml.safe_load(dump_mapping(mapping))) == mapping
