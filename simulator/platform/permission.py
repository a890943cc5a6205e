"""What the pretend platform's people allow: a record at sales where there is none, and being told of at all.

Most consent and leave it at that. Of twenty people two never consent, two do so later, one opts out, one opts out and
in again, and one takes the consent back. Who opts out registers for events like everybody, and the registrations say
nothing of it. The others of those do not, and none of those build something, as nobody could say beforehand whether
there will be a record for it to stand under.
"""

from collections.abc import Mapping
from typing import Any, Final

CONSENT: Final = "consent"
OPTED_OUT: Final = "opted_out"
_OF: Final = 20
_NEVER: Final = frozenset({1, 7})
_LATER: Final = frozenset({4, 14})
_OUT: Final = 6
_OUT_AND_IN: Final = 16
_TAKEN_BACK: Final = 19


def at_first(number: int) -> dict[str, Any]:
    """What somebody says at the registration; people are numbered from 0."""
    return {CONSENT: number % _OF not in _NEVER | _LATER, OPTED_OUT: False}


def decided_next(number: int, said: Mapping[str, Any]) -> dict[str, Any]:
    """What somebody decides who has said this much; empty where it stays so."""
    place = number % _OF
    if place in _LATER and not said[CONSENT]:
        return {CONSENT: True}
    if place == _TAKEN_BACK and said[CONSENT]:
        return {CONSENT: False}
    if place == _OUT_AND_IN or (place == _OUT and not said[OPTED_OUT]):
        return {OPTED_OUT: not said[OPTED_OUT]}
    return {}


def takes_part(number: int) -> bool:
    """Whether there is a record of somebody in the end, whatever happens when."""
    return number % _OF not in _NEVER | _LATER | {_OUT, _OUT_AND_IN, _TAKEN_BACK}


def registers(number: int) -> bool:
    """Whether somebody registers for events: who takes part, and who opts out, for good or for a while."""
    return takes_part(number) or number % _OF in (_OUT, _OUT_AND_IN)
