"""The request to Data Factory: the parameters of the pipeline that copies a load group.

The pipeline has the parameters ``request_id`` (names the attempt), ``batch_id`` and ``tables``; for each element of
``tables`` it runs ``query`` and writes one Parquet file into ``folder`` of the container bronze. Names and types are
put into the query here, from the validated configuration; the pipeline's expressions do not build SQL.

Data Factory reads with Npgsql into .NET types: a decimal has 28 digits there, 'infinity' silently becomes the year
9999, an interval loses its months. So only what .NET holds exactly is copied as it is; everything else is copied as
the text that our operator would receive, and converted to the contract's type when the batch is sealed.
Source: "Copy data from PostgreSQL V2", data type mapping; npgsql.org, "Date and time handling".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from midnight.bronze.increments import ReadPlan
from midnight.bronze.manifest import BronzeColumn
from midnight.bronze.schema_changes import SourceTableSchema
from midnight.column_types import base_name, copy_expression, is_kept_as_json, normalise_type, stored_type
from midnight.configuration.columns import Column
from midnight.configuration.files import table_file_name
from midnight.configuration.tables import Table
from midnight.data_factory.key_ranges import range_conditions
from midnight.errors import ConfigurationError, ConfigurationProblem
from midnight.lake.paths import LakePaths, relative_path
from midnight.postgres_to_bronze.exact_json import exact_json
from midnight.postgres_to_bronze.source_settings import SESSION_SETTINGS
from midnight.sql_text import postgres_literal, quote_identifier, quote_relation

# The largest payload of an activity: 896 KB ("Data Factory limits", bytes per payload for each activity run).
LARGEST_PARAMETERS = 896 * 1024
# The end of the name of each copy of a list of keys.
KEYS_ENDING = "-keys"
# Exact in .NET and in Parquet.
_NATIVE = ("smallint", "integer", "bigint", "real", "double precision", "boolean", "bytea")
# The settings on which a value's text depends.
_TEXT_SETTINGS = ("DateStyle", "IntervalStyle", "TimeZone", "extra_float_digits", "bytea_output", "search_path")
# Types whose cast to text is their text form. Others may have a different cast (inet adds /32), and only the catalogue
# knows whether they are composites.
_PLAIN_TEXT = (
    *("text", "character varying", "character", "name", "uuid", "json", "jsonb", "xml", "interval", "money", "oid"),
    *("time without time zone", "time with time zone", "macaddr", "macaddr8", "bit", "bit varying"),
    *("date", "timestamp without time zone", "timestamp with time zone", "numeric", "tsvector", "tsquery"),
)


def copy_parameters(
    paths: LakePaths,
    source: str,
    tables: Sequence[Table],
    batch_id: str,
    *,
    cuts: Mapping[str, Sequence[int]] | None = None,
    readings: Mapping[str, ReadPlan] | None = None,
) -> dict[str, Any]:
    """Parameters of a pipeline run, except ``request_id``.

    Args:
        paths: the layers' roots.
        source: name of the source in bronze.
        tables: to copy.
        batch_id: of the run.
        cuts: by qualified name, where a full snapshot or a list of keys is cut into ranges of the key
            (``key_ranges``); each range repeats the query, and when they exceed Data Factory's limit, fewer are made.
        readings: by qualified name, how an incremental table is read; the others are read in full.

    Returns:
        ``tables`` has one element per copy: ``schema``, ``table``, ``query``, ``folder`` (below bronze) and ``part``
        (see ``part_name``).

    Raises:
        TypeNotSupportedError: bronze has no type for a column.
        ConfigurationError: the request exceeds Data Factory's limit.
    """
    cuts = dict(cuts or {})
    while True:
        copies = [
            copy
            for table in tables
            for reading in [(readings or {}).get(table.qualified_name, ReadPlan(table, batch_id))]
            for copy in _copies(paths, source, reading, cuts.get(table.qualified_name, ()))
        ]
        parameters = {"batch_id": batch_id, "tables": copies}
        size = len(json.dumps(parameters).encode())
        if size <= LARGEST_PARAMETERS:
            return parameters
        most = max((len(places) for places in cuts.values()), default=0)
        if not most:
            raise ConfigurationError([_too_large(tables[0].group, size)])
        # A run must not start to fail because its tables have grown: fewer ranges cost balance, never a row.
        cuts = {name: places[1::2] if len(places) == most else places for name, places in cuts.items()}


def _copies(paths: LakePaths, source: str, reading: ReadPlan, cuts: Sequence[int]) -> Iterator[dict[str, str]]:
    """The copies of a table, one per range of its key; of an increment its rows in one, and its list of keys."""
    table = reading.table
    folder = paths.batch(source, table.schema_name, table.table, reading.batch_id)
    place = {
        "schema": table.schema_name,
        "table": table.table,
        "folder": relative_path(paths.bronze, folder),
    }
    for part, condition in enumerate(range_conditions(table, () if reading.follows else cuts)):
        conditions = (condition, reading.condition("source_row"))
        query = copy_query(table, " AND ".join(c for c in conditions if c))
        yield {**place, "query": query, "part": part_name(part, reading)}
    if reading.reads_keys:
        for part, condition in enumerate(range_conditions(table, cuts)):
            yield {**place, "query": copy_query(table, condition, table.key), "part": f"{part:05}{KEYS_ENDING}"}


def _too_large(group: str, size: int) -> ConfigurationProblem:
    return ConfigurationProblem(
        "pipeline.yml",
        None,
        "groups",
        f"the copies of group {group!r} take {size // 1024} KB, but Data Factory accepts "
        f"{LARGEST_PARAMETERS // 1024} KB; hint: put some of its tables into another group",
    )


def part_name(number: int, reading: ReadPlan) -> str:
    """The name of a copy and its file: five digits, and for an increment its mark, which tells it from a snapshot."""
    return f"{number:05}{part_ending(reading)}"


def part_ending(reading: ReadPlan) -> str:
    """The end of the name of each file of a reading, before ``.parquet``; empty for a full snapshot."""
    return f"-since-{reading.range_id}" if reading.range_id else ""


def is_key_part(part: str) -> bool:
    """Whether a copy, by its ``part``, is of a list of keys."""
    return part.endswith(KEYS_ENDING)


def bronze_columns(table: Table) -> tuple[BronzeColumn, ...]:
    """The columns of a batch that Data Factory copies: those in the table's file.

    Raises:
        TypeNotSupportedError: bronze has no type for a column.
    """
    return tuple(
        BronzeColumn(
            name=column.name,
            source=column.source_name,
            postgres_type=column.type,
            stored_as=stored_type(column.type, column.bronze_type),
            key_position=table.key.index(column.name) + 1 if column.name in table.key else None,
        )
        for column in table.columns
    )


def copied_schema(table: Table) -> SourceTableSchema:
    """The columns that Data Factory copies, to compare with the last batch; it reports no identity of the table."""
    return SourceTableSchema(bronze_columns(table))


def copy_query(table: Table, condition: str = "", names: Sequence[str] = ()) -> str:
    """The SELECT whose result Data Factory copies without changing a value: each column under its name in bronze.

    The first part sets what the text of values depends on, for this statement alone, whatever the server, the role or
    the pooled connection have set; PostgreSQL evaluates it before the first row, since it is volatile and
    materialised. It also stops the statement if rows or columns would be missing silently.

    Args:
        table: the configuration.
        condition: on the rows, with columns of ``source_row``; empty for all.
        names: of the columns; empty for all.

    Raises:
        TypeNotSupportedError: bronze has no type for a column.
    """
    relation = quote_relation(table.schema_name, table.table)
    settings = [
        f"pg_catalog.set_config({postgres_literal(name)}, {postgres_literal(SESSION_SETTINGS[name])}, true)"
        for name in _TEXT_SETTINGS
    ]
    by_name = {column.name: column for column in table.columns}
    chosen = [by_name[name] for name in names or by_name]
    columns = [f"{_expression(column, relation)} AS {quote_identifier(column.name)}" for column in chosen]
    if table.reconcile == "digests" and not names:
        # Imported here: DAG parsing must not load numpy.
        from midnight.data_factory.row_hash_query import ROW_HASH, row_hash

        columns.append(f"{row_hash(table, lambda column: _expression(column, relation))} AS {ROW_HASH}")
    where = f" WHERE {condition}" if condition else ""
    return (
        f"WITH midnight_session AS MATERIALIZED (SELECT {', '.join([*settings, *_guards(table, relation)])}) "
        f"SELECT {', '.join(columns)} FROM midnight_session CROSS JOIN {relation} AS source_row{where}"
    )


def _guards(table: Table, relation: str) -> list[str]:
    """Expressions that fail with a message: PostgreSQL's error quotes the text that is not a number."""
    name, file = table.qualified_name, table_file_name(table.schema_name, table.table)
    guards = [
        _guard(
            f"pg_catalog.row_security_active({postgres_literal(relation)}::pg_catalog.regclass)",
            f"a row policy of {name} would hide rows; hint: run ALTER ROLE (the reading role) BYPASSRLS",
        )
    ]
    if table.on_schema_change == "freeze":
        known = ", ".join(postgres_literal(column.source_name) for column in table.columns)
        guards.append(
            _guard(
                f"EXISTS (SELECT FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = {postgres_literal(relation)}"
                "::pg_catalog.regclass AND a.attnum > 0 AND NOT a.attisdropped "
                f"AND a.attname NOT IN ({known}))",
                f"{name} has new columns (on_schema_change: freeze); hint: add them to tables/{file}",
            )
        )
    return guards


