"""Record ids: 15 case-sensitive base-62 characters, and 3 more that make them safe where case is lost."""

from functools import lru_cache

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
_CHECK = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_POD = "Td0"
_SEQUENCE_LENGTH = 9


@lru_cache(maxsize=65536)
def to_18(id_15: str) -> str:
    """The id with its three check characters: one for each five, a bit for each capital, the left one lowest."""
    check = ""
    for start in (0, 5, 10):
        bits = 0
        for place, character in enumerate(id_15[start : start + 5]):
            if "A" <= character <= "Z":
                bits |= 1 << place
        check += _CHECK[bits]
    return id_15 + check


@lru_cache(maxsize=65536)
def normalise(value: str) -> str | None:
    """The 18-character form of a 15- or 18-character id; None if it is no id."""
    if len(value) not in {15, 18} or not (value.isascii() and value.isalnum()):
        return None
    full = to_18(value[:15])
    return full if len(value) == 15 or value == full else None


def encode(key_prefix: str, sequence: int) -> str:
    """The 18-character id of this object's nth record; ids of one object sort as their numbers do."""
    digits = ""
    for _ in range(_SEQUENCE_LENGTH):
        sequence, rest = divmod(sequence, len(_DIGITS))
        digits = _DIGITS[rest] + digits
    return to_18(f"{key_prefix}{_POD}{digits}")


def sequence_of(record_id: str) -> int:
    """The number that `encode` put into an id."""
    number = 0
    for digit in record_id[15 - _SEQUENCE_LENGTH : 15]:
        number = number * len(_DIGITS) + _VALUES[digit]
    return number
