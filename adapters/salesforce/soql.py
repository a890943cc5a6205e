"""SOQL text: quoting, and long IN lists cut so that the address of each query stays short enough.

Source: "Quoted String Escape Sequences" and "SOQL and SOSL limits": URI and headers together hold at most 16,384 bytes.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote as percent_encode

URI_BYTES: Final = 12_000
"""Room for a query's address; the other 4 KiB are left to the headers, an access token among them."""
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}(\.[A-Za-z][A-Za-z0-9_]{0,79})*")
_ESCAPES: Final = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
_UNSAFE: Final = re.compile(r"[\\'\x00-\x1f\x7f-\x9f\u2028\u2029]")


def quote(text: str) -> str:
    """A string literal, quotes included."""
    return "'" + _UNSAFE.sub(lambda found: _ESCAPES.get(found[0]) or f"\\u{ord(found[0]):04x}", text) + "'"


def name(api_name: str) -> str:
    """The name of an object or field, checked: `Email`, `Account.Name`.

    Raises:
        ValueError: not a name.
    """
    if _NAME.fullmatch(api_name) is None:
        raise ValueError("not the API name of an object or field")
    return api_name


def select_where_in(
    fields: Iterable[str],
    sobject: str,
    field: str,
    values: Iterable[str],
    *,
    only_if: str = "",
    uri_bytes: int = URI_BYTES,
) -> Iterator[str]:
    """Queries that together ask for every row whose `field` is one of `values`, each value in exactly one of them.

    `only_if` names a boolean field that must be true besides.

    Raises:
        ValueError: a name that is none, or a value that alone is too long for an address.
    """
    head = f"SELECT {', '.join(name(each) for each in fields)} FROM {name(sobject)} WHERE {name(field)} IN ("  # noqa: S608 - names are checked, values quoted
    tail = f") AND {name(only_if)} = true" if only_if else ")"
    fixed = encoded_length(head + tail)
    literals: list[str] = []
    length = fixed
    for value in values:
        literal = quote(value)
        cost = encoded_length(literal + ",")
        if fixed + cost > uri_bytes:
            raise ValueError("a value is too long for a query")
        if literals and length + cost > uri_bytes:
            yield f"{head}{','.join(literals)}{tail}"
            literals, length = [], fixed
        literals.append(literal)
        length += cost
    if literals:
        yield f"{head}{','.join(literals)}{tail}"


def encoded_length(text: str) -> int:
    """Bytes the text takes in an address, at most: every reserved character percent-encoded."""
    return len(percent_encode(text, safe=""))
