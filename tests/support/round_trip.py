"""A table of values that is read into bronze, loaded into the server again, and compared by PostgreSQL itself."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import psycopg
import pyarrow

from cli.postgres.embedded import Server
from midnight.configuration.tables import Table
from tests.support.ingest_run import BronzeFolder, configure
from tests.support.type_cases import CASES, SETUP, Compare, TypeCase, generate

Row = list[str | None]


@dataclass(frozen=True)
class Column:
    """A column of a test table; ``values`` are texts for its input function, None for NULL.

    ``json``: bronze holds JSON, which PostgreSQL turns into the type again.
    """

    pg_type: str
    values: Sequence[str | None]
    bronze_type: str | None = None
    json: bool = False
    compare: Compare = "image"


def supported_cases(server: Server) -> list[TypeCase]:
    """The cases whose type the server has; creates their types and extensions."""
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        version = connection.info.server_version // 10_000
        extensions = {name for (name,) in connection.execute("SELECT name FROM pg_available_extensions")}
        try:
            connection.execute("SELECT '<a/>'::xml")
            extensions.add("xml")
        except psycopg.errors.FeatureNotSupported:
            pass
        cases = [
            case
            for case in CASES
            if (case.requires <= version if isinstance(case.requires, int) else case.requires in extensions)
        ]
        for name in sorted({str(case.requires) for case in cases if isinstance(case.requires, str)} - {"xml"}):
            connection.execute(f'CREATE EXTENSION "{name}" SCHEMA public')
        for statement in SETUP:
            connection.execute(statement)
    return cases


def case_values(cases: Sequence[TypeCase], count: int, seed: int | None) -> list[list[str | None]]:
    """Generated values per case, and NULL."""
    return [[*_generated(case, count, None if seed is None else seed + n), None] for n, case in enumerate(cases)]


@cache
def _generated(case: TypeCase, count: int, seed: int | None) -> list[str]:
    """Generating takes most of the time of a test: all tests of a process use the same values."""
    return generate(case.values, count, seed)


def quoted(values: Iterable[str | None], delimiter: str = ",") -> str:
    """The elements of an array, as array_in takes them."""
    return delimiter.join(
        "NULL" if value is None else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values
    )


def array_texts(case: TypeCase, values: Sequence[str | None], seed: int | None) -> list[str | None]:
    """Arrays of every shape with all of the values: empty, with NULLs, of two and three dimensions."""
    shuffled = list(values)
    random.Random(seed).shuffle(shuffled)  # noqa: S311
    result: list[str | None] = [None, "{}", "{NULL}"]
    while shuffled:
        part, shuffled = shuffled[:5], shuffled[5:]
        result.append("{" + quoted(part, case.delimiter) + "}")
    pair = "{" + quoted([*values, *values][:2], case.delimiter) + "}"
    deep = case.delimiter.join([pair, pair])
    return [*result, "{" + deep + "}", "{" + case.delimiter.join(["{" + deep + "}"] * 2) + "}"]


def composite(values: Sequence[str | None]) -> str:
    """A row, as record_in takes it."""
    return (
        "("
        + ",".join("" if v is None else '"' + v.replace("\\", "\\\\").replace('"', '""') + '"' for v in values)
        + ")"
    )


def make_table(server: Server, name: str, columns: Sequence[Column]) -> Table:
    """Create a table with these columns, filled by COPY, and its configuration."""
    definitions = "".join(f", c{number} {column.pg_type}" for number, column in enumerate(columns))
    with psycopg.connect(server.dsn, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE public.{name} (n integer{definitions})")
        rows = max(len(column.values) for column in columns)
        with cursor.copy(f"COPY public.{name} FROM STDIN") as copy:
            for row in range(rows):
                copy.write_row((row, *(c.values[row] if row < len(c.values) else None for c in columns)))
    kinds = {f"c{number}": column.bronze_type for number, column in enumerate(columns) if column.bronze_type}
    return configure(server, name, bronze_type=kinds, key=("n",))


def stored_text(value: Any) -> str | None:
    """What bronze holds, as a text that PostgreSQL reads."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, Decimal):
        return f"{value:f}"
    return None if value is None else str(value)


def differences(server: Server, name: str, columns: Sequence[Column], held: pyarrow.Table) -> list[str]:
    """The values that differ from the source's, compared inside the server, as messages.

    Args:
        server: the source.
        name: of the table in it.
        columns: of the table.
        held: what a layer holds, with the column ``n``.
    """
    back, names = f"back_{name}", [f"c{number}" for number in range(len(columns))]
    with psycopg.connect(server.dsn, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {back}")
        # COPY calls the input function of each type; a cast from text may be another function (regclass, citext).
        kinds = ["text" if column.json else column.pg_type for column in columns]
        definitions = "".join(f", {name} {kind}" for name, kind in zip(names, kinds, strict=True))
        cursor.execute(f"CREATE TABLE {back} (n integer{definitions})")
        with cursor.copy(f"COPY {back} FROM STDIN") as copy:
            for row in zip(*(held[c].to_pylist() for c in ["n", *names]), strict=True):
                copy.write_row([stored_text(value) for value in row])
        cursor.execute("SET extra_float_digits = 3; SET IntervalStyle = iso_8601")
        queries = []
        for number, column in enumerate(columns):
            ours, theirs = f"s.c{number}", f"b.c{number}"
            again = theirs
            if column.json:
                document = f"json_build_object('c{number}', {theirs}::json)"
                again = f"(json_populate_record(NULL::public.{name}, {document})).c{number}"
            same = {
                "image": f"pg_catalog.record_image_eq(ROW({ours}), ROW({again}))",
                "equal": f"{ours} = {again}",
                "text": f"concat({ours}) = concat({again})",
            }[column.compare]
            queries.append(
                f"SELECT {number}, concat({ours}), concat({theirs}) FROM public.{name} s FULL JOIN {back} b USING (n) "
                f"WHERE NOT CASE WHEN {ours} IS DISTINCT FROM NULL AND {theirs} IS DISTINCT FROM NULL THEN {same} "
                f"ELSE ({ours} IS DISTINCT FROM NULL) = ({theirs} IS DISTINCT FROM NULL) END"
            )
        found: list[str] = []
        for query in queries:
            try:
                rows = cursor.execute(query).fetchall()
            except psycopg.Error as error:
                column = columns[queries.index(query)]
                found.append(f"{column.pg_type}: {error}")
                continue
            found += [f"{columns[c].pg_type}: the source has {ours!r}, read {theirs!r}" for c, ours, theirs in rows]
    return found


def check_round_trip(server: Server, bronze: BronzeFolder, name: str, columns: Sequence[Column]) -> pyarrow.Table:
    """Read a table into bronze with the product's own path, and compare every value; returns what bronze holds."""
    table = make_table(server, name, columns)
    bronze.ingest(server, table)
    held = bronze.read(table)
    found = differences(server, name, columns, held)
    assert not found, "\n".join(found[:50])
    return held
