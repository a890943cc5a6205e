"""The mapping as YAML: read with the line of every problem, written with one line for each field.

Read as YAML 1.2 means it: only integers, null, `true` and `false` are anything but text: `region: NO` is Norway.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import yaml

from schemas.field_mapping import Direction, FieldMapping, Policy
from schemas.mapping import KindMapping, Mapping
from schemas.mapping_mending import Reading, read_what_can_be
from schemas.mapping_reading import InvalidMapping, dotted

Location = tuple[str | int, ...]
Lines = dict[str, int]

_ALIASES: Final = "anchors and aliases are not supported"
_KIND_SAID_FIRST: Final = {"collection", "sobject", "external_id", "token", "events", "filters", "fields"}
_SAID_FIRST: Final = {"platform", "salesforce", "direction", "policy", "first", "transform"}

_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.]*")
# What a YAML 1.1 reader would take for something else than text.
_WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def load_mapping(text: str) -> Mapping:
    """The mapping that the YAML says.

    Raises:
        InvalidMapping: each problem as `line 12: kinds.customer.fields[3].policy: …`.
    """
    reading = read_yaml(text)
    faults = [*reading.faults, *reading.own_faults()]
    if faults or reading.mapping is None:
        raise InvalidMapping(faults)
    return reading.mapping


def read_yaml(text: str) -> Reading:
    """The same with its faults beside it, so that more can be said of it: whether it holds together is not asked yet.

    Raises:
        InvalidMapping: it is no YAML, or of a sort that is not supported.
    """
    node = _composed(text)
    lines: Lines = {}
    faults = list(_read_lines(node, (), lines, set()))
    if any(fault.endswith(_ALIASES) for fault in faults):
        raise InvalidMapping(faults)

    def placed(problem: str) -> str:
        return _with_line(problem, lines)

    read = read_what_can_be(_values(node))
    return replace(read, faults=(*faults, *map(placed, read.faults)), placed=placed)


def dump_mapping(mapping: Mapping) -> str:
    """YAML that `load_mapping` reads back to an equal mapping; settings with their default value are left out."""
    lines = [f"format: {mapping.format}"]
    if mapping.version:
        lines.append(f"version: {mapping.version}")
    lines.append("kinds:")
    for name, kind in mapping.kinds.items():
        lines += _dump_kind(name, kind)
    return "\n".join(lines) + "\n"


def _dump_kind(name: str, kind: KindMapping) -> list[str]:
    lines = [f"  {_scalar(name)}:"]
    lines += [
        f"    {setting}: {_scalar(getattr(kind, setting))}"
        for setting in ("collection", "sobject", "external_id", "token")
    ]
    if kind.events:
        lines.append("    events:")
        lines += [f"      {_scalar(event_type)}: {asserts}" for event_type, asserts in kind.events.items()]
    filters = kind.filters.model_dump(mode="json", exclude_none=True)
    if filters:
        lines.append("    filters:")
        lines += [f"      {direction}: {_flow(condition)}" for direction, condition in filters.items()]
    rest = kind.model_dump(mode="json", exclude_defaults=True, exclude_none=True, exclude=_KIND_SAID_FIRST)
    lines += [f"    {setting}: {_flow(value)}" for setting, value in rest.items()]
    lines.append("    fields:")
    lines += [f"      - {{{', '.join(_dump_field(field))}}}" for field in kind.fields]
    return lines


def _dump_field(field: FieldMapping) -> Iterator[str]:
    yield f"platform: {_scalar(field.platform)}"
    yield f"salesforce: {_scalar(field.salesforce)}"
    two_way = field.direction is Direction.BOTH
    if not two_way:
        yield f"direction: {field.direction}"
    if two_way or field.policy is not Policy.SALESFORCE_WINS:
        yield f"policy: {field.policy}"
    if field.first is not None:
        yield f"first: {field.first}"
    if field.transform:
        yield f"transform: [{', '.join(field.transform)}]"
    rest = field.model_dump(mode="json", exclude_defaults=True, exclude=_SAID_FIRST)
    yield from (f"{setting}: {_flow(value)}" for setting, value in rest.items())


def _flow(value: Any) -> str:
    """A value within a line."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_scalar(name)}: {_flow(one)}' for name, one in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(_flow(one) for one in value)}]"
    return _scalar(value) if isinstance(value, str) else json.dumps(value)


def _scalar(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.casefold() not in _WORDS:
        return text
    return json.dumps(text)


class _Loader(yaml.SafeLoader):
    """Knows no dates or octal numbers, and of booleans only those of YAML 1.2."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own class attribute


_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[0-9]{1,9}$"), list("0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"(?:true|false)$"), ["t", "f"])
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(?:~|null|)$"), ["~", "n", ""])


def _composed(text: str) -> yaml.Node:
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise InvalidMapping([f"{line}not YAML: {error.problem}"]) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise InvalidMapping([f"not YAML: {error}"]) from None
    if node is None:
        raise InvalidMapping(["mapping: is empty"])
    return node


def _read_lines(node: yaml.Node, location: Location, lines: Lines, seen: set[int]) -> Iterator[str]:
    """Fill `lines` with the line of each place; yields what YAML itself would let pass in silence."""
    line = node.start_mark.line + 1
    lines[dotted(location)] = line
    if isinstance(node, yaml.ScalarNode):
        return
    if id(node) in seen:
        yield f"line {line}: {dotted(location)}: {_ALIASES}"
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _read_lines(item, (*location, number), lines, seen)
        return
    names: set[str] = set()
    for key, value in node.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else "?"
        if name in names:
            yield f"line {key.start_mark.line + 1}: {dotted((*location, name))}: is there twice"
        names.add(name)
        yield from _read_lines(value, (*location, name), lines, seen)
        lines[dotted((*location, name))] = key.start_mark.line + 1


def _values(node: yaml.Node) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return [_values(item) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        return {_key(key): _values(value) for key, value in node.value}
    if node.tag == "tag:yaml.org,2002:int":
        return int(node.value)
    if node.tag == "tag:yaml.org,2002:bool":
        return node.value == "true"
    return None if node.tag == "tag:yaml.org,2002:null" else node.value


def _key(node: yaml.Node) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else "?"


def _with_line(problem: str, lines: Lines) -> str:
    """The line of the place that the problem begins with, or of the nearest one around it."""
    place = problem.partition(": ")[0]
    while place and place not in lines:
        place = place[: max(place.rfind("."), place.rfind("["), 0)]
    return f"line {lines.get(place, 1)}: {problem}"
