"""Record ids: 15 case-sensitive characters, or 18 with a checksum of their case.

Source: "Record ID" in the REST API guide; for each block of five, bit k is set where character k is upper case.
"""

import re
from typing import Final

_CHECKSUM: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_SHAPE: Final = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")


def is_id(value: object) -> bool:
    """True for text in the shape of a record id whose checksum, if it has one, holds."""
    return isinstance(value, str) and _SHAPE.fullmatch(value) is not None and value in (value[:15], to_18(value[:15]))


def to_18(record_id: str) -> str:
    """The 18-character form. One of 18 characters is returned as it is.

    Raises:
        ValueError: neither 15 nor 18 ASCII letters and digits.
    """
    if _SHAPE.fullmatch(record_id) is None:
        raise ValueError("a record id has 15 or 18 letters and digits")
    if len(record_id) == 18:
        return record_id
    blocks = (record_id[start : start + 5] for start in (0, 5, 10))
    return record_id + "".join(_CHECKSUM[_upper_case_bits(block)] for block in blocks)


def _upper_case_bits(block: str) -> int:
    return sum(1 << place for place, character in enumerate(block) if "A" <= character <= "Z")
