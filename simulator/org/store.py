"""SQLite beneath the org: a table for each object with a column for each field, and the org's own commit log.

Texts compare without regard to case, so their indices are over `fold(column)`, a function of ours (Unicode lower case).
One connection, one writer; everything is synchronous and runs on the org's event loop.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from simulator.org.objects import IDS, NUMBERS, TEXTS, FieldDefinition, FieldType, ObjectDefinition, Objects
from simulator.org.objects.formula import formula_sql
from simulator.org.values import Stored

Row = dict[str, Stored]
"""A record: every column's stored value."""

COMMITS_AT_A_TIME = 10_000


def fold(text: str | None) -> str | None:
    """A text as comparisons see it."""
    return text.lower() if isinstance(text, str) else text


def folded_column(field: FieldDefinition, table: str) -> str:
    """The SQL by which this field is compared."""
    column = f'"{table}"."{field.name}"'
    return f"fold({column})" if field.type in TEXTS else column


class Store:
    """The org's records. Names given to it are those of its objects and fields, never a caller's text."""

    def __init__(self, objects: Objects, directory: Path | None = None) -> None:
        """Open `org.sqlite3` in this folder, made if missing, or a database in memory."""
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)
        path = ":memory:" if directory is None else str(directory / "org.sqlite3")
        self.connection = sqlite3.connect(path, isolation_level=None, cached_statements=512)
        self.connection.create_function("fold", 1, fold, deterministic=True)
        for pragma in ("journal_mode = WAL", "synchronous = OFF", "cache_size = -65536", "temp_store = MEMORY"):
            self.connection.execute(f"PRAGMA {pragma}")
        for definition in objects:
            self._create_table(definition)
        self.connection.execute(
            "CREATE TABLE IF NOT EXISTS commits"
            " (number INTEGER PRIMARY KEY, commit_number INTEGER NOT NULL, timestamp INTEGER NOT NULL,"
            " body BLOB NOT NULL)"
        )

    def close(self) -> None:
        """Close the database."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything within is stored, or nothing. One within another is part of it."""
        within = self.connection.in_transaction
        self.connection.execute("SAVEPOINT inner_one" if within else "BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK TO inner_one" if within else "ROLLBACK")
            raise
        self.connection.execute("RELEASE inner_one" if within else "COMMIT")

    def read(self, definition: ObjectDefinition, record_ids: Iterable[str]) -> dict[str, Row]:
        """The records with these ids, deleted ones too, by id."""
        return self._select(definition, 'WHERE "Id" IN (SELECT value FROM json_each(?))', list(record_ids))

    def find(self, definition: ObjectDefinition, field: FieldDefinition, values: Iterable[Stored]) -> dict[str, Row]:
        """The records, not deleted, whose field is one of these values in any case, by id."""
        column = folded_column(field, definition.name)
        wanted = [fold(value) if isinstance(value, str) and field.type in TEXTS else value for value in values]
        return self._select(
            definition, f'WHERE {column} IN (SELECT value FROM json_each(?)) AND "IsDeleted" = 0', wanted
        )

    def last_id(self, definition: ObjectDefinition) -> str | None:
        """The highest id given to a stored record."""
        (last,) = self.connection.execute(f'SELECT max("Id") FROM "{definition.name}"').fetchone()
        return None if last is None else str(last)

    def insert(self, definition: ObjectDefinition, rows: Sequence[Row]) -> None:
        """Add new records."""
        names = [one.name for one in definition.written]
        places = ", ".join("?" * len(names))
        self.connection.executemany(
            f'INSERT INTO "{definition.name}" ({_quoted(names)}) VALUES ({places})',
            [[row[name] for name in names] for row in rows],
        )

    def update(self, definition: ObjectDefinition, names: Sequence[str], rows: Sequence[Row]) -> None:
        """Store these fields of these records."""
        assignments = ", ".join(f'"{name}" = ?' for name in names)
        self.connection.executemany(
            f'UPDATE "{definition.name}" SET {assignments} WHERE "Id" = ?',
            [[*(row[name] for name in names), row["Id"]] for row in rows],
        )

    def remove(self, definition: ObjectDefinition, record_id: str) -> None:
        """Forget a record."""
        self.connection.execute(f'DELETE FROM "{definition.name}" WHERE "Id" = ?', (record_id,))

    def last_commit(self) -> tuple[int, int, int]:
        """The last log row's number, commit number and time; zeros before the first."""
        row: tuple[int, int, int] | None = self.connection.execute(
            "SELECT number, commit_number, timestamp FROM commits ORDER BY number DESC LIMIT 1"
        ).fetchone()
        return row or (0, 0, 0)

    def log(self, entries: Sequence[tuple[int, int, int, bytes]]) -> None:
        """Add rows (number, commit number, time, JSON) to the commit log."""
        self.connection.executemany("INSERT INTO commits VALUES (?, ?, ?, ?)", entries)

    def logged(self, after: int, limit: int) -> list[bytes]:
        """Rows of the commit log after this number, as JSON, in order."""
        rows = self.connection.execute(
            "SELECT body FROM commits WHERE number > ? ORDER BY number LIMIT ?",
            (after, min(limit, COMMITS_AT_A_TIME)),
        )
        return [body for (body,) in rows]

    def page(self, definition: ObjectDefinition, after: str, limit: int, *, deleted: bool) -> list[Row]:
        """Records after this id in id order, with or without the deleted ones."""
        alive = "" if deleted else ' AND "IsDeleted" = 0'
        return list(self._select(definition, f'WHERE "Id" > ?{alive} ORDER BY "Id" LIMIT {limit:d}', after).values())

    def count(self, definition: ObjectDefinition) -> int:
        """How many records are not deleted."""
        (count,) = self.connection.execute(f'SELECT count(*) FROM "{definition.name}" WHERE "IsDeleted" = 0').fetchone()
        return int(count)

    def _select(self, definition: ObjectDefinition, where: str, wanted: list[Any] | str) -> dict[str, Row]:
        parameter = wanted if isinstance(wanted, str) else orjson.dumps(wanted).decode()
        names = [one.name for one in definition.columns]
        rows = self.connection.execute(f'SELECT {_quoted(names)} FROM "{definition.name}" {where}', (parameter,))
        return {row[0]: dict(zip(names, row, strict=True)) for row in rows}

    def _create_table(self, definition: ObjectDefinition) -> None:
        columns = ", ".join(_declared(definition, one) for one in definition.columns)
        self.connection.execute(
            f'CREATE TABLE IF NOT EXISTS "{definition.name}" (number INTEGER PRIMARY KEY, {columns}, UNIQUE ("Id"))'
        )
        there = {row[1] for row in self.connection.execute(f'PRAGMA table_xinfo("{definition.name}")')}
        for field in definition.columns:
            if field.name not in there:  # added since the database was made
                self.connection.execute(f'ALTER TABLE "{definition.name}" ADD COLUMN {_declared(definition, field)}')
        for field in definition.columns:
            if field.indexed:
                column = f'fold("{field.name}")' if field.type in TEXTS else f'"{field.name}"'
                self.connection.execute(
                    f'CREATE INDEX IF NOT EXISTS "{definition.name}_{field.name}" ON "{definition.name}" ({column})'
                    f" WHERE {column} IS NOT NULL"
                )


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _declared(definition: ObjectDefinition, field: FieldDefinition) -> str:
    """A column as CREATE TABLE has it; a formula's is computed whenever it is read."""
    declared = f'"{field.name}" {_affinity(field)}'
    if not field.formula:
        return declared

    def column(name: str) -> str | None:
        found = definition.field(name)
        return None if found is None or not found.stored else f'"{found.name}"'

    computed = formula_sql(field.formula, column)
    if field.type is FieldType.BOOLEAN:
        computed = f"COALESCE({computed}, 0)"
    elif field.type in NUMBERS:
        computed = f"ROUND({computed}, {field.scale:d})"
    return f"{declared} GENERATED ALWAYS AS ({computed}) VIRTUAL"


def _affinity(field: FieldDefinition) -> str:
    if field.type in TEXTS or field.type in IDS or field.type is FieldType.DATE:
        return "TEXT"
    return "REAL" if field.type in NUMBERS and field.type is not FieldType.INT else "INTEGER"
