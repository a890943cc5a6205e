"""CSV as Bulk API 2.0 reads and writes it (Bulk API 2.0 guide, "Prepare CSV Files"). Pure."""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from simulator.org.errors import SalesforceError
from simulator.org.objects import NUMBERS, FieldDefinition, FieldType

DELIMITERS = {"COMMA": ",", "TAB": "\t", "SEMICOLON": ";", "PIPE": "|", "CARET": "^", "BACKQUOTE": "`"}
LINE_ENDINGS = {"LF": "\n", "CRLF": "\r\n"}
NULL = "#N/A"
"""A cell that clears its field; an empty one leaves it as it is."""

_WHOLE = re.compile(r"[+-]?\d{1,18}")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
_TRUE, _FALSE = frozenset({"true", "1"}), frozenset({"false", "0"})


class BadContent(Exception):
    """The job's CSV cannot be read; the text is the job's `errorMessage`."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """The delimiter and line ending that a job names."""

    delimiter: str
    line_ending: str

    def rows(self, content: bytes) -> Iterator[list[str]]:
        """The header, then each row, blank lines left out.

        Raises:
            BadContent: not UTF-8, another line ending than was named, or a row not as long as the header.
        """
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise BadContent("InvalidBatch : The content is not encoded in UTF-8") from None
        first, _, _ = text.partition("\n")
        if first.endswith("\r") != (self.line_ending == "CRLF") and "\n" in text:
            told = f"LineEnding is invalid on user data. Current LineEnding setting is {self.line_ending}"
            raise BadContent(f"ClientInputError : {told}")
        width = 0
        try:
            for row in csv.reader(io.StringIO(text, newline=""), delimiter=DELIMITERS[self.delimiter], strict=True):
                if not row:
                    continue
                width = width or len(row)
                if len(row) != width:
                    raise BadContent(f"ClientInputError : a row has {len(row)} cells and the header {width}")
                yield row
        except csv.Error as problem:
            raise BadContent(f"ClientInputError : {problem}") from problem

    def line(self, cells: Iterable[Any]) -> str:
        """One line, its ending included, every value in quotes."""
        quoted = DELIMITERS[self.delimiter].join('"' + str(cell).replace('"', '""') + '"' for cell in cells)
        return quoted + LINE_ENDINGS[self.line_ending]


def json_value(field: FieldDefinition, cell: str) -> Any:
    """What a cell that is not empty means, as JSON would have it.

    Raises:
        SalesforceError: the text is not of the field's type.
    """
    if cell == NULL:
        return None
    if field.type is FieldType.BOOLEAN:
        if cell.lower() in _TRUE | _FALSE:
            return cell.lower() in _TRUE
        raise wrong_type(field, cell)
    if field.type in NUMBERS:
        if not (_WHOLE if field.type is FieldType.INT else _NUMBER).fullmatch(cell):
            raise wrong_type(field, cell)
        return int(cell) if field.type is FieldType.INT else float(cell)
    return cell


def wrong_type(field: FieldDefinition, cell: str) -> SalesforceError:
    """A row's error for a cell that cannot be read."""
    message = f"{field.label}: value not of required type: {cell}"
    return SalesforceError("INVALID_TYPE_ON_FIELD_IN_RECORD", message, [field.name])


def cell_of(value: Any) -> str:
    """A value of a result as its cell: empty for null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
