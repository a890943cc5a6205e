"""Laws of Bulk CSV: what is written is what another reader reads, and blocks may end anywhere."""

import csv
import io
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.salesforce.csv_text import LONGEST_CELL, CsvReader, Upload, UploadTooLarge, cell, cells, typed
from adapters.salesforce.values import Unrenderable, render
from simulator.org.bulk.dialect import Dialect, json_value
from simulator.org.objects import load_objects

CONTACT = load_objects()["Contact"]
FIELDS = {
    "LastName": st.text(min_size=1, max_size=30),
    "Description": st.text(alphabet='a",\n\r#N/A é\u2028;', max_size=20),
    "Newsletter__c": st.booleans(),
    "Total_Spent__c": st.floats(min_value=-1e9, max_value=1e9) | st.integers(-(10**9), 10**9),
}
VALUES = st.fixed_dictionaries({}, optional={name: st.none() | values for name, values in FIELDS.items()})


def written(rows: list[dict[str, str]]) -> bytes:
    with Upload() as upload:
        for row in rows:
            upload.add(row)
        upload.finish()
        with upload.open() as file:
            return file.read()


def known(values: dict[str, Any]) -> dict[str, Any]:
    """Without the one text that CSV cannot hold, and what is no Unicode."""
    kept = {}
    for name, value in values.items():
        try:
            cell(value)
        except Unrenderable:
            continue
        kept[name] = value
    return kept


@given(st.lists(VALUES, min_size=1, max_size=8))
def test_absent_null_and_value_survive(rows: list[dict[str, Any]]) -> None:
    """Read by the pretended org's rules, every field of every row is what REST would have been told, or not there."""
    sent = [known(row) | {"Id": f"key-{place}"} for place, row in enumerate(rows)]
    read = Dialect("COMMA", "LF").rows(written([cells(row) for row in sent]))
    header = next(read)
    assert set(header) == {name for row in sent for name in row}
    for row, values in zip(sent, read, strict=True):
        told = {
            name: json_value(CONTACT.by_name[name], text)
            for name, text in zip(header, values, strict=True)
            if text != ""
        }
        assert told == {name: render(value) for name, value in row.items()}


@given(
    st.lists(st.lists(st.text(alphabet='a,"\n\ré', max_size=6), min_size=2, max_size=2), max_size=6),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.data(),
)
def test_blocks_may_end_anywhere(rows: list[list[str]], ending: str, last_ending: bool, data: st.DataObject) -> None:
    """Within a character, a quote or a line ending; the last row need not have one."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=ending, quoting=csv.QUOTE_ALL).writerows([["one", "two"], *rows])
    whole = text.getvalue().encode()
    whole = whole if last_ending else whole.removesuffix(ending.encode())
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    reader = CsvReader()
    read = []
    for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        read += list(reader.feed(whole[begin:end]))
    read += list(reader.end())
    assert [list(row.values()) for row in read] == rows
    assert reader.header == ["one", "two"]


def test_the_text_that_means_null_cannot_be_sent() -> None:
    """Nor one too long; the message names the field and not the text."""
    for text in ("#N/A", "x" * (LONGEST_CELL + 1)):
        with pytest.raises(Unrenderable, match="Title: a text") as problem:
            cells({"Title": text})
        assert text not in str(problem.value)
    assert cells({"A": None, "B": "", "C": [], "D": True, "E": 1.0}) == {
        "A": "#N/A",
        "B": "#N/A",
        "C": "#N/A",
        "D": "true",
        "E": "1.0",
    }


def test_a_row_that_is_not_whole_is_told() -> None:
    """Too short, too long, cut off within a value, or no UTF-8."""
    for bad in (b'"a","b"\n"1"\n', b'"a"\n"1","2"\n', b'"a"\n"1\n', b'"a"\n"1"x\n', b'"a"\n"\xff"\n'):
        reader = CsvReader()
        with pytest.raises(ValueError):
            list(reader.feed(bad)) + list(reader.end())


def test_an_upload_has_an_end() -> None:
    """More than Salesforce takes is refused before it is sent."""
    with Upload(largest=1000) as upload:
        for _ in range(100):
            upload.add({"Id": "x" * 20})
        with pytest.raises(UploadTooLarge):
            upload.finish()


def test_many_rows_are_not_held_in_memory() -> None:
    """50,000 rows of 6 MB pass through, out and in, in well under half of that."""
    tracemalloc.start()
    try:
        with Upload() as upload:
            for number in range(50_000):
                upload.add({"Id": f"003{number:015}", "Description": "d" * 90, f"Extra{number % 3}": "x"})
            upload.finish()
            reader, read = CsvReader(), 0
            with upload.open() as file:
                while block := file.read(1 << 16):
                    read += sum(1 for _ in reader.feed(block))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert read == 50_000
    assert peak < 3_000_000


def test_cells_of_a_query_are_typed_as_rest_has_them() -> None:
    """Empty is null; a boolean, number or moment that is none is told."""
    types = {"B": "boolean", "I": "int", "D": "double", "T": "datetime", "E": "boolean"}
    row = {"B": "true", "I": "3", "D": "1.50", "T": "2025-01-02T03:04:05.000Z", "E": "", "Text": "3"}
    assert typed(row, types) == {
        "B": True,
        "I": 3,
        "D": 1.5,
        "T": "2025-01-02T03:04:05.000+0000",
        "E": None,
        "Text": "3",
    }
    for bad in ({"B": "yes"}, {"D": "many"}):
        with pytest.raises(ValueError):
            typed(bad, types)
