"""A sample of a table's rows: texts that mean null, and values that the lake's types cannot hold.

Small tables are read completely. Of large tables, some pages are read (``TABLESAMPLE SYSTEM``), and the smallest and
largest value of columns that lead an index. No statement takes longer than ``STATEMENT_SECONDS``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from midnight.column_types import TEXT_TYPES, base_name
from midnight.errors import first_line
from midnight.postgres_to_bronze.catalogue import CatalogueColumn
from midnight.postgres_to_bronze.exact_json import changed_by_json
from midnight.scaffold.source_survey import SourceTable
from midnight.sql_text import quote_identifier

if TYPE_CHECKING:
    import asyncpg

WHOLE_TABLE_BYTES = 32 * 1024 * 1024
SAMPLE_BYTES = 8 * 1024 * 1024
STATEMENT_SECONDS = 10
COLUMNS_PER_QUERY = 100  # a SELECT list holds at most 1664 entries

# Texts that stand for a missing value, in lower case. Each can also be a value: Null is a surname, NA is Namibia, None
# a first name. They become null only if no other text of the column has a letter.
NULL_TEXTS = (
    *("", "-", "--", "---", ".", "?", "na", "n/a", "n.a.", "#n/a", "null", "(null)", "<null>", "\\n", "nan", "nil"),
    *("none", "(none)", "unknown", "missing", "undefined", "tbd"),
)
_LONGEST_NULL_TEXT = max(len(text) for text in NULL_TEXTS)
_LONGEST_PLAIN = 40  # bytes of a number, a date or a telephone number
# Digits with punctuation, or a date with a time and a zone (ISO 8601).
_NO_WORD = (
    r"^[[:space:].,:;/()+%-]*[0-9][0-9[:space:].,:;/()+%-]*$|"
    r"^\s*[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?(Z|[+-][0-9:]+)?\s*$"
)


@dataclass(frozen=True)
class ColumnSample:
    """The sampled values of one column.

    Args:
        nulls: rows without a value, of the sample's rows.
        null_texts: the texts that occur and are in ``NULL_TEXTS`` (in any case, white space around them removed).
        null_text_rows: rows that hold one of them.
        no_words: there are other texts, and each is a number, a date, a telephone number or similar.
        whole_numbers: there are other texts, and each is a whole number of up to nine digits.
        scale: of a numeric, most digits after the point; None without values.
        digits: of a numeric, most digits before the point; None without values.
        unusual: a value that the lake's type does not have (NaN, infinity, a year before 1 or after 9999), or that JSON
            does not keep (an array with other bounds).
    """

    nulls: int = 0
    null_texts: tuple[str, ...] = ()
    null_text_rows: int = 0
    no_words: bool = False
    whole_numbers: bool = False
    scale: int | None = None
    digits: int | None = None
    unusual: str | None = None


@dataclass(frozen=True)
class TableSample:
    """The sampled rows of one table.

    Args:
        rows: rows that were read.
        whole: the sample has all rows of the table.
        failure: why no row could be read; empty if rows were read.
    """

    rows: int = 0
    whole: bool = False
    columns: dict[str, ColumnSample] = field(default_factory=dict)
    failure: str = ""

    def column(self, name: str) -> ColumnSample:
        return self.columns.get(name, ColumnSample())


async def sample_table(connection: asyncpg.Connection, table: SourceTable) -> TableSample:
    """Read a sample; its ``failure`` is set for a table that cannot be read in time.

    Raises:
        OSError: the connection broke.
    """
    import asyncpg

    whole = table.catalogue.bytes <= WHOLE_TABLE_BYTES
    sampling = "" if whole else f" TABLESAMPLE SYSTEM ({100 * SAMPLE_BYTES / table.catalogue.bytes:.6f}) REPEATABLE (1)"
    result = TableSample(whole=whole)
    try:
        for start in range(0, len(table.columns), COLUMNS_PER_QUERY):
            columns = table.columns[start : start + COLUMNS_PER_QUERY]
            row = await _fetch_row(connection, _sample_query(table, columns, sampling), list(NULL_TEXTS))
            found = {column.name: _column_sample(row, index, column) for index, column in enumerate(columns)}
            result = replace(result, rows=row["rows"], columns={**result.columns, **found})
        if not whole:
            result = replace(result, columns={**result.columns, **await _extremes(connection, table, result)})
    except (asyncpg.PostgresError, UnicodeDecodeError) as error:
        return TableSample(failure=first_line(error))
    return result


async def _fetch_row(connection: asyncpg.Connection, query: str, *arguments: Any) -> Any:
    async with connection.transaction(readonly=True):
        await connection.execute(
            f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'; SET LOCAL lock_timeout = '2s'; "
            "SET LOCAL max_parallel_workers_per_gather = 0"
        )
        return await connection.fetchrow(query, *arguments)


def _sample_query(table: SourceTable, columns: Sequence[CatalogueColumn], sampling: str) -> str:
    """One row with a few aggregates per column, named by the column's index."""
    inner, outer = [], ["count(*) AS rows", "count($1::text[]) AS texts"]
    for index, column in enumerate(columns):
        name = quote_identifier(column.name)
        outer.append(f"count(*) FILTER (WHERE n{index}) AS nulls{index}")
        inner.append(f"{name} IS NULL AS n{index}")
        kind = value_kind(column)
        if kind == "text":
            # octet_length needs no detoasting: large texts cost nothing. A bpchar loses its padding by the cast.
            # Regular expressions do not work with every collation.
            text = f'{name}::text COLLATE "C"'
            inner.append(
                f"CASE WHEN octet_length({name}::text) <= {_LONGEST_NULL_TEXT + 2} "
                f"THEN btrim({text}, E' \\t\\r\\n') END AS v{index}"
            )
            inner.append(f"CASE WHEN octet_length({name}::text) <= {_LONGEST_PLAIN} THEN {text} END AS s{index}")
            is_null_values = f"lower(v{index}) = ANY($1)"
            other = f"NOT n{index} AND coalesce(NOT {is_null_values}, true)"
            outer += [
                f"array_agg(DISTINCT v{index}) FILTER (WHERE {is_null_values}) AS texts{index}",
                f"count(*) FILTER (WHERE {is_null_values}) AS matches{index}",
                f"bool_and(coalesce(s{index} ~ '{_NO_WORD}', false)) FILTER (WHERE {other}) AS plain{index}",
                f"bool_and(coalesce(btrim(s{index}) ~ '^-?[0-9]{{1,9}}$', false)) "
                f"FILTER (WHERE {other}) AS numbers{index}",
            ]
        elif kind == "numeric":
            inner.append(f"{name}::numeric AS v{index}")
            finite = f"v{index}::text NOT IN ('NaN', 'Infinity', '-Infinity')"
            outer += [
                f"max(scale(v{index})) FILTER (WHERE {finite}) AS scale{index}",
                f"max(length(trunc(abs(v{index}))::text)) "
                f"FILTER (WHERE {finite} AND abs(v{index}) >= 1) AS digits{index}",
                f"min(v{index}::text) FILTER (WHERE NOT {finite}) AS unusual{index}",
            ]
        elif kind == "time":
            inner.append(f"{name} AS v{index}")
            outer.append(
                f"min(v{index}::text) FILTER (WHERE {_unusual_time(f'v{index}', column.type)}) AS unusual{index}"
            )
        elif kind == "json":
            inexact = changed_by_json(name, column.type) or "false"
            inner.append(f"CASE WHEN {inexact} THEN pg_catalog.concat({name}) END AS v{index}")
            outer.append(f"min(v{index}) AS unusual{index}")
    return f"SELECT {', '.join(outer)} FROM (SELECT {', '.join(inner)} FROM {table.quoted_name}{sampling}) AS sample"