def _guard(fault: str, message: str) -> str:
    return f"(CASE WHEN {fault} THEN {postgres_literal(message)} ELSE '1' END)::pg_catalog.int4"


def _expression(column: Column, relation: str) -> str:
    """The column as it is where .NET and Parquet hold every value exactly, else as text; the server casts no number."""
    value = f"source_row.{quote_identifier(column.source_name)}"
    if is_kept_as_json(column.type, column.bronze_type):
        return exact_json(value, column.type)
    expression = copy_expression(value, column.type, bronze_type=column.bronze_type)
    declared = normalise_type(column.type)
    result = declared if expression == value else stored_type(column.type, column.bronze_type)
    if result in _NATIVE or base_name(declared) == "character":  # a cast to text would remove its trailing blanks
        return expression
    if expression == value and base_name(declared) not in _PLAIN_TEXT:
        return _as_printed(value) if column.bronze_type else _by_category(column, value, relation)
    return f"({expression})::pg_catalog.text"


def _as_printed(value: str) -> str:
    # For a composite of nulls IS NOT NULL would be false.
    return f"CASE WHEN {value} IS DISTINCT FROM NULL THEN pg_catalog.concat({value}) END"


def _by_category(column: Column, value: str, relation: str) -> str:
    """Composites and domains over arrays as JSON, as the operator reads them; looked up once per statement."""
    category = (
        "(SELECT t.typcategory FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid "
        f"WHERE a.attrelid = {postgres_literal(relation)}::pg_catalog.regclass "
        f"AND a.attname = {postgres_literal(column.source_name)})"
    )
    json = exact_json(value, column.type)
    return f"CASE WHEN {category} IN ('A', 'C') THEN {json} ELSE {_as_printed(value)} END"
