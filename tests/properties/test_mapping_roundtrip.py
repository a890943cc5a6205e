"""Any good mapping survives YAML, as our reader and as a plain YAML reader takes it."""

import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.derivation import Case, Cases, Total
from schemas.field_mapping import Direction, FieldMapping, Policy, Transform
from schemas.mapping import (
    Asserts,
    KindMapping,
    Mapping,
    Matching,
    OnDelete,
    PlatformDeletion,
    Preference,
    SalesforceDeletion,
    Unlinked,
    WholeRecords,
)
from schemas.mapping_checks import problems
from schemas.mapping_reading import InvalidMapping, read_mapping
from schemas.mapping_yaml import dump_mapping, load_mapping
from schemas.record_filter import Comparison, Filters, NoneOf

# Words that a YAML 1.1 reader takes for booleans or null are good names here.
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True) | st.sampled_from(
    ["no", "yes", "on", "y", "null", "true"]
)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(".".join)
API_NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,12}", fullmatch=True) | st.sampled_from(["No", "Off", "NULL"])
REGIONS = st.from_regex(r"[A-Z]{2}", fullmatch=True) | st.just("NO")

WORDS = st.from_regex(r"[A-Za-zșț0-9.,:{}\[\]#'\"*&!%-]{1,6}", fullmatch=True) | st.sampled_from(
    ["no", "1", "~", "a: b", "true", "false", "False"]
)
PLAIN = WORDS | st.integers(0, 10**6) | st.booleans()
TOTALS = st.builds(
    Total,
    take=st.just("latest"),
    of=NAMES,
    by=PATHS,
    path=PATHS,
    order=PATHS,
    where=st.dictionaries(PATHS, st.lists(PLAIN, max_size=2).map(tuple), max_size=2),
)
CASES = st.builds(
    Cases,
    cases=st.lists(
        st.builds(Case, value=PLAIN, when=st.dictionaries(PATHS, st.integers(0, 10**6).map(float), min_size=1)),
        min_size=1,
    ).map(tuple),
    otherwise=st.none() | PLAIN,
)

CONDITIONS = st.recursive(
    st.builds(Comparison, path=PATHS, one_of=st.lists(PLAIN, min_size=1, max_size=2).map(tuple))
    | st.builds(Comparison, path=PATHS, equals=PLAIN)
    | st.builds(Comparison, path=PATHS, present=st.booleans()),
    lambda inner: st.builds(NoneOf, none=st.lists(inner, min_size=1, max_size=2).map(tuple)),
    max_leaves=2,
)

FIELDS = st.builds(
    FieldMapping,
    platform=PATHS,
    salesforce=API_NAMES,
    direction=st.sampled_from(Direction),
    policy=st.sampled_from(Policy),
    first=st.none() | st.sampled_from(Policy),
    transform=st.lists(st.sampled_from(Transform), max_size=3).map(tuple),
    region=st.none() | REGIONS,
    zone=st.none() | st.sampled_from(["UTC", "Europe/Bucharest", "America/Argentina/Buenos_Aires"]),
    scale=st.none() | st.integers(0, 18),
    picklist=st.dictionaries(WORDS, WORDS, max_size=3),
    lookup=st.none() | NAMES,
    required=st.booleans(),
    create_only=st.booleans(),
    derive=st.none() | TOTALS | CASES,
)
KINDS = st.builds(
    KindMapping,
    collection=NAMES,
    sobject=API_NAMES,
    external_id=API_NAMES,
    token=API_NAMES,
    events=st.dictionaries(st.tuples(NAMES, NAMES).map(".".join), st.sampled_from(Asserts), max_size=3),
    on_unlinked=st.sampled_from(Unlinked),
    whole_records=st.sampled_from(WholeRecords),
    on_delete=st.builds(
        OnDelete, salesforce=st.sampled_from(SalesforceDeletion), platform=st.sampled_from(PlatformDeletion)
    ),
    match=st.none()
    | st.builds(
        Matching,
        by=st.lists(API_NAMES, min_size=1, max_size=2).map(tuple),
        prefer=st.lists(
            st.builds(Preference, take=st.sampled_from(["present", "latest", "earliest"]), field=API_NAMES), max_size=2
        ).map(tuple),
        taken=st.sampled_from(["park", "create"]),
    ),
    filters=st.builds(Filters, push=st.none() | CONDITIONS, pull=st.none() | CONDITIONS),
    fields=st.lists(FIELDS, min_size=1, max_size=3).map(tuple),
)
MAPPINGS = st.builds(
    Mapping,
    version=st.integers(min_value=0, max_value=10**6),
    kinds=st.dictionaries(NAMES, KINDS, min_size=1, max_size=2),
)


@settings(max_examples=50)
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


@settings(max_examples=50)
@given(mapping=MAPPINGS)
def test_the_export_means_the_same_to_any_yaml_reader(mapping: Mapping) -> None:
    """No name turns into a boolean, whoever reads it."""
    assert read_mapping(yaml.safe_load(dump_mapping(mapping))) == mapping
