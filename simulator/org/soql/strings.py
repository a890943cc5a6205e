"""What stands between the quotes of a SOQL string."""

import re

_SIMPLE = {"n": "\n", "N": "\n", "r": "\r", "R": "\r", "t": "\t", "T": "\t", "b": "\b", "B": "\b", "f": "\f", "F": "\f"}
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)


def decode(written: str) -> str | None:
    r"""The text meant; None where a backslash stands before something it may not. `\_` and `\%` are plain here."""
    return _decoded(written, keep="")


def like_pattern(written: str) -> str | None:
    """A LIKE pattern for SQLite with a backslash as its escape character; None as for `decode`."""
    return _decoded(written, keep="%_\\")


def _decoded(written: str, keep: str) -> str | None:
    """Escapes replaced by what they mean; those of the characters to keep stay escaped."""
    pieces = []
    position = 0
    for found in _ESCAPE.finditer(written):
        decoded = _one(found[1])
        if decoded is None:
            return None
        pieces += [written[position : found.start()], f"\\{decoded}" if decoded in keep else decoded]
        position = found.end()
    return "".join(pieces) + written[position:]


def _one(escaped: str) -> str | None:
    if len(escaped) == 5:
        return chr(int(escaped[1:], 16))
    if escaped in {"'", '"', "\\", "_", "%"}:
        return escaped
    return _SIMPLE.get(escaped)
