"""The formats of what is kept, numbered: records of the topics and documents. The mapping has its own, `format`.

A number rises where an older release would misread what a newer one wrote. A part that may be absent raises none. What
has no number is of format 1. What is of a newer format than this release knows is refused, and nothing is guessed.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from schemas import cloudevents
from schemas.unavailable import Unavailable

DOCUMENT_FORMAT: Final = 1
"""Of `_sync` and all that is in it: `_sync.format`, which is stored from 2 on."""
_SCHEMA: Final = re.compile(r"urn:tandem:([a-z-]+):([1-9][0-9]{0,8})")


class Data(StrEnum):
    """What a record's value is."""

    PLATFORM_EVENT = "platform-event"
    CHANGE = "change"
    PLATFORM_CHANGE = "platform-change"


RECORD_FORMATS: Final[Mapping[Data, int]] = {Data.PLATFORM_EVENT: 1, Data.CHANGE: 1, Data.PLATFORM_CHANGE: 1}
DOORBELL_FORMAT: Final = 1
"""Doorbells have no headers: their number, from 2 on, stands in the value."""
ENRICHMENT_FORMAT: Final = 1
COMMAND_FORMAT: Final = 1
"""The same of what asks for a look-up, and for a run: anybody may write those, and headers are not theirs to know."""


class NewerFormat(ValueError):
    """A record of a newer release; the message names both numbers and no value."""


class NewerDocument(Unavailable):
    """A document that a newer release has written: this process leaves it alone until it is that release too."""


def data_schema(data: Data) -> str:
    """`ce_dataschema` of a record written now."""
    return f"urn:tandem:{data}:{RECORD_FORMATS[data]}"


_WRITTEN_NOW: Final = {data: data_schema(data) for data in Data}


def check_record(headers: Mapping[str, str], data: Data) -> None:
    """Return if this release reads the record's format. Records of before the header had one are of format 1.

    Raises:
        NewerFormat: the format is a newer one, or none of ours.
    """
    told = headers.get(cloudevents.DATA_SCHEMA)
    if told is None or told == _WRITTEN_NOW[data]:
        return
    found = _SCHEMA.fullmatch(told)
    if found is None or found[1] != data:
        raise NewerFormat(f"its {cloudevents.DATA_SCHEMA} names no format of a {data} that is known here")
    _check(int(found[2]), RECORD_FORMATS[data], f"the {data}")


def check_doorbell(number: int) -> None:
    """Return if this release reads doorbells of this format.

    Raises:
        NewerFormat: it does not.
    """
    _check(number, DOORBELL_FORMAT, "the doorbell")


def check_request(content: Any, known: int, what: str) -> None:
    """Return if this release reads a request of this format, told by its parsed value, whatever else that holds.

    Raises:
        NewerFormat: it does not.
    """
    number = content.get("format", 1) if isinstance(content, Mapping) else 1
    if number.__class__ is int:  # anything else is no request of any format
        _check(number, known, what)


def check_document(sync: Mapping[str, Any], kind: str) -> None:
    """Return if this release reads the document, told by its `_sync`.

    Raises:
        NewerDocument: it does not.
    """
    number = sync.get("format", 1)
    if number.__class__ is not int or number > DOCUMENT_FORMAT:
        raise NewerDocument(
            f"a {kind} is stored in format {number}, and this release reads up to {DOCUMENT_FORMAT}: "
            f"start the newer release again"
        )


def _check(number: int, known: int, what: str) -> None:
    if number > known:
        raise NewerFormat(f"{what} is of format {number}, and this release reads up to {known}: upgrade, then redrive")