def value_kind(column: CatalogueColumn) -> str:
    """``text``, ``numeric``, ``time`` (a date or timestamp), ``json`` (an array or composite); empty for other types.

    The values of other types are not sampled.
    """
    if column.category in ("A", "C"):
        return "json"
    name = base_name(column.type)
    if name in TEXT_TYPES or name.endswith(".citext"):
        return "text"
    if name == "numeric":
        return "numeric"
    return "time" if name == "date" or name.startswith("timestamp") else ""


def _unusual_time(value: str, pg_type: str) -> str:
    """SQL condition: infinite, or outside the years 1 to 9999 in UTC."""
    kind = re.sub(r"\([^)]*\)", "", pg_type)
    zone = "+00" if kind.endswith("with time zone") else ""
    first, end = f"'0001-01-01 00:00:00{zone}'::{kind}", f"'9999-12-31 23:59:59.999999{zone}'::{kind}"
    if kind == "date":
        first, end = "'0001-01-01'::date", "'9999-12-31'::date"
    return f"NOT isfinite({value}) OR {value} < {first} OR {value} > {end}"


def _column_sample(row: Any, index: int, column: CatalogueColumn) -> ColumnSample:
    nulls, kind = row[f"nulls{index}"], value_kind(column)
    if kind == "text":
        return ColumnSample(
            nulls=nulls,
            null_texts=tuple(sorted(row[f"texts{index}"] or [])),
            null_text_rows=row[f"matches{index}"],
            no_words=bool(row[f"plain{index}"]),
            whole_numbers=bool(row[f"numbers{index}"]),
        )
    if kind == "numeric":
        scale, digits = row[f"scale{index}"], row[f"digits{index}"]
        return ColumnSample(nulls=nulls, scale=scale, digits=digits or 0, unusual=row[f"unusual{index}"])
    return ColumnSample(nulls=nulls, unusual=row[f"unusual{index}"] if kind in ("time", "json") else None)


async def _extremes(connection: asyncpg.Connection, table: SourceTable, sample: TableSample) -> dict[str, ColumnSample]:
    """Smallest and largest value of indexed columns; infinity and NaN sort last, -infinity and BC first."""
    result = {}
    for column in table.columns:
        kind, seen = value_kind(column), sample.column(column.name)
        if column.name not in table.indexed or kind not in ("numeric", "time") or seen.unusual:
            continue
        name = quote_identifier(column.name)
        unusual = _unusual_time("v", column.type) if kind == "time" else "v::text IN ('NaN', 'Infinity', '-Infinity')"
        extremes = (
            f"SELECT min({name}) AS v FROM {table.quoted_name} UNION ALL SELECT max({name}) FROM {table.quoted_name}"
        )
        row = await _fetch_row(connection, f"SELECT min(v::text) FILTER (WHERE {unusual}) AS v FROM ({extremes}) AS e")
        if row["v"] is not None:
            result[column.name] = replace(seen, unusual=row["v"])
    return result
