"""YAML to mapping and back; presets."""

from importlib.resources import files

import pytest

from schemas.mapping_reading import InvalidMapping
from schemas.mapping_yaml import dump_mapping, load_mapping
from schemas.presets import preset, preset_names
from schemas.transforms import compile_field

CUSTOMERS = files("schemas.presets").joinpath("customers.yaml").read_text("utf-8")


def problems(text: str) -> tuple[str, ...]:
    """What is wrong with this YAML."""
    with pytest.raises(InvalidMapping) as caught:
        load_mapping(text)
    return caught.value.problems


@pytest.mark.parametrize("name", preset_names())
def test_each_preset_is_good_and_compiles(name: str) -> None:
    """Whoever starts from a preset starts from a mapping that works."""
    for kind in preset(name).kinds.values():
        for field in kind.fields:
            compile_field(field)


def test_the_export_reads_like_the_preset() -> None:
    """One line for each field, defaults left out: the preset without its comment."""
    assert dump_mapping(preset("customers")) == CUSTOMERS.split("\n", 1)[1]


def test_an_unknown_preset_names_the_known_ones() -> None:
    """The answer helps to spell it right."""
    with pytest.raises(ValueError, match='"tickets" is no preset; there are: customers, hackathon, ticketing'):
        preset("tickets")


def test_problems_name_their_line() -> None:
    """Both what pydantic finds and what is wrong between parts."""
    text = CUSTOMERS.replace("policy: latest_wins", "policy: newest", 1)
    line = next(number for number, content in enumerate(text.splitlines(), 1) if "newest" in content)
    assert problems(text)[0].startswith(f'line {line}: kinds.customer.fields[3].policy: "newest" is not allowed')
    text = CUSTOMERS.replace("salesforce: Title", "salesforce: Email")
    line = next(number for number, content in enumerate(text.splitlines(), 1) if "platform: title" in content)
    assert problems(text) == (
        f'line {line}: kinds.customer.fields[4].salesforce: "Email" is already mapped by fields[0]',
    )


def test_a_missing_setting_names_the_line_of_its_kind() -> None:
    """What is not there has no line; what it belongs to has."""
    text = CUSTOMERS.replace("    sobject: Contact\n", "")
    line = next(number for number, content in enumerate(text.splitlines(), 1) if content == "  customer:")
    assert problems(text) == (f"line {line}: kinds.customer.sobject: is missing",)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "mapping: is empty"),
        ("# nothing\n", "mapping: is empty"),
        ("kinds: [", "line 1: not YAML"),
        ("kinds:\n  a: b: c", "line 2: not YAML"),
        ("format: 1\nformat: 1", "line 2: format: is there twice"),
        ("kinds: &all\n  again: *all", "anchors and aliases are not supported"),
        ("format: 1\n---\nformat: 1", "not YAML"),
        ("format: \x00", "not YAML"),
        ("[" * 5000, "not YAML"),
        ("format: 2\nkinds: {}", "line 1: format: 2 is not allowed; it was made for a newer release"),
    ],
)
def test_what_yaml_lets_pass_or_breaks_on_is_told(text: str, problem: str) -> None:
    """A name given twice would lose the first one in silence; an alias could grow without bound."""
    assert problem in problems(text)[0]


def test_norway_is_a_country() -> None:
    """YAML 1.1 reads NO as false; an exported mapping is read alike by every YAML reader."""
    mapping = load_mapping(CUSTOMERS.replace("region: RO", "region: NO"))
    assert mapping.kinds["customer"].fields[3].region == "NO"
    assert 'region: "NO"' in dump_mapping(mapping)


def test_the_version_travels_with_the_export() -> None:
    """So that publishing an edited export can be refused when somebody else has published since."""
    mapping = preset("customers").model_copy(update={"version": 7})
    assert load_mapping(dump_mapping(mapping)).version == 7


def test_what_follows_a_deletion_travels_with_the_export() -> None:
    """Only what differs from the default is written, and all of it is read back."""
    text = CUSTOMERS.replace(
        "    events:\n", "    on_delete: {platform: delete}\n    on_unlinked: create\n    events:\n"
    )
    mapping = load_mapping(text)
    assert mapping.kinds["customer"].on_delete.platform == "delete"
    assert mapping.kinds["customer"].on_delete.salesforce == "unlink"
    assert mapping.kinds["customer"].on_unlinked == "create"
    exported = dump_mapping(mapping)
    assert "    on_delete: {platform: delete}\n    on_unlinked: create\n" in exported
    assert load_mapping(exported) == mapping
