"""The JSON Schema for editors takes what the reader takes, and marks what has the wrong shape."""

import json
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import jsonschema_rs
import pytest
import yaml
from typer.testing import CliRunner

from ops.cli import app
from schemas.field_mapping import FieldMapping
from schemas.mapping import KindMapping
from schemas.mapping_reading import InvalidMapping, read_mapping
from schemas.mapping_schema import mapping_schema
from schemas.mapping_yaml import dump_mapping
from schemas.presets import preset, preset_names

VALIDATOR = jsonschema_rs.validator_for(mapping_schema())


def raw(name: str = "customers") -> Any:
    """A preset as a plain YAML reader has it."""
    return yaml.safe_load(files("schemas.presets").joinpath(f"{name}.yaml").read_text("utf-8"))


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_and_its_export_are_good(name: str) -> None:
    """An editor marks nothing in what the reader takes."""
    assert [error.message for error in VALIDATOR.iter_errors(raw(name))] == []
    assert [error.message for error in VALIDATOR.iter_errors(yaml.safe_load(dump_mapping(preset(name))))] == []


@pytest.mark.parametrize(
    ("place", "change"),
    [
        (["kinds", "customer", "fields", 0, "policy"], lambda field: field.update(policy="newest")),
        (["kinds", "customer", "fields", 0], lambda field: field.update(polcy="latest_wins")),
        (["kinds", "customer", "fields", 0], lambda field: field.pop("salesforce")),
        (["kinds", "customer", "fields", 0, "scale"], lambda field: field.update(scale="two")),
        (["kinds", "customer", "fields", 0, "region"], lambda field: field.update(region="Romania")),
    ],
)
def test_what_the_reader_refuses_for_its_shape_is_marked_there(
    place: list[str | int], change: Callable[[dict[str, Any]], Any]
) -> None:
    """At the same place in the text."""
    mapping = raw()
    change(mapping["kinds"]["customer"]["fields"][0])
    with pytest.raises(InvalidMapping):
        read_mapping(mapping)
    marked = [list(error.instance_path) for error in VALIDATOR.iter_errors(mapping)]
    assert any(each == place[: len(each)] and len(each) >= len(place) - 1 for each in marked)


def test_every_setting_is_explained() -> None:
    """An editor shows it beside the setting."""
    described = mapping_schema()["$defs"]
    for model in (FieldMapping, KindMapping):
        properties = described[model.__name__]["properties"]
        words = {
            name: properties[name].get("description") or _words(properties[name], described) for name in properties
        }
        assert [name for name in model.model_fields if not words[name]] == []


def _words(setting: dict[str, Any], described: dict[str, Any]) -> str | None:
    """Where its type says just the same, they stand there."""
    words: str | None = described[setting["$ref"].rpartition("/")[2]].get("description") if "$ref" in setting else None
    return words


def test_the_command_prints_it() -> None:
    """Without any settings."""
    answer = CliRunner().invoke(app, ["mapping", "schema"])
    assert answer.exit_code == 0
    assert json.loads(answer.output) == mapping_schema()
