"""Mappings to start from, one YAML file each."""

from importlib.resources import files

from schemas.mapping import Mapping
from schemas.mapping_yaml import load_mapping

_SUFFIX = ".yaml"


def preset(name: str) -> Mapping:
    """The mapping of this name, such as `ticketing`.

    Raises:
        ValueError: there is none; the message names those there are.
    """
    if name not in preset_names():
        raise ValueError(f'"{name}" is no preset; there are: {", ".join(preset_names())}')
    return load_mapping(files(__name__).joinpath(f"{name}{_SUFFIX}").read_text("utf-8"))


def preset_names() -> list[str]:
    """Every preset, in order."""
    return sorted(
        entry.name.removesuffix(_SUFFIX) for entry in files(__name__).iterdir() if entry.name.endswith(_SUFFIX)
    )
