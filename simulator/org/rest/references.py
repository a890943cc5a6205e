"""References from one subrequest to the results of earlier ones: `@{account.id}`. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from simulator.org.errors import SalesforceError

NAME = re.compile(r"[A-Za-z0-9_]+")
_REFERENCE = re.compile(r"@\{(?P<name>[A-Za-z0-9_]+)(?P<path>(?:\.[A-Za-z0-9_]+|\[\d+\])+)\}")
_STEP = re.compile(r"\.([A-Za-z0-9_]+)|\[(\d+)\]")


def resolved(value: Any, results: Mapping[str, Any]) -> Any:
    """The value with every reference in it replaced; `results` are bodies of replies by reference id.

    Raises:
        SalesforceError: PROCESSING_HALTED, there is no such result.
    """
    if isinstance(value, str):
        whole = _REFERENCE.fullmatch(value)
        if whole is not None:
            return _meant(whole, results)
        return _REFERENCE.sub(lambda found: str(_meant(found, results)), value)
    if isinstance(value, dict):
        return {name: resolved(one, results) for name, one in value.items()}
    if isinstance(value, list):
        return [resolved(one, results) for one in value]
    return value


def _meant(found: "re.Match[str]", results: Mapping[str, Any]) -> Any:
    name = found["name"]
    value = results.get(name)
    for member, place in _STEP.findall(found["path"]):
        if member and isinstance(value, dict) and member in value:
            value = value[member]
        elif place and isinstance(value, list) and int(place) < len(value):
            value = value[int(place)]
        else:
            path = found["path"].lstrip(".")
            message = f"Invalid reference specified. No value for {name}.{path} found in {name}"
            raise SalesforceError("PROCESSING_HALTED", message)
    return value
