"""CSV as Bulk API 2.0 takes and gives it. Pure, but for the temporary files of an upload.

Source: "Prepare CSV Files" in the Bulk API 2.0 guide: an empty cell leaves its field alone, `#N/A` clears it, nothing
is trimmed, at most 100 MB (150 MB once Salesforce has encoded it) in an upload.
"""

import csv
import io
import tempfile
from codecs import getincrementaldecoder
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import IO, Any, Final, Self, cast

import orjson

from adapters.salesforce.values import Unrenderable, render

NULL: Final = "#N/A"
LARGEST_UPLOAD: Final = 100_000_000
"""Bytes."""
LONGEST_CELL: Final = 131_072
"""Characters ("Limits" in the Bulk API 2.0 guide)."""
_IN_MEMORY: Final = 1 << 20


class UploadTooLarge(ValueError):
    """More rows than one upload may hold."""


def cell(value: Any) -> str:
    """One field's value as a cell that is not empty, for a value that is there, null or not.

    Raises:
        Unrenderable: as `values.render`; and for the one text that CSV takes for null, or one that is too long.
    """
    rendered = render(value)
    if rendered is None:
        return NULL
    if isinstance(rendered, bool):
        return "true" if rendered else "false"
    text = str(rendered)
    if text == NULL:
        raise Unrenderable("a text that Bulk API takes for null")
    if len(text) > LONGEST_CELL:
        raise Unrenderable("a text too long for Bulk API")
    return text


def cells(values: Mapping[str, Any]) -> dict[str, str]:
    """Every field's cell.

    Raises:
        Unrenderable: as `cell`; the message names the field.
    """
    row = {}
    for field, value in values.items():
        try:
            row[field] = cell(value)
        except Unrenderable as error:
            raise Unrenderable(f"{field}: {error}") from None
    return row


class Upload:
    """Rows on their way into one upload: kept on disk, so that they may be many and their columns need not be known.

    `add` each row, then `finish`; then `open` gives the whole CSV, as often as it is asked for.
    """

    def __init__(self, largest: int = LARGEST_UPLOAD) -> None:
        self._largest = largest
        self._rows: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed by __exit__
        self._csv = tempfile.NamedTemporaryFile(prefix="tandem-bulk-", suffix=".csv")  # noqa: SIM115
        self._columns: dict[str, None] = {}
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_problem: object) -> None:
        self._rows.close()
        self._csv.close()

    def add(self, row: Mapping[str, str]) -> None:
        """Take a row of cells; a column that earlier rows did not have is empty in them."""
        self._columns.update(dict.fromkeys(row))
        self._rows.write(orjson.dumps(row) + b"\n")
        self.rows += 1

    def finish(self) -> None:
        """Write the CSV: the header is the union of all rows' columns.

        Raises:
            UploadTooLarge: it is more than an upload may hold.
        """
        self._rows.seek(0)
        text = io.TextIOWrapper(cast("IO[bytes]", self._csv), encoding="utf-8", newline="", write_through=True)
        writer = csv.DictWriter(text, list(self._columns), restval="", lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writeheader()
        for line in self._rows:
            writer.writerow(orjson.loads(line))
            if self._csv.tell() > self._largest:
                text.detach()
                raise UploadTooLarge(f"more than {self._largest} bytes in one upload")
        text.detach()
        self._csv.flush()

    def open(self) -> IO[bytes]:
        """The CSV from its beginning, opened anew; whoever reads it closes it."""
        return open(self._csv.name, "rb")  # noqa: PTH123 - the HTTP client closes it


class CsvReader:
    """Rows of CSV out of blocks of bytes that end anywhere, as dictionaries under the header's names."""

    def __init__(self) -> None:
        self._decoder = getincrementaldecoder("utf-8-sig")()
        self._pending = ""
        self._quotes = 0
        self._scanned = 0
        self.header: Sequence[str] | None = None
        """The first row, once it has come."""

    def feed(self, block: bytes) -> Iterator[dict[str, str]]:
        """Rows that this block completes.

        Raises:
            ValueError: a row that is not as long as the header, or bytes that are no UTF-8.
        """
        self._pending += self._decoder.decode(block)
        yield from self._complete()

    def end(self) -> Iterator[dict[str, str]]:
        """The last row, where no line ending came after it.

        Raises:
            ValueError: it is cut off, or as `feed`.
        """
        self._pending += self._decoder.decode(b"", final=True)
        if self._pending:
            self._pending += "\n"
            yield from self._complete()
        if self._pending:
            raise ValueError("the CSV ends within a value")

    def _complete(self) -> Iterator[dict[str, str]]:
        text, begin = self._pending, 0
        while True:
            end = text.find("\n", self._scanned)
            if end < 0:
                break
            # A line ends a row unless it stands within quotes; a doubled quote changes nothing of that.
            self._quotes += text.count('"', self._scanned, end)
            self._scanned = end + 1
            if self._quotes % 2:
                continue
            line, begin, self._quotes = text[begin : end + 1], end + 1, 0
            row = self._row(line)
            if row is not None:
                yield row
        self._pending = text[begin:]
        # What was searched for line endings already is counted; what comes after them is counted when its line ends.
        self._scanned -= begin

    def _row(self, line: str) -> dict[str, str] | None:
        try:
            values = next(csv.reader([line.removesuffix("\n").removesuffix("\r")], strict=True), [])
        except csv.Error as problem:
            raise ValueError(f"not CSV: {problem}") from None
        if not values:
            return None
        if self.header is None:
            self.header = values
            return None
        if len(values) != len(self.header):
            raise ValueError(f"a row of {len(values)} values under a header of {len(self.header)}")
        return dict(zip(self.header, values, strict=True))


def typed(row: Mapping[str, str], types: Mapping[str, str]) -> dict[str, Any]:
    """A query's row with its values as REST's JSON has them. `types` gives describe's `type` by field; others are text.

    Raises:
        ValueError: a cell that is not of its type.
    """
    return {field: _typed(text, types.get(field, "string")) for field, text in row.items()}


def _typed(text: str, kind: str) -> Any:
    if text == "":
        return None
    match kind:
        case "boolean":
            if text not in {"true", "false"}:
                raise ValueError("not a boolean")
            return text == "true"
        case "int" | "long":
            return int(_number(text)) if "." in text else int(text)
        case "double" | "currency" | "percent":
            return _number(text)
        case "datetime":
            return text.removesuffix("Z") + "+0000" if text.endswith("Z") else text
    return text


def _number(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError("not a finite number")
    return number
