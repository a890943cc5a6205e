"""What no log line may hold (promise 11): personal data, payloads and secrets, by key and by look."""

import re
from collections.abc import Mapping
from typing import Any, Final

REFUSED: Final = "[refused]"
"""What stands in a line where something was kept out of it."""

_PERSONAL: Final = """
    address birthdate city country customername description email emailaddress firstname fullname homephone lastname
    mailingcity mailingcountry mailingpostalcode mailingstate mailingstreet middlename mobile mobilephone name
    otherphone phone postalcode salutation street title username zip
"""
"""In the platform's words and in Salesforce's, in lower case without underscores."""

_PAYLOADS: Final = "after before body current data document fields payload raw record registers value values"

_SECRETS: Final = """
    accesstoken apikey authorization clientsecret cookie password refreshtoken secret secrets signature token
    webhooksignature
"""

_KEYS: Final = frozenset(f"{_PERSONAL} {_PAYLOADS} {_SECRETS}".split())

_LOOKS: Final = re.compile(
    r"[^\s@\"']+@[^\s@\"']+\.[^\s@\"']+"  # an e-mail address, or a login in a connection string
    r"|whsec_\S+"
    r"|\bBearer\s+\S+"
    r"|\+\d[\d ().-]{7,}\d"  # a phone number in international form
)


def is_refused_key(key: str) -> bool:
    """True where a key of a log line names something personal, a payload or a secret."""
    return "".join(letter for letter in key.lower() if letter.isalnum()) in _KEYS


def cleaned(value: Any) -> Any:
    """The value without what it must not hold: texts that look personal, and refused keys at any depth."""
    if isinstance(value, str):
        return _LOOKS.sub(REFUSED, value)
    if isinstance(value, Mapping):
        return {str(key): REFUSED if is_refused_key(str(key)) else cleaned(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [cleaned(inner) for inner in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return _LOOKS.sub(REFUSED, str(value))
