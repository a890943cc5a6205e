"""Bytes to models and back. A record that cannot be read says where it is wrong and never what it holds."""

from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

Model = TypeVar("Model", bound=BaseModel)


class Undecodable(ValueError):
    """The bytes are not a record of the expected sort; the message names the wrong places, not the values."""


def encode(model: BaseModel) -> bytes:
    """UTF-8 JSON."""
    return compact(orjson.dumps(model.model_dump(mode="json", exclude_defaults=True)))


def compact(dumped: bytes) -> bytes:
    """The same bytes, as long as they are: what orjson gives keeps its whole buffer, 4 kB of a line that waits."""
    return b"%b" % dumped


def decode(model: type[Model], raw: bytes | None) -> Model:
    """The model held by `raw`.

    Raises:
        Undecodable: not JSON, or not of this shape.
    """
    return validated(model, parse(raw))


def parse(raw: bytes | None) -> Any:
    """The JSON held by `raw`.

    Raises:
        Undecodable: there is none.
    """
    if raw is None:
        raise Undecodable("no value")
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Undecodable(f"not JSON: position {error.pos}") from None


def validated(model: type[Model], content: Any) -> Model:
    """The model of parsed JSON.

    Raises:
        Undecodable: not of this shape.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise Undecodable("; ".join(wrong_places(error))) from None


def wrong_places(error: ValidationError) -> list[str]:
    """One line for each wrong place, `data.id: Field required`, without the value that stood there."""
    return [
        f"{'.'.join(str(part) for part in place['loc']) or 'body'}: {place['msg']}"
        for place in error.errors(include_input=False, include_url=False, include_context=False)
    ]
